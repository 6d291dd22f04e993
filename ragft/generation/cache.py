"""Keys and values of a batch while it is answered: room for every token from the start, written in place, rows given up as they end."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from ragft.generation.tree import Layout
from ragft.weights import Memory


class Room(CacheLayerMixin):
    """One layer: buffers (rows, key-value heads, capacity, head size), of which the first `used` positions hold something.

    The first update is the layout's, all prompts in one row; each prompt gets its places of it, left-padded. Every later
    one is a token for each row. transformers' own dynamic cache copies all it holds at every token, its static one
    computes over the whole capacity.
    """

    def __init__(self, layout: Layout, new_tokens: int, memory: tuple[torch.Tensor, torch.Tensor] | None):
        super().__init__()
        self._layout, self._memory = layout, memory
        self._capacity, self.used = layout.rows.shape[1] + new_tokens, 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Take the buffers, and give each prompt its places of the row."""
        self.keys, self.values = self._spread(key_states), self._spread(value_states)
        self.used = self._layout.rows.shape[1]
        self.is_initialized = True

    def _spread(self, states: torch.Tensor) -> torch.Tensor:
        places, heads = self._layout.rows, states.shape[1]
        buffer = states.new_empty((len(places), heads, self._capacity, states.shape[-1]))
        buffer[:, :, : places.shape[1]] = states[0].index_select(1, places.flatten()).view(heads, *places.shape, -1).transpose(0, 1)
        return buffer

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep the states, and return all that there is to attend to: of the first, the memory and the one row."""
        if not self.is_initialized:
            if self._memory is not None:
                keys, values = self._memory
                key_states, value_states = torch.cat([keys, key_states], dim=2), torch.cat([values, value_states], dim=2)
            self.lazy_initialization(key_states, value_states)
            return key_states, value_states
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


def make_room(layers: int, layout: Layout, new_tokens: int, memory: Memory | None) -> Cache:
    """A cache for the prompts of a layout and so many tokens after them."""
    return Cache(layers=[Room(layout, new_tokens, memory[number] if memory else None) for number in range(layers)])
