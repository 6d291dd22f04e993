"""What a system is, and the arm around one.

    arms:
      prod: {system: {answers: prod.jsonl}}
      ours: {system: {langchain: "our_chain:chain"}}
      big:  {system: {openai: {url: "http://localhost:8000/v1", model: "qwen"}}, retriever: auto}

A system is one registered function:

    from ragft.registry import system

    @system("parrot", "repeats the question")
    def parrot(parts):
        return Parrot()          # has reply(questions) -> [Reply, …] and key() -> what its answers depend on
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ragft.arms import Batch
from ragft.metrics.answer import is_abstention
from ragft.prompts import DEFAULT, Style, closed_book
from ragft.types import Answer, Gold, Outcome, Question, Usage


@dataclass(frozen=True)
class SystemParts:
    """What a system may be made from: never a held-out answer."""

    train: tuple[tuple[Question, Gold], ...] = ()
    language: str = "en"
    max_new_tokens: int = 32
    folder: Path = Path()  # the domain's, where a file is looked for
    count_tokens: Callable[[str], int] = lambda text: len(text.split())  # by the study's own model, so that all arms are shown the same passages


@dataclass(frozen=True, slots=True)
class Reply:
    """What a system said to one question. `error`: why it said nothing."""

    text: str = ""
    seconds: float | None = None  # None: not known
    prompt_tokens: int = 0  # 0: not counted
    completion_tokens: int = 0
    cost: float | None = None  # in the study's currency, where the system knows it
    contexts: tuple[str, ...] = ()  # the passages it says that it read
    cut: bool = False
    error: str = ""


class System(Protocol):
    """A question in, an answer out."""

    def reply(self, questions: Sequence[Question]) -> list[Reply]:
        """One for each question, in order; a failure is a Reply with an error."""
        ...

    def key(self) -> Any:
        """What its answers depend on beside its line in the study, such as a file's hash."""
        ...


@dataclass(frozen=True)
class Whole:
    """The arm around a system. `batch_size` questions are handed over at once, and stored together."""

    system: System
    batch_size: int
    language: str = "en"
    style: Style = DEFAULT

    def prepare(self, questions: Sequence[Question]) -> list[Batch]:
        """In the order given: a system knows best how to go about them."""
        batches = []
        for number, first in enumerate(range(0, len(questions), self.batch_size)):
            asked = tuple(questions[first : first + self.batch_size])
            prompts = tuple(closed_book(question.text, self.language, self.style) for question in asked)
            batches.append(Batch(number, asked, (None,) * len(asked), prompts, 0.0))
        return batches

    def answer(self, batch: Batch) -> list[Answer]:
        replies = self.system.reply(batch.questions)
        return [self._answer(batch, question, reply) for question, reply in zip(batch.questions, replies, strict=True)]

    def _answer(self, batch: Batch, question: Question, reply: Reply) -> Answer:
        read = "".join(f"\n\n{context}" for context in reply.contexts)
        return Answer(
            question.id, reply.text, _outcome(reply), None, question.text + read, _usage(reply), batch.number, reply.error, reply.contexts or None
        )


def _outcome(reply: Reply) -> Outcome:
    if reply.error:
        return "error"
    if is_abstention(reply.text):
        return "abstained"
    return "truncated" if reply.cut else "ok"


def _usage(reply: Reply) -> Usage | None:
    """A system answers one question at a time, for all that can be told."""
    if reply.seconds is None or reply.error:
        return None
    return Usage(reply.prompt_tokens, reply.completion_tokens, reply.seconds, reply.seconds, 1, cost=reply.cost)
