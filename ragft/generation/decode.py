"""Greedy decoding of a batch: what prompts share is read once, nothing is padded or copied, rows leave the batch as they end.

    [memory][all prompts as one row, see tree.py]  ->  one token a prompt and step

A row's answer does not depend on the other rows: what they hold is masked, and positions count a row's own tokens only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache

from ragft.generation.cache import Room, make_room
from ragft.generation.tree import Tokens, lay_out, make_tree, tree_attention
from ragft.weights import Memory

SHRINK_SHARE = 0.75  # rows that have ended are given up once less than this share of the batch is still being answered


@torch.inference_mode()
def greedy(
    model: Any,
    rows: Sequence[Tokens],
    max_new_tokens: int,
    stop: set[int],
    memory: Memory | None = None,
    heard: Callable[[Sequence[list[int]]], None] | None = None,
) -> list[list[int]]:
    """The most likely continuation of each row (token ids, at least one a row), up to and with its first stop token.

    A `memory` stands before every row, at positions 0 to n - 1. `heard` is called with all continuations so far after each
    token; what it raises ends the decoding.
    """
    cache, logits, positions, seen = _read(model, rows, max_new_tokens, memory)
    used = seen.shape[1] - max_new_tokens
    made: list[list[int]] = [[] for _ in rows]
    active = list(range(len(rows)))  # the row that each line of the batch stands for
    for step in range(max_new_tokens):
        tokens = logits.argmax(dim=-1)
        for place, token in zip(active, tokens.tolist(), strict=True):
            if not _ended(made[place], stop):
                made[place].append(token)
        if heard is not None:
            heard(made)
        running = [line for line, place in enumerate(active) if not _ended(made[place], stop)]
        if not running or step + 1 == max_new_tokens:
            break
        if len(running) < SHRINK_SHARE * len(active):
            lines = torch.tensor(running, device=model.device)
            active, tokens, positions, seen = [active[line] for line in running], tokens[lines], positions[lines], seen[lines]
            _keep(cache, lines)
        mask = seen[:, None, None, : used + step + 1]
        logits = _forward(model, tokens[:, None], positions[:, None], cache, attention_mask=mask, logits_to_keep=1)[:, -1]
        positions = positions + 1
    return made


def _read(model: Any, rows: Sequence[Tokens], max_new_tokens: int, memory: Memory | None) -> tuple[Cache, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Read every prompt: the cache, the logits after each, its next position, and which places (rows, capacity) it may see."""
    layout = lay_out(make_tree(rows), memory[0][0].shape[2] if memory else 0, model.device)
    cache = make_room(model.config.get_text_config().num_hidden_layers, layout, max_new_tokens, memory)
    with tree_attention(model, layout) as arguments:
        logits = _forward(model, layout.ids, layout.positions, cache, logits_to_keep=layout.ends, **arguments)[0]
    width = layout.rows.shape[1]
    places = torch.arange(width + max_new_tokens, device=model.device)
    return cache, logits, layout.lengths, places >= width - layout.lengths[:, None]  # all but the padding


def _forward(model: Any, ids: torch.Tensor, positions: torch.Tensor, cache: Cache, **arguments: Any) -> torch.Tensor:
    """Logits (rows, kept, vocabulary)."""
    return model(input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True, **arguments).logits


def _keep(cache: Cache, lines: torch.Tensor) -> None:
    for layer in cache.layers:
        assert isinstance(layer, Room)
        layer.keep(lines)


def _ended(made: list[int], stop: set[int]) -> bool:
    return bool(made) and made[-1] in stop
