"""`ragft doctor`: it looks, and nothing else, also on the machine that lacks something."""

from __future__ import annotations

import hashlib
import sys

import pytest

from ragft import models
from ragft.doctor import check
from ragft.models import Packaged


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A package with GGUF weights, the only one that is known; an empty cache."""
    folder = tmp_path / "site" / "some_weights"
    folder.mkdir(parents=True)
    (folder / "some.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setenv("RAGFT_CACHE", str(tmp_path / "cache"))
    made = Packaged("some-weights", "1.0", "some.gguf", hashlib.sha256(b"GGUF").hexdigest(), "generator", "MIT")
    monkeypatch.setattr("ragft.doctor.PACKAGED", {"some": made})
    monkeypatch.setitem(models.PACKAGED, "some", made)
    return folder / "some.gguf"


def test_weights_are_looked_at_and_not_converted(weights, tmp_path, monkeypatch, capsys):
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it is an ImportError
    found = {one.name: one for one in check()}
    assert found["weights some"].ok and found["weights some"].found == "package some-weights 1.0, MIT"
    assert not (tmp_path / "cache").exists()
    assert capsys.readouterr() == ("", "")


def test_damaged_weights_are_said(weights):
    weights.write_bytes(b"GGUX")
    found = {one.name: one for one in check()}
    assert not found["weights some"].ok and "wrong sha256" in found["weights some"].found


def test_package_that_is_not_installed_is_said(weights, monkeypatch):
    monkeypatch.setattr("ragft.doctor.NEEDED", ("no-such-package",))
    found = {one.name: one for one in check()}
    assert not found["no-such-package"].ok and "make setup" in found["no-such-package"].found
