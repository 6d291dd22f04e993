"""float32 or bfloat16 for training: timed on the very model and machine, because neither is faster everywhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ragft.tuning.attach import Attached, attach
from ragft.tuning.methods import lora
from ragft.tuning.rows import Encoded, encode_example, pack, row_loss
from ragft.types import Dtype, Example, TrainingDtype
from ragft.weights import Base, device, load_base, load_model

# bfloat16 rounds to three digits, and its adapters are others: a smaller gain is not worth that. At 1.2 two runs on the project's
# own machine chose differently, because the two formats are nearly as fast there.
GAIN = 1.5
REPEATS = 3
TOO_SHORT = 0.05  # seconds: a row that is done so soon leaves nothing to gain, and its timings are noise


def choose_dtype(model: Path, examples: Sequence[Example]) -> TrainingDtype:
    """bfloat16 where a training step is clearly faster in it; on a GPU that knows it, without timing. Takes seconds on a CPU."""
    if device().type == "cuda":
        return TrainingDtype("bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32", None, None)
    shared = load_base(model, "float32")
    row = pack([encode_example(example, shared.tokenizer) for example in examples])[0]
    rounded = Base(load_model(model, "bfloat16"), shared.tokenizer)  # not a shared one: where it loses, nothing keeps it
    plain, short = fastest([shared, rounded], row)
    shared.clear()
    return TrainingDtype(preferred(plain, short), plain, short)


def preferred(seconds_float32: float, seconds_bfloat16: float) -> Dtype:
    """bfloat16 only if it is faster by GAIN, and there is something to gain."""
    return "bfloat16" if seconds_float32 >= max(TOO_SHORT, GAIN * seconds_bfloat16) else "float32"


def fastest(bases: Sequence[Base], row: Sequence[Encoded]) -> list[float]:
    """Seconds of a row's loss and gradients with LoRA on each base: the least of REPEATS, in turn, after one to warm up."""
    attached = [attach(base, lora(rank=8), seed=0) for base in bases]
    rounds = [[_seconds(base, parts, row) for base, parts in zip(bases, attached, strict=True)] for _ in range(1 + REPEATS)]
    return [min(taken) for taken in zip(*rounds[1:], strict=True)]


def _seconds(base: Base, attached: Attached, row: Sequence[Encoded]) -> float:
    began = time.perf_counter()
    row_loss(base.model, row).backward()
    for weight in attached.weights.values():
        weight.grad = None
    return time.perf_counter() - began
