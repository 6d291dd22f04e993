"""The index over the corpus, which arms share: built once into an artifact folder, and what answers from it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragft import registry
from ragft.chunking import chunk_documents, relevant_chunks
from ragft.domain import Domain
from ragft.errors import MissingError
from ragft.meter import PeakMemory
from ragft.metrics.grounding import has_words, holds_answer
from ragft.metrics.retrieval import recall_at
from ragft.models import Model
from ragft.numbers import percent
from ragft.prompts import passage
from ragft.recipe import steps_of
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.retrieval.stored import FILE as CHUNKS
from ragft.retrieval.stored import StoredChunks
from ragft.store import read_json, write_json, write_jsonl
from ragft.types import Chunk, Document, Evidence, FitReport, Gold, Hit, Question

if TYPE_CHECKING:
    from ragft.retrieval.nearest import Reached

AUTO = ("hybrid", "hybrid dense_share=0.7", "bm25", "dense")  # in order of preference: a later one must be better, not as good
EMBEDDED = 256  # texts after which it is said how far it is
DEV_QUESTIONS = 200  # enough to tell retrievers apart; more only take time
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
    chunker: str = "tokens"

    def chunks(self, documents: Iterable[Document], count_tokens: Callable[[str], int]) -> tuple[Chunk, ...]:
        """Those of these documents, in order."""
        cut = registry.lookup("chunker", self.chunker).make
        return chunk_documents(documents, self.chunk_tokens, self.chunk_overlap, count_tokens, cut)

    def key(self) -> dict[str, Any]:
        return {
            "corpus": self.domain.sha256,
            "tokenizer": self.model.sha256,
            "embedder": self.embedder.sha256 if self.embedder else None,
            "chunks": [self.chunker, self.chunk_tokens, self.chunk_overlap],
            "auto": [AUTO, self.k, DEV_QUESTIONS],
        }


def build_index(plan: IndexPlan, folder: Path, progress: Progress = lambda done, total: None, previous: Path | None = None) -> FitReport:
    """chunks.jsonl, bm25/, with an embedder vectors.npy and for many of them nearest.faiss, and choice.json: what `retriever: auto` stands for.

    All but choice.json are read where they lie (memory-mapped). `progress` counts documents that were chunked, then passages
    that were embedded. With `previous`, the folder of an index by the same embedder, vectors of passages that stand there too
    are taken from it: the result is that of a whole build, to the rounding by which a vector depends on what was embedded
    beside it (about 1e-7).
    """
    began = time.perf_counter()
    with PeakMemory() as peak:
        chunks, dev = plan.chunks(_counted(plan.domain.documents, progress), token_counter(plan.model)), plan.domain.split("dev")[:DEV_QUESTIONS]
        reached = _write(plan, chunks, [question.text for question, _ in dev], folder, previous, progress)
        chosen, recalls = choose_retriever(_remembering(_parts(folder, plan.embedder), folder, plan.domain.language), dev, plan.k)
        embedder = plan.embedder.sha256 if plan.embedder else None
        write_json(folder / "choice.json", {"auto": chosen, "k": plan.k, "recall_on_dev": recalls, "embedder": embedder, "nearest": reached})
    return FitReport(
        seconds=time.perf_counter() - began,
        peak_bytes=peak.bytes,
        examples=len(chunks),
        artifact_bytes=sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()),
        notes=(_say_choice(chosen, recalls, plan.k), *([_say_nearest(reached)] if reached else [])),
    )


def _write(plan: IndexPlan, chunks: Sequence[Chunk], asked: Sequence[str], folder: Path, previous: Path | None, progress: Progress) -> Reached | None:
    """What is searched, and the vectors of these questions; the answer is how far a search by meaning looks, None: everywhere."""
    from ragft.retrieval.bm25 import index_terms, store_terms
    from ragft.retrieval.nearest import build_nearest

    write_jsonl(folder / CHUNKS, chunks)
    store_terms(index_terms(chunks), folder)
    if not plan.embedder:
        return None
    known = _vectors_of(previous, plan.embedder) if previous else {}
    vectors = _embed_all(plan.embedder, [passage(chunk) for chunk in chunks], known, progress)
    np.save(folder / "vectors.npy", vectors)
    questions = _embed_all(plan.embedder, asked, known, progress) if asked else vectors[:0]
    np.save(folder / "asked.npy", questions)
    write_json(folder / "asked.json", list(asked))
    return build_nearest(vectors, folder, questions)


def _asked(index: Path) -> dict[str, np.ndarray]:
    """Dev question -> its vector, in an index with vectors."""
    return dict(zip(read_json(index / "asked.json"), np.load(index / "asked.npy", allow_pickle=False), strict=True))


def _remembering(parts: RetrieverParts, folder: Path, language: str) -> RetrieverParts:
    """The parts with the vectors of dev questions as they are stored in the index."""
    if parts.embed is None:
        return parts
    known = _asked(folder)
    return replace(parts, embed=lambda texts: np.stack([known[text] for text in texts]), language=language)


def _embedding(embedder: Model) -> Callable[[Sequence[str]], np.ndarray]:
    """Texts -> vectors; the embedder is loaded when it is needed."""

    def embed(texts: Sequence[str]) -> np.ndarray:
        from ragft.retrieval.dense import load_embedder

        return load_embedder(embedder.folder)(texts)

    return embed


def update_index(plan: IndexPlan, folder: Path, progress: Progress = lambda done, total: None) -> FitReport:
    """Bring the index in that folder up to the plan's documents, embedding only what is new; until that is done it stays as it was.

    Raises MissingError where there is no index.
    """
    for old in folder.parent.glob(f".{folder.name}-*/old"):  # of an update that was killed between its two last steps
        if not folder.exists():
            old.rename(folder)
    if not (folder / "choice.json").is_file():
        raise MissingError(f"{folder}: no index here to update. Make one with build_index.")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        fresh, old = Path(beside, "new"), Path(beside, "old")
        fresh.mkdir()
        report = build_index(plan, fresh, progress, previous=folder)
        folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError:
            old.rename(folder)
            raise
    return report


def _vectors_of(index: Path, embedder: Model) -> dict[str, np.ndarray]:
    """Passage or dev question -> its vector, in an index by this embedder; nothing from one by another."""
    if read_json(index / "choice.json").get("embedder") != embedder.sha256:
        return {}
    vectors = np.load(index / "vectors.npy", mmap_mode="r", allow_pickle=False)
    asked = _asked(index) if (index / "asked.json").is_file() else {}  # an index of before they were kept
    return asked | dict(zip(map(passage, StoredChunks(index)), vectors, strict=True))


def _counted(documents: Sequence[Document], progress: Progress) -> Iterator[Document]:
    for number, document in enumerate(documents):
        progress(number, len(documents))
        yield document


def token_counter(model: Model) -> Callable[[str], int]:
    """Tokens of a text by the model's tokenizer."""
    from ragft.weights import count_tokens, load_tokenizer

    return partial(count_tokens, load_tokenizer(model.folder))


def _embed_all(embedder: Model, texts: Sequence[str], known: dict[str, np.ndarray], progress: Progress) -> np.ndarray:
    """(texts, dimensions); a text that is known, or stands twice, is not embedded again."""
    from ragft.retrieval.dense import load_embedder

    found = dict(known)
    new = sorted({text for text in texts if text not in known}, key=lambda text: (-len(text), text))  # of one length together: less padding
    for first in range(0, len(new), EMBEDDED):
        block = new[first : first + EMBEDDED]
        found.update(zip(block, load_embedder(embedder.folder)(block), strict=True))
        progress(first + len(block), len(new))
    return np.stack([found[text] for text in texts])


def choose_retriever(parts: RetrieverParts, dev: Sequence[tuple[Question, Gold]], k: int) -> tuple[str, dict[str, float]]:
    """What `auto` stands for: of AUTO, the first that recalls most of the dev questions' evidence.

    Where no dev question names evidence, a passage that holds a reference answer counts. Without an embedder bm25; without
    anything to choose by bm25 where the documents are Chinese, which many embedders cannot read, else hybrid. Also returns
    recall@k of each, as evidence.
    """
    if parts.vectors is None:
        return "bm25", {}
    asked = [(question, gold) for question, gold in dev if gold.evidence] or [(question, gold) for question, gold in dev if has_words(gold)]
    if not asked:
        return "bm25" if parts.language == "zh" else "hybrid", {}
    assert parts.embed is not None
    recalls, known = dict[str, float](), parts.embed([question.text for question, _ in asked])
    for name in AUTO:  # each asks for the vectors of the same questions
        found = make_retriever(name, replace(parts, embed=lambda texts: known)).search([question for question, _ in asked], k)
        recalls[name] = float(np.mean([_found_share(hits, gold, k) for hits, (_, gold) in zip(found, asked, strict=True)]))
    return max(AUTO, key=lambda name: (recalls[name], -AUTO.index(name))), recalls


def _found_share(hits: Sequence[Hit], gold: Gold, k: int) -> float:
    return recall_of(hits, gold, k) if gold.evidence else float(holds_answer([passage(hit.chunk) for hit in hits[:k]], gold))


def recall_of(hits: Sequence[Hit], gold: Gold, k: int) -> float:
    """Recall@k of one question's hits: the share of its pieces of evidence that they hold."""
    rank = {hit.chunk.id: hit.rank for hit in hits}
    pieces = relevant_chunks([hit.chunk for hit in hits], gold.evidence)
    return recall_at([min((rank[key] for key in ids), default=None) for ids in pieces], k)


def _say_choice(chosen: str, recalls: dict[str, float], k: int) -> str:
    if not recalls:
        return f"retriever auto = {chosen} (no dev question to choose by)"
    figures = ", ".join(f"{name} {percent(value, 0)}" for name, value in recalls.items())
    return f"retriever auto = {chosen} (recall@{k} on dev questions: {figures})"


def _say_nearest(reached: Reached) -> str:
    found = f"{percent(reached.recall, 0)} of what an exact search finds"
    return f"search by meaning does not compare all passages: {reached.kind}, {reached.setting} {reached.value}, {found}"


# ── using an index ───────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=2)
def open_index(folder: Path, sha256: str, embedder: Model | None) -> RetrieverParts:
    """The parts stored in an index folder; `sha256` (of the artifact) makes a rebuilt one another. Raises MissingError where there is none."""
    return _parts(folder, embedder)


def _parts(folder: Path, embedder: Model | None) -> RetrieverParts:
    from ragft.retrieval.bm25 import stored_terms
    from ragft.retrieval.nearest import open_nearest

    path, found = folder / "vectors.npy", RetrieverParts(StoredChunks(folder), terms=stored_terms(folder))
    if embedder is None or not path.is_file():
        return found
    vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    return replace(found, vectors=vectors, embed=_embedding(embedder), nearest=open_nearest(folder, vectors))


def make_retriever(line: str, parts: RetrieverParts, evidence: dict[str, tuple[Evidence, ...]] | None = None) -> Retriever:
    """What a line such as "hybrid + neighbours" (ragft.recipe) stands for over an index. Only `oracle` is ever handed the evidence."""
    first, *stages = steps_of(line)
    made = first.entry.make(replace(parts, evidence=evidence if first.name == "oracle" else None), **first.options)
    for stage in stages:
        made = stage.entry.make(made, parts, **stage.options)
    return made


def resolve_retriever(name: str, index: Path) -> str:
    """`auto` as the index chose it; any other name as it is."""
    return read_json(index / "choice.json")["auto"] if name == "auto" else name
