"""The one training loop: packed rows, loss on the answers only, so many tokens and not one more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, get_peft_model

from ragft.meter import PeakMemory
from ragft.numbers import percent
from ragft.tuning.rows import Encoded, encode_example, pack, plan_batches, row_loss
from ragft.types import Example, FitReport
from ragft.weights import load_model, load_tokenizer

WARMUP_SHARE = 0.1
MAX_GRADIENT_NORM = 1.0


def train_adapter(
    model: Path,
    config: PeftConfig,
    examples: Sequence[Example],
    folder: Path,
    *,
    seed: int,
    max_tokens: int,
    batch_size: int,
    learning_rate: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FitReport:
    """Train an adapter on at most `max_tokens` tokens of the examples and save it (safetensors) in `folder`.

    `progress` is told (training tokens so far, training tokens in all). Raises InputError when there is nothing to
    train on or the budget does not hold one batch.
    """
    began = time.perf_counter()
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(model)
    encoded = [encode_example(example, tokenizer) for example in examples]
    plan = plan_batches(encoded, max_tokens, batch_size, seed)
    total = sum(len(encoded[i].ids) for batch in plan for i in batch)
    with PeakMemory() as peak:
        tuned = get_peft_model(load_model(model), config)
        weights = [p for p in tuned.parameters() if p.requires_grad]
        for weight in weights:
            weight.data = weight.data.float()  # the optimiser's steps are too small for bfloat16
        optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, len(plan)))
        tuned.train()
        curve, done = [], 0
        for batch in plan:
            loss = backward(tuned, [encoded[i] for i in batch])
            torch.nn.utils.clip_grad_norm_(weights, MAX_GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            done += sum(len(encoded[i].ids) for i in batch)
            curve.append((done, loss))
            progress(done, total)
        tuned.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    trainable = sum(p.numel() for p in weights)
    passes = sum(map(len, plan)) / len(encoded)
    return FitReport(
        seconds=time.perf_counter() - began,
        peak_bytes=peak.bytes,
        trainable_parameters=trainable,
        total_parameters=sum(p.numel() for p in tuned.parameters()),
        training_tokens=total,
        examples=len(encoded),
        artifact_bytes=sum(p.stat().st_size for p in folder.glob("*.safetensors")),
        loss=tuple(curve),
        notes=() if passes >= 1 else (f"the budget of {max_tokens:,} tokens covered {percent(passes, 0)} of the training examples once",),
    )


def backward(model: Any, batch: Sequence[Encoded]) -> float:
    """Add the gradients of the mean loss per label token of the batch; returns that loss (nats)."""
    labels = sum(len(e.ids) - e.start for e in batch)
    loss = 0.0
    for row in pack(batch):
        part = row_loss(model, row) / labels
        part.backward()
        loss += part.item()
    return loss


def _rate(step: int, steps: int) -> float:
    """Linear warm-up, then linear decay to zero, as a factor of the learning rate."""
    warmup = max(1, round(WARMUP_SHARE * steps))
    return (step + 1) / warmup if step < warmup else max(0.0, (steps - step) / max(1, steps - warmup))
