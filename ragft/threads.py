"""How the threads of a matrix product wait for each other.

By default they spin without end, which starves them of the core they wait for as soon as anything else runs on the machine;
asleep at once, they wake too late for the many short products of a small model. So they spin for a moment, then sleep:
`python pipelines/bench_threads.py` sets the three beside each other, and README.md has its figures.
"""

from __future__ import annotations

import os

SPINS = "10000"  # turns of the waiting loop, tens of microseconds, before a thread of GNU OpenMP sleeps


def wait_briefly() -> None:
    """Let waiting threads sleep after a moment. Must run before torch is imported; whoever sets either variable keeps their choice."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
