"""The one training loop: examples packed into rows, loss on the answers only, so many tokens and not one more.

The examples of a row stand one after another behind the beginning that all of them share (instruction, chat markup),
which is computed once. Positions restart after it for each example, and the attention mask lets an example see that
beginning and itself only. So no padding is computed, no example sees another, and the gradients are those of single
examples (test_train.py). Logits are computed only where there is a label.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, get_peft_model
from torch.nn.functional import cross_entropy

from ragft.errors import InputError
from ragft.meter import PeakMemory
from ragft.numbers import percent
from ragft.prompts import completion, render
from ragft.types import Example, FitReport
from ragft.weights import encode, load_model, load_tokenizer

ROW_TOKENS = 512  # beyond it the dense attention of a packed row costs more than the packing saves
WARMUP_SHARE = 0.1
MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as token ids; the loss is taken on ids[start:]."""

    ids: list[int]
    start: int


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


def encode_example(example: Example, tokenizer: Any) -> Encoded:
    """Prompt and answer as they will stand when the model answers, the end-of-turn token included."""
    if example.prompt is None:
        return Encoded([*encode(tokenizer, example.completion), tokenizer.eos_token_id], 1)
    prompt = encode(tokenizer, render(example.prompt, tokenizer))
    answer = tokenizer(completion(example.completion, tokenizer), add_special_tokens=False)["input_ids"]
    return Encoded([*prompt, *answer, tokenizer.eos_token_id], len(prompt))


def plan_batches(encoded: Sequence[Encoded], max_tokens: int, batch_size: int, seed: int) -> list[list[int]]:
    """The batches (indices) to train on, pass after pass in a shuffled order, within `max_tokens`."""
    if not encoded:
        raise InputError("nothing to train on: no question is in the train split. Mark some, or leave the tuned arms out.")
    shuffle = random.Random(seed)
    plan: list[list[int]] = []
    used = 0
    while True:
        order = list(range(len(encoded)))
        shuffle.shuffle(order)
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            used += sum(len(encoded[i].ids) for i in batch)
            if used > max_tokens:
                if not plan:
                    raise InputError(f"train_tokens ({max_tokens}) does not hold one batch of {batch_size} examples ({used} tokens). Raise it.")
                return plan
            plan.append(batch)


def pack(batch: Sequence[Encoded]) -> list[list[Encoded]]:
    """The batch in rows of at most ROW_TOKENS (a longer example has a row of its own), longest first."""
    rows: list[list[Encoded]] = []
    for example in sorted(batch, key=lambda e: -len(e.ids)):
        room = (row for row in rows if sum(len(e.ids) for e in row) + len(example.ids) <= ROW_TOKENS)
        row = next(room, None)
        if row is None:
            rows.append([example])
        else:
            row.append(example)
    return rows


def backward(model: Any, batch: Sequence[Encoded]) -> float:
    """Add the gradients of the mean loss per label token of the batch; returns that loss (nats)."""
    labels = sum(len(e.ids) - e.start for e in batch)
    loss = 0.0
    for row in pack(batch):
        part = row_loss(model, row) / labels
        part.backward()
        loss += part.item()
    return loss


def row_loss(model: Any, row: Sequence[Encoded]) -> torch.Tensor:
    """The summed cross-entropy (nats) of the row's labels, as if each example had been computed alone."""
    where = next(model.parameters()).device
    shared = shared_prefix(row)
    ids, positions, blocks, labelled = row[0].ids[:shared], list(range(shared)), [0] * shared, []
    for number, example in enumerate(row, start=1):
        labelled += [len(ids) + p - shared for p in range(example.start, len(example.ids))]
        ids = ids + example.ids[shared:]
        positions += range(shared, len(example.ids))
        blocks += [number] * (len(example.ids) - shared)
    block = torch.tensor(blocks, device=where)
    causal = torch.ones(len(ids), len(ids), dtype=torch.bool, device=where).tril()
    mask = causal & ((block[:, None] == block[None, :]) | (block == 0)[None, :])
    targets = torch.tensor(labelled, device=where)
    inputs = torch.tensor([ids], device=where)
    logits = model(
        input_ids=inputs,
        attention_mask=mask[None, None],
        position_ids=torch.tensor([positions], device=where),
        logits_to_keep=targets - 1,
        use_cache=False,
    ).logits
    return cross_entropy(logits[0].float(), inputs[0, targets], reduction="sum")


def shared_prefix(row: Sequence[Encoded]) -> int:
    """How many first tokens all examples share; at least one prompt token stays with each, to predict its first label."""
    if len(row) == 1:
        return 0
    limit = min(example.start for example in row) - 1
    first = row[0].ids
    return next((n for n in range(limit) if any(e.ids[n] != first[n] for e in row)), max(0, limit))


def _rate(step: int, steps: int) -> float:
    """Linear warm-up, then linear decay to zero, as a factor of the learning rate."""
    warmup = max(1, round(WARMUP_SHARE * steps))
    return (step + 1) / warmup if step < warmup else max(0.0, (steps - step) / max(1, steps - warmup))
