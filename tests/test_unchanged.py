"""Files are read again where they look otherwise, and only there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ragft import unchanged
from ragft.store import Run
from ragft.types import FitReport
from ragft.unchanged import FILE, are_unchanged, file_sha256


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The names of files that are read, as they are."""
    names: list[str] = []

    def counted(path: Path) -> str:
        names.append(path.name)
        return file_sha256(path)

    monkeypatch.setattr(unchanged, "file_sha256", counted)
    return names


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """With two files whose times are taken for long past."""
    monkeypatch.setattr(unchanged, "SETTLED_NS", -(10**12))
    (tmp_path / "index" / "bm25").mkdir(parents=True)
    (tmp_path / "index" / "vectors.npy").write_bytes(b"vectors")
    (tmp_path / "index" / "bm25" / "terms").write_bytes(b"terms")
    return tmp_path / "index"


@pytest.fixture
def listed(folder) -> dict[str, str]:
    return {name: file_sha256(folder / name) for name in ("vectors.npy", "bm25/terms")}


def test_what_looks_the_same_is_not_read_again(folder, listed, read):
    assert are_unchanged(folder, listed) and read == ["vectors.npy", "terms"]
    assert are_unchanged(folder, listed) and len(read) == 2


def dated_back(path: Path, text: bytes) -> None:
    """Other bytes, as many, in the same file, with the same date."""
    times = path.stat()
    path.write_bytes(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)


def replaced(path: Path, text: bytes) -> None:
    """Another file in its place, with the same date."""
    other = path.with_name("other")
    other.write_bytes(text)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize("change", [dated_back, replaced, Path.write_bytes])
def test_other_bytes_are_noticed_whatever_the_size_and_the_date_say(folder, listed, change):
    assert are_unchanged(folder, listed)
    change(folder / "vectors.npy", b"vektors")
    assert not are_unchanged(folder, listed)
    assert not are_unchanged(folder, listed), "nor is it remembered as right"
    change(folder / "vectors.npy", b"vectors")
    assert are_unchanged(folder, listed)


def test_a_file_that_is_gone_raises(folder, listed):
    assert are_unchanged(folder, listed)
    (folder / "vectors.npy").unlink()
    with pytest.raises(FileNotFoundError):
        are_unchanged(folder, listed)


def test_another_listed_hash_is_another_file(folder, listed):
    assert are_unchanged(folder, listed)
    assert not are_unchanged(folder, {**listed, "vectors.npy": "0" * 64})


def test_a_copy_is_read_once_more(folder, listed, read, tmp_path):
    assert are_unchanged(folder, listed)
    shutil.copytree(folder, tmp_path / "copy")  # dates are kept
    assert are_unchanged(tmp_path / "copy", listed) and read == 2 * ["vectors.npy", "terms"]
    assert are_unchanged(tmp_path / "copy", listed) and len(read) == 4


def test_what_was_written_a_moment_ago_is_not_remembered(folder, listed, read, monkeypatch):
    """A second write within one tick of the clock would look the same."""
    monkeypatch.setattr(unchanged, "SETTLED_NS", 2_000_000_000)
    for times in (1, 2):
        assert are_unchanged(folder, listed) and len(read) == 2 * times
    now = unchanged.time.time_ns
    monkeypatch.setattr(unchanged.time, "time_ns", lambda: now() + 3_000_000_000)
    assert are_unchanged(folder, listed) and are_unchanged(folder, listed) and len(read) == 6


@pytest.mark.parametrize("noted", ["", '{"vectors.npy": [', "[]", '{"vectors.npy": 3}'])
def test_notes_that_are_torn_or_foreign_are_made_anew(folder, listed, read, noted):
    (folder / FILE).write_text(noted)
    assert are_unchanged(folder, listed) and len(read) == 2
    assert json.loads((folder / FILE).read_text()).keys() == listed.keys()


def test_where_notes_cannot_be_kept_all_is_read(folder, listed, read, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(unchanged.os, "replace", refuse)
    assert are_unchanged(folder, listed) and are_unchanged(folder, listed) and len(read) == 4


def test_an_artifact_is_opened_without_being_read(tmp_path, read, monkeypatch):
    monkeypatch.setattr(unchanged, "SETTLED_NS", -(10**12))

    def build(folder: Path) -> FitReport:
        (folder / "vectors.npy").write_bytes(b"vectors")
        return FitReport(1.0, 2)

    store = Run(tmp_path)
    first = store.artifact("index", "k", build)
    assert read == ["vectors.npy"], "what was just written is read back"
    assert store.artifact("index", "k", build) == store.stored("index", "k") == first and len(read) == 1
    dated_back(first.folder / "vectors.npy", b"vektors")
    assert store.stored("index", "k") is None
