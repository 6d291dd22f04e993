"""Killed with SIGKILL at any moment, the same command goes on; a full disk is one line."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from safetensors import SafetensorError

from ragft.answerlog import AnswerLog
from ragft.errors import InputError
from ragft.settings import save_study
from ragft.store import Run, read_jsonl_as, write_json
from ragft.study import run
from ragft.types import Answer, FitReport

KILLS = 5


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def answer(question: str, batch: int) -> Answer:
    return Answer(question, f"text of {question}", "ok", None, "prompt", None, batch)


def test_killed_again_and_again_the_study_ends_with_the_same_answers(tiny_study, tmp_path):
    """The command is killed five times, each a random number of file events after the last; no batch is lost, doubled or changed."""
    expected = run(tiny_study, tmp_path / "calm")
    path, runs = tmp_path / "study.yaml", tmp_path / "killed"
    save_study(tiny_study, path)
    command = [sys.executable, "-m", "ragft", "run", str(path), "--runs", str(runs)]
    rng = random.Random(0)
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        enough = _events(runs) + rng.randint(3, 25)
        while process.poll() is None and _events(runs) < enough:
            time.sleep(0.002)
        assert process.poll() is None, "the study ended before it was killed: give it more to do"
        process.send_signal(signal.SIGKILL)
        process.wait()
        _no_half_written_json(runs)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = next(runs.glob("*/manifest.json")).parent
    for path in sorted(expected.run.folder.glob("arms/*/seed-*/answers.jsonl")):
        other = found / path.relative_to(expected.run.folder)
        calm, killed = read_jsonl_as(Answer, path), read_jsonl_as(Answer, other)
        assert [(a.question, a.text, a.batch) for a in killed] == [(a.question, a.text, a.batch) for a in calm]


def _events(folder: Path) -> int:
    """Files made and answers stored so far: what a kill can fall between."""
    files = [Path(root) / name for root, _, names in os.walk(folder) for name in names]
    answers = 0
    for path in files:
        if path.name == "answers.jsonl":
            with suppress(FileNotFoundError):  # replaced at this very moment
                answers += path.read_bytes().count(b"\n")
    return len(files) + answers


def _no_half_written_json(folder: Path) -> None:
    import json

    for path in folder.rglob("*.json"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):  # a draft's folder is never read: it is made anew
            json.loads(path.read_text())


def test_log_keeps_whole_batches_only(tmp_path):
    path = tmp_path / "answers.jsonl"
    batches = [["a", "b"], ["c", "d"], ["e"]]
    log = AnswerLog(path, batches)
    log.append(0, [answer("a", 0), answer("b", 0)])
    log.append(1, [answer("c", 1), answer("d", 1)])
    path.write_bytes(path.read_bytes()[:-5])  # the last line of batch 1 is torn
    again = AnswerLog(path, batches)
    assert list(again.done) == [0]
    assert [a.question for a in read_jsonl_as(Answer, path)] == ["a", "b"]
    again.append(1, [answer("c", 1), answer("d", 1)])
    assert [a.question for a in read_jsonl_as(Answer, path)] == ["a", "b", "c", "d"]


def test_log_drops_a_torn_line_in_the_middle_of_a_character(tmp_path):
    path = tmp_path / "answers.jsonl"
    log = AnswerLog(path, [["a"], ["b"]])
    log.append(0, [answer("a", 0)])
    whole = path.read_bytes()
    path.write_bytes(whole + '{"question": "b", "text": "é'.encode()[:-1])
    assert list(AnswerLog(path, [["a"], ["b"]]).done) == [0]
    assert path.read_bytes() == whole


def test_log_refuses_another_batch_than_planned(tmp_path):
    with pytest.raises(ValueError, match="other questions than planned"):
        AnswerLog(tmp_path / "answers.jsonl", [["a", "b"]]).append(0, [answer("a", 0)])


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("200000 requested and 12784 written"),  # numpy's, without a number
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_full_disk_leaves_no_artifact_and_names_the_folder(tmp_path, error):
    store = Run(tmp_path)

    def broken(folder: Path) -> FitReport:
        (folder / "half.bin").write_bytes(b"half")
        raise error

    with pytest.raises(InputError, match=rf"^{tmp_path}/artifacts: the disk is full"):
        store.artifact("index", "k", broken)
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_failed_build_leaves_no_artifact(tmp_path):
    def broken(folder: Path) -> FitReport:
        raise SafetensorError("Error while serializing: something else (os error 2)")

    with pytest.raises(SafetensorError, match="something else"):
        Run(tmp_path).artifact("adapter", "k", broken)
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_draft_is_not_what_a_full_disk_names(tmp_path, monkeypatch):
    """artifact.json is written into a draft that is gone when the line is read."""
    monkeypatch.setattr("ragft.store.os.fsync", full)
    with pytest.raises(InputError, match=rf"^{tmp_path}/artifacts: the disk is full"):
        Run(tmp_path).artifact("index", "k", lambda folder: FitReport(1.0, 2))
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_artifact_is_built_once_and_rebuilt_when_a_file_changes(tmp_path):
    store, builds = Run(tmp_path), []

    def build(folder: Path) -> FitReport:
        builds.append(1)
        (folder / "data.bin").write_bytes(b"data")
        return FitReport(1.0, 2)

    first = store.artifact("index", "k", build)
    assert store.artifact("index", "k", build) == first
    assert len(builds) == 1
    (first.folder / "data.bin").write_bytes(b"dato")
    assert store.artifact("index", "k", build) == first
    (first.folder / "data.bin").unlink()
    store.artifact("index", "k", build)
    assert len(builds) == 3


def test_write_leaves_the_old_file_when_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "decision.json"
    write_json(path, {"old": True})
    monkeypatch.setattr("ragft.store.os.fsync", full)
    with pytest.raises(InputError, match=rf"^{tmp_path}: the disk is full"):
        write_json(path, {"new": True})
    assert "old" in path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["decision.json"]


def test_answers_say_which_folder_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("ragft.store.os.fsync", full)
    with pytest.raises(InputError, match=rf"^{tmp_path}: the disk is full"):
        AnswerLog(tmp_path / "answers.jsonl", [["a"]]).append(0, [answer("a", 0)])


def test_full_disk_is_one_line_on_the_command_line(tmp_path, monkeypatch, capsys):
    from ragft import cli

    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "answers.jsonl"))

    monkeypatch.setattr("ragft.study.load_study", no_room)
    assert cli.main(["run", "study.yaml"]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "the disk is full" in lines[0]


def test_drafts_of_a_killed_process_are_swept(tmp_path):
    store = Run(tmp_path)
    draft = tmp_path / "artifacts" / ".index-abc"
    draft.mkdir(parents=True)
    (draft / "half.bin").write_bytes(b"half")
    (tmp_path / ".decision.json.x1").write_text("half")
    store.sweep()
    assert not draft.exists()
    assert not (tmp_path / ".decision.json.x1").exists()


def test_a_lock_dies_with_its_process(tmp_path):
    code = f"import time; from pathlib import Path; from ragft.store import Run\nwith Run(Path({str(tmp_path)!r})).locked():\n print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline().strip() == "held"
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.05)
    with Run(tmp_path).locked():
        assert (tmp_path / ".lock").exists()
