"""float32 matrix products on a CPU by oneDNN where it is faster than what torch takes by itself: the same sums, in another order.

torch takes MKL, which on processors that are not Intel's stays below their widest instructions: on two such cores
(python pipelines/bench_products.py) oneDNN is two to four times as fast for many rows, and no faster for one. Which is
faster is timed once a process, in a tenth of a second. bfloat16 goes to oneDNN anyway, and a GPU has its own library.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear
from transformers.pytorch_utils import Conv1D

Linear = torch.nn.Linear | Conv1D  # Conv1D: GPT-2's linear layer, whose weight is transposed
MIN_WORK = 2**21  # multiplications; below it oneDNN's preparation costs what it gains: python pipelines/bench_products.py
GAIN = 1.2  # far from the two cases that there are, even and double: the choice is the same in every process of a machine
REPEATS = 8


def multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x·Wᵀ + b, as torch.nn.functional.linear; without gradients."""
    suits = x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu" and x.numel() * weight.shape[0] >= max(1, MIN_WORK)
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


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`multiply`, differentiable; torch's own where it is to choose the types itself (autocast), or they differ."""
    if x.dtype != weight.dtype or torch.is_autocast_enabled(x.device.type):
        return linear(x, weight, bias)
    tensors = (x, weight) if bias is None else (x, weight, bias)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return _Product.apply(x, weight, bias)
    return multiply(x, weight, bias)


class _Product(torch.autograd.Function):
    """y = x·Wᵀ + b; dx = dy·W, dW = dyᵀ·x, db = the sum of dy."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight if ctx.needs_input_grad[0] else None)
        return multiply(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = dy.reshape(-1, dy.shape[-1])
        dx = None if weight is None else multiply(dy, weight.t())
        dw = None if x is None else multiply(rows.t(), x.reshape(-1, x.shape[-1]).t())
        return dx, dw, rows.sum(0) if ctx.needs_input_grad[2] else None


# ── layers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def quicken(model: torch.nn.Module) -> None:
    """Let every linear layer of the model multiply by the faster library; they hold what they held."""
    for layer in model.modules():
        if type(layer) is torch.nn.Linear:
            layer.__class__ = FastLinear
        elif type(layer) is Conv1D:
            layer.__class__ = FastConv1D


def linear_layers(model: torch.nn.Module) -> list[Linear]:
    """All linear layers of a model, the projection on the vocabulary included."""
    return [layer for layer in model.modules() if isinstance(layer, Linear)]


def weight_of(layer: Linear) -> torch.Tensor:
    """(outputs, inputs), whichever way the layer keeps it."""
    return layer.weight.t() if isinstance(layer, Conv1D) else layer.weight


class FastLinear(torch.nn.Linear):
    """A linear layer by the faster library."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return product(x, self.weight, self.bias)


class FastConv1D(Conv1D):
    """GPT-2's linear layer by the faster library."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return product(x, self.weight.t(), self.bias)
