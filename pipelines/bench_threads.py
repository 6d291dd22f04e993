"""What waiting threads cost on a busy machine: one small matrix product, threads spinning (the default) against sleeping.

    python pipelines/bench_threads.py

Two cores, 30 seconds. Prints JSON: milliseconds a product (16 x 576 by 576 x 1536, one layer of the default model when
it answers 16 questions at once), on an idle machine and beside one busy process a core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

SECONDS = 3
PRODUCT = f"""
import time, torch
torch.set_grad_enabled(False)
a, w = torch.randn(16, 576), torch.randn(1536, 576)
torch.nn.functional.linear(a, w)
began, count = time.perf_counter(), 0
while time.perf_counter() - began < {SECONDS}:
    torch.nn.functional.linear(a, w)
    count += 1
print((time.perf_counter() - began) / count * 1000)
"""


def main() -> None:
    idle = {policy: milliseconds(policy) for policy in ("ACTIVE", "PASSIVE")}
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        busy = {policy: milliseconds(policy) for policy in ("ACTIVE", "PASSIVE")}
    finally:
        for neighbour in neighbours:
            neighbour.kill()
    found = {"idle_ms": idle, "busy_ms": busy, "ratio_idle": idle["ACTIVE"] / idle["PASSIVE"], "ratio_busy": busy["ACTIVE"] / busy["PASSIVE"]}
    print(json.dumps(found, indent=1))


def milliseconds(policy: str) -> float:
    """One product in a fresh process under that OMP_WAIT_POLICY."""
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    done = subprocess.run([sys.executable, "-c", PRODUCT], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
