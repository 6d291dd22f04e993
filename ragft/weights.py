"""A model folder -> tokenizer and model in memory: one copy for all arms and seeds, and what is attached to it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from ragft.nf4 import keep_layout, quantization
from ragft.products import Linear, linear_layers, quicken
from ragft.types import Dtype

logging.disable_progress_bar()
# peft asks transformers in a way that the next major version will not know; the user can do nothing about it
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing. is deprecated")

# Virtual positions before every text: per layer the keys and values, each (1, key-value heads, positions, head size).
Memory = list[tuple[torch.Tensor, torch.Tensor]]


def device() -> torch.device:
    """The CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cuda_devices() -> int:
    """How many CUDA devices this process sees."""
    return torch.cuda.device_count()


@lru_cache(maxsize=4)
def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer; where it has no pad token, the end-of-text token pads (it is always masked)."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def answering_dtype() -> Dtype:
    """bfloat16 on a GPU, float32 on a CPU."""
    return "bfloat16" if device().type == "cuda" else "float32"


def load_model(folder: Path, dtype: Dtype | None = None) -> Any:
    """A fresh copy of the folder's causal language model, frozen, in evaluation mode. `dtype` None: that of answering."""
    gc.collect()  # what nobody holds any more, before another copy is made
    kind, where, options = getattr(torch, answering_dtype() if dtype in (None, "nf4") else str(dtype)), device(), dict[str, Any]()
    if dtype == "nf4":
        options = {"quantization_config": quantization(kind), "device_map": {"": where}}
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=kind, use_safetensors=True, trust_remote_code=False, attn_implementation="sdpa", **options
    )
    if dtype == "nf4":
        keep_layout(model)
    else:
        model.to(where)
    if where.type == "cpu":
        quicken(model)
    return model.eval().requires_grad_(False)


class Base:
    """The one copy of a base model in memory. At most one adapter is attached to it at a time.

    `holds` is a token of what is attached (None: nothing), so that whoever attached it can see that it is still there.
    Attaching may add modules and hooks, and give a parameter another tensor; it may not write into the tensors that the
    parameters had, so that `clear` gives them back as they were loaded.
    """

    def __init__(self, model: Any, tokenizer: Any):
        self.model, self.tokenizer = model, tokenizer
        self.layers: list[Linear] = linear_layers(model)  # the base's own, not those of what is attached
        self.holds: object | None = None
        self._removers: list[Callable[[], None]] = []
        self._loaded = [(parameter, parameter.data) for parameter in model.parameters()]

    def occupy(self, token: object, remove: Callable[[], None]) -> None:
        """Note what was attached, perhaps on top of something, and how its modules and hooks are removed."""
        self.holds = token
        self._removers.append(remove)

    def clear(self) -> None:
        """The base as it was loaded, bit for bit."""
        self.holds = None
        while self._removers:
            self._removers.pop()()
        for parameter, data in self._loaded:
            parameter.data, parameter.grad = data, None
            parameter.requires_grad_(False)


@lru_cache(maxsize=1)  # of one model at a time
def bases(folder: Path) -> dict[Dtype, Base]:
    """The shared copies of that folder's model that are in memory."""
    return {}


def load_base(folder: Path, dtype: Dtype | None = None) -> Base:
    """The shared copy of that folder's model; nobody may change it but by attaching, and removing what was attached.

    `dtype` None: that of answering. A training in another has a copy of its own, made once.
    """
    found, kind = bases(folder), dtype or answering_dtype()
    if kind not in found:
        found[kind] = Base(load_model(folder, kind), load_tokenizer(folder))
    return found[kind]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Of the graphics card (torch.OutOfMemoryError, or "..._ALLOC_FAILED" of its libraries) or of the machine ("can't allocate memory")."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in ("allocate memory", "_ALLOC_FAILED"))


def empty_model(folder: Path) -> Any:
    """The folder's causal language model without its weights (on the meta device): its layers and their sizes, in a moment."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder, trust_remote_code=False), trust_remote_code=False)


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a rendered prompt: a chat template writes its special tokens itself, a plain prompt needs them."""
    return list(tokenizer(text, add_special_tokens=tokenizer.chat_template is None)["input_ids"])


def count_tokens(tokenizer: Any, text: str) -> int:
    """Tokens of a piece of text, without special tokens."""
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])
