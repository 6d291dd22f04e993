"""What batch jobs share: one JSON value on stdout, everything else on stderr, and an exit code that a scheduler can act on.

    def main(arguments: list[str] | None = None) -> int:
        given = study_parser(__doc__).parse_args(arguments)
        return run_job("finetune", lambda: stage(given, "train"))

pipelines/ is made of such jobs; docs/batch.md has the table of exit codes.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ragft.context import Context
from ragft.errors import BusyError, NotReadyError, RagftError
from ragft.files import say_disk_full, say_refused
from ragft.progress import Lines
from ragft.stages import Kind, carry_out_stage
from ragft.store import to_json
from ragft.study import Result, conclude, load_study, of_this_machine, prepare
from ragft.terminal import say

DONE, MISTAKE, USAGE, NOT_READY = 0, 1, 2, 3  # 2 is argparse's own for a wrong option
SOME_FAILED, UNDECIDED = 4, 5
BUG, BUSY = 70, 75  # EX_SOFTWARE and EX_TEMPFAIL of sysexits.h
STOPPED, ENDED = 130, 143  # by Ctrl-C, by SIGTERM: 128 and the signal's number
SCRIPTS: dict[str, str] = {"index": "build_rag", "train": "finetune", "answer": "evaluate", "measure": "evaluate"}


# ── a job's end ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _EndedError(KeyboardInterrupt):
    """SIGTERM came."""


def run_job(name: str, job: Callable[[], Any], code: Callable[[Any], int] = lambda found: DONE, mistake: int = MISTAKE) -> int:
    """Carry out the job, print what it gives as JSON, return the exit code: `code` of what it gave, `mistake` for a RagftError.

    Where it fails the JSON is {"error": ..., "exit_code": ...}, and the same line goes to stderr.
    """
    try:
        with _ending_as_asked():
            found = job()
    except _EndedError:
        return _failed(name, "Ended. The same command goes on where this one was.", ENDED)
    except KeyboardInterrupt:
        return _failed(name, "Stopped. The same command goes on where this one was.", STOPPED)
    except BusyError as error:
        return _failed(name, str(error), BUSY)
    except NotReadyError as error:
        return _failed(name, str(error), NOT_READY)
    except RagftError as error:
        return _failed(name, str(error), mistake)
    except Exception as error:  # a bug: the traceback is kept, and its exit code is none of those with a meaning
        known = (say_disk_full(error, Path(error.filename or ".")) or say_refused(error)) if isinstance(error, OSError) else None
        if known is not None:
            return _failed(name, str(known), mistake)
        traceback.print_exc()
        return _failed(name, f"{type(error).__name__}: {error}", BUG)
    print(json.dumps(json.loads(to_json(found)), ensure_ascii=False, indent=1))
    return code(found)


def _failed(name: str, line: str, code: int) -> int:
    line = " ".join(line.split())
    say(f"{name}: {line}")
    print(json.dumps({"error": line, "exit_code": code}, ensure_ascii=False, indent=1))
    return code


@contextmanager
def _ending_as_asked() -> Iterator[None]:
    """SIGTERM, by which schedulers end a job, is taken as Ctrl-C is: locks are given up, child processes ended, and the line is said."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _EndedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ── jobs on a study ──────────────────────────────────────────────────────────────────────────────────────────────────


def job_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the script's docstring as it stands."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def study_parser(doc: str | None) -> argparse.ArgumentParser:
    """With the arguments of `ragft run`: STUDY, --runs, --limit, --set."""
    parser = job_parser(doc)
    parser.add_argument("study", type=Path, metavar="STUDY", help="study.yaml, or the folder it is in")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept (default: %(default)s)")
    parser.add_argument("--limit", type=at_least_one, metavar="N", help="ask so many test questions at most, spread over all documents")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help="change a setting; repeatable")
    return parser


def at_least_one(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text}")
    return int(text)


def open_study(given: argparse.Namespace) -> Context:
    """The study that the arguments name, checked, with its run. Raises InputError or MissingError for anything wrong in it."""
    limit = [f"limit={given.limit}"] if given.limit else []
    return prepare(load_study(given.study, [*given.changes, *limit]), given.runs)


def stage(given: argparse.Namespace, *kinds: Kind) -> dict[str, Any]:
    """Carry out one stage of the study: the units of these kinds that are missing; says which those were.

    Raises NotReadyError, naming the command, where an earlier stage is not through, and BusyError when another process holds the run.
    """
    began, context = time.monotonic(), open_study(given)
    with _naming_the_command(given):
        work = carry_out_stage(context, kinds, Lines(), of_this_machine())
    took = round(time.monotonic() - began, 1)
    return {"run": str(context.run.folder), "done_now": work.done_now, "done_before": work.done_before, "seconds": took}


def verdict(given: argparse.Namespace) -> Result:
    """The study's verdict from the answers of the stages before; errors as `stage`."""
    context = open_study(given)
    with _naming_the_command(given):
        return conclude(context)


@contextmanager
def _naming_the_command(given: argparse.Namespace) -> Iterator[None]:
    try:
        yield
    except NotReadyError as error:
        raise NotReadyError(f"{error} First: {_command(error.kind, given)}", error.kind) from error


def _command(kind: str, given: argparse.Namespace) -> str:
    """The command that carries out the units of that kind, with the arguments of this one, as a shell takes them."""
    words = ["python", f"pipelines/{SCRIPTS[kind]}.py", str(given.study), "--runs", str(given.runs)]
    words += ["--limit", str(given.limit)] if given.limit else []
    return shlex.join([*words, *(word for change in given.changes for word in ("--set", change))])
