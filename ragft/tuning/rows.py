"""Examples as packed rows: token ids, batches within a budget, and the loss of a row as if each example were alone.

The examples of a row stand one after another behind the beginning that all of them share (instruction, chat markup),
which is computed once. Positions restart after it for each example, and the attention mask lets an example see that
beginning and itself only. So no padding is computed, no example sees another, and the gradients are those of single
examples (test_rows.py). Logits are computed only where there is a label.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad
from transformers import DynamicCache

from ragft.errors import InputError
from ragft.prompts import completion, render
from ragft.types import Example
from ragft.weights import Memory, encode

ROW_TOKENS = 512  # beyond it the dense attention of a packed row costs more than the packing saves


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as token ids; the loss is taken on ids[start:]."""

    ids: list[int]
    start: int


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


def row_loss(model: Any, row: Sequence[Encoded], memory: Memory | None = None) -> torch.Tensor:
    """The summed cross-entropy (nats) of the row's labels, as if each example had been computed alone.

    A `memory` stands before every example: its virtual positions come first and all of the row sees them.
    """
    where = model.device
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
    virtual = memory[0][0].shape[2] if memory else 0
    targets = torch.tensor(labelled, device=where)
    inputs = torch.tensor([ids], device=where)
    logits = model(
        input_ids=inputs,
        attention_mask=pad(mask, (virtual, 0), value=True)[None, None],
        position_ids=torch.tensor([positions], device=where) + virtual,
        logits_to_keep=targets - 1,
        past_key_values=DynamicCache(memory) if memory else None,
        use_cache=bool(memory),
    ).logits
    return cross_entropy(logits[0].float(), inputs[0, targets], reduction="sum")


def shared_prefix(row: Sequence[Encoded]) -> int:
    """How many first tokens all examples share; at least one prompt token stays with each, to predict its first label."""
    if len(row) == 1:
        return 0
    limit = min(example.start for example in row) - 1
    first = row[0].ids
    return next((n for n in range(limit) if any(e.ids[n] != first[n] for e in row)), max(0, limit))
