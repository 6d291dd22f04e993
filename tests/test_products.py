"""Linear layers by oneDNN: the numbers of float64, forward and backward, whatever the shape; what a layer holds stays."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.functional import linear
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from ragft.products import FastConv1D, FastLinear, linear_layers, product, use_onednn, weight_of
from ragft.weights import load_model


@pytest.mark.parametrize("shape", [(1, 24), (7, 24), (2, 5, 24), (0, 24), (24,)])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_forward_and_backward_are_those_of_float64(shape, with_bias, turned):
    torch.manual_seed(0)
    x = torch.randn(shape, requires_grad=True)
    stored = torch.randn(24, 10, requires_grad=True) if turned else torch.randn(10, 24, requires_grad=True)
    bias = torch.randn(10, requires_grad=True) if with_bias else None
    inputs = [x, stored, *([bias] if bias is not None else [])]
    y = product(x, stored.t() if turned else stored, bias)
    pull = torch.randn(y.shape)
    found = torch.autograd.grad((y * pull).sum(), inputs)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    y64 = linear(exact[0], exact[1].t() if turned else exact[1], exact[2] if with_bias else None)
    expected = torch.autograd.grad((y64 * pull).sum(), exact)
    for got, wanted in zip([y, *found], [y64, *expected], strict=True):
        assert got.shape == wanted.shape
        assert torch.allclose(got.double(), wanted, atol=1e-5, rtol=1e-5)


def test_only_what_needs_a_gradient_gets_one():
    x, weight = torch.randn(3, 8), torch.randn(4, 8, requires_grad=True)
    product(x, weight, None).sum().backward()
    assert x.grad is None and weight.grad is not None
    assert not product(x, weight.detach(), None).requires_grad


def test_a_model_computes_the_same_and_holds_the_same(any_tiny_model):
    plain = AutoModelForCausalLM.from_pretrained(any_tiny_model, dtype=torch.float32)
    fast = copy.deepcopy(plain)
    use_onednn(fast)
    assert all(isinstance(layer, FastLinear | FastConv1D) for layer in linear_layers(fast))
    assert len(linear_layers(fast)) == len(linear_layers(plain)) > 8
    assert list(fast.state_dict()) == list(plain.state_dict())
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    assert torch.allclose(fast(ids).logits, plain(ids).logits, atol=1e-5)


def test_models_are_loaded_with_it(tiny_model):
    assert all(isinstance(layer, FastLinear) for layer in linear_layers(load_model(tiny_model)))


def test_other_types_take_torchs_own_way():
    layer = torch.nn.Linear(8, 4).double()
    expected = layer(torch.ones(2, 8).double())
    use_onednn(layer)
    assert isinstance(layer, FastLinear) and torch.equal(layer(torch.ones(2, 8).double()), expected)


def test_weight_of_is_outputs_by_inputs():
    assert weight_of(torch.nn.Linear(8, 4)).shape == weight_of(Conv1D(4, 8)).shape == (4, 8)
