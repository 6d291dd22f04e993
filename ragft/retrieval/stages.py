"""Stages that order or extend what a retriever found: a reranker, diversity, and the passages beside each hit.

`hybrid + rerank depth=30 + neighbours` in a study: each stage is a retriever around the one before it (ragft.recipe).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from ragft.errors import InputError
from ragft.prompts import passage
from ragft.registry import stage
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.types import Chunk, Hit, Question

RERANK_BATCH = 32


@lru_cache(maxsize=1)
class CrossEncoder:
    """(question, passage) -> relevance, by a sentence-transformers cross-encoder with one label."""

    def __init__(self, folder: Path):
        from sentence_transformers import CrossEncoder as Model

        self._model = Model(str(folder), trust_remote_code=False, model_kwargs={"use_safetensors": True})
        if self._model.num_labels != 1:
            raise InputError(f"reranker {folder.name} gives {self._model.num_labels} numbers a pair, and one is needed: its relevance. Set another.")

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        found = self._model.predict(list(pairs), batch_size=RERANK_BATCH, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(found, dtype=np.float32)


class Reranked:
    """The first `depth` hits in the order of a cross-encoder's scores; equal ones keep their order."""

    def __init__(self, inner: Retriever, parts: RetrieverParts, depth: int):
        assert parts.relevance is not None
        self._inner, self._relevance, self._depth = inner, parts.relevance, depth

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        found = self._inner.search(questions, max(self._depth, k))
        pairs = [(question.text, passage(hit.chunk)) for question, hits in zip(questions, found, strict=True) for hit in hits]
        scores = self._relevance(pairs) if pairs else np.zeros(0)
        ends = np.cumsum([0, *map(len, found)])
        return [_sorted(hits, scores[first:last])[:k] for hits, (first, last) in zip(found, pairwise(ends), strict=True)]


def _sorted(hits: Sequence[Hit], scores: np.ndarray) -> tuple[Hit, ...]:
    order = np.argsort(-scores, kind="stable").tolist()
    return tuple(Hit(hits[place].chunk, rank, float(scores[place])) for rank, place in enumerate(order, start=1))


@stage("rerank", "a cross-encoder reads question and passage together; needs `reranker:` in the study", needs=["reranker"])
def rerank(inner: Retriever, parts: RetrieverParts, depth: int = 20) -> Reranked:
    if parts.relevance is None:
        raise InputError("the stage rerank needs a cross-encoder: set reranker in the study, or leave the stage out.")
    return Reranked(inner, parts, _at_least_one("rerank", "depth", depth))


class Diverse:
    """Maximal marginal relevance (Carbonell & Goldstein 1998) among the first `depth` hits, by the embedder's cosines.

    Next is always the hit with the highest balance · cosine to the question - (1 - balance) · its highest cosine to one chosen
    already; that value is its score, which falls from rank to rank.
    """

    def __init__(self, inner: Retriever, parts: RetrieverParts, balance: float, depth: int):
        assert parts.vectors is not None and parts.embed is not None
        self._inner, self._vectors, self._embed, self._balance, self._depth = inner, parts.vectors, parts.embed, balance, depth
        self._chunks = parts.chunks

    @cached_property
    def _number(self) -> dict[str, int]:
        return _numbers(self._chunks)

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        found = self._inner.search(questions, max(self._depth, k))
        asked = self._embed([question.text for question in questions]) if questions else np.zeros((0, 0))
        return [self._one(hits, vector, k) for hits, vector in zip(found, asked, strict=True)]

    def _one(self, hits: Sequence[Hit], question: np.ndarray, k: int) -> tuple[Hit, ...]:
        vectors = self._vectors[[self._number[hit.chunk.id] for hit in hits]]
        relevance, nearest = vectors @ question, np.full(len(hits), -1.0)  # no cosine is less
        left, chosen = list(range(len(hits))), list[Hit]()
        while left and len(chosen) < k:
            values = self._balance * relevance[left] - (1 - self._balance) * nearest[left]
            place = left.pop(int(values.argmax()))
            chosen.append(Hit(hits[place].chunk, len(chosen) + 1, float(values.max())))
            nearest = np.maximum(nearest, vectors @ vectors[place])
        return tuple(chosen)


@stage("mmr", "hits that differ from one another, by the embedder", needs=["embedder"])
def mmr(inner: Retriever, parts: RetrieverParts, balance: float = 0.7, depth: int = 20) -> Diverse:
    if parts.vectors is None or parts.embed is None:
        raise InputError("the stage mmr needs an embedder: set embedder in the study, or leave the stage out.")
    if not 0 <= balance <= 1:
        raise InputError(f"option balance of mmr is a share from 0 to 1, not {balance:g}.")
    return Diverse(inner, parts, balance, _at_least_one("mmr", "depth", depth))


class Extended:
    """Each hit followed by the passages around it, the one after it first; all count against k, and none comes twice.

    A neighbour's score is that of its hit.
    """

    def __init__(self, inner: Retriever, chunks: Sequence[Chunk], reach: int):
        self._inner, self._chunks, self._reach = inner, chunks, reach

    @cached_property
    def _number(self) -> dict[str, int]:
        return _numbers(self._chunks)

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        return [self._one(hits, k) for hits in self._inner.search(questions, k)]

    def _one(self, hits: Sequence[Hit], k: int) -> tuple[Hit, ...]:
        found: dict[str, tuple[Chunk, float]] = {}
        for hit in hits:
            for chunk in self._around(hit.chunk):
                found.setdefault(chunk.id, (chunk, hit.score))
        return tuple(Hit(chunk, rank, score) for rank, (chunk, score) in enumerate(list(found.values())[:k], start=1))

    def _around(self, chunk: Chunk) -> list[Chunk]:
        own = self._number[chunk.id]
        near = [own] + [own + side * step for step in range(1, self._reach + 1) for side in (1, -1)]
        there = [self._chunks[number] for number in near if 0 <= number < len(self._chunks)]
        return [other for other in there if other.span.document == chunk.span.document]


@stage("neighbours", "each hit with the passages before and after it in its document")
def neighbours(inner: Retriever, parts: RetrieverParts, reach: int = 1) -> Extended:
    return Extended(inner, parts.chunks, _at_least_one("neighbours", "reach", reach))


def _numbers(chunks: Sequence[Chunk]) -> dict[str, int]:
    """The place of each chunk, by its id; made at the first search, because it reads them all."""
    return {chunk.id: number for number, chunk in enumerate(chunks)}


def _at_least_one(name: str, option: str, value: int) -> int:
    if value < 1:
        raise InputError(f"option {option} of {name} must be at least 1, not {value}.")
    return value
