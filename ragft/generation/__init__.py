"""Generators: prompts in, completions out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ragft.types import Completion, Prompt


class Generator(Protocol):
    """What an arm needs of a model."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a piece of text."""
        ...

    def length(self, prompt: Prompt) -> int:
        """Tokens of a prompt as the model gets it."""
        ...

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """One completion per prompt, in order; the same whatever came before."""
        ...
