"""What arms share: the index over the corpus and the adapters, each built once into an artifact folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ragft import registry
from ragft.chunking import chunk_documents, relevant_chunks
from ragft.domain import Domain, load_domain
from ragft.meter import PeakMemory
from ragft.metrics.retrieval import recall_at
from ragft.models import Model
from ragft.numbers import percent
from ragft.prompts import closed_book, fit_passages, open_book, passage
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.store import read_json, read_jsonl_as, write_json, write_jsonl
from ragft.tuning.formats import TrainingData, target
from ragft.types import Chunk, Document, Dtype, Evidence, Example, FitReport, Forecast, Gold, Hit, Question

AUTO = ("hybrid", "bm25", "dense")  # in order of preference: a later one must be better, not as good
SPARE_DISTRACTORS = 4  # passages beyond k for training examples from which the gold is taken out
DEV_QUESTIONS = 200  # enough to tell retrievers apart; more only take time
DEV_EXAMPLES = 48  # whose loss is watched while training: seconds, five times
Progress = Callable[[int, int], None]
Asked = Sequence[tuple[Question, Gold]]


@dataclass(frozen=True)
class IndexPlan:
    """What an index is built from. `embedder` None: lexical search only."""

    domain: Domain
    model: Model  # its tokenizer measures the chunks
    embedder: Model | None
    chunk_tokens: int
    chunk_overlap: int
    k: int

    def key(self) -> dict[str, Any]:
        return {
            "corpus": self.domain.sha256,
            "tokenizer": self.model.sha256,
            "embedder": self.embedder.sha256 if self.embedder else None,
            "chunks": [self.chunk_tokens, self.chunk_overlap],
            "auto": [AUTO, self.k, DEV_QUESTIONS],
        }


def build_index(plan: IndexPlan, folder: Path, progress: Progress = lambda done, total: None) -> FitReport:
    """chunks.jsonl, vectors.npy (with an embedder) and choice.json, which says what `retriever: auto` stands for here.

    `progress` counts documents that were chunked, then chunks that were embedded.
    """
    began = time.perf_counter()
    with PeakMemory() as peak:
        chunks = chunk_documents(_counted(plan.domain.documents, progress), plan.chunk_tokens, plan.chunk_overlap, token_counter(plan.model))
        write_jsonl(folder / "chunks.jsonl", chunks)
        if plan.embedder:
            np.save(folder / "vectors.npy", _embed_all(plan.embedder, chunks, progress))
        chosen, recalls = choose_retriever(_parts(folder, chunks, plan.embedder), plan.domain.split("dev")[:DEV_QUESTIONS], plan.k)
        write_json(folder / "choice.json", {"auto": chosen, "k": plan.k, "recall_on_dev": recalls})
    return FitReport(
        seconds=time.perf_counter() - began,
        peak_bytes=peak.bytes,
        examples=len(chunks),
        artifact_bytes=sum(p.stat().st_size for p in folder.iterdir()),
        notes=(_say_choice(chosen, recalls, plan.k),),
    )


def _counted(documents: Sequence[Document], progress: Progress) -> Iterator[Document]:
    for number, document in enumerate(documents):
        progress(number, len(documents))
        yield document


def token_counter(model: Model) -> Callable[[str], int]:
    """Tokens of a text by the model's tokenizer."""
    from ragft.weights import count_tokens, load_tokenizer

    return partial(count_tokens, load_tokenizer(model.folder))


def _embed_all(embedder: Model, chunks: Sequence[Chunk], progress: Progress) -> np.ndarray:
    from ragft.retrieval.dense import EMBED_BATCH, load_embedder

    embed, parts = load_embedder(embedder.folder), []
    for first in range(0, len(chunks), 4 * EMBED_BATCH):
        parts.append(embed([passage(chunk) for chunk in chunks[first : first + 4 * EMBED_BATCH]]))
        progress(min(first + 4 * EMBED_BATCH, len(chunks)), len(chunks))
    return np.concatenate(parts)


def choose_retriever(parts: RetrieverParts, dev: Sequence[tuple[Question, Gold]], k: int) -> tuple[str, dict[str, float]]:
    """What `auto` stands for: hybrid, unless it recalls less of the dev questions' evidence than its better half.

    Without an embedder bm25; without dev evidence hybrid. Also returns recall@k of each, as evidence.
    """
    if parts.vectors is None:
        return "bm25", {}
    asked = [(question, gold) for question, gold in dev if gold.evidence]
    if not asked:
        return "hybrid", {}
    recalls = {}
    for name in AUTO:
        found = make_retriever(name, parts).search([question for question, _ in asked], k)
        recalls[name] = float(np.mean([recall_of(hits, gold, k) for hits, (_, gold) in zip(found, asked, strict=True)]))
    return max(AUTO, key=lambda name: (recalls[name], -AUTO.index(name))), recalls


def recall_of(hits: Sequence[Hit], gold: Gold, k: int) -> float:
    """Recall@k of one question's hits: the share of its pieces of evidence that they hold."""
    rank = {hit.chunk.id: hit.rank for hit in hits}
    pieces = relevant_chunks([hit.chunk for hit in hits], gold.evidence)
    return recall_at([min((rank[key] for key in ids), default=None) for ids in pieces], k)


def _say_choice(chosen: str, recalls: dict[str, float], k: int) -> str:
    if not recalls:
        return f"retriever auto = {chosen} (no evidence on dev questions to choose by)"
    figures = ", ".join(f"{name} {percent(value, 0)}" for name, value in recalls.items())
    return f"retriever auto = {chosen} (recall@{k} on dev questions: {figures})"


# ── using an index ───────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=2)
def open_index(folder: Path, sha256: str, embedder: Model | None) -> RetrieverParts:
    """The parts stored in an index folder; `sha256` (of the artifact) makes a rebuilt one another."""
    return _parts(folder, tuple(read_jsonl_as(Chunk, folder / "chunks.jsonl")), embedder)


def _parts(folder: Path, chunks: Sequence[Chunk], embedder: Model | None) -> RetrieverParts:
    path = folder / "vectors.npy"
    if embedder is None or not path.is_file():
        return RetrieverParts(tuple(chunks))

    def embed(texts: Sequence[str]) -> np.ndarray:
        from ragft.retrieval.dense import load_embedder

        return load_embedder(embedder.folder)(texts)

    return RetrieverParts(tuple(chunks), np.load(path, allow_pickle=False), embed)


def make_retriever(name: str, parts: RetrieverParts, evidence: dict[str, tuple[Evidence, ...]] | None = None) -> Retriever:
    """The registered retriever over an index. Only `oracle` is ever handed the evidence."""
    given = RetrieverParts(parts.chunks, parts.vectors, parts.embed, evidence if name == "oracle" else None)
    return registry.lookup("retriever", name).make(given)


def resolve_retriever(name: str, index: Path) -> str:
    """`auto` as the index chose it; any other name as it is."""
    return read_json(index / "choice.json")["auto"] if name == "auto" else name


# ── adapters ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
            "index": index_sha256,
            "training": [self.learning_rate, self.train_tokens, self.train_batch_size, self.seed, self.dtype],
        }

    def data(self, questions: Asked, chunks: Sequence[Chunk], retrieved: dict[str, list[Chunk]], gold: dict[str, list[Chunk]]) -> TrainingData:
        """What the format is given to make examples of these questions."""
        return TrainingData(
            questions=questions,
            chunks=chunks,
            language=self.domain.language,
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
        return closed_book_examples(dev, language)
    fit = partial(fit_passages, budget=plan.context_tokens, count_tokens=token_counter(plan.model))
    retriever = make_retriever(resolve_retriever(plan.retriever or "auto", index), parts)
    found = retriever.search([question for question, _ in dev], plan.k) if dev else []
    shown = [fit([hit.chunk for hit in hits]) for hits in found]
    return [Example(open_book(q.text, chunks, language), target(gold, language)) for (q, gold), chunks in zip(dev, shown, strict=True)]


def closed_book_examples(asked: Asked, language: str) -> list[Example]:
    """The questions as they are asked without passages, with their answers."""
    return [Example(closed_book(question.text, language), target(gold, language)) for question, gold in asked]


def _training_passages(
    plan: AdapterPlan, index: Path, parts: RetrieverParts, questions: Sequence[tuple[Question, Gold]]
) -> tuple[dict[str, list[Chunk]], dict[str, list[Chunk]]]:
    """What retrieval finds for each training question, and the chunks that hold its evidence; for formats with passages."""
    if not plan.passages:
        return {}, {}
    retriever = make_retriever(resolve_retriever(plan.retriever or "auto", index), parts)
    found = retriever.search([question for question, _ in questions], plan.k + SPARE_DISTRACTORS)
    retrieved = {question.id: [hit.chunk for hit in hits] for (question, _), hits in zip(questions, found, strict=True)}
    by_document: dict[str, list[Chunk]] = {}
    for chunk in parts.chunks:
        by_document.setdefault(chunk.span.document, []).append(chunk)
    gold = {question.id: _holders(by_document, g.evidence) for question, g in questions}
    return retrieved, gold


def _holders(by_document: dict[str, list[Chunk]], evidence: Sequence[Evidence]) -> list[Chunk]:
    """For each piece of evidence, the first chunk that holds it."""
    documents = dict.fromkeys(_documents(evidence))
    near = [chunk for document in documents for chunk in by_document.get(document, ())]
    firsts = (next((chunk for chunk in near if chunk.id in ids), None) for ids in relevant_chunks(near, evidence))
    return list(dict.fromkeys(chunk for chunk in firsts if chunk is not None))


def _documents(evidence: Sequence[Evidence]) -> Iterator[str]:
    """The documents in which evidence stands."""
    return (span.document for piece in evidence for span in piece.spans)
