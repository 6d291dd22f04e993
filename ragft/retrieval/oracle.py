"""The gold passages and nothing else: the ceiling that better retrieval could reach with this model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragft.chunking import relevant_chunks
from ragft.errors import InputError
from ragft.registry import retriever
from ragft.retrieval.base import RetrieverParts, ranked
from ragft.types import Chunk, Evidence, Hit, Question


class Oracle:
    """Hands out the chunks that hold a question's evidence, one of each piece first; none for an unanswerable question."""

    def __init__(self, chunks: Sequence[Chunk], evidence: Mapping[str, tuple[Evidence, ...]]):
        self._chunks, self._evidence = chunks, evidence
        self._of: dict[str, list[Chunk]] = {}
        for chunk in chunks:
            self._of.setdefault(chunk.span.document, []).append(chunk)
        self._number = {chunk.id: number for number, chunk in enumerate(chunks)}

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        return [self._one(question, k) for question in questions]

    def _one(self, question: Question, k: int) -> tuple[Hit, ...]:
        evidence = self._evidence.get(question.id, ())
        near = [chunk for name in dict.fromkeys(s.document for e in evidence for s in e.spans) for chunk in self._of.get(name, ())]
        pieces = [sorted(ids, key=self._number.__getitem__) for ids in relevant_chunks(near, evidence)]
        turns = [ids[turn] for turn in range(max(map(len, pieces), default=0)) for ids in pieces if turn < len(ids)]
        return ranked(self._chunks, [(self._number[key], 1.0) for key in list(dict.fromkeys(turns))[:k]])


@retriever("oracle", "the gold passages, as a ceiling; needs evidence in the questions")
def oracle(parts: RetrieverParts) -> Oracle:
    if not parts.evidence:
        raise InputError("the oracle needs evidence in questions.jsonl. Add it, or leave the oracle arm out.")
    return Oracle(parts.chunks, parts.evidence)
