"""Lexical and dense search together: by a weighted sum of their scores, or by reciprocal rank."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from ragft.errors import InputError
from ragft.registry import retriever
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.retrieval.bm25 import bm25
from ragft.retrieval.dense import dense
from ragft.types import Chunk, Hit, Question

RRF_CONSTANT = 60  # the paper's
DEPTH = 50  # how far down each ranking is read

Ranking = Sequence[Hit]


class Fusion:
    """Both rankings of each question, read so far down, made one by `join`."""

    def __init__(self, parts: Sequence[Retriever], join: Callable[[Sequence[Ranking], int], tuple[Hit, ...]]):
        self._parts, self._join = parts, join

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        rankings = [part.search(questions, max(DEPTH, k)) for part in self._parts]
        return [self._join(found, k) for found in zip(*rankings, strict=True)]


def fuse(rankings: Sequence[Ranking], k: int) -> tuple[Hit, ...]:
    """The k best chunks over several rankings by Σ 1 / (60 + rank) (Cormack et al. 2009); equal ones keep the first ranking's order."""
    scores: dict[str, float] = defaultdict(float)
    for hit in (hit for ranking in rankings for hit in ranking):
        scores[hit.chunk.id] += 1 / (RRF_CONSTANT + hit.rank)
    return _best(rankings, scores, k)


def weigh(lexical: Ranking, meaning: Ranking, dense_share: float, k: int) -> tuple[Hit, ...]:
    """The k best chunks by a convex sum of scores, each scaled from the least that its search can give, 0 or -1, to the question's best.

    score = dense_share · (cosine + 1) / (best cosine + 1) + (1 - dense_share) · BM25 / best BM25; what a ranking lacks counts 0
    there. So a ranking in which all scores are alike, as of an embedder that cannot read the language, decides less. Bruch et
    al. 2023 (2210.11934), "theoretical min-max" normalisation.
    """
    scores: dict[str, float] = defaultdict(float)
    for ranking, least, share in ((lexical, 0.0, 1 - dense_share), (meaning, -1.0, dense_share)):
        best = max((hit.score for hit in ranking), default=least) - least
        for hit in ranking if best > 0 else ():
            scores[hit.chunk.id] += share * (hit.score - least) / best
    return _best((lexical, meaning), scores, k)


def _best(rankings: Sequence[Ranking], scores: dict[str, float], k: int) -> tuple[Hit, ...]:
    chunks: dict[str, Chunk] = {hit.chunk.id: hit.chunk for ranking in rankings for hit in ranking if hit.chunk.id in scores}
    best = sorted(chunks, key=lambda key: -scores[key])[:k]  # a stable sort
    return tuple(Hit(chunks[key], rank, scores[key]) for rank, key in enumerate(best, start=1))


@retriever("hybrid", "BM25 and dense search, their scores added", needs=["embedder"])
def hybrid(parts: RetrieverParts, dense_share: float = 0.5) -> Fusion:
    if not 0 <= dense_share <= 1:
        raise InputError(f"option dense_share of hybrid is a share from 0 to 1, not {dense_share:g}.")
    return Fusion([bm25(parts), dense(parts)], lambda found, k: weigh(found[0], found[1], dense_share, k))


@retriever("rrf", "BM25 and dense search, fused by reciprocal rank", needs=["embedder"])
def rrf(parts: RetrieverParts) -> Fusion:
    return Fusion([bm25(parts), dense(parts)], fuse)
