"""How fast this machine multiplies float32 matrices of a model's sizes, and how many products answering needs: for bench_generation.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RATE_ROWS = 1024  # of the products whose rate is measured


@dataclass(frozen=True)
class Timed:
    """What some work gave, and what it took; waiting threads sleep, so that `cpu` counts work and not other programs."""

    done: Any
    seconds: float
    cpu: float


def timed(work: Callable[[], Any]) -> Timed:
    began, cpu = time.perf_counter(), time.process_time()
    done = work()
    return Timed(done, time.perf_counter() - began, time.process_time() - cpu)


def layers_and_head(model) -> tuple[list, Any]:
    """The weights of all layers, and of the projection on the vocabulary."""
    from ragft.products import linear_layers, weight_of

    head = model.get_output_embeddings()
    return [weight_of(layer) for layer in linear_layers(model) if layer is not head], weight_of(head)


def useful_flops(model, prompt_tokens: int, answer_tokens: int) -> float:
    """Every token goes once through the layers, every token of an answer came once out of the vocabulary. Attention is not counted."""
    layers, head = layers_and_head(model)
    return 2.0 * sum(w.numel() for w in layers) * (prompt_tokens + answer_tokens) + 2.0 * head.numel() * answer_tokens


@dataclass(frozen=True)
class Rate:
    """Float32 operations."""

    a_second: float
    a_cpu_second: float


def matrix_rate(model) -> Rate:
    """How fast products with the layers' weights are, by torch's own way or by oneDNN, whichever is faster."""
    import torch
    from torch.nn.functional import linear

    from ragft.products import product

    layers, _ = layers_and_head(model)
    inputs = {w.shape[1]: torch.randn(RATE_ROWS, w.shape[1]) for w in layers}

    def through(way: Callable) -> list[float]:
        """Once through all layers; the operations of each."""
        for weight in layers:
            way(inputs[weight.shape[1]], weight, None)
        return [2.0 * RATE_ROWS * weight.numel() for weight in layers]

    runs = [timed(lambda way=way: through(way)) for way in (linear, product)]
    rates = [Rate(sum(run.done) / run.seconds, sum(run.done) / run.cpu) for run in runs]
    return max(rates, key=lambda rate: rate.a_cpu_second)
