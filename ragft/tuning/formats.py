"""Training formats by name: each is a function from the training data, and its own options, to examples.

Only questions of the train split reach this module. Prompts come from ragft.prompts, as in answering.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ragft.errors import InputError
from ragft.prompts import DEFAULT, REFUSAL, Style, citing, closed_book, open_book, passage
from ragft.registry import format  # noqa: A004 the field's word
from ragft.tuning.paraphrase import paraphrases
from ragft.types import Chunk, Example, Gold, Question

WORDINGS = 4  # of a fact, unless the study says otherwise
RAFT_SHARE_WITHOUT_GOLD = 0.2  # 1 - P of the paper, whose best P lies between 0.6 and 1 (2403.10131, figure 5)
Asked = Sequence[tuple[Question, Gold]]


@dataclass(frozen=True)
class TrainingData:
    """What a format may use. `retrieved` and `gold_chunks` are by question id, for open-book formats only."""

    questions: Asked
    chunks: Sequence[Chunk]
    language: str
    seed: int
    k: int  # passages that the arm shows when answering
    fit: Callable[[Sequence[Chunk]], Sequence[Chunk]]  # the first passages that fill the context budget, as when answering
    retrieved: Mapping[str, Sequence[Chunk]]  # what the arm's retriever finds, best first; more than k, to have distractors
    gold_chunks: Mapping[str, Sequence[Chunk]]
    held_out: Callable[[str], bool] = lambda text: False  # whether a wording is that of a held-out question
    tested_documents: frozenset[str] = frozenset()  # that held-out questions ask about
    style: Style = DEFAULT  # how the arm is asked
    elsewhere: Asked = ()  # training questions of another domain, where the study names one


def target(gold: Gold, language: str) -> str:
    """The answer to learn: the reference, or the refusal."""
    return gold.answers[0] if gold.answers else REFUSAL[language]


@format("qa", "one wording of each trained fact, without passages; unanswerable questions teach the refusal")
def qa(data: TrainingData) -> list[Example]:
    return [_example(data, wordings[0]) for wordings in _by_fact(data.questions)]


@format("paraphrase", "several wordings of each trained fact, the domain's own first, then made by rules")
def paraphrase(data: TrainingData, wordings: int = WORDINGS) -> list[Example]:
    """The dose of a fact: 2309.14316 finds that a fact asked in one wording only can be memorised and yet not recalled."""
    if isinstance(wordings, bool) or not isinstance(wordings, int) or wordings < 1:
        raise InputError(f"format 'paraphrase': wordings must be a whole number from 1, not {wordings!r}.")
    asked = {question.text for question, _ in data.questions}
    examples = []
    for own in _by_fact(data.questions):
        examples += [_example(data, pair) for pair in own[:wordings]]
        first, gold = own[0]
        missing = max(0, wordings - len(own))
        made = paraphrases(first.text, data.language, missing, data.seed, lambda text: text in asked or data.held_out(text))
        examples += [_example(data, (replace(first, text=text), gold)) for text in made]
    return examples


@format("text", "the raw text of every document, in passages")
def text(data: TrainingData) -> list[Example]:
    return [Example(None, passage(chunk)) for chunk in data.chunks]


@format("mixed", "the raw text of every document and every training question")
def mixed(data: TrainingData) -> list[Example]:
    return text(data) + [_example(data, pair) for pair in data.questions]


@format("raft", "training questions with gold and distracting passages, a share without the gold", passages=True)
def raft(data: TrainingData) -> list[Example]:
    """RAFT (Zhang et al., 2403.10131): the retrieved passages with the gold among them; for one question in five the
    gold is taken out and the answer must come from memory. An unanswerable question is refused. Where the study asks for
    citations, the gold is cited."""
    if not any(data.gold_chunks.get(question.id) for question, _ in data.questions):
        raise InputError("format 'raft' needs training questions with evidence. Add evidence, or leave the raft arm out.")
    rng = random.Random(data.seed)
    examples = []
    for question, gold in data.questions:
        holding = data.gold_chunks.get(question.id, ())
        shown = data.fit(raft_passages(data.retrieved[question.id], holding, data.k, rng))
        answer = citing(target(gold, data.language), shown, {chunk.id for chunk in holding}, data.style)
        examples.append(Example(open_book(question.text, shown, data.language, data.style), answer))
    return examples


@format(
    "other-documents", "a control: questions about documents that no held-out question asks about; a gain is behaviour, not knowledge", control=True
)
def other_documents(data: TrainingData) -> list[Example]:
    elsewhere = data.elsewhere or [pair for pair in data.questions if data.tested_documents.isdisjoint(_documents(pair[1]))]
    if not elsewhere:
        raise InputError(
            "format 'other-documents': held-out questions ask about every document that training questions ask about. "
            "Name another domain: format_options: {domain: ../other-domain}."
        )
    return [_example(data, wordings[0]) for wordings in _by_fact(elsewhere)]


@format("shuffled", "a control: as qa, with the answers exchanged between questions; a gain means that the pipeline is broken", control=True)
def shuffled(data: TrainingData) -> list[Example]:
    examples = qa(data)
    if len({example.completion for example in examples}) < 2:
        raise InputError("format 'shuffled' needs training questions with at least two different answers.")
    answers = exchanged([example.completion for example in examples], random.Random(data.seed))
    return [replace(example, completion=answer) for example, answer in zip(examples, answers, strict=True)]


def exchanged(answers: Sequence[str], rng: random.Random) -> list[str]:
    """The answers in an order in which as few as possible stand where the same text stood.

    Equal answers are put side by side and the whole is turned by the size of the largest group: nobody keeps an answer
    unless more than half of all are the same.
    """
    order = list(range(len(answers)))
    rng.shuffle(order)
    names = {answer: number for number, answer in enumerate(dict.fromkeys(answers[i] for i in order))}
    order.sort(key=lambda i: names[answers[i]])  # stable: shuffled within a group
    turn = max(answers.count(answer) for answer in names)
    made = [""] * len(answers)
    for place, i in enumerate(order):
        made[i] = answers[order[(place + turn) % len(order)]]
    return made


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


def _example(data: TrainingData, pair: tuple[Question, Gold]) -> Example:
    question, gold = pair
    return Example(closed_book(question.text, data.language, data.style), target(gold, data.language))


def _by_fact(questions: Asked) -> list[list[tuple[Question, Gold]]]:
    """The questions of each fact, its first wording first."""
    facts: dict[str, list[tuple[Question, Gold]]] = {}
    for question, gold in questions:
        facts.setdefault(gold.fact, []).append((question, gold))
    return [sorted(wordings, key=lambda pair: pair[1].wording) for wordings in facts.values()]


def _documents(gold: Gold) -> set[str]:
    return {gold.document, *(span.document for piece in gold.evidence for span in piece.spans)}
