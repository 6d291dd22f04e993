"""Keys and values of a batch while it is answered: room for every token from the start, written in place, rows given up as they end."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from ragft.weights import Memory


class Room(CacheLayerMixin):
    """One layer: buffers (rows, key-value heads, capacity, head size), of which the first `used` positions hold something.

    transformers' own dynamic cache copies all it holds at every token, its static one computes over the whole capacity.
    """

    def __init__(self, rows: int, capacity: int):
        super().__init__()
        self._rows, self._capacity, self.used = rows, capacity, 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Take the buffers, of the shape and type of the first states."""
        _, heads, _, size = key_states.shape
        self.keys = key_states.new_empty((self._rows, heads, self._capacity, size))
        self.values = value_states.new_empty((self._rows, heads, self._capacity, value_states.shape[-1]))
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new positions and return all that hold something; one row of states stands for every row."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        end = self.used + key_states.shape[2]
        self.keys[:, :, self.used : end] = key_states
        self.values[:, :, self.used : end] = value_states
        self.used = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def keep(self, rows: torch.Tensor) -> None:
        """Give up all rows but these."""
        assert self.keys is not None and self.values is not None
        self.keys, self.values = self.keys[rows], self.values[rows]

    def get_seq_length(self) -> int:
        return self.used

    def get_max_length(self) -> int:
        return self._capacity

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.used + query_length, 0


def make_room(layers: int, beginning: Memory, rows: int, capacity: int) -> Cache:
    """A cache for `rows` rows whose first positions are the beginning's (empty: none), which all rows share."""
    rooms = [Room(rows, capacity) for _ in range(layers)]
    for room, (keys, values) in zip(rooms, beginning, strict=False):
        room.update(keys, values)
    return Cache(layers=list(rooms))
