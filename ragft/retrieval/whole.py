"""The whole corpus in context, for as much of it as the study's `context_tokens` hold: no search at all."""

from __future__ import annotations

from collections.abc import Sequence

from ragft.registry import retriever
from ragft.retrieval.base import RetrieverParts, ranked
from ragft.types import Chunk, Hit, Question


class Whole:
    """The same passages for every question: all of them, in the order of the corpus, whatever k says."""

    def __init__(self, chunks: Sequence[Chunk]):
        self._all = ranked(chunks, [(number, 1.0) for number in range(len(chunks))])

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        return [self._all for _ in questions]


@retriever("long-context", "the whole corpus for every question, where it fits into context_tokens")
def long_context(parts: RetrieverParts) -> Whole:
    return Whole(parts.chunks)
