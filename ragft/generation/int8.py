"""Linear layers as int8 products, for answering on a CPU: faster, and rounded.

    W ≈ diag(w)·Q, one scale a row of W (an output);  x ≈ s·q, one scale a token, found as it comes;  y = s·(q·Qᵀ)·diag(w) + b

A few channels of a language model's activations are tens of times as large as the others, and would leave these a few
steps of the scale. They are the same for every token, so they are found once, on a text, and their products stay float32
(as in LLM.int8(), Dettmers et al., 2208.07339). A token's scale depends on that token alone, so that an answer does not
depend on the other rows of its batch (torch's own dynamic quantisation takes one scale for the whole input). Products
are oneDNN's, with exact int32 sums.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ragft.errors import InputError
from ragft.products import Linear, weight_of
from ragft.weights import Base, encode

LARGEST = 127  # of symmetric int8
SHIFT = 128  # oneDNN's fast products take activations as unsigned bytes
# One channel in so many stays float32: a few inputs of a language model are far larger than the rest, and one scale for all
# would leave the rest no digits (test_int8.py).
CHANNELS = 32
TEXT = (
    "Answer the question in a few words, using the passages. Opening hours: the library in Mill Street is open from 9 to 18 o'clock, on "
    "Saturdays until 13 o'clock. It was founded in 1874 by Dr. Anna Weiss (a chemist), holds 42,000 volumes, and charges 0.50 EUR a day for "
    "late returns; e-mail: desk@example.org. Question: When was it founded? Answer: in 1874. 图书馆于1874年由魏斯博士创立，藏书四万二千册。"
)


def check_int8(device: torch.device) -> None:
    """Raise InputError where there are no int8 products."""
    if device.type != "cpu":
        raise InputError("precision int8 is for answering on a CPU, and this machine answers on a GPU. Set precision: float32.")
    if "onednn" not in torch.backends.quantized.supported_engines:
        raise InputError("precision int8 needs a torch that has oneDNN's int8 products, and this one has not. Set precision: float32.")


@torch.no_grad()
def use_int8(base: Base) -> Callable[[], None]:
    """Let the base's linear layers compute in int8, from the weights they have now, which stay as they are; returns what undoes it."""
    for layer, channels in _large_channels(base).items():
        layer.forward = Int8Product(weight_of(layer), layer.bias, channels)  # type: ignore[method-assign]

    def undo() -> None:
        for layer in base.layers:
            del layer.forward  # the method of its class is what it was

    return undo


def _large_channels(base: Base) -> dict[Linear, torch.Tensor]:
    """For every layer, the channels of its input that are largest on TEXT; none for a layer that this text does not reach."""
    found: dict[Linear, torch.Tensor] = {layer: torch.zeros(0, dtype=torch.int64) for layer in base.layers}

    def look(layer: Linear, args: tuple[torch.Tensor, ...]) -> None:
        largest = args[0].flatten(0, -2).abs().amax(dim=0)
        found[layer] = largest.topk(max(1, len(largest) // CHANNELS)).indices.sort().values

    hooks = [layer.register_forward_pre_hook(look) for layer in base.layers]
    try:
        base.model(input_ids=torch.tensor([encode(base.tokenizer, TEXT)]))
    finally:
        for hook in hooks:
            hook.remove()
    return found


class Int8Product:
    """x -> x·Wᵀ + b, in int8 but for some channels of x."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, channels: torch.Tensor):
        self._channels, self._large, self._bias = channels, weight[:, channels].t().contiguous(), bias
        rest = weight.index_fill(1, channels, 0)
        scale = _largest(rest) / LARGEST
        rounded = torch.round(rest / scale).to(torch.int8).contiguous()  # oneDNN reads a turned one wrongly
        self._packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        self._scale, self._zero = scale[:, 0].contiguous(), torch.zeros(len(weight), dtype=torch.int64)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.reshape(-1, x.shape[-1])
        rest = tokens.index_fill(1, self._channels, 0)
        scale = _largest(rest) / LARGEST
        q = rest.div_(scale).round_().add_(SHIFT).to(torch.uint8)
        y = torch.ops.onednn.qlinear_pointwise(
            q, 1.0, SHIFT, self._packed, self._scale, self._zero, None, 1.0, 0, torch.float32, "none", [], ""
        ).mul_(scale)
        y.addmm_(tokens.index_select(1, self._channels), self._large)
        return (y if self._bias is None else y.add_(self._bias)).view(*x.shape[:-1], -1)


def _largest(x: torch.Tensor) -> torch.Tensor:
    """The largest magnitude in each row, (..., 1); never zero."""
    return x.abs().amax(dim=-1, keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny * LARGEST)
