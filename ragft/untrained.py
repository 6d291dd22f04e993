"""What answers in the place of an adapter whose training came apart: nothing, so that every question counts as an error."""

from __future__ import annotations

from collections.abc import Sequence

from ragft.errors import DivergedError
from ragft.generation import Generator
from ragft.types import Completion, Prompt


class Untrained:
    """A generator without weights. It measures prompts as the base model does, so that batches and passages are those of other arms."""

    def __init__(self, base: Generator, why: str):
        self._base, self._why = base, why

    def count_tokens(self, text: str) -> int:
        return self._base.count_tokens(text)

    def length(self, prompt: Prompt) -> int:
        return self._base.length(prompt)

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Raises DivergedError, always."""
        raise DivergedError(self._why)
