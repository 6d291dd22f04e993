"""What is said of files and folders of the user's that cannot be read or written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ragft import cli
from ragft.errors import InputError
from ragft.files import check_writable, say_refused


def test_new_folder_is_writable_and_nothing_is_left(tmp_path):
    check_writable(tmp_path / "a" / "runs")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "runs"])
def test_file_is_no_folder_for_runs(tmp_path, below):
    (tmp_path / "afile").write_text("x")
    with pytest.raises(InputError, match=r"afile: a file, and runs are kept in a folder\. Give another: --runs DIR"):
        check_writable(tmp_path / "afile" / below)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nobody can write")
def test_folder_that_cannot_be_written_is_one_line():
    with pytest.raises(InputError, match=r"^/proc/x: cannot be written to \(.*\)\..*--runs DIR"):
        check_writable(Path("/proc/x"))


def test_full_disk_is_said_before_anything_starts(tmp_path, monkeypatch):
    def full(**_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ragft.files.tempfile.mkdtemp", full)
    with pytest.raises(InputError, match="the disk is full"):
        check_writable(tmp_path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_refused_is_one_line_on_the_command_line(monkeypatch, capsys, number):
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/other/run/.lock")

    monkeypatch.setattr("ragft.views.runs_json", refused)
    assert cli.main(["ls"]) == 1
    assert capsys.readouterr().err == f"ragft: /other/run/.lock: {os.strerror(number)}. Change its permissions, or copy it to a folder of your own.\n"
    assert say_refused(OSError(errno.EIO, "Input/output error", "x")) is None


def test_runs_that_are_a_file_are_said_before_the_domain_is_read(tiny_study, tmp_path, monkeypatch):
    from ragft.study import prepare

    monkeypatch.setattr("ragft.study.load_domain", lambda folder: pytest.fail("read"))
    (tmp_path / "afile").write_text("x")
    with pytest.raises(InputError, match="--runs DIR"):
        prepare(tiny_study, tmp_path / "afile")
