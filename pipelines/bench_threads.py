"""What waiting threads cost on a busy machine: a step of training and a small product, threads spinning, asleep, or as ragft sets them.

    python pipelines/bench_threads.py [--model smollm2-135m-instruct]

Two cores, 3 minutes. Prints JSON: milliseconds for the loss of 96 tokens there and back, and for one product (16 x 576 by
576 x 1536, one layer of the default model when it answers 16 questions at once), on an idle machine and beside one busy process
a core; the medians of rounds in which the three take turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median
from typing import Any

from ragft.scripting import job_parser, run_job
from ragft.threads import SPINS

ROUNDS, SECONDS = 3, 4.0  # a step of training is timed so long, a product half of it
WAYS = {"spinning": {"OMP_WAIT_POLICY": "ACTIVE"}, "asleep": {"OMP_WAIT_POLICY": "PASSIVE"}, "ragft": {"GOMP_SPINCOUNT": SPINS}}
TIMED = """
import json, sys, time, torch
from pathlib import Path
from ragft.weights import load_base

def milliseconds(work, seconds):
    work()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work()
        count += 1
    return (time.perf_counter() - began) / count * 1000

base = load_base(Path(sys.argv[1]), "float32")
ids = (torch.arange(96)[None] + 1000) % base.model.config.vocab_size
a, w = torch.randn(16, 576), torch.randn(1536, 576)

def step():
    embedded = base.model.get_input_embeddings()(ids).detach().requires_grad_()
    base.model(inputs_embeds=embedded, labels=ids).loss.backward()

def product():
    with torch.no_grad():
        torch.nn.functional.linear(a, w)

print(json.dumps({"step": milliseconds(step, float(sys.argv[2])), "product": milliseconds(product, float(sys.argv[2]) / 2)}))
"""


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    given = parser.parse_args(arguments)
    return run_job("bench_threads", lambda: bench(given.model))


def bench(model: str) -> dict[str, Any]:
    from ragft.models import find_model

    folder = str(find_model(model, "generator").folder)
    idle = measured(folder)
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        busy = measured(folder)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
    return {"idle_ms": idle, "busy_ms": busy}


def measured(folder: str) -> dict[str, dict[str, float]]:
    """Of each kind of work, milliseconds in each way of waiting."""
    rounds = [{way: milliseconds(folder, settings) for way, settings in WAYS.items()} for _ in range(ROUNDS)]
    return {kind: {way: median(found[way][kind] for found in rounds) for way in WAYS} for kind in ("step", "product")}


def milliseconds(folder: str, settings: dict[str, str]) -> dict[str, float]:
    """Of each kind of work, in a fresh process under these settings of OpenMP."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", TIMED, folder, str(SECONDS)], env={**inherited, **settings}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
