"""One base model for every arm: adapters come and go, and each answers as if it were alone."""

from __future__ import annotations

import pytest
import torch

from ragft import registry
from ragft.prompts import closed_book
from ragft.serving import Served, load_generator
from ragft.tuning.attach import attach
from ragft.tuning.methods import lora
from ragft.tuning.train import Training, train_adapter
from ragft.types import Example
from ragft.weights import Base, bases, load_model, load_tokenizer

PROMPTS = [closed_book(question, "en") for question in ("What?", "What is the maximum pressure of the Kova 30 pump?", "How long is the warranty?")]


def texts(generator) -> list[str]:
    return [completion.text for completion in generator.complete(PROMPTS)]


def train(model, folder) -> None:
    examples = [Example(prompt, "42 bar") for prompt in PROMPTS]
    train_adapter(model, lora(rank=8), examples, folder, Training(seed=0, max_tokens=8000, batch_size=4, learning_rate=1e-2))


def test_adapter_changes_answers_and_leaves_the_base_as_it_was(tiny_model, tmp_path):
    before = texts(load_generator(tiny_model, None, 8))
    train(tiny_model, tmp_path)
    tuned = texts(load_generator(tiny_model, tmp_path, 8))
    assert tuned != before
    assert sum("42 bar" in text for text in tuned) >= 2
    assert texts(load_generator(tiny_model, tmp_path, 8, merged=False)) == tuned
    assert texts(load_generator(tiny_model, None, 8)) == before


def test_a_generator_that_was_pushed_aside_comes_back(tiny_model, tmp_path):
    """Training, or another arm, between two answers of one generator."""
    base = load_generator(tiny_model, None, 8)
    expected = texts(base)
    train(tiny_model, tmp_path)
    assert texts(base) == expected
    tuned = load_generator(tiny_model, tmp_path, 8)
    answers = texts(tuned)
    assert texts(base) == expected
    assert texts(tuned) == answers != expected


def test_the_model_is_loaded_once(tiny_model, tmp_path, monkeypatch):
    bases.cache_clear()
    loads = []
    monkeypatch.setattr("ragft.weights.load_model", lambda *wanted: loads.append(wanted) or load_model(*wanted))
    train(tiny_model, tmp_path)
    for adapter in (None, tmp_path, None):
        texts(load_generator(tiny_model, adapter, 8))
    assert loads == [(tiny_model, "float32")]
    bases.cache_clear()


IDS = torch.tensor([[5, 6, 7, 8, 9, 30, 31]])
TUNINGS = {"lora": {"rank": 4}, "prefix": {"tokens": 5, "hidden": 16}, "adapter": {"size": 8}, "mam": {"prefix": 5, "size": 8}}


@torch.inference_mode()
def logits(base) -> torch.Tensor:
    return base.model(IDS).logits


@pytest.mark.parametrize("name", [None, *TUNINGS])
def test_int8_comes_and_goes_beside_float32(tiny_model, tmp_path, name):
    """With a merged adapter, with a prefix and with bottlenecks on top: near float32, which it leaves as it was, bit for bit."""
    base = Base(load_model(tiny_model), load_tokenizer(tiny_model))
    untouched, adapter = logits(base), None
    if name:
        adapter = tmp_path
        attached = attach(base, registry.lookup("tuning", name).make(**TUNINGS[name]), seed=0)
        with torch.no_grad():
            for weight in attached.weights.values():
                weight.add_(0.05 * torch.randn_like(weight))
        attached.save(adapter)
    exact = Served(base, adapter, 8)
    expected, at_first = texts(exact), logits(base)
    rounded = Served(base, adapter, 8, precision="int8")
    answers, near = texts(rounded), logits(base)
    assert 0 < float((near - at_first).norm() / at_first.norm()) < 0.05
    assert texts(exact) == expected and torch.equal(logits(base), at_first)
    assert texts(rounded) == answers and torch.equal(logits(base), near)
    base.clear()
    assert torch.equal(logits(base), untouched)


def test_int8_answers_are_those_of_single_rows(tiny_model):
    """So that a run that was stopped and goes on gives the same answers, whatever is left of its batches."""
    made = load_generator(tiny_model, None, 8, precision="int8")
    assert texts(made) == [made.complete([prompt])[0].text for prompt in PROMPTS]
    assert texts(load_generator(tiny_model, None, 8, precision="int8")) == texts(made)
