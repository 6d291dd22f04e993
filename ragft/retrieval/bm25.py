"""Lexical search: BM25 (Robertson & Zaragoza 2009, Lucene's form) by bm25s; pairs of characters for Chinese and Japanese."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s

from ragft.prompts import passage
from ragft.registry import retriever
from ragft.retrieval.base import RetrieverParts, ranked, top
from ragft.text import search_terms
from ragft.types import Chunk, Hit, Question


class Bm25:
    """Scores every chunk by the question's terms; a chunk that shares none is never a hit."""

    def __init__(self, chunks: Sequence[Chunk], k1: float, b: float):
        self._chunks = chunks
        self._index = bm25s.BM25(method="lucene", k1=k1, b=b)
        # an empty vocabulary breaks the index: a term no question can hold stands for it
        self._index.index([search_terms(passage(chunk)) or ["\x00"] for chunk in chunks], show_progress=False)

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        return [self._one(question, k) for question in questions]

    def _one(self, question: Question, k: int) -> tuple[Hit, ...]:
        terms = [term for term in search_terms(question.text) if term in self._index.vocab_dict]
        if not terms:
            return ()
        return ranked(self._chunks, top(self._index.get_scores(terms), k))


@retriever("bm25", "lexical search; needs no embedder, strong on names, codes and numbers")
def bm25(parts: RetrieverParts, k1: float = 1.5, b: float = 0.75) -> Bm25:
    return Bm25(parts.chunks, k1, b)
