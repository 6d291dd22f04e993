"""Lexical search: BM25 (Robertson & Zaragoza 2009, Lucene's form) by bm25s; pairs of characters for Chinese and Japanese."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import bm25s

from ragft.prompts import passage
from ragft.registry import retriever
from ragft.retrieval.base import RetrieverParts, ranked, top
from ragft.text import search_terms
from ragft.types import Chunk, Hit, Question

K1, B = 1.5, 0.75
FOLDER = "bm25"


class Bm25:
    """Scores every chunk by the question's terms; a chunk that shares none is never a hit."""

    def __init__(self, chunks: Sequence[Chunk], index: bm25s.BM25):
        self._chunks, self._index = chunks, index

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        return [self._one(question, k) for question in questions]

    def _one(self, question: Question, k: int) -> tuple[Hit, ...]:
        terms = [term for term in search_terms(question.text) if term in self._index.vocab_dict]
        if not terms:
            return ()
        return ranked(self._chunks, top(self._index.get_scores(terms), k))


def index_terms(chunks: Iterable[Chunk], k1: float = K1, b: float = B) -> bm25s.BM25:
    """The index over the chunks' terms."""
    index = bm25s.BM25(method="lucene", k1=k1, b=b)
    # an empty vocabulary breaks the index: a term no question can hold stands for it
    index.index([search_terms(passage(chunk)) or ["\x00"] for chunk in chunks], show_progress=False)
    return index


def store_terms(index: bm25s.BM25, folder: Path) -> None:
    """Write the index below the folder, to be read where it lies."""
    index.save(folder / FOLDER, show_progress=False)


def stored_terms(folder: Path) -> bm25s.BM25 | None:
    """The index below the folder, memory-mapped; None where there is none."""
    return bm25s.BM25.load(folder / FOLDER, mmap=True, show_progress=False) if (folder / FOLDER).is_dir() else None


@retriever("bm25", "lexical search; needs no embedder, strong on names, codes and numbers")
def bm25(parts: RetrieverParts, k1: float = K1, b: float = B) -> Bm25:
    stored = parts.terms if (k1, b) == (K1, B) else None
    return Bm25(parts.chunks, stored or index_terms(parts.chunks, k1, b))
