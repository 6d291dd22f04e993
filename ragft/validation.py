"""What a validation is made of: cells of made-up worlds, findings about them, and the processes that share the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import sqrt
from multiprocessing import get_context
from typing import Any

from ragft.progress import Advance

STANDARD_ERRORS = 3.5  # by which chance alone may move a share: in one cell of 4,000


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of world: in which share of so many worlds something happened, and in which share it may."""

    of: Mapping[str, str]  # what kind of world, column -> value
    worlds: int
    share: float
    least: float = 0.0
    most: float = 1.0
    beside: Mapping[str, float] = field(default_factory=dict)  # other shares, shown and not judged

    @property
    def ok(self) -> bool:
        return self.least <= self.share <= self.most

    @property
    def beyond(self) -> float:
        """How far outside what is allowed; negative: how far inside. A share has no limit at 0 or 1."""
        return max(self.share - self.most if self.most < 1 else -1.0, self.least - self.share if self.least > 0 else -1.0)


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim about the verdict and what was found; `key` names it in files and in links."""

    key: str
    name: str
    ok: bool
    found: str
    wanted: str
    counted: str = ""  # what `share` of each cell counts
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """How much is tried, from which seed, and who does the work."""

    quick: bool
    worlds: int  # of each cell
    seed: int
    pool: Executor | None = None  # None: this process alone

    def each(self, work: Callable[[Any], Any], jobs: Sequence[Any], advance: Advance) -> list[Any]:
        """`work` of every job, in their order; both go to other processes, so `work` is a function of a module."""
        done = []
        advance(0, len(jobs))
        for result in self.pool.map(work, jobs) if self.pool else map(work, jobs):
            done.append(result)
            advance(len(done), len(jobs))
        return done


@contextmanager
def workers(processes: int | None) -> Iterator[Executor | None]:
    """That many processes, by default one a core; None for a single one, which is this. Nothing here multiplies matrices, so none has threads."""
    number = processes or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))
    if number < 2:
        yield None
        return
    with ProcessPoolExecutor(number, get_context("spawn")) as pool:  # spawn: a fork of a process with threads may hang
        yield pool


def standard_error(share: float, worlds: int) -> float:
    """Of the share of that many worlds, where this is the true one."""
    return sqrt(share * (1 - share) / worlds)


def at_most(share: float, worlds: int) -> float:
    """A share and what chance may add."""
    return share + STANDARD_ERRORS * standard_error(share, worlds)


def at_least(share: float, worlds: int) -> float:
    """A share less what chance may take."""
    return share - STANDARD_ERRORS * standard_error(share, worlds)


def judged(key: str, name: str, wanted: str, counted: str, cells: Sequence[Cell]) -> Finding:
    """A finding that is right when every cell is; it says the range of the shares, and how many cells are wrong."""
    shares, wrong = [cell.share for cell in cells], sum(not cell.ok for cell in cells)
    found = f"{100 * min(shares):.1f} to {100 * max(shares):.1f} % in {len(cells)} cell{'s' if len(cells) > 1 else ''}"
    return Finding(key, name, not wrong, f"{found}, {wrong} outside" if wrong else found, wanted, counted, tuple(cells))
