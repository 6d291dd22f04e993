"""The adapters, which arms share: what each is trained from, and its training into an artifact folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from ragft import registry
from ragft.build import Asked, Progress, make_retriever, resolve_retriever, token_counter
from ragft.chunking import relevant_chunks
from ragft.domain import Domain, load_domain
from ragft.models import Model
from ragft.prompts import DEFAULT, Style, citing, closed_book, fit_passages, open_book
from ragft.retrieval.base import RetrieverParts
from ragft.tuning.formats import TrainingData, target
from ragft.types import Chunk, Dtype, Evidence, Example, FitReport, Forecast, Gold, Hit, Question

SPARE_DISTRACTORS = 4  # passages beyond k for training examples from which the gold is taken out
DEV_EXAMPLES = 32  # whose loss is watched while training, five times: of a short training a good part of its time


@dataclass(frozen=True)
class AdapterPlan:
    """What an adapter is trained from: method, format and every number that training depends on."""

    domain: Domain
    model: Model
    tuning: str
    options: tuple[tuple[str, Any], ...]
    format: str
    format_options: tuple[tuple[str, Any], ...]  # `domain` among them names another domain's folder
    retriever: str | None  # for formats with passages
    k: int
    context_tokens: int
    learning_rate: float
    train_tokens: int
    train_batch_size: int
    seed: int
    dtype: Dtype = "float32"  # of the base's weights while training
    style: Style = DEFAULT  # how the arm is asked

    @property
    def passages(self) -> bool:
        """Whether the format trains on open-book prompts."""
        return bool(registry.lookup("format", self.format).facts["passages"])

    @cached_property
    def elsewhere(self) -> Domain | None:
        """The other domain that the format trains on, where its options name one."""
        folder = dict(self.format_options).get("domain")
        return load_domain(folder) if folder else None

    def key(self, index_sha256: str) -> dict[str, Any]:
        options = {**dict(self.format_options), "domain": self.elsewhere.sha256 if self.elsewhere else None}
        return {
            "domain": self.domain.sha256,
            "model": self.model.sha256,
            "method": [self.tuning, sorted(self.options)],
            "format": [self.format, options, *([self.retriever, self.k, self.context_tokens] if self.passages else [])],
            "prompt": self.style.model_dump(),
            "index": index_sha256,
            "training": [self.learning_rate, self.train_tokens, self.train_batch_size, self.seed, self.dtype],
        }

    def data(self, questions: Asked, chunks: Sequence[Chunk], retrieved: dict[str, list[Chunk]], gold: dict[str, list[Chunk]]) -> TrainingData:
        """What the format is given to make examples of these questions."""
        return TrainingData(
            questions=questions,
            chunks=chunks,
            language=self.domain.language,
            style=self.style,
            seed=self.seed,
            k=self.k,
            fit=partial(fit_passages, budget=self.context_tokens, count_tokens=token_counter(self.model)),
            retrieved=retrieved,
            gold_chunks=gold,
            held_out=self.domain.holds_out,
            tested_documents=self.domain.tested_documents,
            elsewhere=self.elsewhere.split("train") if self.elsewhere else (),
        )

    def examples(self, data: TrainingData) -> list[Example]:
        """The training examples that the format makes of the data. Raises InputError where it makes none."""
        options = {key: value for key, value in self.format_options if key != "domain"}
        return registry.lookup("format", self.format).make(data, **options)


def build_adapter(
    plan: AdapterPlan,
    index: Path,
    parts: RetrieverParts,
    folder: Path,
    progress: Progress = lambda done, total: None,
    checkpoint: Path | None = None,
    watch: Callable[[int, float], None] = lambda tokens, dev_loss: None,
    announce: Callable[[Forecast], None] | None = None,
    expected: Forecast | None = None,
) -> FitReport:
    """Train the adapter into `folder`. Only questions of the train split are learned; dev questions are only looked at.

    `watch`, `announce` and `expected` are those of `train_adapter`.
    """
    from ragft.tuning.train import Training, train_adapter

    method = registry.lookup("tuning", plan.tuning)
    return train_adapter(
        plan.model.folder,
        method.make(**dict(plan.options)),
        training_examples(plan, index, parts),
        folder,
        Training(plan.seed, plan.train_tokens, plan.train_batch_size, plan.learning_rate, plan.dtype, method.facts["packs"]),
        dev=_dev_examples(plan, index, parts),
        checkpoint=checkpoint,
        progress=progress,
        watch=watch,
        announce=announce,
        expected=expected,
    )


def training_examples(plan: AdapterPlan, index: Path, parts: RetrieverParts) -> list[Example]:
    """What the plan's format makes of the questions of the train split."""
    questions = plan.domain.split("train")
    return plan.examples(plan.data(questions, parts.chunks, *_training_passages(plan, index, parts, questions)))


def _dev_examples(plan: AdapterPlan, index: Path, parts: RetrieverParts) -> list[Example]:
    """Dev questions as the arm will be asked them, with their answers: what the loss while training is watched on."""
    dev, language = plan.domain.sample("dev", DEV_EXAMPLES), plan.domain.language
    if not plan.passages:
        return closed_book_examples(dev, language, plan.style)
    fit = partial(fit_passages, budget=plan.context_tokens, count_tokens=token_counter(plan.model))
    retriever = make_retriever(resolve_retriever(plan.retriever or "auto", index), parts)
    found = retriever.search([question for question, _ in dev], plan.k) if dev else []
    shown = [fit([hit.chunk for hit in hits]) for hits in found]
    return [
        Example(open_book(q.text, chunks, language, plan.style), citing(target(gold, language), chunks, _held_by(chunks, gold), plan.style))
        for (q, gold), chunks in zip(dev, shown, strict=True)
    ]


def _held_by(chunks: Sequence[Chunk], gold: Gold) -> frozenset[str]:
    """The ids of those of the chunks that hold evidence."""
    return frozenset().union(*relevant_chunks(chunks, gold.evidence))


def closed_book_examples(asked: Asked, language: str, style: Style) -> list[Example]:
    """The questions as they are asked without passages, with their answers."""
    return [Example(closed_book(question.text, language, style), target(gold, language)) for question, gold in asked]


def _training_passages(
    plan: AdapterPlan, index: Path, parts: RetrieverParts, questions: Sequence[tuple[Question, Gold]]
) -> tuple[dict[str, list[Chunk]], dict[str, list[Chunk]]]:
    """What retrieval finds for each training question, and the chunks that hold its evidence; for formats with passages."""
    if not plan.passages:
        return {}, {}
    line = resolve_retriever(plan.retriever or "auto", index)
    found = _searched(_Search(index, line, plan.k + SPARE_DISTRACTORS, tuple(question for question, _ in questions), parts))
    retrieved = {question.id: [hit.chunk for hit in hits] for (question, _), hits in zip(questions, found, strict=True)}
    by_document: dict[str, list[Chunk]] = {}
    for chunk in parts.chunks:
        by_document.setdefault(chunk.span.document, []).append(chunk)
    gold = {question.id: _holders(by_document, g.evidence) for question, g in questions}
    return retrieved, gold


@dataclass(frozen=True)
class _Search:
    """What a retriever is asked. The index tells the parts."""

    index: Path
    retriever: str
    k: int
    questions: tuple[Question, ...]
    parts: RetrieverParts = field(compare=False)


@lru_cache(maxsize=2)  # seeds, trials and methods that learn from the same passages: a model may write to find them, or a reranker read
def _searched(asked: _Search) -> list[tuple[Hit, ...]]:
    return make_retriever(asked.retriever, asked.parts).search(asked.questions, asked.k)


def _holders(by_document: dict[str, list[Chunk]], evidence: Sequence[Evidence]) -> list[Chunk]:
    """For each piece of evidence, the first chunk that holds it."""
    documents = dict.fromkeys(_documents(evidence))
    near = [chunk for document in documents for chunk in by_document.get(document, ())]
    firsts = (next((chunk for chunk in near if chunk.id in ids), None) for ids in relevant_chunks(near, evidence))
    return list(dict.fromkeys(chunk for chunk in firsts if chunk is not None))


def _documents(evidence: Sequence[Evidence]) -> Iterator[str]:
    """The documents in which evidence stands."""
    return (span.document for piece in evidence for span in piece.spans)
