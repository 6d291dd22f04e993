"""What arms are shown when risks are measured: passages without the evidence, with a contradiction, with an order.

Retrievers around an arm's own (risks.py asks the arms), and the contradicting passages, made from any domain with evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from ragft.arms import Composed
from ragft.chunking import overlap, relevant_chunks
from ragft.domain.planted import DRAFT, contradicted, other_answer
from ragft.metrics.answer import YES_NO
from ragft.retrieval.base import Retriever
from ragft.robust import SPARE, UNLIMITED, Asked, fitting
from ragft.text import words
from ragft.types import Chunk, Evidence, Gold, Hit, Question, Span

Wrap = Callable[[Composed, Retriever], Composed]  # the arm with other passages; the ranking is where more come from

# ── a contradiction ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Contradiction:
    """A passage with another answer to one question."""

    answer: str
    chunk: Chunk


def contradictions(asked: Asked, pool: Sequence[Gold], chunks: Sequence[Chunk], language: str) -> Iterator[tuple[str, Contradiction]]:
    """By question, where a passage with evidence holds the answer letter for letter: the first such with another one, as a draft.

    The other answer comes from the `pool` or is a changed number. Questions of yes or no are left out: "no" stands for many things.
    """
    of: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        of.setdefault(chunk.span.document, []).append(chunk)
    for _, gold in asked:
        answer = None if not gold.answers or "".join(words(gold.answers[0])) in YES_NO else other_answer(gold, pool)
        if answer is None:
            continue
        near = [chunk for name in dict.fromkeys(span.document for piece in gold.evidence for span in piece.spans) for chunk in of.get(name, ())]
        ids = set[str]().union(*relevant_chunks(near, gold.evidence))
        changed = ((chunk, contradicted(chunk.text, gold.answers, answer)) for chunk in near if chunk.id in ids)
        for chunk, text in ((chunk, text) for chunk, text in changed if text is not None):
            key = f"planted:{gold.id}"
            yield gold.id, Contradiction(answer, Chunk(key, Span(key, 0, len(text)), text, f"{DRAFT[language]} > {chunk.heading}"))
            break


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Withheld:
    """A retriever without any passage that holds a letter of the question's evidence; the next-ranked ones take their places."""

    own: Retriever
    others: Retriever
    evidence: Mapping[str, tuple[Evidence, ...]]

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        own, others = self.own.search(questions, k), self.others.search(questions, k + SPARE)
        return [self._one(question, chain(*found), k) for question, *found in zip(questions, own, others, strict=True)]

    def _one(self, question: Question, hits: Iterable[Hit], k: int) -> tuple[Hit, ...]:
        spans = [span for piece in self.evidence[question.id] for span in piece.spans]
        free = {hit.chunk.id: hit for hit in reversed(list(hits)) if not any(overlap(hit.chunk.span, span) for span in spans)}
        return _ranked(list(reversed(free.values()))[:k])


@dataclass(frozen=True)
class ShownOtherwise:
    """A retriever whose passages, those that the arm would show, are changed."""

    own: Retriever
    change: Callable[[Question, Sequence[Hit]], list[Hit]]
    fit: Callable[[Sequence[Chunk]], list[Chunk]]

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        found = zip(questions, self.own.search(questions, k), strict=True)
        return [_ranked(self.change(question, hits[: len(self.fit([hit.chunk for hit in hits]))])) for question, hits in found]


def _ranked(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    return tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1))


# ── the arms around them ─────────────────────────────────────────────────────────────────────────────────────────────


def withholding(evidence: Mapping[str, tuple[Evidence, ...]]) -> Wrap:
    """The arm without the evidence of each question, by its id."""

    def wrap(composed: Composed, others: Retriever) -> Composed:
        return replace(composed, retriever=Withheld(_own(composed), others, evidence))

    return wrap


def contradicting(passages: Mapping[str, Chunk]) -> Wrap:
    """The arm with the question's passage before its own."""
    return _changing(lambda question, hits: [Hit(passages[question.id], 1, 0.0), *hits])


def ordering(orders: Mapping[str, str]) -> Wrap:
    """The arm with the question's order at the end of its first passage."""
    return _changing(partial(_ordered, orders=orders))


def _ordered(question: Question, hits: Sequence[Hit], orders: Mapping[str, str]) -> list[Hit]:
    """Its id becomes the question's own: prompts that begin with the same passage are read together."""
    chunk = hits[0].chunk
    changed = replace(chunk, id=f"{chunk.id}!{question.id}", text=f"{chunk.text}\n\n{orders[question.id]}")
    return [replace(hits[0], chunk=changed), *hits[1:]]


def _changing(change: Callable[[Question, Sequence[Hit]], list[Hit]]) -> Wrap:
    def wrap(composed: Composed, others: Retriever) -> Composed:
        return replace(composed, retriever=ShownOtherwise(_own(composed), change, fitting(composed)), context_tokens=UNLIMITED)

    return wrap


def _own(composed: Composed) -> Retriever:
    assert composed.retriever is not None
    return composed.retriever
