"""What the linear layers of the default model compute with: MKL (torch's own way), oneDNN (ragft's), and int8 (the opt-in).

    python pipelines/bench_products.py [--model smollm2-135m-instruct]

Two cores, half a minute. Prints JSON: microseconds a product for the shapes of one layer and of the vocabulary, for one
row (one question alone), 16 and 48 (a batch, one token each) and 1024 (reading prompts), the three ways alternating and
the best of several; then `float32_ratio` = MKL / oneDNN and `int8_ratio` = oneDNN / int8.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.threads import wait_briefly

ROWS = (1, 16, 48, 1024)
VOCABULARY = 10_000  # a layer with more outputs is the projection on the vocabulary
REPEATS, SECONDS = 7, 0.02  # the best of so many stretches of so long, each way


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    given = parser.parse_args(arguments)
    keep_private()
    wait_briefly()
    return run_job("bench_products", lambda: bench(given.model))


def bench(model: str) -> list[dict]:
    """One entry a shape and number of rows."""
    import torch
    from torch.nn.functional import linear

    from ragft.generation.int8 import CHANNELS, Int8Product
    from ragft.models import find_model
    from ragft.products import linear_layers, product, weight_of
    from ragft.weights import load_model

    torch.set_grad_enabled(False)
    by_shape: dict[tuple[int, ...], list] = {}
    for layer in linear_layers(load_model(find_model(model, "generator").folder)):
        by_shape.setdefault(tuple(weight_of(layer).shape), []).append(weight_of(layer))
    found = []
    for (outputs, inputs), weights in by_shape.items():
        rounded = [Int8Product(weight, None, torch.arange(inputs // CHANNELS)) for weight in weights]
        for rows in ROWS if outputs < VOCABULARY else ROWS[:-1]:  # reading prompts does not ask the vocabulary
            x = torch.randn(rows, inputs)
            ways = {
                "mkl": lambda i, x=x, weights=weights: linear(x, weights[i % len(weights)]),
                "onednn": lambda i, x=x, weights=weights: product(x, weights[i % len(weights)], None),
                "int8": lambda i, x=x, rounded=rounded: rounded[i % len(rounded)](x),
            }
            took = best(ways)
            ratios = {"float32_ratio": took["mkl"] / took["onednn"], "int8_ratio": took["onednn"] / took["int8"]}
            microseconds = {name: round(1e6 * seconds, 1) for name, seconds in took.items()}
            found.append({"outputs": outputs, "inputs": inputs, "rows": rows, "microseconds": microseconds, **ratios})
    return found


def best(ways: dict[str, Callable[[int], object]]) -> dict[str, float]:
    """Seconds a call of each way, through all weights of the shape in turn, as a model goes through its layers."""
    took = dict.fromkeys(ways, float("inf"))
    for _ in range(REPEATS):
        for name, way in ways.items():
            way(0)
            began, count = time.perf_counter(), 0
            while time.perf_counter() - began < SECONDS:
                way(count)
                count += 1
            took[name] = min(took[name], (time.perf_counter() - began) / count)
    return took


if __name__ == "__main__":
    sys.exit(main())
