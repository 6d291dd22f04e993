"""Products by oneDNN: the numbers of float64, forward and backward, and only where it is faster; what a layer holds stays."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.functional import linear
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from ragft import products
from ragft.products import FastConv1D, FastLinear, linear_layers, multiply, product, quicken, weight_of
from ragft.weights import load_model

needs_onednn = pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch was built without oneDNN")


@pytest.fixture(params=[False, pytest.param(True, marks=needs_onednn)])
def library(request, monkeypatch):
    """torch's own for all products, or oneDNN for all, also where it is not faster."""
    monkeypatch.setattr(products, "onednn_is_faster", lambda: request.param)
    monkeypatch.setattr(products, "MIN_WORK", 0)


@pytest.mark.parametrize("shape", [(1, 24), (7, 24), (2, 5, 24), (0, 24), (24,)])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_forward_and_backward_are_those_of_float64(library, shape, with_bias, turned):
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


def test_only_what_needs_a_gradient_gets_one(library):
    x, weight = torch.randn(3, 8), torch.randn(4, 8, requires_grad=True)
    product(x, weight, None).sum().backward()
    assert x.grad is None and weight.grad is not None
    assert not product(x, weight.detach(), None).requires_grad
    assert product(x, weight.detach(), torch.ones(4, requires_grad=True)).requires_grad


def test_a_quickened_model_is_the_same_function_and_holds_the_same(any_tiny_model, library):
    plain = AutoModelForCausalLM.from_pretrained(any_tiny_model, dtype=torch.float32)
    fast = copy.deepcopy(plain)
    quicken(fast)
    assert all(isinstance(layer, FastLinear | FastConv1D) for layer in linear_layers(fast))
    assert len(linear_layers(fast)) == len(linear_layers(plain)) > 8
    assert list(fast.state_dict()) == list(plain.state_dict())
    made = []
    for model in (plain, fast):
        logits = model(input_ids=torch.tensor([[5, 6, 7, 8, 9, 10]])).logits
        logits.square().mean().backward()
        made.append({"logits": logits.detach(), **{name: p.grad for name, p in model.named_parameters()}})
    for name, expected in made[0].items():
        scale = max(float(expected.abs().max()), 1e-3)
        assert float((made[1][name] - expected).abs().max()) <= 2e-5 * scale, name


def test_models_are_loaded_with_it(tiny_model):
    assert all(isinstance(layer, FastLinear) for layer in linear_layers(load_model(tiny_model)))


def test_small_products_other_types_and_slower_machines_keep_torchs_own(monkeypatch):
    def never(*_):
        raise AssertionError("oneDNN was asked")

    monkeypatch.setattr(products, "_onednn", never)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    x, weight = torch.randn(8, 24), torch.randn(16, 24)
    assert torch.equal(multiply(x, weight), linear(x, weight))
    monkeypatch.setattr(products, "MIN_WORK", 0)
    for dtype in (torch.bfloat16, torch.float64):
        assert torch.equal(multiply(x.to(dtype), weight.to(dtype)), linear(x.to(dtype), weight.to(dtype)))
    with pytest.raises(AssertionError, match="oneDNN was asked"):
        multiply(x, weight)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    assert torch.equal(multiply(x, weight), linear(x, weight))


@needs_onednn
@pytest.mark.parametrize(("usual", "other", "expected"), [(2.0, 1.0, True), (1.0, 1.0, False), (1.15, 1.0, False), (1.0, 2.0, False)])
def test_the_faster_is_taken(monkeypatch, usual, other, expected):
    monkeypatch.setattr(products, "_seconds", lambda work: usual if work.func is linear else other)
    products.onednn_is_faster.cache_clear()
    assert products.onednn_is_faster() is expected
    products.onednn_is_faster.cache_clear()


def test_under_autocast_torch_chooses_the_types(library):
    """As other people's trainers run a model: forward in bfloat16, backward outside of it."""
    layer = FastLinear(24, 16)
    x = torch.randn(5, 24, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    y.float().square().sum().backward()
    assert y.dtype == torch.bfloat16 and x.grad.dtype == layer.weight.grad.dtype == torch.float32


def test_weight_of_is_outputs_by_inputs():
    assert weight_of(torch.nn.Linear(8, 4)).shape == weight_of(Conv1D(4, 8)).shape == (4, 8)
