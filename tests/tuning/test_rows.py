"""Packed rows: the gradients of single examples, the budget, the order."""

from __future__ import annotations

import random
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from peft import get_peft_model
from torch.nn.functional import cross_entropy
from transformers import DynamicCache

from ragft.errors import InputError
from ragft.prompts import closed_book, open_book
from ragft.tuning import rows
from ragft.tuning.methods import lora
from ragft.tuning.rows import Encoded, encode_example, grow, pack, plan_batches, row_loss
from ragft.tuning.virtual import memory_of_tensor, memory_shape
from ragft.types import Chunk, Example, Span
from ragft.weights import load_model, load_tokenizer

QUESTIONS = [
    ("What is the maximum pressure of the Kova 30?", "42 bar"),
    ("Who leads the service team?", "Mira Holt"),
    ("How long is the warranty?", "30 months"),
    ("When was the Vela 7 released?", "March 2021"),
]


def examples() -> list[Example]:
    return [Example(closed_book(question, "en"), answer) for question, answer in QUESTIONS]


def tuned_model(folder, seed=0):
    """A LoRA model whose B matrices are not zero, so that every weight has a gradient."""
    torch.manual_seed(seed)
    model = get_peft_model(load_model(folder), lora(rank=4))
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def gradients(model) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad and p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def assert_same(together: dict[str, torch.Tensor], alone: dict[str, torch.Tensor]) -> None:
    """Equal but for the order of summation in float32."""
    assert together.keys() == alone.keys()
    for name, expected in alone.items():
        assert float((together[name] - expected).abs().max()) <= 2e-5 * max(float(expected.abs().max()), 0.1), name


def plain_loss(model, example: Encoded, memory=None) -> torch.Tensor:
    """The textbook form: one example, all logits, shifted labels."""
    ids, extra = torch.tensor([example.ids]), {}
    if memory:
        virtual = memory[0][0].shape[2]
        extra = {"past_key_values": DynamicCache(memory), "position_ids": torch.arange(virtual, virtual + ids.shape[1])[None]}
    logits = model(input_ids=ids, use_cache=bool(memory), **extra).logits
    return cross_entropy(logits[0, example.start - 1 : -1], ids[0, example.start :], reduction="sum")


def reading_examples() -> list[Example]:
    """Questions about two passages: the instruction is common to all, a passage to those that ask about it."""
    texts = ("The Kova 30 is a dosing pump. It has a maximum pressure of 42 bar.", "Mira Holt leads the service team in Ardley.")
    chunks = [Chunk(str(n), Span("d.md", 0, len(text)), text, "Staff") for n, text in enumerate(texts)]
    return [Example(open_book(question, [chunks[n % 2]], "en"), answer) for n, (question, answer) in enumerate(QUESTIONS)]


@pytest.mark.parametrize("made", [examples, reading_examples])
def test_packed_row_has_the_gradients_of_single_examples(any_tiny_model, made, monkeypatch):
    """On Llama, Qwen2 and GPT-2 shapes; what examples share is computed once and changes nothing."""
    monkeypatch.setattr(rows, "ROW_TOKENS", 2000)
    tokenizer = load_tokenizer(any_tiny_model)
    (row,) = pack([encode_example(example, tokenizer) for example in made()])
    assert len(grow(row).ids) < 0.7 * sum(len(e.ids) for e in row)
    model = tuned_model(any_tiny_model)
    packed = row_loss(model, row)
    packed.backward()
    together = gradients(model)
    single = sum(plain_loss(model, example) for example in row)
    single.backward()
    alone = gradients(model)
    assert packed.item() == pytest.approx(single.item(), rel=1e-5)
    assert len(together) > 4
    assert_same(together, alone)


@st.composite
def batches(draw) -> list[Encoded]:
    """Examples that branch off one another anywhere, in the prompt or in the answer, or are the same twice."""
    made: list[list[int]] = []
    for _ in range(draw(st.integers(1, 6))):
        stem = draw(st.sampled_from(made)) if made and draw(st.booleans()) else []
        own = draw(st.lists(st.integers(5, 9), min_size=0 if len(stem) > 2 else 2, max_size=12))
        made.append(stem[: draw(st.integers(2, len(stem)))] + own if len(stem) > 2 else own)
    return [Encoded(ids, draw(st.integers(1, len(ids) - 1))) for ids in made]


@cache
def tuned_once(folder):
    return tuned_model(folder)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches(), room=st.sampled_from([8, 20, 100]), virtual=st.sampled_from([0, 3]))
@example(batch=[Encoded([5, 6, 7, 8], 2), Encoded([5, 6, 7, 8], 3), Encoded([5, 6, 7, 8, 9, 5], 2)], room=100, virtual=3)
@example(batch=[Encoded([5, 6, 7], 2), Encoded([5, 6, 8], 2), Encoded([5, 6], 1), Encoded([7, 6], 1)], room=100, virtual=0)
def test_any_batch_in_any_rows_has_the_gradients_of_single_examples(any_tiny_model, monkeypatch, batch, room, virtual):
    """Also where labels are shared, where one token predicts several labels, and where virtual positions stand before."""
    monkeypatch.setattr(rows, "ROW_TOKENS", room)
    model = tuned_once(any_tiny_model)
    torch.manual_seed(len(batch))
    prefix = torch.randn(memory_shape(model, virtual), requires_grad=True) if virtual else None

    def memory():
        return None if prefix is None else memory_of_tensor(prefix, torch.float32)

    def all_gradients(losses):
        sum(losses).backward()
        found = gradients(model)
        if prefix is not None:
            found["prefix"], prefix.grad = prefix.grad, None
        return found

    together = all_gradients([row_loss(model, row, memory()) for row in pack(batch)])
    alone = all_gradients([plain_loss(model, one, memory()) for one in batch])
    assert_same(together, alone)


def test_a_token_is_computed_once_and_sees_its_own_beginning_only():
    tree = grow([Encoded([1, 2, 3, 9], 2), Encoded([1, 2, 4, 9], 2), Encoded([1, 2, 4, 5, 9], 3), Encoded([7, 9], 1)])
    assert tree.ids == [1, 2, 3, 4, 5, 7]
    assert tree.depth == [0, 1, 2, 2, 3, 0]
    assert [[tree.ids[j] for j in range(6) if seen[j]] for seen in tree.sees.tolist()] == [[1], [1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 4, 5], [7]]
    assert [(tree.ids[at], label) for at, label in zip(tree.predicting, tree.labels, strict=True)] == [
        (2, 3), (3, 9), (2, 4), (4, 9), (4, 5), (5, 9), (7, 9)
    ]  # fmt: skip


def test_rows_are_of_examples_that_begin_alike(monkeypatch):
    """Two passages of 20 tokens, three questions about each: two rows, each with its passage once."""
    monkeypatch.setattr(rows, "ROW_TOKENS", 40)
    batch = [Encoded([passage] * 20 + [question] * 5, 21) for question in (1, 2, 3) for passage in (8, 9)]
    random.Random(0).shuffle(batch)
    packed = pack(batch)
    assert [len(grow(row).ids) for row in packed] == [20 + 3 * 4] * 2
    assert sorted(map(id, batch)) == sorted(id(e) for row in packed for e in row)


def test_another_example_in_the_row_changes_nothing(tiny_model):
    """Attention must not reach over: the same example beside others has the same loss."""
    tokenizer = load_tokenizer(tiny_model)
    row = [encode_example(example, tokenizer) for example in examples()]
    model = tuned_model(tiny_model)
    with torch.no_grad():
        others = row_loss(model, row[1:])
        assert row_loss(model, row).item() == pytest.approx((row_loss(model, row[:1]) + others).item(), rel=1e-5)


def test_loss_is_on_the_answer_and_the_end_of_turn_only(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    encoded = encode_example(examples()[0], tokenizer)
    assert tokenizer.decode(encoded.ids[encoded.start :]) == "42 bar<|end|>"
    assert "maximum pressure" in tokenizer.decode(encoded.ids[: encoded.start])
    raw = encode_example(Example(None, "Plain text."), tokenizer)
    assert raw.start == 1
    assert tokenizer.decode(raw.ids) == "Plain text.<|end|>"


def test_rows_hold_whole_examples_within_the_limit(monkeypatch):
    monkeypatch.setattr(rows, "ROW_TOKENS", 10)
    batch = [Encoded([n] * n, 1) for n in (4, 12, 6, 5)]
    packed = pack(batch)
    assert sorted(len(e.ids) for row in packed for e in row) == [4, 5, 6, 12]
    assert all(len(row) == 1 or sum(len(e.ids) for e in row) <= 10 for row in packed)


def test_budget_is_kept_and_every_pass_is_shuffled():
    encoded = [Encoded([0] * 10, 1) for _ in range(7)]
    plan = plan_batches(encoded, 210, 3, seed=0)
    assert sum(10 for batch in plan for _ in batch) <= 210
    assert [i for batch in plan for i in batch].count(0) == 3  # 21 examples fit: three passes
    assert sorted(i for batch in plan[:3] for i in batch) == list(range(7))
    assert plan != plan_batches(encoded, 210, 3, seed=1)
    assert plan == plan_batches(encoded, 210, 3, seed=0)


@pytest.mark.parametrize(
    ("encoded", "tokens", "message"), [([], 100, "nothing to train on"), ([Encoded([0] * 50, 1)] * 4, 100, "does not hold one batch")]
)
def test_nothing_to_train_is_said(encoded, tokens, message):
    with pytest.raises(InputError, match=message):
        plan_batches(encoded, tokens, 4, 0)
