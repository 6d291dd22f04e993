"""Packed rows: the gradients of single examples, the budget, the order."""

from __future__ import annotations

import pytest
import torch
from peft import get_peft_model
from torch.nn.functional import cross_entropy

from ragft.errors import InputError
from ragft.prompts import closed_book
from ragft.tuning import rows
from ragft.tuning.methods import lora
from ragft.tuning.rows import Encoded, encode_example, pack, plan_batches, row_loss, shared_prefix
from ragft.types import Example
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


def plain_loss(model, example: Encoded) -> torch.Tensor:
    """The textbook form: one example, all logits, shifted labels."""
    ids = torch.tensor([example.ids])
    logits = model(input_ids=ids, use_cache=False).logits
    return cross_entropy(logits[0, example.start - 1 : -1], ids[0, example.start :], reduction="sum")


def test_packed_row_has_the_gradients_of_single_examples(any_tiny_model):
    """On Llama, Qwen2 and GPT-2 shapes; the shared beginning is computed once and changes nothing."""
    tokenizer = load_tokenizer(any_tiny_model)
    row = [encode_example(example, tokenizer) for example in examples()]
    assert shared_prefix(row) > 10
    model = tuned_model(any_tiny_model)
    packed = row_loss(model, row)
    packed.backward()
    together = gradients(model)
    single = sum(plain_loss(model, example) for example in row)
    single.backward()
    alone = gradients(model)
    assert packed.item() == pytest.approx(single.item(), rel=1e-5)
    assert together.keys() == alone.keys() and len(together) > 4
    for name, expected in alone.items():
        torch.testing.assert_close(together[name], expected, rtol=1e-4, atol=1e-6)


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


def test_prefix_leaves_each_example_a_prompt_token():
    row = [Encoded([1, 2, 3, 9], 3), Encoded([1, 2, 3, 8], 3)]
    assert shared_prefix(row) == 2
    assert shared_prefix([Encoded([1, 2], 1), Encoded([1, 3], 1)]) == 0
    assert shared_prefix(row[:1]) == 0


def test_rows_hold_whole_examples_within_the_limit(monkeypatch):
    monkeypatch.setattr(rows, "ROW_TOKENS", 10)
    batch = [Encoded([0] * n, 1) for n in (4, 12, 6, 5)]
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
