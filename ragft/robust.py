"""Asks arms of a finished run again: with typing errors, with passages that distract, about a second domain.

    runs/<run>/robustness.json
    runs/<run>/robustness/<arm>/<variant>/answers.jsonl     kept as they come: a job that was killed goes on

robustness(prepare(load_study("data/tarnbeck"), Path("runs")), ["rag", "raft"], Path("data/hollinbeck"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np

from ragft import registry, stats
from ragft.arms import Composed
from ragft.build import make_retriever, resolve_retriever
from ragft.chunking import overlap
from ragft.context import Context, opened, seeds_of
from ragft.domain import Domain, load_domain
from ragft.domain.typos import misspell
from ragft.errors import MissingError, unknown
from ragft.progress import Silent, Watcher
from ragft.prompts import fit_passages
from ragft.retrieval.base import Retriever
from ragft.robustness import Robustness, RobustnessRow, Variant
from ragft.settings import ArmSettings
from ragft.store import Artifact, fingerprint, read_jsonl_as, write_json
from ragft.types import Answer, Chunk, Evidence, Gold, Hit, Question
from ragft.units import ANSWERS, Progress, adapter_artifact, ask, compose, index_artifact, is_answered, mark_answered, start_over_unless

QUESTIONS = 40  # asked of the held-out set at most
DISTRACTORS = 2
SPARE = 20  # passages looked at beyond those shown, to find that many without evidence
OWN_ALPHA = 0.025  # on each side of a 95 % interval
UNLIMITED = 10**9  # tokens of passages: `Distracted` has fitted the arm's own, and what distracts comes on top

Asked = Sequence[tuple[Question, Gold]]


@dataclass(frozen=True)
class Part:
    """What one arm is asked in one variant; the gold is that of the questions as they are asked."""

    name: str  # the arm's, or that of its untuned counterpart
    arm: ArmSettings
    seed: int
    variant: str
    domain: Domain  # that the questions are about
    asked: Asked
    wrap: Callable[[Composed, Retriever], Composed] | None = None  # the arm shown other passages; it is handed a ranking to take them from
    planted: Any = None  # what the wrap shows that is in no index: other texts are other answers
    home: str = "robustness"  # the run's folder in which the answers are kept

    def folder(self, context: Context) -> Path:
        return context.run.folder / self.home / self.name / self.variant.replace(" ", "-")


@dataclass(frozen=True)
class _Pair:
    """A row to be: a variant, and what its answers are compared with (None: the arm's own answers in the run)."""

    part: Part
    against: Part | None


def robustness(context: Context, arms: Sequence[str], second: Path | None, watcher: Watcher | None = None, questions: int = QUESTIONS) -> Robustness:
    """Ask these arms again, each with its first seed, at most so many questions a variant, and write robustness.json.

    Arms with a retriever are also asked with distractors, and tuned arms about the domain in `second`. Raises InputError
    for an arm that is not in the study, MissingError for one that has not answered yet, BusyError as a run does.
    """
    check_answered(context, arms)
    elsewhere = load_domain(second) if second else None
    pairs = [pair for name in arms for pair in _pairs(context, name, elsewhere, questions) if pair.part.asked]
    parts = {part.folder(context): part for pair in pairs for part in (pair.part, pair.against) if part}
    with context.run.locked():
        for number, part in enumerate(parts.values(), start=1):
            with (watcher or Silent()).unit(f"{part.name}, {part.variant}", number, len(parts)) as progress:
                answer_part(context, part, progress)
        found = Robustness(tuple(_row(context, pair) for pair in pairs), context.study.metric)
        write_json(context.run.folder / "robustness.json", found)
    return found


def check_answered(context: Context, arms: Sequence[str]) -> None:
    """Raises InputError for an arm that is not in the study, MissingError for one that has not answered with its first seed."""
    for name in arms:
        if name not in context.study.arms:
            raise unknown("arm", name, context.study.arms)
        if not has_answered(context, name):
            raise MissingError(f"{context.run.folder}: arm '{name}' has not answered yet. Finish the run first: ragft run")


def has_answered(context: Context, name: str) -> bool:
    """Whether all answers of the arm's first seed are stored."""
    return (context.run.seed_folder(name, first_seed(context, name)) / "done.json").is_file()


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def _pairs(context: Context, name: str, elsewhere: Domain | None, questions: int) -> Iterator[_Pair]:
    """The rows of one arm."""
    arm, seed, home = context.study.arms[name], first_seed(context, name), context.domain
    asked = home.sample("test", questions)
    yield _Pair(Part(name, arm, seed, "typos", home, misspelt(asked)), None)
    if arm.retriever:
        yield _Pair(distracted_part(context, name, asked), None)
    if elsewhere and arm.tuning:
        bare = ArmSettings.model_validate({"retriever": arm.retriever, "k": arm.k})
        there = elsewhere.sample("test", questions)
        tuned = Part(name, arm, seed, "second domain", elsewhere, there)
        yield _Pair(tuned, replace(tuned, name=f"untuned-{fingerprint(bare.model_dump())}", arm=bare, seed=0))


def distracted_part(context: Context, name: str, asked: Asked) -> Part:
    """The arm, which has a retriever, asked with distractors."""
    # where an answerable question names no evidence, nobody knows which passage holds it
    kept = [(question, gold) for question, gold in asked if gold.evidence or not gold.answerable]
    wrap = partial(_distracted, evidence={gold.id: gold.evidence for _, gold in kept})
    return Part(name, context.study.arms[name], first_seed(context, name), "distractors", context.domain, kept, wrap)


def first_seed(context: Context, name: str) -> int:
    """Of the arm's seeds, the one that is asked again."""
    return seeds_of(context.study, context.study.arms[name])[0]


def misspelt(asked: Asked) -> Asked:
    """The questions with typing errors, the same ones every time; those without a word for one are left out."""
    pairs = [(question, gold, misspell(question.text, gold.answers, f"{question.id} {question.text}")) for question, gold in asked]
    return [(replace(question, text=text), replace(gold, question=text)) for question, gold, text in pairs if text != question.text]


@dataclass(frozen=True)
class Distracted:
    """A retriever whose passages are followed by the next-ranked ones without a piece of evidence."""

    own: Retriever
    others: Retriever  # whose ranking the distractors come from
    evidence: Mapping[str, tuple[Evidence, ...]]
    fit: Callable[[Sequence[Chunk]], list[Chunk]]  # as many of the first passages as the arm shows

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        """The arm's own hits, then at most DISTRACTORS others."""
        own, others = self.own.search(questions, k), self.others.search(questions, k + DISTRACTORS + SPARE)
        return [self._one(question, *found) for question, *found in zip(questions, own, others, strict=True)]

    def _one(self, question: Question, hits: tuple[Hit, ...], others: tuple[Hit, ...]) -> tuple[Hit, ...]:
        shown = hits[: len(self.fit([hit.chunk for hit in hits]))]
        spans = [span for piece in self.evidence[question.id] for span in piece.spans]
        taken = {hit.chunk.id for hit in shown}
        free = [hit for hit in others if hit.chunk.id not in taken and not any(overlap(hit.chunk.span, span) for span in spans)]
        return (*shown, *(replace(hit, rank=len(shown) + number) for number, hit in enumerate(free[:DISTRACTORS], start=1)))


def fitting(composed: Composed) -> Callable[[Sequence[Chunk]], list[Chunk]]:
    """As many of the first passages as the arm shows."""
    return partial(fit_passages, budget=composed.context_tokens, count_tokens=composed.generator.count_tokens)


def _distracted(composed: Composed, others: Retriever, evidence: Mapping[str, tuple[Evidence, ...]]) -> Composed:
    assert composed.retriever is not None
    return replace(composed, retriever=Distracted(composed.retriever, others, evidence, fitting(composed)), context_tokens=UNLIMITED)


def _ranking(context: Context, part: Part, index: Artifact, own: Retriever) -> Retriever:
    """The arm's own; for the oracle, which ranks nothing, what `auto` stands for."""
    if part.arm.retriever != "oracle":
        return own
    return make_retriever(resolve_retriever("auto", index.folder), opened(context, index))


def answer_part(context: Context, part: Part, progress: Progress) -> None:
    """Ask what is not answered yet, with the run's own adapter and an index over the domain that is asked about."""
    there = replace(context, domain=part.domain)
    index = index_artifact(there, progress) if part.arm.retriever else None
    adapter = adapter_artifact(context, part.arm, part.seed, progress) if part.arm.tuning else None
    questions = [question for question, _ in part.asked]
    inputs = fingerprint(
        {
            "arm": part.arm.model_dump(mode="json"),
            "study": [context.study.k, context.study.context_tokens],
            "index": index.sha256 if index else None,
            "adapter": adapter.sha256 if adapter else None,
            "questions": questions,
            **({"planted": part.planted} if part.planted is not None else {}),
        }
    )
    folder = part.folder(context)
    if is_answered(folder, inputs):
        return
    start_over_unless(folder, inputs)
    composed = compose(there, part.arm, index, adapter)
    if part.wrap and index and composed.retriever:
        composed = part.wrap(composed, _ranking(context, part, index, composed.retriever))
    ask(composed, questions, folder, progress)
    mark_answered(folder, inputs)


# ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────────────


def _row(context: Context, pair: _Pair) -> RobustnessRow:
    part, against, variant = pair.part, pair.against, cast(Variant, pair.part.variant)
    other = (against.folder(context) if against else context.run.seed_folder(part.name, part.seed)) / ANSWERS
    score = registry.lookup("metric", context.study.metric).make
    after = scores(part.folder(context) / ANSWERS, {gold.id: gold for _, gold in part.asked}, score)
    before = scores(other, part.domain.gold, score)
    common = [gold for _, gold in part.asked if after.get(gold.id) is not None and before.get(gold.id) is not None]
    if not common:
        return RobustnessRow(part.name, part.seed, variant, 0, None, None, None, None, None)
    a, b = (np.array([found[gold.id] for gold in common], dtype=float) for found in (after, before))
    found = stats.clustered_mean(a - b, [gold.document for gold in common])
    low, high = (None if bound is None else min(1.0, max(-1.0, bound)) for bound in found.bounds(OWN_ALPHA))
    return RobustnessRow(part.name, part.seed, variant, len(common), None if against else fmean(b), fmean(a), found.mean, low, high)


def scores(log: Path, golds: Mapping[str, Gold], score: Callable[[Answer, Gold], float | None]) -> dict[str, float | None]:
    """By question; None where the metric does not apply, as after an error."""
    return {answer.question: score(answer, golds[answer.question]) for answer in read_jsonl_as(Answer, log) if answer.question in golds}
