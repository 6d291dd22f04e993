"""One base model for every arm: adapters come and go, and each answers as if it were alone."""

from __future__ import annotations

from ragft.prompts import closed_book
from ragft.serving import load_generator
from ragft.tuning.methods import lora
from ragft.tuning.train import Training, train_adapter
from ragft.types import Example
from ragft.weights import bases, load_model

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
