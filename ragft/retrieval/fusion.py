"""Lexical and dense search together by reciprocal rank fusion (Cormack et al. 2009)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ragft.registry import retriever
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.retrieval.bm25 import bm25
from ragft.retrieval.dense import dense
from ragft.types import Hit, Question

RRF_CONSTANT = 60  # the paper's
DEPTH = 50  # how far down each ranking is read


class Fusion:
    """score(chunk) = Σ over retrievers of 1 / (60 + rank); equal scores keep the first retriever's order."""

    def __init__(self, parts: Sequence[Retriever]):
        self._parts = parts

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        rankings = [part.search(questions, max(DEPTH, k)) for part in self._parts]
        return [fuse(found, k) for found in zip(*rankings, strict=True)]


def fuse(rankings: Sequence[Sequence[Hit]], k: int) -> tuple[Hit, ...]:
    """The k best chunks over several rankings."""
    scores: dict[str, float] = defaultdict(float)
    chunks = {}
    for ranking in rankings:
        for hit in ranking:
            scores[hit.chunk.id] += 1 / (RRF_CONSTANT + hit.rank)
            chunks[hit.chunk.id] = hit.chunk
    best = sorted(scores, key=lambda key: -scores[key])[:k]  # a stable sort
    return tuple(Hit(chunks[key], rank, scores[key]) for rank, key in enumerate(best, start=1))


@retriever("hybrid", "BM25 and dense search, fused by reciprocal rank")
def hybrid(parts: RetrieverParts) -> Fusion:
    return Fusion([bm25(parts), dense(parts)])
