"""Whether an answer cites the passages that it was shown, and whether those say it; where the study asks for citations.

A citation is right where the passage holds evidence of the question; of questions without known evidence, where the answer's own
words stand in the passage. Citation precision and recall as in ALCE (Gao et al., 2305.14627), by evidence instead of a judging model.
"""

from __future__ import annotations

from ragft.chunking import relevant_chunks
from ragft.prompts import passage
from ragft.registry import metric
from ragft.text import contains, words
from ragft.types import Answer, Gold


def _asked(answer: Answer) -> bool:
    return answer.cited is not None and answer.outcome not in ("error", "abstained")


@metric("cites", "whether the answer cites a passage that it was shown", of="retrieval")
def cites(answer: Answer, gold: Gold) -> float | None:
    """1 if at least one number is that of a passage, else 0. Not applicable to errors, to answers that decline, and where nobody asked."""
    return float(any(answer.cited or ())) if _asked(answer) else None


@metric("citation_precision", "share of the cited passages that say it", of="retrieval")
def citation_precision(answer: Answer, gold: Gold) -> float | None:
    """In [0, 1]; a number under which nothing was shown is wrong. Not applicable where nothing is cited, nor where `cites` is not."""
    if not _asked(answer) or not answer.cited:
        return None
    right = _saying(answer, gold)
    return sum(rank in right for rank in answer.cited) / len(answer.cited)


@metric("citation_recall", "share of the evidence that stands in the cited passages", of="retrieval")
def citation_recall(answer: Answer, gold: Gold) -> float | None:
    """In [0, 1]. Not applicable to questions without evidence, nor where `cites` is not."""
    if not _asked(answer) or not gold.evidence:
        return None
    pieces = relevant_chunks([hit.chunk for hit in answer.hits or () if hit.rank in (answer.cited or ())], gold.evidence)
    return sum(map(bool, pieces)) / len(pieces)


def _saying(answer: Answer, gold: Gold) -> set[int]:
    """The ranks of the passages that say it."""
    hits = answer.hits or ()
    if gold.evidence:
        holding = frozenset().union(*relevant_chunks([hit.chunk for hit in hits], gold.evidence))
        return {hit.rank for hit in hits if hit.chunk.id in holding}
    said = words(answer.text)
    return {hit.rank for hit in hits if said and contains(words(passage(hit.chunk)), said)}
