"""An executor for a machine with several GPUs: one process a GPU, each unit of a study wherever one is free.

    result = run(study, executor=side_by_side(["0", "1"]))  # `ragft run` does so by itself where there are two GPUs or more

Workers import the main module again, so a script that does this needs `if __name__ == "__main__":`, and what a plugin registers has
to be in a module, not in a notebook's cell.

Every unit is computed by one GPU alone, as on a machine that has one, so that it does not matter how many there are: no
gradients are exchanged, and an adapter is what it would have been. The parent holds the run; workers end with it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING

from ragft.errors import RagftError
from ragft.progress import Advance, Watcher, say

if TYPE_CHECKING:
    from ragft.stages import Executor, Unit

LOOK_SECONDS = 0.5  # between looks at what workers report, and of a worker at whether the parent is there
Message = tuple[str, int, int] | tuple[str, str]  # a unit's label, with its count or a line about it


def several_gpus(files: Path = Path("/dev")) -> list[str]:
    """The CUDA devices that this process may use, by the names that CUDA_VISIBLE_DEVICES takes; none where there are not two or more.

    torch is asked only where their device files are: a finished run is shown again without it.
    """
    if len(list(files.glob("nvidia[0-9]*"))) < 2:
        return []
    from ragft.weights import cuda_devices

    number, stated = cuda_devices(), os.environ.get("CUDA_VISIBLE_DEVICES")
    found = stated.split(",")[:number] if stated else [str(place) for place in range(number)]
    return found if len(found) > 1 else []


def side_by_side(devices: Sequence[str]) -> Executor:
    """Units on these devices at once, each as soon as those that it needs are done. The first error ends all."""

    def execute(units: list[Unit], watcher: Watcher) -> None:
        spawn = get_context("spawn")
        messages: Queue[Message] = spawn.Queue()
        with ExitStack() as stack:
            pools = [
                stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn, initializer=_settle, initargs=(device, os.getpid(), messages)))
                for device in devices
            ]
            try:
                _Board(units, watcher, messages).work_off(pools)
            except BaseException:
                for pool in pools:  # before they are left, which waits for them: the run is given up only when nobody writes into it
                    _end(pool)
                raise

    return execute


class _Board:
    """Which units wait, which are at work and where, which are done."""

    def __init__(self, units: Sequence[Unit], watcher: Watcher, messages: Queue[Message]):
        self._waiting, self._of = list(enumerate(units, start=1)), len(units)
        self._watcher, self._messages, self._done = watcher, messages, set[str]()
        self._watched: dict[str, tuple[ExitStack, Advance]] = {}

    def work_off(self, pools: Iterable[ProcessPoolExecutor]) -> None:
        free, running = list(pools), dict[Future[None], tuple[str, ProcessPoolExecutor]]()
        with ExitStack() as watching:
            while self._waiting or running:
                while free and (ready := self._next()) is not None:
                    number, unit = ready
                    stack = watching.enter_context(ExitStack())
                    self._watched[unit.label] = stack, stack.enter_context(self._watcher.unit(unit.label, number, self._of))
                    pool = free.pop()
                    running[pool.submit(_work, unit)] = unit.label, pool
                if not running:
                    raise ValueError(f"no unit can begin: {self._waiting[0][1]} needs one that is not there")
                finished, _ = wait(running, LOOK_SECONDS, FIRST_COMPLETED)
                self._tell()
                for future in finished:
                    label, pool = running.pop(future)
                    _result(label, future)
                    self._watched.pop(label)[0].close()
                    self._done.add(label)
                    free.append(pool)

    def _next(self) -> tuple[int, Unit] | None:
        """The first waiting unit whose needs are done, taken from the list."""
        place = next((place for place, (_, unit) in enumerate(self._waiting) if self._done.issuperset(unit.needs)), None)
        return None if place is None else self._waiting.pop(place)

    def _tell(self) -> None:
        """Pass on what workers have reported of the units at work."""
        while True:
            try:
                label, *rest = self._messages.get_nowait()
            except Empty:
                return
            if label in self._watched:
                progress = self._watched[label][1]
                say(progress, rest[0]) if isinstance(rest[0], str) else progress(*rest)


def _result(label: str, future: Future[None]) -> None:
    """Raises what the unit raised, and RagftError where its process died."""
    try:
        future.result()
    except BrokenProcessPool as error:
        raise RagftError(f"{label}: its process ended; perhaps the memory ran out. The same command goes on from here.") from error


def _end(pool: ProcessPoolExecutor) -> None:
    """What is at work is left as a kill would leave it: the same command goes on from there. Before `shutdown`, which forgets the processes."""
    for process in list((pool._processes or {}).values()):
        process.terminate()


# ── in a worker ──────────────────────────────────────────────────────────────────────────────────────────────────────

_messages: Queue[Message] | None = None


def _settle(device: str, parent: int, messages: Queue[Message]) -> None:
    """Before anything of CUDA: this process sees one device, and does not outlive the one that holds the run."""
    global _messages
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    _messages = messages
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


class _Report:
    """What a unit calls with its progress; each call is passed to the parent."""

    def __init__(self, label: str, messages: Queue[Message]):
        self._label, self._messages = label, messages

    def __call__(self, done: int, total: int) -> None:
        self._messages.put((self._label, done, total))

    def say(self, line: str) -> None:
        self._messages.put((self._label, line))


def _work(unit: Unit) -> None:
    assert _messages is not None  # _settle ran first
    unit.work(_Report(unit.label, _messages))
