"""Products by oneDNN: the results and gradients of torch's own, and only where they are faster."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear

from ragft import products
from ragft.products import Product, multiply, quicken
from ragft.weights import load_model

needs_onednn = pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch was built without oneDNN")


@pytest.fixture
def forced(monkeypatch):
    """oneDNN for all products, also where it is not faster."""
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "MIN_WORK", 0)


def leaves(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


@needs_onednn
@pytest.mark.parametrize("shape", [(40, 24), (2, 20, 24), (1, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_product_and_gradients_are_those_of_torch(forced, shape, bias):
    found, expected = [], []
    for way, into in ((Product.apply, found), (linear, expected)):
        x, weight, b = leaves(shape, (16, 24), (16,))
        y = way(x, weight, b if bias else None)
        y.square().sum().backward()
        into += [y.detach(), x.grad, weight.grad, *([b.grad] if bias else [])]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


@needs_onednn
def test_a_quickened_model_is_the_same_function(any_tiny_model, forced):
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    made = []
    for quick in (False, True):
        model = load_model(any_tiny_model).requires_grad_(True)
        if quick:
            quicken(model)
        logits = model(input_ids=ids).logits
        logits.square().mean().backward()
        made.append({"logits": logits.detach(), **{name: p.grad for name, p in model.named_parameters()}})
    assert made[0].keys() == made[1].keys()
    for name, expected in made[0].items():
        scale = max(float(expected.abs().max()), 1e-3)
        assert float((made[1][name] - expected).abs().max()) <= 2e-5 * scale, name


def test_small_products_other_formats_and_slower_machines_keep_torchs_own(monkeypatch):
    def never(*_):
        raise AssertionError("oneDNN was asked")

    monkeypatch.setattr(products, "_onednn", never)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    x, weight = torch.randn(8, 24), torch.randn(16, 24)
    assert torch.equal(multiply(x, weight), linear(x, weight))
    monkeypatch.setattr(products, "MIN_WORK", 0)
    assert torch.equal(multiply(x.bfloat16(), weight.bfloat16()), linear(x.bfloat16(), weight.bfloat16()))
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
