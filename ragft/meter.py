"""Memory: the peak of a piece of work, what the process takes, what is free; read from the operating system."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import ClassVar


class PeakMemory:
    """`with PeakMemory() as peak:` then `peak.bytes`: the process's largest resident size inside the block.

    Linux can restart its high-water mark; elsewhere the figure is the largest since the process began. Blocks may stand
    inside one another.
    """

    _open: ClassVar[list[PeakMemory]] = []

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> PeakMemory:
        self._note()  # before the mark is gone
        with suppress(OSError):  # not Linux, or not allowed: the mark then covers the whole process
            Path("/proc/self/clear_refs").write_text("5")
        self._open.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._note()
        self._open.remove(self)

    def _note(self) -> None:
        for meter in self._open:
            meter.bytes = max(meter.bytes, peak_bytes())


def peak_bytes() -> int:
    """The process's largest resident size since the mark was set, in bytes."""
    found = _linux("/proc/self/status", "VmHWM")
    if found is not None:
        return found
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes() -> int | None:
    """What the process takes of the memory now; None: not known on this system."""
    return _linux("/proc/self/status", "VmRSS")


def available_bytes() -> int | None:
    """What other work could take of the machine's memory now; None: not known on this system."""
    return _linux("/proc/meminfo", "MemAvailable")


def _linux(file: str, name: str) -> int | None:
    """A line "name: value kB" of a file that Linux keeps."""
    path = Path(file)
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
