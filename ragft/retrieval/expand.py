"""Stages that search for more than the question: for other wordings of it, or for a passage that would answer it.

The study's own untuned model writes them, greedily, so that they cost nothing but its time; that is part of the measured
retrieval time. The question itself is always searched too, and the rankings are fused by reciprocal rank, so that a model
that writes nonsense does little harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from ragft.errors import InputError
from ragft.registry import stage
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.retrieval.fusion import DEPTH, fuse
from ragft.types import Hit, Prompt, Question

MOST_QUERIES = 8
_LIST_MARK = re.compile(r"^\s*(?:[-*•]\s*|\d{1,2}[.)、]\s*)")  # "2019 was …" begins with none

_WORDINGS = {
    "en": "Write {0} other ways to ask the question, one on each line. Write nothing else.",
    "zh": "请用{0}种不同的说法改写这个问题，每行一个，不要写别的内容。",
}
_PASSAGE = {
    "en": "Write one short passage, as it could stand in a manual, that answers the question.",
    "zh": "请写一段简短的文字，就像手册里会有的那样，回答这个问题。",
}
_QUESTION = {"en": "Question: {0}", "zh": "问题：{0}"}


class Expanded:
    """Searches for each question and for the texts that `write` makes of it."""

    def __init__(self, inner: Retriever, write: Callable[[Sequence[Question]], list[list[str]]]):
        self._inner, self._write = inner, write

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        asked = [[question.text, *texts] for question, texts in zip(questions, self._write(questions), strict=True)]
        flat = [Question(question.id, text) for question, texts in zip(questions, asked, strict=True) for text in texts]
        found = iter(self._inner.search(flat, max(DEPTH, k)))
        return [fuse([next(found) for _ in texts], k) for texts in asked]


@stage("multi-query", "other wordings of the question, written by the study's model, are searched too", needs=["model"])
def multi_query(inner: Retriever, parts: RetrieverParts, queries: int = 3) -> Expanded:
    if not 1 <= queries <= MOST_QUERIES:
        raise InputError(f"option queries of multi-query is a whole number from 1 to {MOST_QUERIES}, not {queries}.")
    return Expanded(inner, partial(_wordings, parts, queries))


def _wordings(parts: RetrieverParts, number: int, questions: Sequence[Question]) -> list[list[str]]:
    """The lines that the model wrote, without the marks of a list, the question itself and repeats."""
    written = _written(parts, _WORDINGS[parts.language].format(number), questions)
    found = []
    for question, text in zip(questions, written, strict=True):
        lines = (_LIST_MARK.sub("", line).strip() for line in text.splitlines())
        found.append([line for line in dict.fromkeys(lines) if line and line != question.text][:number])
    return found


@stage("hyde", "a passage that would answer, written by the study's model, is searched too (HyDE, 2212.10496)", needs=["model"])
def hyde(inner: Retriever, parts: RetrieverParts) -> Expanded:
    return Expanded(inner, partial(_passages, parts))


def _passages(parts: RetrieverParts, questions: Sequence[Question]) -> list[list[str]]:
    return [[text.strip()] if text.strip() else [] for text in _written(parts, _PASSAGE[parts.language], questions)]


def _written(parts: RetrieverParts, instruction: str, questions: Sequence[Question]) -> list[str]:
    if parts.write is None:
        raise InputError("the stages multi-query and hyde need a model that writes; this index was opened without one.")
    return parts.write([Prompt(instruction, _QUESTION[parts.language].format(question.text)) for question in questions])
