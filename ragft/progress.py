"""Progress on stderr, or in a notebook's cell: which unit of how many, how far, how long still. Results go to stdout and never here."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from markupsafe import Markup

Advance = Callable[[int, int], None]  # (done, total) of the unit; a new total begins a new count
LINE_SECONDS = 10.0  # between lines where stderr is not a terminal
BAR_SECONDS = 0.5  # between two drawings of a bar


def say(progress: Advance, line: str) -> None:
    """Show a line of its own about the unit, where its watcher shows lines."""
    show = getattr(progress, "say", None)
    if show is not None:
        show(line)


class Watcher(Protocol):
    """Sees a study's units come and go."""

    def unit(self, label: str, number: int, of: int) -> AbstractContextManager[Advance]:
        """Watch one unit; inside, call what it gives with (done, total).

        A unit that has work to do calls it at least once; one that finds its work done never does.
        """
        ...


class Silent:
    """Watches without a word."""

    @contextmanager
    def unit(self, label: str, number: int, of: int) -> Iterator[Advance]:
        yield lambda done, total: None


class Lines:
    """One line a unit, rewritten in a terminal, else repeated every ten seconds."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    @contextmanager
    def unit(self, label: str, number: int, of: int) -> Iterator[Advance]:
        watched = _Unit(f"[{number}/{of}] {label}", self._live)
        try:
            yield watched
        except Exception:
            if self._live and watched.counted:
                sys.stderr.write("\n")  # the error has a line of its own
            raise
        watched.end()


class Bar:
    """A bar in a notebook's cell, for all units; what they say stands below it."""

    def __init__(self) -> None:
        from IPython.display import display

        self._cell = display({"text/plain": ""}, raw=True, display_id=True)
        self._said: list[str] = []

    @contextmanager
    def unit(self, label: str, number: int, of: int) -> Iterator[Advance]:
        yield _Shown(self, f"[{number}/{of}] {label}", number, of)
        if number == of:
            self.show(f"{of} of {of} steps done", 1.0)

    def say(self, line: str) -> None:
        self._said.append(line)

    def show(self, line: str, share: float) -> None:
        said = Markup("").join(Markup("<br>{}").format(one) for one in self._said)
        html = Markup('<progress value="{:.3f}" max="1" style="width:20em"></progress> {}{}').format(share, line, said)
        text = "\n".join([f"{100 * share:.0f} % {line}", *self._said])
        self._cell.update({"text/html": html, "text/plain": text}, raw=True)


class _Shown:
    """One unit's part of a bar, which is drawn at most twice a second."""

    def __init__(self, bar: Bar, head: str, number: int, of: int):
        self._bar, self._head, self._done, self._of, self._shown = bar, head, number - 1, of, 0.0
        bar.show(head, self._done / of)

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown >= BAR_SECONDS:
            self._shown = now
            self._bar.show(f"{self._head}: {done:,} of {total:,}", (self._done + done / max(1, total)) / self._of)

    def say(self, line: str) -> None:
        self._bar.say(f"{self._head}: {line}")


def fitting() -> Watcher:
    """The watcher for where the program runs: a notebook, a terminal, or neither."""
    shell = sys.modules.get("IPython")
    if shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None:
        return Bar()
    return Lines() if sys.stderr.isatty() else Silent()


class _Unit:
    """The line of one unit."""

    def __init__(self, head: str, live: bool):
        self._head, self._live = head, live
        self._first: tuple[float, int, int] | None = None  # when and where counting began: what was stored before does not count
        self._began = self._shown = time.monotonic()

    @property
    def counted(self) -> bool:
        return self._first is not None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None or self._first[2] != total:
            self._first = (now, done, total)
        if self._live or now - self._shown >= LINE_SECONDS:
            self._shown = now
            since, start, _ = self._first
            left = (now - since) / (done - start) * (total - done) if done > start else None
            self._write(f"{done:,} of {total:,}, {_clock(left)} left")

    def say(self, line: str) -> None:
        """A line that stays."""
        self._write(line, end=True)

    def end(self) -> None:
        took = time.monotonic() - self._began
        self.say(f"done in {_clock(took)}" if self.counted else "already done")

    def _write(self, line: str, end: bool = False) -> None:
        if self._live:
            sys.stderr.write(f"\r\x1b[2K{self._head}: {line}" + ("\n" if end else ""))
        else:
            sys.stderr.write(f"{self._head}: {line}\n")
        sys.stderr.flush()


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "–:––"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
