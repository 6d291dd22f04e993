"""Answers from a transformers model, with or without an adapter: greedy, the same for every arm."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ragft.generation.decode import greedy
from ragft.prompts import render
from ragft.types import Completion, Prompt, Usage
from ragft.weights import Memory, count_tokens, encode, is_out_of_memory


class HFGenerator:
    """Completes batches of prompts with a model and, before every prompt, the virtual positions of a `memory`.

    The model's own generation settings (sampling, penalties) play no part: they must not differ between arms or machines.
    """

    def __init__(self, model: Any, tokenizer: Any, max_new_tokens: int, memory: Memory | None = None):
        self._model, self._tokenizer, self._memory = model, tokenizer, memory
        self._max_new_tokens = max_new_tokens
        virtual = memory[0][0].shape[2] if memory else 0
        self._window = int(getattr(model.config, "max_position_embeddings", 2048)) - max_new_tokens - virtual
        self._stop = stop_tokens(tokenizer, model.generation_config)

    def count_tokens(self, text: str) -> int:
        return count_tokens(self._tokenizer, text)

    def length(self, prompt: Prompt) -> int:
        """Prompt tokens, chat template included, before any cut."""
        return len(encode(self._tokenizer, render(prompt, self._tokenizer)))

    def complete(self, prompts: Sequence[Prompt], heard: Callable[[str], None] | None = None) -> list[Completion]:
        """One greedy completion per prompt, in order.

        A prompt longer than the context window loses its middle (instruction and question's end stay) and is marked.
        `heard` is called after each token with what the first completion says so far; what it raises ends the answer.
        """
        began = time.perf_counter()
        rendered = [render(prompt, self._tokenizer) for prompt in prompts]
        rows = [encode(self._tokenizer, text) for text in rendered]
        fitted = [_shorten(row, self._window) for row in rows]
        made = [_until_stop(row, self._stop) for row in self._decode(fitted, heard)]
        seconds = time.perf_counter() - began
        completions = []
        for text, row, kept, (answer, stopped) in zip(rendered, rows, fitted, made, strict=True):
            usage = Usage(len(kept), len(answer), seconds / len(prompts), seconds, len(prompts))
            completions.append(Completion(self._text(answer), text, usage, prompt_cut=len(kept) < len(row), answer_cut=not stopped))
        return completions

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def _decode(self, rows: Sequence[list[int]], heard: Callable[[str], None] | None = None) -> list[list[int]]:
        """The continuations; out of memory, of one half of the rows after the other."""
        said = None if heard is None else lambda made: heard(self._text(_until_stop(made[0], self._stop)[0]))
        try:
            return greedy(self._model, rows, self._max_new_tokens, self._stop, self._memory, said)
        except RuntimeError as error:
            if len(rows) == 1 or not is_out_of_memory(error):
                raise
        middle = len(rows) // 2  # outside the handler, which would hold on to the failed batch's memory
        return self._decode(rows[:middle], heard) + self._decode(rows[middle:])


def stop_tokens(tokenizer: Any, generation_config: Any) -> set[int]:
    """The tokens that end an answer: the tokenizer's end of text, and what the model says of itself."""
    own = generation_config.eos_token_id
    return {tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])} - {None}


def _shorten(row: list[int], window: int) -> list[int]:
    """At most `window` tokens: the first half and the last half of them."""
    return row if len(row) <= window else row[: window // 2] + row[len(row) - (window - window // 2) :]


def _until_stop(row: list[int], stop: set[int]) -> tuple[list[int], bool]:
    """The tokens before the first stop token, and whether there was one."""
    for place, token in enumerate(row):
        if token in stop:
            return row[:place], True
    return row, False
