"""How a batch job ends: what stands on stdout and stderr, and the exit code that a scheduler acts on."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from ragft.errors import BusyError, InputError, MissingError, NotReadyError
from ragft.scripting import at_least_one, job_parser, run_job


def raises(error: BaseException):
    def job():
        raise error

    return job


def test_what_a_job_gives_is_json_on_stdout(capsys):
    assert run_job("it", lambda: {"value": "ü", "rows": (1, 2)}) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"value": "ü", "rows": [1, 2]} and "ü" in said.out and not said.err


def test_a_text_stands_as_it_is_and_the_code_is_of_what_was_found(capsys):
    assert run_job("it", lambda: "| a |", code=lambda found: 4 if found == "| a |" else 0) == 4
    assert capsys.readouterr().out == "| a |\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("study.yaml:3: wrong.\nSee above."), 1, "study.yaml:3: wrong. See above."),
        (MissingError("nothing there"), 1, "nothing there"),
        (NotReadyError("not trained: lora", "train"), 3, "not trained: lora"),
        (BusyError("another process"), 75, "another process"),
        (KeyboardInterrupt(), 130, "Stopped. The same command goes on where this one was."),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), 1, "runs/x: the disk is full."),
        (PermissionError(errno.EACCES, "Permission denied", "runs/y"), 1, "runs/y: Permission denied."),
    ],
)
def test_every_end_has_its_code_and_one_line(capsys, error, code, line):
    assert run_job("it", raises(error)) == code
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["exit_code"] == code and found["error"].startswith(line)
    assert said.err == f"it: {found['error']}\n"


def test_a_mistake_can_have_another_code(capsys):
    assert run_job("gate", raises(InputError("other questions")), mistake=2) == 2
    assert run_job("gate", raises(BusyError("busy")), mistake=2) == 75
    capsys.readouterr()


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(errno.EIO, "broken disk", "x")])
def test_a_bug_keeps_its_traceback_and_is_no_mistake_of_the_user(capsys, error):
    assert run_job("it", raises(error)) == 70
    said = capsys.readouterr()
    assert json.loads(said.out)["exit_code"] == 70 and "Traceback" in said.err and type(error).__name__ in said.err


def test_sigterm_ends_a_job_in_order(capsys):
    cleaned = []

    def job():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM)
    assert run_job("it", job) == 143
    assert cleaned and "goes on where this one was" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_help_is_the_docstring_as_it_stands(capsys):
    with pytest.raises(SystemExit) as end:
        job_parser("What it does.\n\n    python it.py  100 %\n").parse_args(["--help"])
    assert end.value.code == 0 and "What it does.\n\n    python it.py  100 %\n" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", ""])
def test_a_number_of_questions_is_at_least_one(text):
    with pytest.raises(argparse.ArgumentTypeError, match="whole number from 1 on"):
        at_least_one(text)
    assert at_least_one("12") == 12


def test_a_reader_that_has_seen_enough_is_no_error():
    job = "import sys; from ragft.scripting import run_job; sys.exit(run_job('it', lambda: ['line'] * 200_000, code=lambda found: 4))"
    with subprocess.Popen([sys.executable, "-c", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (4, "")
