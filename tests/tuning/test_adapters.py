"""Bottlenecks: the papers' equations by hand, the identity at the start, and a base that is left as it was."""

from __future__ import annotations

import pytest
import torch

from ragft.errors import InputError
from ragft.tuning.adapters import Bottlenecks, insert_bottlenecks
from ragft.weights import load_model, load_tokenizer

HOULSBY = Bottlenecks(8, ("attention", "feed-forward"), "sequential", 1.0, "gelu")
PFEIFFER = Bottlenecks(8, ("feed-forward",), "sequential", 1.0, "relu")
PARALLEL = Bottlenecks(8, ("feed-forward",), "parallel", 4.0, "relu")
ALL = pytest.mark.parametrize("config", [HOULSBY, PFEIFFER, PARALLEL], ids=["houlsby", "pfeiffer", "parallel"])


def ids(folder) -> torch.Tensor:
    return torch.tensor([load_tokenizer(folder)("What pressure has the Kova 30?")["input_ids"]])


def stir(weights) -> None:
    torch.manual_seed(3)
    for weight in weights.values():
        weight.data = 0.3 * torch.randn_like(weight)


def sublayer(model, place):
    layer = model.model.layers[0] if hasattr(model, "model") else model.transformer.h[0]
    return layer.mlp if place == "feed-forward" else getattr(layer, "self_attn", None) or layer.attn


@ALL
def test_untrained_it_is_the_identity_exactly(any_tiny_model, config):
    model, text = load_model(any_tiny_model), ids(any_tiny_model)
    with torch.no_grad():
        before = model(input_ids=text).logits
        insert_bottlenecks(model, config)
        assert torch.equal(model(input_ids=text).logits, before)


@ALL
def test_first_layer_by_hand(any_tiny_model, config):
    """Each sub-layer's new output from its captured input and old output, by the equations of the papers."""
    model, text = load_model(any_tiny_model), ids(any_tiny_model)
    for place in config.places:
        target, seen = sublayer(model, place), {}

        def capture(module, args, kwargs, output, seen=seen):
            seen["x"] = args[0] if args else kwargs["hidden_states"]
            seen["h"] = output[0] if isinstance(output, tuple) else output

        handle = target.register_forward_hook(capture, with_kwargs=True)
        with torch.no_grad():
            model(input_ids=text)
            x, h = seen["x"], seen["h"]
            inserted = insert_bottlenecks(model, config)
            stir({name: w for name, w in inserted.weights.items() if name.startswith(f"layers.0.{place}")})
            handle.remove()
            late = target.register_forward_hook(capture, with_kwargs=True)
            model(input_ids=text)
        down, down_bias, up, up_bias = (inserted.weights[f"layers.0.{place}.{part}"] for part in ("down.weight", "down.bias", "up.weight", "up.bias"))
        source = (h if config.insertion == "sequential" else x).double()
        inner = source @ down.double().T + down_bias.double()
        inner = inner.clamp(min=0) if config.activation == "relu" else 0.5 * inner * (1 + torch.erf(inner / 2**0.5))
        expected = h.double() + config.scale * (inner @ up.double().T + up_bias.double())
        torch.testing.assert_close(seen["h"].double(), expected, rtol=1e-4, atol=1e-5)
        late.remove()
        inserted.remove()


@ALL
def test_gradients_reach_every_weight_and_none_of_the_base(any_tiny_model, config):
    model = load_model(any_tiny_model)
    inserted = insert_bottlenecks(model, config)
    stir(inserted.weights)
    model(input_ids=ids(any_tiny_model)).logits.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in inserted.weights.values())
    assert all(parameter.grad is None for parameter in model.parameters())


@ALL
def test_number_of_weights_is_the_formula(any_tiny_model, config):
    inserted = insert_bottlenecks(load_model(any_tiny_model), config)
    hidden, layers = 32, 2
    assert sum(w.numel() for w in inserted.weights.values()) == layers * len(config.places) * (2 * hidden * config.size + config.size + hidden)
    assert all(w.dtype == torch.float32 for w in inserted.weights.values())


@ALL
def test_removed_nothing_is_left(any_tiny_model, config):
    model, text = load_model(any_tiny_model), ids(any_tiny_model)
    attributes = set(vars(model))
    with torch.no_grad():
        before = model(input_ids=text).logits
        inserted = insert_bottlenecks(model, config)
        stir(inserted.weights)
        assert not torch.allclose(model(input_ids=text).logits, before, atol=1e-3)
        inserted.remove()
        assert torch.equal(model(input_ids=text).logits, before)
    assert set(vars(model)) == attributes
    assert not any(m._forward_hooks for m in model.modules())


def test_weights_stay_float32_on_a_bfloat16_base(tiny_model):
    model = load_model(tiny_model).to(torch.bfloat16)
    inserted = insert_bottlenecks(model, PARALLEL)
    stir(inserted.weights)
    logits = model(input_ids=ids(tiny_model)).logits
    logits.float().mean().backward()
    assert logits.dtype == torch.bfloat16 and inserted.weights["layers.0.feed-forward.down.weight"].grad.dtype == torch.float32


def test_a_model_of_another_shape_is_named(tiny_model):
    model = load_model(tiny_model)
    model.model.layers = None
    with pytest.raises(InputError, match="not of 'llama'"):
        insert_bottlenecks(model, PFEIFFER)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Bottlenecks(0, ("feed-forward",), "parallel", 1.0, "relu"), "at least 1"),
        (Bottlenecks(4, ("feed-forward",), "parallel", 1.0, "tanh"), "gelu, relu"),
    ],
)
def test_wrong_values_are_refused(tiny_model, config, message):
    with pytest.raises(ValueError, match=message):
        insert_bottlenecks(load_model(tiny_model), config)


def test_twice_is_refused(tiny_model):
    model = load_model(tiny_model)
    insert_bottlenecks(model, PFEIFFER)
    with pytest.raises(ValueError, match="already has"):
        insert_bottlenecks(model, PFEIFFER)
