"""What batch jobs share: one JSON value on stdout, everything else on stderr, and an exit code that a scheduler can act on.

    def main(arguments: list[str] | None = None) -> int:
        given = job_parser(__doc__).parse_args(arguments)
        return run_job("my_job", lambda: {"answer": 42})

pipelines/ is made of such jobs; docs/batch.md has the table of exit codes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ragft.errors import BusyError, NotReadyError, RagftError
from ragft.files import say_disk_full, say_refused
from ragft.store import pretty_json

DONE, MISTAKE, USAGE, NOT_READY = 0, 1, 2, 3  # 2 is argparse's own for a wrong option
SOME_FAILED, UNDECIDED = 4, 5
BUG, BUSY = 70, 75  # EX_SOFTWARE and EX_TEMPFAIL of sysexits.h
STOPPED, ENDED = 130, 143  # by Ctrl-C, by SIGTERM: 128 and the signal's number


def job_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the script's docstring as it stands."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def at_least_one(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text}")
    return int(text)


class _EndedError(KeyboardInterrupt):
    """SIGTERM came."""


def run_job(name: str, job: Callable[[], Any], code: Callable[[Any], int] = lambda found: DONE, mistake: int = MISTAKE) -> int:
    """Carry out the job, print what it gives as JSON (a text as it stands), return the exit code: `code` of that, `mistake` for a RagftError.

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
    _print(found if isinstance(found, str) else pretty_json(found).rstrip("\n"))
    return code(found)


def _failed(name: str, line: str, code: int) -> int:
    line = " ".join(line.split())
    print(f"{name}: {line}", file=sys.stderr)
    _print(json.dumps({"error": line, "exit_code": code}, ensure_ascii=False, indent=1))
    return code


def _print(text: str) -> None:
    """To stdout; a reader that has seen enough, as `head` has, is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still in the buffer is flushed when Python ends


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
