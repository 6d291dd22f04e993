"""What an adapter gives away: which places and examples are chosen, and that what was learned by heart is found and the rest is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import write_domain

from ragft import leaks
from ragft.build import IndexPlan, build_index, open_index
from ragft.domain import load_domain
from ragft.finetune import AdapterPlan, build_adapter, training_examples
from ragft.leaks import EXAMPLES, PLACES, Known, alike, asked_and_not, choose, continues, find_leaks, losses, reader
from ragft.models import Model
from ragft.prompts import closed_book, passage, render
from ragft.retrieval.base import RetrieverParts
from ragft.tuning.rows import Encoded, encode_example, plan_batches
from ragft.types import Example
from ragft.weights import encode, load_base, load_model, load_tokenizer

PREFIX, CONTINUED = 8, 5
Made = tuple[AdapterPlan, Path, RetrieverParts]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """The passages of the tiny domain are short."""
    monkeypatch.setattr(leaks, "PREFIX_TOKENS", PREFIX)
    monkeypatch.setattr(leaks, "CONTINUED_TOKENS", CONTINUED)


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_model) -> Made:
    root = tmp_path_factory.mktemp("leaks")
    domain, model = load_domain(write_domain(root / "works")), Model("tiny", tiny_model, "sha", "made here")
    (root / "index").mkdir()
    build_index(IndexPlan(domain, model, None, 48, 0, 2), root / "index")
    plan = AdapterPlan(domain, model, "lora", (), "qa", (), "bm25", 2, 96, 0.01, 4000, 4, seed=3)
    return plan, root / "index", open_index(root / "index", "sha", None)


def used(plan: AdapterPlan, index: Path, parts: RetrieverParts) -> list[Example]:
    """The examples that training reaches within its budget."""
    examples, tokenizer = training_examples(plan, index, parts), load_tokenizer(plan.model.folder)
    batches = plan_batches([encode_example(e, tokenizer) for e in examples], plan.train_tokens, plan.train_batch_size, plan.seed)
    return [examples[i] for i in sorted({i for batch in batches for i in batch})]


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format_", ["qa", "paraphrase", "mixed", "raft"])
def test_members_were_trained_on_and_the_others_ask_for_facts_that_were_not(made, format_):
    plan, index, parts = replace(made[0], format=format_), *made[1:]
    trained = used(plan, index, parts)
    seen, unseen = asked_and_not(plan, trained)
    assert seen and unseen
    users = [example.prompt.user for example in trained if example.prompt]
    for question, gold in seen:
        assert gold.split == "train" and gold.answerable and any(user.endswith(f"Question: {question.text}") for user in users)
    for question, gold in unseen:
        assert gold.answerable and gold.fact not in {one.fact for _, one in seen} and not any(question.text in user for user in users)
    sets = choose(plan, index, parts)
    assert sets.of == ("text" if format_ == "mixed" else "answers")
    assert len(sets.members) == len(sets.others) > 0
    tokenizer = load_tokenizer(plan.model.folder)
    for side, pairs in ((sets.members, seen), (sets.others, unseen)):
        prompts = [encode(tokenizer, render(closed_book(question.text, "en"), tokenizer)) for question, _ in pairs]
        assert all(one.encoded.ids[: one.encoded.start] in prompts for one in side), "asked without passages"
    assert choose(plan, index, parts) == sets, "the same every time"


def test_a_budget_that_reaches_few_examples_makes_others_of_the_rest(made):
    plan, index, parts = replace(made[0], train_tokens=450), *made[1:]
    seen, unseen = asked_and_not(plan, used(plan, index, parts))
    assert 0 < len(seen) <= 4
    assert any(gold.split == "train" for _, gold in unseen)


def test_raw_text_is_continued_where_it_was_trained_and_set_against_passages_out_of_reach(made):
    plan, index, parts = replace(made[0], format="text", train_tokens=120), *made[1:]
    reached = {example.completion for example in used(plan, index, parts)}
    assert 0 < len(reached) < len(parts.chunks)
    sets, tokenizer = choose(plan, index, parts), load_tokenizer(plan.model.folder)
    assert sets.of == "text" and sets.places
    documents = {passage(chunk): chunk.span.document for chunk in parts.chunks}
    for document, prefix, rest in sets.places:
        assert (len(prefix), len(rest)) == (PREFIX, CONTINUED)
        assert any(tokenizer.decode([*prefix, *rest]) in text and documents[text] == document for text in reached)
    texts = [{tokenizer.decode(one.encoded.ids[:-1]) for one in side} for side in (sets.members, sets.others)]
    assert texts[0] <= reached and texts[1] and not texts[1] & reached
    everything = choose(replace(plan, train_tokens=4000), index, parts)
    assert everything.members == everything.others == (), "nothing is left that it was not trained on"
    assert len(everything.places) <= PLACES


def test_passages_too_short_for_a_place_give_none(made, monkeypatch):
    monkeypatch.setattr(leaks, "PREFIX_TOKENS", 500)
    plan, index, parts = replace(made[0], format="text"), *made[1:]
    assert choose(plan, index, parts).places == ()


def test_both_sides_have_as_many_of_each_kind():
    def known(kind: str, number: int, far: int) -> list[Known]:
        return [Known("d", kind, Encoded([far, n], 1)) for n in range(number)]

    members, others = alike([*known("a", 5, 0), *known("b", 2, 0), *known("c", 9, 0)], [*known("a", 3, 1), *known("b", 8, 1), *known("d", 4, 1)])
    assert [one.kind for one in members] == [one.kind for one in others] == ["a"] * 3 + ["b"] * 2
    many = alike(known("a", 300, 0) + known("b", 100, 0), known("a", 300, 1) + known("b", 100, 1))
    assert [[one.kind for one in side].count("a") for side in many] == [3 * EXAMPLES // 4] * 2 and len(many[0]) == EXAMPLES
    assert alike(known("a", 3, 0), known("b", 3, 1)) == ((), ())


# ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_continuations_and_losses_are_those_of_transformers(any_tiny_model):
    base, model = load_base(any_tiny_model), load_model(any_tiny_model)
    rows = [[5, 9, 40, 7], [11, 12], [30, 31, 32, 33, 34, 35]]
    said = [
        model.generate(torch.tensor([row]), max_new_tokens=6, do_sample=False, eos_token_id=None, pad_token_id=0)[0, len(row) :].tolist()
        for row in rows
    ]
    right = [("d", row, text[: 3 + n]) for n, (row, text) in enumerate(zip(rows, said, strict=True))]
    wrong = [("d", row, [*text[:3], (text[3] + 1) % 90]) for row, text in zip(rows, said, strict=True)]
    examples = [Known("d", "", Encoded([4, 8, 15, 16, 23, 42], 2)), Known("d", "", Encoded([7, 7, 3], 1))]
    with reader(base, None, merge=True) as one:
        assert continues(one, [*right, *wrong]) == [True] * 3 + [False] * 3
        found = losses(one, examples)
    for example, loss in zip(examples, found, strict=True):
        labels = torch.tensor([[-100] * example.encoded.start + example.encoded.ids[example.encoded.start :]])
        assert loss == pytest.approx(float(model(torch.tensor([example.encoded.ids]), labels=labels).loss), rel=1e-5)


@pytest.fixture(scope="module")
def learned_by_heart(made, tmp_path_factory) -> tuple[AdapterPlan, Path]:
    """An adapter that has seen a few questions far too often."""
    plan = replace(made[0], tuning="full", learning_rate=0.01, train_tokens=60_000, train_batch_size=8)
    folder = tmp_path_factory.mktemp("by-heart")
    build_adapter(plan, made[1], made[2], folder)
    return plan, folder


def test_what_was_learned_by_heart_is_given_away_and_the_base_gives_nothing(made, learned_by_heart):
    plan, adapter = learned_by_heart
    base = load_base(plan.model.folder)
    before = [weight.clone() for weight in base.model.parameters()]
    found = find_leaks(plan, *made[1:], adapter, "inputs")
    assert (found.inputs, found.of) == ("inputs", "answers")
    assert found.places and all(place.tuned for place in found.places) and not any(place.base for place in found.places)
    assert max(one.tuned for one in found.members) < 0.1 < min(one.base for one in found.members)
    assert min(one.tuned for one in found.others) > max(one.tuned for one in found.members)
    assert {one.document for one in found.members} <= {document.id for document in plan.domain.documents}
    assert base.holds is None and all(torch.equal(a, b) for a, b in zip(before, base.model.parameters(), strict=True)), "the base is as it was"


@pytest.mark.parametrize("method", ["prefix", "lora"])
def test_an_adapter_is_read_as_it_answers(made, tmp_path, method):
    """Also one that stands before the text: the loss is another than the base's, and that of the attached model."""
    plan = replace(made[0], tuning=method, train_tokens=600)
    build_adapter(plan, *made[1:], tmp_path / "adapter")
    sets, base = choose(plan, *made[1:]), load_base(plan.model.folder)
    with reader(base, tmp_path / "adapter", merge=True) as one:
        merged = losses(one, sets.members)
    with reader(base, tmp_path / "adapter", merge=False) as one:
        unmerged = losses(one, sets.members)
    with reader(base, None, merge=True) as one:
        bare = losses(one, sets.members)
    assert merged == pytest.approx(unmerged, rel=1e-4) and merged != pytest.approx(bare, rel=1e-3)
