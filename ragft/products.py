"""float32 matrix products by oneDNN where it is faster than what torch takes by itself: the same sums, in another order.

torch takes MKL, which on processors that are not Intel's stays below their widest instructions: on an AMD EPYC with
AVX-512 one core made 100 GFLOP/s with MKL and 205 with oneDNN, for the layers of a small model and 256 rows. Which is
faster is timed once a process, in a tenth of a second. bfloat16 goes to oneDNN anyway, and a GPU has its own library.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch.nn.functional import linear

MIN_WORK = 2**21  # multiplications; below it oneDNN's preparation costs what it gains (8 rows by 576 x 192: 27 against 25 microseconds)
GAIN = 1.2  # far from the two cases that there are, even and double: the choice is the same in every process of a machine
REPEATS = 8


def multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x·Wᵀ + b, as torch.nn.functional.linear; without gradients."""
    suits = x.dtype == torch.float32 and x.device.type == "cpu" and x.numel() * weight.shape[0] >= MIN_WORK
    return _onednn(x, weight, bias) if suits and onednn_is_faster() else linear(x, weight, bias)


def _onednn(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@lru_cache(maxsize=1)
def onednn_is_faster() -> bool:
    """Whether oneDNN is there, and faster than torch's own choice by GAIN."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    with torch.no_grad():
        x, weight = torch.ones(256, 576), torch.ones(1536, 576)
        rounds = [[_seconds(partial(way, x, weight, None)) for way in (linear, _onednn)] for _ in range(1 + REPEATS)]
    usual, other = (min(taken) for taken in zip(*rounds[1:], strict=True))
    return usual >= GAIN * other


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Product(torch.autograd.Function):
    """`multiply` with gradients: dx = g·W, dW = gᵀ·x, db = Σ g."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        return multiply(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        rows = g.reshape(-1, g.shape[-1])
        dx = multiply(g, weight.t()) if ctx.needs_input_grad[0] else None
        dw = multiply(rows.t(), x.reshape(-1, x.shape[-1]).t()) if ctx.needs_input_grad[1] else None
        return dx, dw, rows.sum(0) if ctx.needs_input_grad[2] else None


def quicken(model: torch.nn.Module) -> None:
    """Let every linear layer of the model multiply by the faster library."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.forward = partial(_forward, module)  # type: ignore[method-assign]


def _forward(module: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
    return Product.apply(x, module.weight, module.bias)
