"""Progress on stderr: which unit of how many, how far, how long still. Results go to stdout and never here."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int, int], None]  # (done, total) of the unit; a new total begins a new count
LINE_SECONDS = 10.0  # between lines where stderr is not a terminal


class Watcher(Protocol):
    """Sees a study's units come and go."""

    def unit(self, label: str, number: int, of: int) -> AbstractContextManager[Advance]:
        """Watch one unit; inside, call what it gives with (done, total).

        A unit that has work to do calls it at least once; one that finds its work done never does.
        """
        ...


class Silent:
    """Watches without a word: the default of the Python API."""

    @contextmanager
    def unit(self, label: str, number: int, of: int) -> Iterator[Advance]:
        yield lambda done, total: None


class Lines:
    """One line a unit, rewritten in a terminal, else repeated every ten seconds."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    @contextmanager
    def unit(self, label: str, number: int, of: int) -> Iterator[Advance]:
        began = time.monotonic()
        first: list[tuple[float, int, int]] = []  # when and where counting began: what was stored before does not count
        shown = [began]

        def advance(done: int, total: int) -> None:
            now = time.monotonic()
            if not first or first[0][2] != total:
                first[:] = [(now, done, total)]
            if self._live or now - shown[0] >= LINE_SECONDS:
                shown[0] = now
                since, start, _ = first[0]
                left = (now - since) / (done - start) * (total - done) if done > start else None
                self._write(f"[{number}/{of}] {label}: {done:,} of {total:,}, {_clock(left)} left")

        try:
            yield advance
        except Exception:
            if self._live and first:
                sys.stderr.write("\n")  # the error has a line of its own
            raise
        took = time.monotonic() - began
        self._write(f"[{number}/{of}] {label}: " + (f"done in {_clock(took)}" if first else "already done"), end=True)

    def _write(self, line: str, end: bool = False) -> None:
        if self._live:
            sys.stderr.write(f"\r\x1b[2K{line}" + ("\n" if end else ""))
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "–:––"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
