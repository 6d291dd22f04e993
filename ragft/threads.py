"""How the threads of a matrix product wait for each other.

By default they spin, which starves them of the core they wait for as soon as anything else runs on the machine. On two
cores (python pipelines/bench_threads.py) a small product took 0.49 ms spinning and 0.62 ms sleeping when idle, but 16.1
and 2.3 ms beside one busy process a core: a quarter slower at best, seven times faster at worst.
"""

from __future__ import annotations

import os


def wait_quietly() -> None:
    """Let waiting threads sleep. Must run before torch is imported; whoever sets OMP_WAIT_POLICY keeps their choice."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
