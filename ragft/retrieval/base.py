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


@dataclass(frozen=True)
class RetrieverParts:
    """What a registered retriever is built from. Each takes what it needs."""

    chunks: tuple[Chunk, ...]
    vectors: np.ndarray | None = None  # (chunks, dimensions) float32, unit length; None: the study has no embedder
    embed: Callable[[Sequence[str]], np.ndarray] | None = None  # texts -> unit vectors of the same embedder
    evidence: Mapping[str, tuple[Evidence, ...]] | None = None  # by question id; the study hands it to `oracle` only
    language: str = "en"
    write: Callable[[Sequence[Prompt]], list[str]] | None = None  # prompts -> texts, by the study's untuned model
    relevance: Callable[[Sequence[tuple[str, str]]], np.ndarray] | None = None  # (question, passage) -> (pairs,), higher is better; the reranker


def ranked(chunks: Sequence[Chunk], scored: Sequence[tuple[int, float]]) -> tuple[Hit, ...]:
    """Hits from (chunk number, score), best first as given."""
    return tuple(Hit(chunks[number], rank, float(score)) for rank, (number, score) in enumerate(scored, start=1))


def top(scores: np.ndarray, k: int) -> list[tuple[int, float]]:
    """The k best (number, score) with a score above zero; equal scores keep the order of the chunks."""
    order: Any = np.argsort(-scores, kind="stable")[:k]
    return [(int(number), float(scores[number])) for number in order if scores[number] > 0]
