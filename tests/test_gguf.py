"""GGUF files that are none, and a cache without room."""

from __future__ import annotations

import pytest
from safetensors import SafetensorError

from ragft import gguf
from ragft.errors import InputError


@pytest.mark.parametrize("content", [b"no model at all", b"GGUF\x03\x00\x00\x00 torn"])
def test_junk_is_one_line(tmp_path, content):
    path = tmp_path / "junk.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{path}: cannot be read as a model \(.+\)\. Get the file again") as caught:
        gguf.converted(path, "0" * 64, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_full_disk_names_the_cache(tmp_path, monkeypatch):
    def full(path, folder):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(gguf, "_convert", full)
    with pytest.raises(InputError, match=rf"^{tmp_path}/cache: the disk is full"):
        gguf.converted(tmp_path / "some.gguf", "0" * 64, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_missing_package_is_not_blamed_on_the_file(tmp_path, monkeypatch):
    def without(path, folder):
        raise ImportError("no gguf")

    monkeypatch.setattr(gguf, "_convert", without)
    with pytest.raises(ImportError, match="no gguf"):
        gguf.converted(tmp_path / "some.gguf", "0" * 64, tmp_path / "cache")
