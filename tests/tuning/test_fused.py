"""LoRA in one step: peft's results and gradients; what is not plain LoRA is left to peft."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora.layer import Linear as LoraLinear

from ragft import products
from ragft.tuning.fused import Fused, fuse
from ragft.tuning.methods import dora, lora, rslora
from ragft.weights import load_model

IDS = torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12]])


def gradients(folder, config: LoraConfig, dtype: str, fused: bool) -> dict[str, torch.Tensor]:
    """Of the mean squared logits; the adapter's matrices are not zero."""
    torch.manual_seed(0)
    model = get_peft_model(load_model(folder, dtype), config)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    if fused:
        fuse(model)
    logits = model(input_ids=IDS).logits
    logits.float().square().mean().backward()
    return {"logits": logits.detach().float()} | {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("onednn", [False, True])
@pytest.mark.parametrize("method", [lora, rslora])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("bfloat16", 0.02)])
def test_fused_is_pefts_own(any_tiny_model, method, dtype, tolerance, onednn, monkeypatch):
    """On Llama, on Qwen2, whose layers have biases, and on GPT-2, whose Conv1D is left to peft."""
    monkeypatch.setattr(products, "onednn_is_faster", lambda: onednn)
    monkeypatch.setattr(products, "MIN_WORK", 0)
    found, expected = (gradients(any_tiny_model, method(rank=4, alpha=3), dtype, fused) for fused in (True, False))
    assert found.keys() == expected.keys() and len(found) > 8
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert float((found[name] - value).norm()) <= tolerance * float(value.norm()), name


def test_every_plain_layer_is_fused_and_no_other(tiny_model, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "ragft.tuning.fused.Fused", type("Counted", (), {"apply": staticmethod(lambda *given: calls.append(1) or Fused.apply(*given))})
    )
    for config, share in ((lora(rank=4), 1), (dora(rank=4), 0), (lora(rank=4, dropout=0.1), 0)):
        model = get_peft_model(load_model(tiny_model), config)
        fuse(model)
        calls.clear()
        model(input_ids=IDS)
        assert len(calls) == share * sum(isinstance(module, LoraLinear) for module in model.modules())


def test_a_disabled_adapter_is_the_base(tiny_model):
    model = get_peft_model(load_model(tiny_model), lora(rank=4))
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight)
    fuse(model)
    with torch.no_grad():
        base = load_model(tiny_model)(input_ids=IDS).logits
        assert not torch.allclose(model(input_ids=IDS).logits, base, atol=0.1)
        with model.disable_adapter():
            assert torch.equal(model(input_ids=IDS).logits, base)
