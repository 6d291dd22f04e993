"""What a retriever is, and what it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ragft.types import Chunk, Evidence, Hit, Prompt, Question


class Retriever(Protocol):
    """Finds chunks for questions."""

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        """At most k hits per question, best first, in the order of the questions."""
        ...


class Nearest(Protocol):
    """Finds the vectors with the highest inner product; an index of FAISS is one."""

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(questions, k) products, highest first, and the numbers of their vectors; -1: fewer were found."""
        ...


@dataclass(frozen=True)
class RetrieverParts:
    """What a registered retriever is built from. Each takes what it needs."""

    chunks: Sequence[Chunk]
    vectors: np.ndarray | None = None  # (chunks, dimensions) float32, unit length; None: the study has no embedder
    embed: Callable[[Sequence[str]], np.ndarray] | None = None  # texts -> unit vectors of the same embedder
    evidence: Mapping[str, tuple[Evidence, ...]] | None = None  # by question id; the study hands it to `oracle` only
    language: str = "en"
    write: Callable[[Sequence[Prompt]], list[str]] | None = None  # prompts -> texts, by the study's untuned model
    relevance: Callable[[Sequence[tuple[str, str]]], np.ndarray] | None = None  # (question, passage) -> (pairs,), higher is better; the reranker
    terms: Any = None  # the stored index of BM25 with its usual settings; None: made when it is needed
    nearest: Nearest | None = None  # over the vectors; None: all are compared


def ranked(chunks: Sequence[Chunk], scored: Sequence[tuple[int, float]]) -> tuple[Hit, ...]:
    """Hits from (chunk number, score), best first as given."""
    return tuple(Hit(chunks[number], rank, float(score)) for rank, (number, score) in enumerate(scored, start=1))


def top(scores: np.ndarray, k: int) -> list[tuple[int, float]]:
    """The k best (number, score) with a score above zero; equal scores keep the order of the chunks."""
    least = np.partition(scores, -k)[-k] if 0 < k < len(scores) else 0.0  # sorting all of them took longer than scoring them
    near = np.flatnonzero(scores >= least) if least > 0 else np.flatnonzero(scores > 0)
    order: Any = near[np.argsort(-scores[near], kind="stable")[:k]]
    return [(int(number), float(scores[number])) for number in order]
