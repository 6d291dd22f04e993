"""LoRA's forward and backward as one step beside the layer it belongs to: peft's own formula with fewer passes over memory.

    y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ      dx = g·W + s·(g·B)·A      dA = s·(g·B)ᵀ·x      dB = s·gᵀ·(x·Aᵀ)

The low-rank parts are added in place to what W gives; with peft's modules autograd makes, scales and adds a tensor of the
layer's full width for each. Same results but for the order of summation (test_fused.py).
"""

from __future__ import annotations

from functools import partial

import torch
from peft import PeftModel
from peft.tuners.lora.layer import Linear as LoraLinear

from ragft.products import multiply

ADAPTER = "default"  # peft's name of the only one


def fuse(tuned: PeftModel) -> None:
    """Give every plain LoRA layer the fused step; one with dropout, DoRA or another variant keeps peft's."""
    for module in tuned.modules():
        if isinstance(module, LoraLinear) and _plain(module):
            module.forward = partial(_forward, module)  # type: ignore[method-assign]


def _plain(layer: LoraLinear) -> bool:
    simple = isinstance(layer.lora_dropout[ADAPTER], torch.nn.Identity) and layer.lora_B[ADAPTER].bias is None
    return simple and not layer.lora_variant and isinstance(layer.get_base_layer(), torch.nn.Linear)


def _forward(layer: LoraLinear, x: torch.Tensor) -> torch.Tensor:
    if layer.disable_adapters or layer.merged:
        return LoraLinear.forward(layer, x)
    base, a, b = layer.get_base_layer(), layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    return Fused.apply(x, base.weight, base.bias, a, b, layer.scaling[ADAPTER])


class Fused(torch.autograd.Function):
    """A frozen linear layer with LoRA. A and B are float32; x and W may be bfloat16, and then the result is."""

    @staticmethod
    def forward(ctx, x, weight, bias, a, b, scale):
        rows = x.reshape(-1, x.shape[-1])
        inner = multiply(rows.to(a.dtype), a)
        y = multiply(rows, weight, bias).add_(multiply(inner, b), alpha=scale)
        ctx.save_for_backward(rows, weight, a, b, inner)
        ctx.scale, ctx.shape = scale, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        x, weight, a, b, inner = ctx.saved_tensors
        g = g.reshape(-1, g.shape[-1])
        exact = g.to(b.dtype)
        back = multiply(exact, b.t()).mul_(ctx.scale)
        da = multiply(back.t(), x.to(a.dtype).t())
        db = multiply(inner.t(), exact.t()).mul_(ctx.scale).t()
        dx = multiply(g, weight.t()).add_(multiply(back, a.t())).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return dx, None, None, da, db, None
