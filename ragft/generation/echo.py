"""A generator without a model, for tests and for trying a study: repeats the passage that shares most words with the question."""

from __future__ import annotations

from collections.abc import Sequence

from ragft.text import words
from ragft.types import Completion, Prompt, Usage


class EchoGenerator:
    """Deterministic: the line of the prompt nearest to its last line, or a refusal where no line shares a word."""

    def count_tokens(self, text: str) -> int:
        return len(words(text))

    def length(self, prompt: Prompt) -> int:
        return self.count_tokens(prompt.system) + self.count_tokens(prompt.user)

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        return [self._one(prompt, len(prompts)) for prompt in prompts]

    def _one(self, prompt: Prompt, batch_size: int) -> Completion:
        *lines, question = prompt.user.splitlines()
        asked = set(words(question))
        best = max(lines, key=lambda line: len(asked & set(words(line))), default="")
        text = best if asked & set(words(best)) else "I don't know."
        usage = Usage(self.length(prompt), self.count_tokens(text), 0.0, 0.0, batch_size)
        return Completion(text, f"{prompt.system}\n{prompt.user}", usage, prompt_cut=False, answer_cut=False)
