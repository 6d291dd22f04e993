"""Arms: what fills the two slots, a retriever and a tuning, around one frozen base model and one prompt format."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ragft.generation import Generator
from ragft.metrics.answer import is_abstention
from ragft.prompts import DEFAULT, Style, closed_book, fit_passages, numbered, open_book, split_citations
from ragft.retrieval.base import Retriever
from ragft.types import Answer, Completion, Hit, Outcome, Prompt, Question

BATCH_TOKENS = 16_384  # of one batch at most, each prompt as long as its longest: a few very long prompts must not fill the memory


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions that are answered together; `number` is their place in the plan."""

    number: int
    questions: tuple[Question, ...]
    hits: tuple[tuple[Hit, ...] | None, ...]
    prompts: tuple[Prompt, ...]
    retrieval_seconds: float  # a question

    @property
    def ids(self) -> list[str]:
        return [question.id for question in self.questions]


class Arm(Protocol):
    """One way of answering domain questions: the unit every comparison is between."""

    def prepare(self, questions: Sequence[Question]) -> list[Batch]:
        """The batches for this list of questions; the same list gives the same batches."""
        ...

    def answer(self, batch: Batch) -> list[Answer]:
        """One Answer per question, in order; a failure is an Answer, not an exception. Other batches change nothing."""
        ...


@dataclass(frozen=True)
class Composed:
    """The class of every built-in arm: a generator (base or tuned) with or without a retriever."""

    generator: Generator
    retriever: Retriever | None
    k: int
    context_tokens: int
    language: str
    batch_size: int
    style: Style = DEFAULT

    def prepare(self, questions: Sequence[Question]) -> list[Batch]:
        """Batches of prompts of similar length, longest first, so that memory peaks early; prompts with the same first passage together.

        What the prompts of a batch begin with alike is read once.
        """
        began = time.perf_counter()
        hits, prompts = self._prompts(questions)
        retrieval_seconds = (time.perf_counter() - began) / max(1, len(questions)) if self.retriever else 0.0
        lengths = [self.generator.length(prompt) for prompt in prompts]
        order = _in_order(hits, lengths)
        return [
            Batch(
                number,
                tuple(questions[i] for i in chosen),
                tuple(hits[i] for i in chosen),
                tuple(prompts[i] for i in chosen),
                retrieval_seconds,
            )
            for number, chosen in enumerate(self._group(order, lengths))
        ]

    def _prompts(self, questions: Sequence[Question]) -> tuple[list[tuple[Hit, ...] | None], list[Prompt]]:
        if self.retriever is None:
            return [None] * len(questions), [closed_book(q.text, self.language, self.style) for q in questions]
        found = [self._fit(hits) for hits in self.retriever.search(questions, self.k)]
        prompts = [open_book(q.text, [h.chunk for h in hits], self.language, self.style) for q, hits in zip(questions, found, strict=True)]
        return list(found), prompts

    def _fit(self, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
        return hits[: len(fit_passages([hit.chunk for hit in hits], self.context_tokens, self.generator.count_tokens))]

    def _group(self, order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
        group: list[int] = []
        longest = 0
        for i in order:
            longest = max(longest, lengths[i])
            if group and (len(group) == self.batch_size or longest * (len(group) + 1) > BATCH_TOKENS):
                yield group
                group, longest = [], lengths[i]
            group.append(i)
        if group:
            yield group

    def answer(self, batch: Batch) -> list[Answer]:
        try:
            completions = self.generator.complete(batch.prompts)
        except (RuntimeError, ValueError, IndexError) as error:  # what torch and tokenizers raise on one bad input
            if len(batch.questions) == 1:
                return [self._failed(batch, error)]
            return [answer for single in _singles(batch) for answer in self.answer(single)]
        rows = zip(batch.questions, batch.hits, completions, strict=True)
        return [self._answer(batch, question, hits, completion) for question, hits, completion in rows]

    def _answer(self, batch: Batch, question: Question, hits: tuple[Hit, ...] | None, completion: Completion) -> Answer:
        usage, cited, text = replace(completion.usage, retrieval_seconds=batch.retrieval_seconds), None, completion.text
        if self.style.cite and hits is not None:  # metrics judge what is said; what it is said by is judged on its own
            text, numbers = split_citations(text)
            cited = self._ranks(numbers, hits)
        outcome = outcome_of(replace(completion, text=text or completion.text))  # who only cites declines nothing
        return Answer(question.id, text, outcome, hits, completion.prompt, usage, batch.number, cited=cited)

    def _ranks(self, numbers: Sequence[int], hits: tuple[Hit, ...]) -> tuple[int, ...]:
        """The ranks of the hits that the prompt shows under these numbers; 0 for a number that it does not have."""
        rank = {hit.chunk.id: hit.rank for hit in hits}
        shown = [rank[chunk.id] for chunk in numbered([hit.chunk for hit in hits], self.style)]
        return tuple(shown[number - 1] if 0 < number <= len(shown) else 0 for number in numbers)

    def _failed(self, batch: Batch, error: Exception) -> Answer:
        prompt = f"{batch.prompts[0].system}\n\n{batch.prompts[0].user}"
        return Answer(batch.questions[0].id, "", "error", batch.hits[0], prompt, None, batch.number, f"{type(error).__name__}: {error}")


def _in_order(hits: Sequence[tuple[Hit, ...] | None], lengths: Sequence[int]) -> list[int]:
    """The numbers of the prompts: by first passage, that of the longest prompt first; by length under one passage."""
    passages = [found[0].chunk.id if found else "" for found in hits]
    longest: dict[str, int] = {}
    for passage, length in zip(passages, lengths, strict=True):
        longest[passage] = max(length, longest.get(passage, 0))
    return sorted(range(len(lengths)), key=lambda i: (-longest[passages[i]], passages[i], -lengths[i], i))


def latencies(arm: Arm, questions: Sequence[Question]) -> list[float]:
    """Seconds from question to answer for each question asked alone, retrieval included: what one user waits."""
    seconds = []
    for question in questions:
        began = time.perf_counter()
        for batch in arm.prepare([question]):
            arm.answer(batch)
        seconds.append(time.perf_counter() - began)
    return seconds


def outcome_of(completion: Completion) -> Outcome:
    """Whoever did not get to read the whole question is not taken for one who declines to answer it."""
    if completion.prompt_cut:
        return "truncated"
    if is_abstention(completion.text):
        return "abstained"
    return "truncated" if completion.answer_cut else "ok"


def _singles(batch: Batch) -> Iterator[Batch]:
    """The batch's questions one by one, under the batch's number: one bad question must not take the others with it."""
    for question, hits, prompt in zip(batch.questions, batch.hits, batch.prompts, strict=True):
        yield Batch(batch.number, (question,), (hits,), (prompt,), batch.retrieval_seconds)
