"""A team's own chain: `langchain our_chain:chain`, any LangChain Runnable from a question to an answer, or a plain function.

It may give a text, a message, or a mapping with the answer under `answer`, `result`, `output` or `text` and the passages it read
under `context`, `contexts` or `source_documents`. What it depends on is its own: take another attribute's name when it changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ragft.errors import InputError
from ragft.registry import system
from ragft.retrieval.foreign import named
from ragft.systems.base import Reply, SystemParts
from ragft.types import Question

ANSWERS, CONTEXTS = ("answer", "result", "output", "text"), ("context", "contexts", "source_documents")


class Chain:
    """Asks one question at a time."""

    def __init__(self, where: str, ask: Callable[[str], Any]):
        self._where, self._ask = where, ask

    def reply(self, questions: Sequence[Question]) -> list[Reply]:
        return [self._one(question.text) for question in questions]

    def _one(self, text: str) -> Reply:
        began = time.perf_counter()
        try:
            said, contexts = _read(self._ask(text))
        except Exception as error:  # what a team's own code raises nobody knows: it is a failed answer, counted and named
            return Reply(error=f"{type(error).__name__}: {error}")
        return Reply(said, time.perf_counter() - began, contexts=contexts)

    def key(self) -> str:
        return self._where


def _read(found: Any) -> tuple[str, tuple[str, ...]]:
    """Answer and passages. Raises InputError where there is no answer in it."""
    contexts: Any = ()
    if isinstance(found, Mapping):
        contexts = next((found[key] for key in CONTEXTS if key in found), ())
        found = next((found[key] for key in ANSWERS if key in found), found)
    text = getattr(found, "content", found)
    if not isinstance(text, str):
        raise InputError(f"the chain gave a {type(found).__name__} without a text under {', '.join(ANSWERS)}")
    listed = [contexts] if isinstance(contexts, str) else list(contexts)
    return text, tuple(str(getattr(context, "page_content", context)) for context in listed)


@system("langchain", "any LangChain Runnable, or function, from a question to an answer: langchain module:name")
def langchain(parts: SystemParts, where: str) -> Chain:
    """Raises MissingError where it is not there, InputError where it is nothing that answers."""
    found = named(where)
    ask = getattr(found, "invoke", found)
    if not callable(ask):
        raise InputError(f"'{where}' is a {type(found).__name__}: neither a LangChain Runnable nor a function of a question.")
    return Chain(where, ask)
