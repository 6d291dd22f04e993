"""Looks into one adapter for what it gives away of its training data: text continued word for word, and who was in it.

Both attacks are the plain ones: greedy continuation (Carlini et al., 2012.07805, 2202.07646) and a threshold on the loss,
as it is and less the base model's (Yeom et al., 1709.01604; Watson et al., 2111.08440). The base model is put through the
same, because text can be guessed, and two sets of questions can differ in themselves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from ragft.domain.splits import order
from ragft.finetune import AdapterPlan, training_examples
from ragft.generation.decode import greedy
from ragft.measuring import Reader
from ragft.prompts import closed_book, passage
from ragft.retrieval.base import RetrieverParts
from ragft.risk import Leaks, Loss, Place
from ragft.tuning.attach import load_attached
from ragft.tuning.formats import target
from ragft.tuning.rows import Encoded, encode_example, plan_batches, row_loss
from ragft.types import Dtype, Example, Gold, Question
from ragft.weights import Base, load_base, load_tokenizer

PLACES, PREFIX_TOKENS, CONTINUED_TOKENS = 24, 32, 24
EXAMPLES = 96  # of each side at most, whose loss is compared
BATCH = 16  # prompts continued together

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Known:
    """One example, where it is from, and what it must be compared with its like."""

    document: str
    kind: str
    encoded: Encoded


@dataclass(frozen=True)
class Sets:
    """What is asked of an adapter. `places` are (document, prefix, what follows), as token ids."""

    of: Literal["text", "answers"]
    places: tuple[tuple[str, list[int], list[int]], ...]
    members: tuple[Known, ...]
    others: tuple[Known, ...]


def find_leaks(
    plan: AdapterPlan,
    index: Path,
    parts: RetrieverParts,
    adapter: Path,
    inputs: str,
    progress: Progress = lambda done, total: None,
    dtype: Dtype | None = None,
) -> Leaks:
    """Ask the adapter of that folder, and the base, for what the plan trained it on. `dtype` of the base's weights; None: that of answering."""
    progress(0, 2)
    sets, base = choose(plan, index, parts), load_base(plan.model.folder, dtype)
    with reader(base, adapter, merge=dtype != "nf4") as one:
        told, seen, unseen = _ask(one, sets)
    progress(1, 2)
    with reader(base, None, merge=False) as one:
        guessed, before, elsewhere = _ask(one, sets)
    progress(2, 2)
    places = tuple(Place(place[0], a, b) for place, a, b in zip(sets.places, told, guessed, strict=True))
    return Leaks(inputs, sets.of, places, _losses(sets.members, seen, before), _losses(sets.others, unseen, elsewhere))


def _ask(one: Reader, sets: Sets) -> tuple[list[bool], list[float], list[float]]:
    return continues(one, sets.places), losses(one, sets.members), losses(one, sets.others)


def _losses(known: Sequence[Known], tuned: Sequence[float], base: Sequence[float]) -> tuple[Loss, ...]:
    return tuple(Loss(one.document, a, b) for one, a, b in zip(known, tuned, base, strict=True))


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def choose(plan: AdapterPlan, index: Path, parts: RetrieverParts) -> Sets:
    """Places and examples, the same ones every time.

    Members are examples that training reached within its budget. Where questions were trained, they are asked as questions
    without passages, whatever they were trained with, so that no answer can be read off; the others are answerable questions of
    any split, none about a fact that was trained, of the same kinds and as many. Where raw text only was trained, the others
    are passages that the budget did not reach. Unanswerable questions stay out: they all have the same answer.
    """
    tokenizer = load_tokenizer(plan.model.folder)
    examples = training_examples(plan, index, parts)
    encoded = [encode_example(example, tokenizer) for example in examples]
    used = {i for batch in plan_batches(encoded, plan.train_tokens, plan.train_batch_size, plan.seed) for i in batch}
    document = {passage(chunk): chunk.span.document for chunk in parts.chunks}
    text = [(i, Known(document.get(e.completion, ""), "", encoded[i])) for i, e in enumerate(examples) if e.prompt is None]
    seen, unseen = asked_and_not(plan, [examples[i] for i in sorted(used)])
    language = plan.domain.language

    def known(pairs: Sequence[tuple[Question, Gold]]) -> list[Known]:
        made = (Example(closed_book(question.text, language, plan.style), target(gold, language)) for question, gold in pairs)
        return [Known(gold.document, gold.kind, encode_example(example, tokenizer)) for (_, gold), example in zip(pairs, made, strict=True)]

    trained = [one for i, one in text if i in used]
    sides = (known(seen), known(unseen)) if seen else (trained, [one for i, one in text if i not in used])
    members, others = alike(*sides)
    if text:
        return Sets("text", tuple(text_places(trained)), members, others)
    return Sets("answers", tuple(answer_places(known(seen))), members, others)


def asked_and_not(plan: AdapterPlan, used: Sequence[Example]) -> tuple[list[tuple[Question, Gold]], list[tuple[Question, Gold]]]:
    """The answerable questions that these examples ask and answer, and those about facts that none of them asks for."""
    domain, language = plan.domain, plan.domain.language
    turns = [(example.prompt.user, example.completion) for example in used if example.prompt]
    pairs = [(domain.questions[gold.id], gold) for gold in domain.gold.values() if gold.answerable]

    def was_used(question: Question, gold: Gold) -> bool:
        own, answer = closed_book(question.text, language, plan.style).user, target(gold, language)  # an open-book turn ends with the closed-book one
        return any(answer == said and (user == own or user.endswith("\n\n" + own)) for user, said in turns)

    seen = [(question, gold) for question, gold in pairs if gold.split == "train" and was_used(question, gold)]
    facts = {gold.fact for _, gold in seen}
    return seen, [(question, gold) for question, gold in pairs if gold.fact not in facts]


def alike(members: Sequence[Known], others: Sequence[Known]) -> tuple[tuple[Known, ...], tuple[Known, ...]]:
    """Of both as many of each kind, at most EXAMPLES in all, in a fixed meaningless order."""
    by_kind = [{kind: [one for one in _shuffled(side) if one.kind == kind] for kind in {one.kind for one in side}} for side in (members, others)]
    numbers = {kind: min(len(by_kind[0][kind]), len(by_kind[1][kind])) for kind in sorted(by_kind[0].keys() & by_kind[1].keys())}
    scale = min(1.0, EXAMPLES / max(1, sum(numbers.values())))
    first, second = (tuple(one for kind, number in numbers.items() for one in side[kind][: int(scale * number)]) for side in by_kind)
    return first, second


def _shuffled(known: Sequence[Known]) -> list[Known]:
    return sorted(known, key=lambda one: order(str(one.encoded.ids)))


def text_places(trained: Sequence[Known]) -> Iterator[tuple[str, list[int], list[int]]]:
    """PREFIX_TOKENS of a passage and the CONTINUED_TOKENS after them, one place of a passage that is long enough."""
    length = PREFIX_TOKENS + CONTINUED_TOKENS
    long = [one for one in _shuffled(trained) if len(one.encoded.ids) - 1 >= length]  # without the end-of-text token
    for one in long[:PLACES]:
        ids = one.encoded.ids[:-1]
        start = random.Random(str(ids)).randrange(len(ids) - length + 1)
        yield one.document, ids[start : start + PREFIX_TOKENS], ids[start + PREFIX_TOKENS : start + length]


def answer_places(trained: Sequence[Known]) -> Iterator[tuple[str, list[int], list[int]]]:
    """A training question, and its answer with the token that ends it."""
    for one in _shuffled(trained)[:PLACES]:
        yield one.document, one.encoded.ids[: one.encoded.start], one.encoded.ids[one.encoded.start :]


# ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def reader(base: Base, adapter: Path | None, merge: bool) -> Iterator[Reader]:
    """The base with the adapter on it, folded in where that can be; None: the base alone. As it was afterwards."""
    base.clear()
    try:
        if adapter is None:
            yield Reader(base.model)
            return
        attached = load_attached(base, adapter)
        if merge and attached.merge is not None:
            attached.merge()
        with torch.inference_mode():
            memory = attached.memory()
        yield Reader(base.model, memory)
    finally:
        base.clear()


def continues(one: Reader, places: Sequence[tuple[str, list[int], list[int]]]) -> list[bool]:
    """For each place, whether the greedy continuation of its prefix is what follows there, token by token."""
    told = []
    for first in range(0, len(places), BATCH):
        batch = places[first : first + BATCH]
        made = greedy(one.model, [prefix for _, prefix, _ in batch], max(len(rest) for *_, rest in batch), set(), one.memory)
        told += [tokens[: len(rest)] == rest for tokens, (*_, rest) in zip(made, batch, strict=True)]
    return told


@torch.inference_mode()
def losses(one: Reader, known: Sequence[Known]) -> list[float]:
    """Nats a token that is learned, of each example."""
    return [float(row_loss(one.model, [k.encoded], one.memory)) / (len(k.encoded.ids) - k.encoded.start) for k in known]
