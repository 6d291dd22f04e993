"""Metrics of a ranking against the evidence: recall@k, precision@k, MRR, MAP and nDCG@k, with trec_eval's values (binary relevance).

What a ranking is scored on are *pieces* of evidence: a piece is found at the first rank whose chunk holds it. Where
every piece is held by one chunk, which is the usual case, this is trec_eval on chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from ragft.chunking import relevant_chunks
from ragft.registry import metric
from ragft.types import Answer, Gold


def found_ranks(answer: Answer, gold: Gold) -> list[int | None] | None:
    """For each piece of evidence, the rank at which it was found, or None; None instead of a list: not applicable.

    Not applicable are unanswerable questions, questions without evidence, errors and arms that retrieve nothing.
    """
    if not gold.evidence or answer.outcome == "error" or answer.hits is None:
        return None
    chunks = [hit.chunk for hit in answer.hits]
    rank = {hit.chunk.id: hit.rank for hit in answer.hits}
    return [min((rank[key] for key in ids), default=None) for ids in relevant_chunks(chunks, gold.evidence)]


def recall_at(ranks: Sequence[int | None], k: int) -> float:
    """The share of pieces found within the first k, in [0, 1]."""
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks)


def reciprocal_rank(ranks: Sequence[int | None]) -> float:
    """1 / the first rank that holds any piece; 0 when none does."""
    return max((1 / rank for rank in ranks if rank), default=0.0)


def ndcg_at(ranks: Sequence[int | None], k: int) -> float:
    """DCG of the found pieces over the best possible (Järvelin & Kekäläinen 2002), gain 1, discount log2(rank + 1)."""
    gain = sum(1 / log2(rank + 1) for rank in ranks if rank is not None and rank <= k)
    best = sum(1 / log2(rank + 1) for rank in range(1, min(len(ranks), k) + 1))
    return min(1.0, gain / best) if best else 0.0


def average_precision(ranks: Sequence[int | None]) -> float:
    """The mean over all pieces of the precision at the rank where each was found, 0 for one that was not; in [0, 1].

    Precision counts passages: two pieces in one passage are one there.
    """
    found = sorted(rank for rank in ranks if rank is not None)
    return sum(len(set(found[: number + 1])) / rank for number, rank in enumerate(found)) / len(ranks)


@metric("recall@k", "share of the evidence among the passages that the model was shown", of="retrieval")
def recall(answer: Answer, gold: Gold) -> float | None:
    ranks = found_ranks(answer, gold)
    return None if ranks is None else recall_at(ranks, len(answer.hits or ()))


@metric("precision@k", "share of the passages that the model was shown which hold evidence", of="retrieval")
def precision(answer: Answer, gold: Gold) -> float | None:
    if found_ranks(answer, gold) is None or answer.hits is None:
        return None
    holding = relevant_chunks([hit.chunk for hit in answer.hits], gold.evidence)
    return len(frozenset().union(*holding)) / len(answer.hits) if answer.hits else 0.0


@metric("map", "precision at the rank of each piece of evidence, averaged; the mean over questions is MAP", of="retrieval")
def mean_average_precision(answer: Answer, gold: Gold) -> float | None:
    ranks = found_ranks(answer, gold)
    return None if ranks is None else average_precision(ranks)


@metric("mrr", "1 / rank of the first passage with evidence", of="retrieval")
def mrr(answer: Answer, gold: Gold) -> float | None:
    ranks = found_ranks(answer, gold)
    return None if ranks is None else reciprocal_rank(ranks)


@metric("ndcg@k", "like recall, but early ranks count more", of="retrieval")
def ndcg(answer: Answer, gold: Gold) -> float | None:
    """nDCG of the passages shown, 1 only where all pieces come first: a retriever that stops early is not judged by its own length."""
    ranks = found_ranks(answer, gold)
    return None if ranks is None else ndcg_at(ranks, max(len(answer.hits or ()), len(ranks)))
