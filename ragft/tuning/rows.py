"""Examples as packed rows: token ids, batches within a budget, and the loss of a row as if each example were alone.

The examples of a row form a tree: those that begin alike (instruction, retrieved passage, a question's first words)
share the tokens of that beginning, which are computed once, and branch where they differ. A token's position is its
depth, and the attention mask lets it see its ancestors and itself only. So no padding is computed, no example sees
another, and the gradients are those of single examples (test_rows.py): a shared token receives the sum of what its
examples would have given it. Logits are computed only where there is a label. With dropout, examples share the noise of
shared tokens: the expected gradient is the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import DynamicCache

from ragft.errors import InputError
from ragft.prompts import completion, render
from ragft.types import Example
from ragft.weights import Memory, encode

ROW_TOKENS = 512  # computed ones, shared ones counted once; beyond it the dense attention of a packed row costs more than the packing saves


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
    plan: list[list[int]] = []
    used = 0
    for batch in shuffled(len(encoded), batch_size, seed):
        used += sum(len(encoded[i].ids) for i in batch)
        if used > max_tokens:
            break
        plan.append(batch)
    if not plan:
        raise InputError(f"train_tokens ({max_tokens}) does not hold one batch of {batch_size} examples ({used} tokens). Raise it.")
    return plan


def shuffled(examples: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Batches (indices) without end, pass after pass in another order; none where there are no examples."""
    shuffle = random.Random(seed)
    while examples:
        order = list(range(examples))
        shuffle.shuffle(order)
        for first in range(0, examples, batch_size):
            yield order[first : first + batch_size]


def pack(batch: Sequence[Encoded]) -> list[list[Encoded]]:
    """The batch in rows of at most ROW_TOKENS computed tokens (a longer example has a row of its own).

    Taken in the order of their tokens, an example shares most with its neighbours; each goes where it adds least.
    """
    rows: list[list[Encoded]] = []
    room: list[int] = []
    for example in sorted(batch, key=lambda e: e.ids):
        added = [len(example.ids) - shared_tokens(row[-1].ids, example.ids) for row in rows]
        fitting = [number for number in range(len(rows)) if added[number] <= room[number]]
        if fitting:
            best = min(fitting, key=lambda number: added[number])
            rows[best].append(example)
            room[best] -= added[best]
        else:
            rows.append([example])
            room.append(ROW_TOKENS - len(example.ids))
    return rows


def shared_tokens(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two texts have in common from their beginning."""
    return next((n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))


def computed_tokens(row: Sequence[Encoded]) -> int:
    """Tokens of the row's tree, those that examples begin with in common counted once."""
    total, before = 0, list[int]()
    for inputs in (example.ids[:-1] for example in row):
        total, before = total + len(inputs) - shared_tokens(before, inputs), inputs
    return total


@dataclass(frozen=True, slots=True)
class Tree:
    """A row's tokens, each computed once: its id, its depth, and which others it sees (a row of `sees`)."""

    ids: list[int]
    depth: list[int]
    sees: torch.Tensor  # (tokens, tokens), bool: the token itself and its ancestors
    predicting: list[int]  # for each label, the token after which it stands; several labels may stand after one
    labels: list[int]


def grow(row: Sequence[Encoded]) -> Tree:
    """The tree of a row in the order of its tokens. In another order it is as right, but fewer tokens are shared.

    An example's last token is only predicted, never seen: it is not computed.
    """
    ids: list[int] = []
    depth: list[int] = []
    predicting: list[int] = []
    labels: list[int] = []
    branches: list[tuple[int, int | None]] = []  # the first token of each, and where it branches off
    path: list[int] = []  # of the example before: where its tokens are in the row
    before: Sequence[int] = ()
    for example in row:
        inputs = example.ids[:-1]
        shared = shared_tokens(before, inputs)
        branches.append((len(ids), path[shared - 1] if shared else None))
        path = path[:shared] + list(range(len(ids), len(ids) + len(inputs) - shared))
        ids += inputs[shared:]
        depth += range(shared, len(inputs))
        predicting += path[example.start - 1 :]
        labels += example.ids[example.start :]
        before = inputs
    sees = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    for (first, parent), (end, _) in zip(branches, [*branches[1:], (len(ids), None)], strict=True):
        sees[first:end, :first] = sees[parent, :first] if parent is not None else False
    return Tree(ids, depth, sees, predicting, labels)


def row_loss(model: Any, row: Sequence[Encoded], memory: Memory | None = None) -> torch.Tensor:
    """The summed cross-entropy (nats) of the row's labels, as if each example had been computed alone.

    A `memory` stands before every example: its virtual positions come first and all of the row sees them.
    """
    where, tree = model.device, grow(row)
    virtual = memory[0][0].shape[2] if memory else 0
    sees = torch.cat([torch.ones(len(tree.ids), virtual, dtype=torch.bool), tree.sees], dim=1)
    logits = model(
        input_ids=torch.tensor([tree.ids], device=where),
        attention_mask=sees[None, None].to(where),
        position_ids=torch.tensor([tree.depth], device=where) + virtual,
        logits_to_keep=torch.tensor(tree.predicting, device=where),
        past_key_values=DynamicCache(memory) if memory else None,
        use_cache=bool(memory),
    ).logits
    return cross_entropy(logits[0].float(), torch.tensor(tree.labels, device=where), reduction="sum")
