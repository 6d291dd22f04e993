"""How the threads of a matrix product wait for each other.

By default they spin, which starves them of the core they wait for as soon as anything else runs on the machine: with
one busy neighbour on two cores a small product took 32 ms instead of 2 (python pipelines/bench_threads.py).
"""

from __future__ import annotations

import os


def wait_quietly() -> None:
    """Let waiting threads sleep. Must run before torch is imported; whoever sets OMP_WAIT_POLICY keeps their choice."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
