"""A model folder -> tokenizer and model in memory, loaded the same way for training and for answering."""

from __future__ import annotations

import gc
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

logging.disable_progress_bar()
# peft asks transformers in a way that the next major version will not know; the user can do nothing about it
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing. is deprecated")


def device() -> torch.device:
    """The CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@lru_cache(maxsize=4)
def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer; where it has no pad token, the end-of-text token pads (it is always masked)."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path) -> Any:
    """A fresh copy of the folder's causal language model, in evaluation mode: float32 on a CPU, bfloat16 on a GPU.

    Fresh each time, so that nothing an arm does to its model can reach another arm.
    """
    gc.collect()  # the previous arm's copy, before this one is made
    where = device()
    dtype = torch.bfloat16 if where.type == "cuda" else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, attn_implementation="sdpa")
    return model.to(where).eval()


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
