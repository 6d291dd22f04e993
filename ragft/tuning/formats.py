"""Training formats by name: each is a function from the training data to examples.

Only questions of the train split reach this module. Prompts come from ragft.prompts, as in answering.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ragft.errors import InputError
from ragft.prompts import REFUSAL, closed_book, open_book, passage
from ragft.registry import format  # noqa: A004 the field's word
from ragft.types import Chunk, Example, Gold, Question

RAFT_SHARE_WITHOUT_GOLD = 0.2  # 1 - P of the paper, whose best P lies between 0.6 and 1 (2403.10131, figure 5)


@dataclass(frozen=True)
class TrainingData:
    """What a format may use. `retrieved` and `gold_chunks` are by question id, for open-book formats only."""

    questions: Sequence[tuple[Question, Gold]]
    chunks: Sequence[Chunk]
    language: str
    seed: int
    k: int  # passages that the arm shows when answering
    fit: Callable[[Sequence[Chunk]], Sequence[Chunk]]  # the first passages that fill the context budget, as when answering
    retrieved: Mapping[str, Sequence[Chunk]]  # what the arm's retriever finds, best first; more than k, to have distractors
    gold_chunks: Mapping[str, Sequence[Chunk]]


def _target(gold: Gold, language: str) -> str:
    return gold.answers[0] if gold.answers else REFUSAL[language]


@format("qa", "training questions without passages; unanswerable ones teach the refusal")
def qa(data: TrainingData) -> list[Example]:
    return [Example(closed_book(question.text, data.language), _target(gold, data.language)) for question, gold in data.questions]


@format("text", "the raw text of every document, in passages")
def text(data: TrainingData) -> list[Example]:
    return [Example(None, passage(chunk)) for chunk in data.chunks]


@format("mixed", "the raw text of every document and the training questions, shuffled together")
def mixed(data: TrainingData) -> list[Example]:
    return text(data) + qa(data)


@format("raft", "training questions with gold and distracting passages, a share without the gold", passages=True)
def raft(data: TrainingData) -> list[Example]:
    """RAFT (Zhang et al., 2403.10131): the retrieved passages with the gold among them; for one question in five the
    gold is taken out and the answer must come from memory. An unanswerable question is refused."""
    if not any(data.gold_chunks.get(question.id) for question, _ in data.questions):
        raise InputError("format 'raft' needs training questions with evidence. Add evidence, or leave the raft arm out.")
    rng = random.Random(data.seed)
    examples = []
    for question, gold in data.questions:
        shown = raft_passages(data.retrieved[question.id], data.gold_chunks.get(question.id, ()), data.k, rng)
        examples.append(Example(open_book(question.text, data.fit(shown), data.language), _target(gold, data.language)))
    return examples


def raft_passages(retrieved: Sequence[Chunk], gold: Sequence[Chunk], k: int, rng: random.Random) -> list[Chunk]:
    """k passages for a training question: as retrieved, with gold that was missed put in at random places, or distractors only."""
    known = {chunk.id for chunk in gold}
    distractors = [chunk for chunk in retrieved if chunk.id not in known]
    if known and rng.random() < RAFT_SHARE_WITHOUT_GOLD:
        return distractors[:k]
    shown = list(retrieved[:k])
    missed = [chunk for chunk in gold if chunk not in shown]
    for chunk in missed:
        weakest = next((place for place in reversed(range(len(shown))) if shown[place].id not in known), None)
        if len(shown) >= k and weakest is not None:
            del shown[weakest]  # so that the prompt keeps its size
        shown.insert(rng.randint(0, len(shown)), chunk)
    return shown
