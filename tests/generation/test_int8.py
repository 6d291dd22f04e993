"""int8 products: near float32, each row for itself, undone without a trace."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import linear

from ragft.errors import InputError
from ragft.generation.int8 import Int8Product, _large_channels, check_int8, use_int8
from ragft.products import linear_layers
from ragft.weights import Base, load_model, load_tokenizer

IDS = torch.tensor([[5, 6, 7, 8, 9, 30, 31]])


NONE = torch.zeros(0, dtype=torch.int64)


def by_hand(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The definition, in whole numbers and float64."""
    w_scale, x_scale = weight.abs().amax(1, keepdim=True) / 127, x.abs().amax(1, keepdim=True) / 127
    q, r = torch.round(weight / w_scale).long(), torch.round(x / x_scale).long()
    return (r @ q.t()).double() * x_scale.double() * w_scale.t().double()


@given(st.integers(0, 1000), st.integers(1, 9), st.sampled_from([2, 3, 32, 576]), st.sampled_from([1, 5, 64]), st.booleans())
def test_it_is_the_definition(seed, rows, inputs, outputs, some):
    torch.manual_seed(seed)
    x, weight, bias = torch.randn(rows, inputs) * 10 ** torch.randint(-3, 4, (rows, 1)), torch.randn(outputs, inputs), torch.randn(outputs)
    channels = torch.tensor([inputs // 2]) if some else NONE
    kept = torch.tensor([n for n in range(inputs) if n not in channels])
    expected = by_hand(x[:, kept], weight[:, kept]) + x[:, channels].double() @ weight[:, channels].double().t()
    found = Int8Product(weight, None, channels)(x)
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-4 * float(x.abs().max()))
    assert torch.equal(Int8Product(weight.t().contiguous().t(), None, channels)(x), found), "however the weight lies in memory"
    assert torch.equal(Int8Product(weight, bias, channels)(x), found + bias)


def test_a_row_does_not_depend_on_the_others():
    torch.manual_seed(0)
    made, x = Int8Product(torch.randn(20, 48), None, torch.tensor([3])), torch.randn(6, 48)
    x[0] *= 1000
    assert torch.allclose(made(x), torch.cat([made(row[None]) for row in x]), rtol=1e-6, atol=1e-5)
    assert torch.equal(made(x.reshape(2, 3, 48)).reshape(6, 20), made(x))


def test_the_input_is_left_as_it_was():
    x = torch.randn(3, 8)
    before = x.clone()
    Int8Product(torch.randn(4, 8), None, torch.tensor([1]))(x)
    assert torch.equal(x, before)


def test_zeros_stay_zeros():
    assert torch.equal(Int8Product(torch.zeros(3, 8), None, NONE)(torch.randn(2, 8)), torch.zeros(2, 3))
    assert torch.equal(Int8Product(torch.randn(3, 8), None, NONE)(torch.zeros(2, 8)), torch.zeros(2, 3))


def test_a_large_channel_costs_the_others_nothing():
    """One channel a hundred times as large as the rest leaves them 1 step of the scale; kept apart, it leaves them all 127."""
    torch.manual_seed(0)
    x, weight = torch.randn(50, 64), torch.randn(16, 64)
    x[:, 7] *= 100
    exact = linear(x, weight) - x[:, [7]] @ weight[:, [7]].t()

    def error(channels):
        return float((Int8Product(weight, None, channels)(x) - x[:, [7]] @ weight[:, [7]].t() - exact).norm() / exact.norm())

    assert error(torch.tensor([7])) < 0.02 < 0.2 < error(NONE)


def test_large_channels_are_found_on_a_text(tiny_model):
    base = Base(load_model(tiny_model), load_tokenizer(tiny_model))
    with torch.no_grad():
        base.model.model.layers[1].input_layernorm.weight[5] = 1000
    found = _large_channels(base)
    assert list(found) == base.layers and all(len(channels) >= 1 for channels in found.values())
    assert found[base.model.model.layers[1].self_attn.q_proj].tolist() == [5]


def test_a_model_is_near_and_comes_back_bit_for_bit(any_tiny_model):
    base = Base(load_model(any_tiny_model), load_tokenizer(any_tiny_model))
    with torch.inference_mode():
        before = base.model(IDS).logits
        base.occupy(object(), use_int8(base))
        rounded = base.model(IDS).logits
        assert base.layers == linear_layers(base.model)
        error = float((rounded - before).norm() / before.norm())
        assert 0 < error < 0.05
        base.clear()
        assert torch.equal(base.model(IDS).logits, before)
    assert not any("forward" in vars(layer) for layer in base.layers)


def test_refused_on_a_gpu():
    check_int8(torch.device("cpu"))
    with pytest.raises(InputError, match=r"answers on a GPU\. Set precision: float32"):
        check_int8(torch.device("cuda"))


def test_one_layers_error_is_that_of_eight_bits():
    torch.manual_seed(0)
    x, weight = torch.randn(50, 576), torch.randn(64, 576)
    exact = linear(x, weight)
    assert 0.003 < float((Int8Product(weight, None, NONE)(x) - exact).norm() / exact.norm()) < 0.02
