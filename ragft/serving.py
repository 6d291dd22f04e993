"""Generators over the one shared base model: the base itself, or the base with a stored adapter, in float32 or int8."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch

from ragft.generation.hf import HFGenerator
from ragft.generation.int8 import check_int8, use_int8
from ragft.tuning.attach import load_attached
from ragft.types import Completion, Prompt
from ragft.weights import Base, bases, load_base

Precision = Literal["float32", "int8", "nf4"]


class Served:
    """Answers with one adapter, merged where the method can be (the way it would be served), or with the base alone.

    Others may attach something else to the base between two calls: it is put back before an answer is given. In `int8`
    the base's linear layers are rounded after merging; what cannot be merged stays as it is, on top of them. In `nf4` the
    base is in 4 bits already, and nothing is merged into that.
    Raises InputError for int8 where a GPU answers.
    """

    def __init__(self, base: Base, adapter: Path | None, max_new_tokens: int, *, merged: bool = True, precision: Precision = "float32"):
        if precision == "int8":
            check_int8(base.model.device)
        self._base, self._adapter, self._max_new_tokens, self._merged, self._precision = base, adapter, max_new_tokens, merged, precision
        self._generator, self._mine = self._place()

    def _place(self) -> tuple[HFGenerator, object | None]:
        """The generator over what this one stands for, which is put on the base; and the token of that."""
        base, memory = self._base, None
        if self._adapter is None:
            base.clear()
        else:
            attached = load_attached(base, self._adapter)
            if self._merged and attached.merge is not None:
                attached.merge()
            with torch.inference_mode():
                memory = attached.memory()
        if self._precision == "int8":
            base.occupy(object(), use_int8(base))
        return HFGenerator(base.model, base.tokenizer, self._max_new_tokens, memory), base.holds

    def count_tokens(self, text: str) -> int:
        return self._generator.count_tokens(text)

    def length(self, prompt: Prompt) -> int:
        return self._generator.length(prompt)

    def complete(self, prompts: Sequence[Prompt], heard: Callable[[str], None] | None = None) -> list[Completion]:
        if self._base.holds is not self._mine:
            self._generator, self._mine = self._place()
        return self._generator.complete(prompts, heard)


@lru_cache(maxsize=1)  # neighbouring units of the same arm share it
def load_generator(model: Path, adapter: Path | None, max_new_tokens: int, *, merged: bool = True, precision: Precision = "float32") -> Served:
    """The base model, or the base with the adapter of that folder; `merged`: folded into the weights where that is possible."""
    in_four_bits = precision == "nf4"
    base = load_base(model, "nf4" if in_four_bits else None)
    return Served(base, adapter, max_new_tokens, merged=merged and not in_four_bits, precision=precision)


def writer(model: Path, max_new_tokens: int, batch_size: int, precision: Precision = "float32") -> Callable[[Sequence[Prompt]], list[str]]:
    """The untuned base as a writer of texts, beside whatever answers with it; it is loaded with the first text."""

    def write(prompts: Sequence[Prompt]) -> list[str]:
        base = Served(load_base(model, "nf4" if precision == "nf4" else None), None, max_new_tokens, precision=precision)
        parts = (prompts[first : first + batch_size] for first in range(0, len(prompts), batch_size))
        return [completion.text for part in parts for completion in base.complete(part)]

    return write


def release() -> None:
    """Give up the models in memory, and the GPU memory they took. Whoever still holds one keeps it."""
    load_generator.cache_clear()
    bases.cache_clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
