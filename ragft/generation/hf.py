"""Answers from a transformers model, with or without an adapter: greedy, left-padded, the same for every arm."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from ragft.prompts import render
from ragft.types import Completion, Prompt, Usage
from ragft.weights import count_tokens, encode, load_model, load_tokenizer


class HFGenerator:
    """Completes batches of prompts greedily. One instance holds one copy of the model in memory."""

    def __init__(self, model: Any, tokenizer: Any, max_new_tokens: int):
        self._model, self._tokenizer = model, tokenizer
        self._max_new_tokens = max_new_tokens
        self._window = int(getattr(model.config, "max_position_embeddings", 2048)) - max_new_tokens
        stop = {tokenizer.eos_token_id, *_as_list(model.generation_config.eos_token_id)} - {None}
        # a new configuration: what a hub model ships (sampling, penalties) must not differ between arms or machines
        self._settings = GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            eos_token_id=sorted(stop),
            pad_token_id=tokenizer.pad_token_id,
            use_cache=True,
        )
        model.generation_config = self._settings  # generate() fills what a configuration leaves open from the model's own

    def count_tokens(self, text: str) -> int:
        return count_tokens(self._tokenizer, text)

    def length(self, prompt: Prompt) -> int:
        """Prompt tokens, chat template included, before any cut."""
        return len(encode(self._tokenizer, render(prompt, self._tokenizer)))

    @torch.inference_mode()
    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """One greedy completion per prompt, in order.

        A prompt longer than the context window loses its middle (instruction and question's end stay) and is marked.
        """
        began = time.perf_counter()
        rendered = [render(prompt, self._tokenizer) for prompt in prompts]
        rows = [encode(self._tokenizer, text) for text in rendered]
        fitted = [_shorten(row, self._window) for row in rows]
        width = max(map(len, fitted))
        pad = self._settings.pad_token_id
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in fitted], device=self._model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in fitted], device=self._model.device)
        output = self._model.generate(input_ids=ids, attention_mask=mask, generation_config=self._settings)
        made = [_until_stop(row, self._settings.eos_token_id) for row in output[:, width:].tolist()]
        seconds = time.perf_counter() - began
        completions = []
        for text, row, kept, (answer, stopped) in zip(rendered, rows, fitted, made, strict=True):
            usage = Usage(len(kept), len(answer), seconds / len(prompts), seconds, len(prompts))
            decoded = self._tokenizer.decode(answer, skip_special_tokens=True).strip()
            completions.append(Completion(decoded, text, usage, prompt_cut=len(kept) < len(row), answer_cut=not stopped))
        return completions


@lru_cache(maxsize=1)  # one copy in memory; neighbouring units of the same arm share it
def load_generator(model: Path, adapter: Path | None, max_new_tokens: int) -> HFGenerator:
    """The base model, or the base with the adapter of that folder merged in (the way it would be served)."""
    loaded = load_model(model)
    if adapter is not None:
        from peft import PeftModel

        loaded = PeftModel.from_pretrained(loaded, adapter, is_trainable=False).merge_and_unload().eval()
    return HFGenerator(loaded, load_tokenizer(model), max_new_tokens)


def _as_list(value: int | list[int] | None) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _shorten(row: list[int], window: int) -> list[int]:
    """At most `window` tokens: the first half and the last half of them."""
    return row if len(row) <= window else row[: window // 2] + row[len(row) - (window - window // 2) :]


def _until_stop(row: list[int], stop: list[int]) -> tuple[list[int], bool]:
    """The tokens before the first stop token, and whether there was one."""
    for place, token in enumerate(row):
        if token in stop:
            return row[:place], True
    return row, False
