"""Training formats by name: each is a function from the training data to examples.

Only questions of the train split reach this module. Prompts come from ragft.prompts, as in answering.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragft.errors import InputError
from ragft.prompts import REFUSAL, closed_book, open_book, passage
from ragft.registry import format
from ragft.types import Chunk, Example, Gold, Question

RAFT_SHARE_WITHOUT_GOLD = 0.2  # 1 - P of the paper, whose best P lies between 0.6 and 1 (2403.10131, figure 5)


@dataclass(frozen=True)
class TrainingData:
    """What a format may use. `retrieved` and `gold_chunks` are by question id, for open-book formats only."""

    questions: Sequence[tuple[Question, Gold]]
    chunks: Sequence[Chunk]
    language: str
    seed: int
    retrieved: Mapping[str, Sequence[Chunk]]  # what the study's index finds, best first, as shown when answering
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
        shown = raft_passages(data.retrieved[question.id], data.gold_chunks.get(question.id, ()), rng)
        examples.append(Example(open_book(question.text, shown, data.language), _target(gold, data.language)))
    return examples


def raft_passages(retrieved: Sequence[Chunk], gold: Sequence[Chunk], rng: random.Random) -> list[Chunk]:
    """The passages of one training question: as retrieved, with gold that was missed put in at random places, or without gold."""
    known = {chunk.id for chunk in gold}
    if known and rng.random() < RAFT_SHARE_WITHOUT_GOLD:
        return [chunk for chunk in retrieved if chunk.id not in known]
    found = {chunk.id for chunk in retrieved}
    missed = [chunk for chunk in gold if chunk.id not in found]
    shown = list(retrieved)
    for chunk in missed:
        last = next((place for place in reversed(range(len(shown))) if shown[place].id not in known), None)
        if last is not None:
            del shown[last]  # the weakest distractor makes room, so that the prompt keeps its size
        shown.insert(rng.randint(0, len(shown)), chunk)
    return shown
