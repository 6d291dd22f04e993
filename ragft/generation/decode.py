"""Greedy decoding of a batch: what all rows begin with is computed once, rows leave the batch as they end, nothing is copied.

    [memory][shared beginning] once  ->  [rest of each prompt] left-padded  ->  one token a row and step

A row's answer does not depend on the other rows: padding is masked, and positions count a row's own tokens only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache

from ragft.generation.cache import Room, make_room
from ragft.weights import Memory

SHRINK_SHARE = 0.75  # rows that have ended are given up once less than this share of the batch is still being answered


@torch.inference_mode()
def greedy(model: Any, rows: Sequence[Sequence[int]], max_new_tokens: int, stop: set[int], memory: Memory | None = None) -> list[list[int]]:
    """The most likely continuation of each row (token ids, at least one a row), up to and with its first stop token.

    A `memory` stands before every row, at positions 0 to n - 1.
    """
    shared = shared_beginning(rows)
    virtual = memory[0][0].shape[2] if memory else 0
    known = virtual + shared
    rest = [list(row[shared:]) for row in rows]
    width = max(map(len, rest))
    cache, logits, keep = _read(model, rest, width, _beginning(model, rows[0][:shared], memory), max_new_tokens)
    positions = torch.tensor([known + len(row) for row in rest], device=model.device)
    made: list[list[int]] = [[] for _ in rows]
    active = list(range(len(rows)))  # the row that each line of the batch stands for
    for step in range(max_new_tokens):
        tokens = logits.argmax(dim=-1)
        for place, token in zip(active, tokens.tolist(), strict=True):
            if not _ended(made[place], stop):
                made[place].append(token)
        running = [line for line, place in enumerate(active) if not _ended(made[place], stop)]
        if not running or step + 1 == max_new_tokens:
            break
        if len(running) < SHRINK_SHARE * len(active):
            lines = torch.tensor(running, device=model.device)
            active, tokens, positions, keep = [active[line] for line in running], tokens[lines], positions[lines], keep[lines]
            _keep(cache, lines)
        used = known + width + step + 1
        logits = _forward(model, tokens[:, None], keep[:, None, None, :used], positions[:, None], cache)
        positions = positions + 1
    return made


def shared_beginning(rows: Sequence[Sequence[int]]) -> int:
    """How many first tokens all rows share, if one of each row remains; 0 for a single row, which gains nothing."""
    if len(rows) == 1:
        return 0
    limit, first = min(map(len, rows)) - 1, rows[0]
    return next((n for n in range(limit) if any(row[n] != first[n] for row in rows)), limit)


def _beginning(model: Any, shared: Sequence[int], memory: Memory | None) -> Memory:
    """Keys and values of the memory and the shared tokens, for one row."""
    if not shared:
        return memory or []
    virtual = memory[0][0].shape[2] if memory else 0
    cache = DynamicCache(memory) if memory else DynamicCache()
    ids = torch.tensor([list(shared)], device=model.device)
    positions = torch.arange(virtual, virtual + len(shared), device=model.device)[None]
    mask = torch.ones(len(shared), virtual + len(shared), dtype=torch.bool, device=model.device).tril(virtual)
    _forward(model, ids, mask[None, None], positions, cache)
    layers: Any = cache.layers
    return [(layer.keys, layer.values) for layer in layers]


def _read(model: Any, rest: list[list[int]], width: int, beginning: Memory, max_new_tokens: int) -> tuple[Cache, torch.Tensor, torch.Tensor]:
    """Read the rest of every prompt; the cache, the logits after it, and which positions (rows, capacity) a row may see."""
    known = beginning[0][0].shape[2] if beginning else 0
    capacity = known + width + max_new_tokens
    cache = make_room(model.config.get_text_config().num_hidden_layers, beginning, len(rest), capacity)
    lengths = torch.tensor([len(row) for row in rest], device=model.device)
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rest], device=model.device)
    place = torch.arange(capacity, device=model.device)
    keep = (place < known) | (place >= known + width - lengths[:, None])  # all but the padding
    own = torch.arange(width, device=model.device)
    causal = place[None, :] <= known + own[:, None]
    positions = (known + own - (width - lengths[:, None])).clamp(min=0)
    mask = (keep[:, None, :] & causal)[:, None, :, : known + width]
    # a padding token would see nothing at all, which some kernels answer with not-a-number: let it see itself
    mask = mask | torch.eye(width, known + width, dtype=torch.bool, device=model.device).roll(known, dims=1)
    return cache, _forward(model, ids, mask, positions, cache), keep


def _forward(model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache) -> torch.Tensor:
    """Logits (rows, vocabulary) after the last token of each row."""
    output = model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return output.logits[:, -1]


def _keep(cache: Cache, lines: torch.Tensor) -> None:
    for layer in cache.layers:
        assert isinstance(layer, Room)
        layer.keep(lines)


def _ended(made: list[int], stop: set[int]) -> bool:
    return bool(made) and made[-1] in stop
