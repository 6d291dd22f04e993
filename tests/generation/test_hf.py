"""Answers of a transformers model: padding, batches, cuts and adapters change nothing they should not."""

from __future__ import annotations

import pytest
import torch

from ragft.generation import hf
from ragft.generation.hf import HFGenerator
from ragft.prompts import closed_book, render
from ragft.types import Prompt
from ragft.weights import encode, load_model, load_tokenizer

QUESTIONS = [
    "What?",
    "What is the maximum pressure of the Kova 30 pump?",
    "Who leads the service team in Ardley, and since when?",
    "How long is the warranty?",
]
PROMPTS = [closed_book(question, "en") for question in QUESTIONS]


def generator(folder, tokens=8) -> HFGenerator:
    return HFGenerator(load_model(folder), load_tokenizer(folder), tokens)


def plain_greedy(folder, prompt: Prompt, steps: int) -> list[int]:
    """The textbook loop: no cache, no padding, one token at a time."""
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    ids = encode(tokenizer, render(prompt, tokenizer))
    made: list[int] = []
    with torch.no_grad():
        for _ in range(steps):
            token = int(model(input_ids=torch.tensor([ids + made]), use_cache=False).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            made.append(token)
    return made


def test_batch_of_different_lengths_equals_the_textbook_loop(any_tiny_model):
    """Llama, Qwen2 and GPT-2 shapes: left padding and the cache change no token."""
    completions = generator(any_tiny_model).complete(PROMPTS)
    tokenizer = load_tokenizer(any_tiny_model)
    for prompt, completion in zip(PROMPTS, completions, strict=True):
        expected = plain_greedy(any_tiny_model, prompt, 8)
        assert completion.text == tokenizer.decode(expected, skip_special_tokens=True).strip()
        assert completion.usage.completion_tokens == len(expected)


def test_order_and_company_change_no_answer(tiny_model):
    made = generator(tiny_model)
    together = [c.text for c in made.complete(PROMPTS)]
    turned = [c.text for c in made.complete(PROMPTS[::-1])][::-1]
    alone = [made.complete([prompt])[0].text for prompt in PROMPTS]
    assert together == turned == alone


def test_usage_counts_tokens_and_shares_the_batch_time(tiny_model):
    made = generator(tiny_model)
    completions = made.complete(PROMPTS)
    assert [c.usage.prompt_tokens for c in completions] == [made.length(prompt) for prompt in PROMPTS]
    assert sum(c.usage.seconds for c in completions) == pytest.approx(completions[0].usage.batch_seconds)
    assert {c.usage.batch_size for c in completions} == {len(PROMPTS)}


def test_prompt_beyond_the_window_loses_its_middle_and_is_marked(tiny_model):
    long = closed_book("start " + "word " * 2000 + "finish?", "en")
    made = generator(tiny_model)
    completion = made.complete([long])[0]
    assert completion.prompt_cut
    assert completion.usage.prompt_tokens == 512 - 8
    assert made.length(long) > 512


def test_answer_that_hits_the_limit_is_marked_cut(tiny_model):
    completion = generator(tiny_model, tokens=1).complete(PROMPTS[:1])[0]
    assert completion.answer_cut == (completion.usage.completion_tokens == 1) and not completion.prompt_cut


def test_settings_that_come_with_a_model_do_not_reach_the_answers(tiny_model):
    model = load_model(tiny_model)
    model.generation_config.update(do_sample=True, temperature=2.0, repetition_penalty=3.0)
    loud = HFGenerator(model, load_tokenizer(tiny_model), 8)
    assert [c.text for c in loud.complete(PROMPTS)] == [c.text for c in generator(tiny_model).complete(PROMPTS)]


def test_out_of_memory_halves_the_batch_and_changes_no_answer(tiny_model, monkeypatch):
    expected, sizes, greedy = [c.text for c in generator(tiny_model).complete(PROMPTS)], [], hf.greedy

    def small(model, rows, *rest):
        sizes.append(len(rows))
        if len(rows) > 1:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory")
        return greedy(model, rows, *rest)

    monkeypatch.setattr(hf, "greedy", small)
    assert [c.text for c in generator(tiny_model).complete(PROMPTS)] == expected
    assert sizes == [4, 2, 1, 1, 2, 1, 1]


def test_other_errors_are_not_taken_for_memory(tiny_model, monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(hf, "greedy", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        generator(tiny_model).complete(PROMPTS)
