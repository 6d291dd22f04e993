"""Matrix products on a CPU by oneDNN, which torch has beside MKL: the same float32 mathematics, in another order of summation.

torch gives float32 products to MKL, which takes its generic code on AMD's processors (MKL_VERBOSE=1 says so); oneDNN uses
AVX-512 there. On two such cores (python pipelines/bench_products.py) oneDNN is about as fast for one row, and two to five
times as fast for many.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear
from transformers.pytorch_utils import Conv1D

Linear = torch.nn.Linear | Conv1D  # Conv1D: GPT-2's linear layer, whose weight is transposed


def use_onednn(model: torch.nn.Module) -> None:
    """Let the model's linear layers compute by oneDNN, where it is there and they are float32 on a CPU; they hold what they held."""
    if not torch.backends.mkldnn.is_available():
        return
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
    """A linear layer by oneDNN."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return product(x, self.weight, self.bias) if _fits(x, self.weight) else super().forward(x)


class FastConv1D(Conv1D):
    """GPT-2's linear layer by oneDNN."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return product(x, self.weight.t(), self.bias) if _fits(x, self.weight) else super().forward(x)


def _fits(x: torch.Tensor, weight: torch.Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """x·Wᵀ + b, differentiable."""
    if x.numel() == 0:  # oneDNN knows no empty products
        return linear(x, weight, bias)
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        return _Product.apply(x, weight, bias)
    return _onednn(x, weight, bias)


def _onednn(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _Product(torch.autograd.Function):
    """y = x·Wᵀ + b; dx = dy·W, dW = dyᵀ·x, db = the sum of dy."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight if ctx.needs_input_grad[0] else None)
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = dy.reshape(-1, dy.shape[-1])
        dx = None if weight is None else _onednn(dy, weight.t())
        dw = None if x is None else _onednn(rows.t(), x.reshape(-1, x.shape[-1]).t())
        return dx, dw, rows.sum(0) if ctx.needs_input_grad[2] else None
