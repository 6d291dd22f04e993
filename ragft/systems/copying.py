"""An arm that knows nothing: it answers with the answer of the training question that is most like the one asked.

What it gets right, training questions give away. `ragft questions check` names them; this says what they would be worth in points.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragft.errors import InputError
from ragft.prompts import REFUSAL
from ragft.registry import lookup, system
from ragft.retrieval.base import RetrieverParts
from ragft.systems.base import Reply, SystemParts
from ragft.types import Chunk, Question, Span


class Copier:
    """By BM25 over the training questions."""

    def __init__(self, parts: SystemParts):
        if not parts.train:
            raise InputError('system \'copy\' copies answers of training questions, and there is none. Mark some with "split": "train".')
        chunks = tuple(Chunk(str(n), Span(str(n), 0, len(question.text)), question.text, "") for n, (question, _) in enumerate(parts.train))
        self._language = parts.language
        self._answers = [gold.answers[0] for _, gold in parts.train]
        self._nearest = lookup("retriever", "bm25").make(RetrieverParts(chunks))

    def reply(self, questions: Sequence[Question]) -> list[Reply]:
        found = self._nearest.search(questions, 1)
        return [Reply(self._answers[int(hits[0].chunk.id)] if hits else REFUSAL[self._language]) for hits in found]  # a copier knows nothing else

    def key(self) -> None:
        """The training questions, which are among a run's inputs anyway."""


@system("copy", "answers with the answer of the nearest training question: what leaks are worth")
def copy(parts: SystemParts) -> Copier:
    return Copier(parts)
