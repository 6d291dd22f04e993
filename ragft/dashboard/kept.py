"""What is read of a run or a folder once, and again when its files change.

Streamlit leaves arguments whose names begin with an underscore out of what tells two calls apart, so a stamp must not have such a
name: here the decorator takes care of it, and tests/dashboard/test_kept.py looks after everything that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import streamlit as st

from ragft.store import Run

P = ParamSpec("P")
T = TypeVar("T")
ASKED = ("gold.jsonl", "questions.jsonl", "study.yaml", "manifest.json")


def stamp_of(files: Iterable[Path]) -> int:
    """Changes when one of the files does, comes or goes."""
    found = []
    for path in files:
        try:
            now = path.stat()
        except FileNotFoundError:
            continue  # it went while we looked
        found.append((str(path), now.st_mtime_ns, now.st_size))
    return hash(tuple(sorted(found)))


def answers_stamp(run: Run) -> int:
    """Changes when what was asked, answered or scored does; not with a verdict."""
    return stamp_of([*(run.folder / name for name in ASKED), *run.folder.glob("arms/*/*"), *run.folder.glob("arms/*/*/*")])


def results_stamp(run: Run) -> int:
    """Changes when a file of the run's own folder does: its verdict, report, review, settings; not with an answer."""
    return stamp_of(path for path in run.folder.glob("*.*") if path.is_file())


def stamp(run: Run) -> int:
    """Changes when anything does that is shown of the run."""
    return hash((answers_stamp(run), results_stamp(run)))


class Kept(Generic[P, T]):
    """A function of a run whose value is kept; called as the function is."""

    def __init__(self, make: Callable[..., T], by: Callable[[Run], int], spinner: str | bool, entries: int) -> None:
        def of(folder: str, stamp: int, *more: Any) -> T:
            return make(Run(Path(folder)), *more)

        of.__module__, of.__qualname__ = make.__module__, make.__qualname__  # what Streamlit knows it by
        self._by, self._stored = by, st.cache_resource(max_entries=entries, show_spinner=spinner)(of)

    def __call__(self, run: Run, *more: P.args, **named: P.kwargs) -> T:
        return self._stored(str(run.folder), self._by(run), *more, *named.values())

    def clear(self) -> None:
        """Forget what is kept, of all runs."""
        self._stored.clear()


def kept(spinner: str | bool = False, entries: int = 8, by: Callable[[Run], int] = stamp) -> Callable[[Callable[Concatenate[Run, P], T]], Kept[P, T]]:
    """For a function of a run and of values that hash: what it gave is kept until the run's files change. One object for all readers."""
    return lambda make: Kept(make, by, spinner, entries)
