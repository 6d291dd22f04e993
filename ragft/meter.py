"""Peak memory of a piece of work, read from the operating system."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path


class PeakMemory:
    """`with PeakMemory() as peak:` then `peak.bytes`: the process's largest resident size inside the block.

    Linux can restart its high-water mark; elsewhere the figure is the largest since the process began.
    """

    bytes: int = 0

    def __enter__(self) -> PeakMemory:
        with suppress(OSError):  # not Linux, or not allowed: the mark then covers the whole process
            Path("/proc/self/clear_refs").write_text("5")
        return self

    def __exit__(self, *_: object) -> None:
        self.bytes = peak_bytes()


def peak_bytes() -> int:
    """The process's largest resident size since the mark was set, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
