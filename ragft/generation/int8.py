"""Linear layers as int8 products, for answering on a CPU: faster, and rounded.

    W ≈ diag(w)·Q, one scale a row of W (an output);  x ≈ s·q, one scale a token, found as it comes;  y = s·(q·Qᵀ)·diag(w) + b

A token's scale depends on that token alone, so that an answer does not depend on the other rows of its batch (torch's
own dynamic quantisation takes one scale for the whole input). Products are oneDNN's, with exact int32 sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ragft.errors import InputError
from ragft.products import Linear, weight_of

LARGEST = 127  # of symmetric int8
SHIFT = 128  # oneDNN's fast products take activations as unsigned bytes


def check_int8(device: torch.device) -> None:
    """Raise InputError where there are no int8 products."""
    if device.type != "cpu":
        raise InputError("precision int8 is for answering on a CPU, and this machine answers on a GPU. Set precision: float32.")
    if "onednn" not in torch.backends.quantized.supported_engines:
        raise InputError("precision int8 needs a torch that has oneDNN's int8 products, and this one has not. Set precision: float32.")


@torch.no_grad()
def use_int8(layers: Sequence[Linear]) -> Callable[[], None]:
    """Let these layers compute in int8, from the weights they have now, which stay as they are; returns what undoes it."""
    for layer in layers:
        layer.forward = Int8Product(weight_of(layer), layer.bias)  # type: ignore[method-assign]

    def undo() -> None:
        for layer in layers:
            del layer.forward  # the method of its class is what it was

    return undo


class Int8Product:
    """x -> x·Wᵀ + b, in int8."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None):
        self._scale = _largest(weight) / LARGEST
        rounded = torch.round(weight / self._scale).to(torch.int8).contiguous()  # oneDNN reads a turned one wrongly
        self._packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        self._scale, self._zero = self._scale[:, 0].contiguous(), torch.zeros(len(weight), dtype=torch.int64)
        self._bias = bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        scale = _largest(x) / LARGEST
        q = torch.round(x / scale).add_(SHIFT).to(torch.uint8)
        sums = torch.ops.onednn.qlinear_pointwise(q, 1.0, SHIFT, self._packed, self._scale, self._zero, None, 1.0, 0, torch.float32, "none", [], "")
        y = sums.mul_(scale)
        return y if self._bias is None else y.add_(self._bias)


def _largest(x: torch.Tensor) -> torch.Tensor:
    """The largest magnitude in each row, (..., 1); never zero."""
    return x.abs().amax(dim=-1, keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny * LARGEST)
