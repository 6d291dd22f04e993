"""Where a run stands, in a small file that other programs read.

    ragft run STUDY --progress FILE

The file is replaced as a whole each time, so that whoever reads it never meets half of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ragft.errors import InputError
from ragft.progress import Advance, Watcher, say
from ragft.store import read_record, write_json

SECONDS = 0.5  # between two writes within a unit


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is. `done` of `total` count within the unit at work, in whatever it counts."""

    state: Literal["running", "finished", "failed", "stopped"]
    run: str = ""  # its folder; "" until that is known
    label: str = ""  # of the unit at work
    number: int = 0  # its place, of so many
    of: int = 0
    done: int = 0
    total: int = 0
    why: str = ""  # of a failure: one line


def read_standing(path: Path) -> Standing | None:
    """What the file says; None where there is none yet. Raises InputError where it is no such file."""
    return read_record(Standing, path) if path.is_file() else None


@contextmanager
def telling(path: Path | None, watcher: Watcher) -> Iterator[Teller]:
    """While a study runs, tell the file what the watcher sees, and at the end how it ended; None: nothing is told.

    Raises InputError where the file cannot be written.
    """
    teller = Teller(path, watcher)
    teller.tell(Standing("running"))
    try:
        yield teller
    except KeyboardInterrupt:
        teller.tell(replace(teller.last, state="stopped"))
        raise
    except BaseException as error:
        with suppress(OSError, InputError):  # a disk that is full: the first error is the one to hear of
            teller.tell(replace(teller.last, state="failed", why=" ".join(str(error).split()) or type(error).__name__))
        raise
    teller.tell(replace(teller.last, state="finished"))


class Teller:
    """A watcher that passes on to another, and tells the file too."""

    def __init__(self, path: Path | None, watcher: Watcher):
        self._path, self._watcher, self._told = path, watcher, 0.0
        self.last = Standing("running")

    def tell(self, standing: Standing) -> None:
        """Write it, now."""
        self.last, self._told = standing, time.monotonic()
        if self._path is not None:
            write_json(self._path, standing)

    def about(self, run: Path) -> None:
        """Say which run it is."""
        self.tell(replace(self.last, run=str(run)))

    @contextmanager
    def unit(self, label: str, number: int, of: int) -> Iterator[Advance]:
        with self._watcher.unit(label, number, of) as advance:
            self.tell(replace(self.last, label=label, number=number, of=of, done=0, total=0))
            yield _Count(self, advance)

    def count(self, done: int, total: int) -> None:
        """As `tell`, but not more often than every SECONDS."""
        if time.monotonic() - self._told >= SECONDS:
            self.tell(replace(self.last, done=done, total=total))


class _Count:
    """What a unit calls: it reaches the file and the other watcher."""

    def __init__(self, teller: Teller, other: Advance):
        self._teller, self._other = teller, other

    def __call__(self, done: int, total: int) -> None:
        self._other(done, total)
        self._teller.count(done, total)

    def say(self, line: str) -> None:
        say(self._other, line)
