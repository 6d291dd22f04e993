"""Greedy decoding: the tokens of the textbook loop, whatever the batch, the beginning, the memory and who leaves when."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from ragft.generation.cache import make_room
from ragft.generation.decode import greedy, shared_beginning
from ragft.weights import load_model

ROWS = [[5, 6, 7, 8, 9], [5, 6, 7], [5, 6, 30, 31, 32, 33, 34, 35], [5, 6, 7, 8]]


def slow(model, row, tokens, stop=frozenset(), memory=None) -> list[int]:
    """One row, the whole text again for each token."""
    made: list[int] = []
    while len(made) < tokens and not (made and made[-1] in stop):
        ids, extra = torch.tensor([row + made]), {}
        if memory:
            virtual = memory[0][0].shape[2]
            extra = {"past_key_values": DynamicCache(memory), "position_ids": torch.arange(virtual, virtual + ids.shape[1])[None]}
        with torch.no_grad():
            made.append(int(model(input_ids=ids, **extra).logits[0, -1].argmax()))
    return made


def some_memory(model, positions=3):
    config = model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    torch.manual_seed(5)
    shape = (1, heads, positions, config.hidden_size // config.num_attention_heads)
    return [(torch.randn(shape), torch.randn(shape)) for _ in range(config.num_hidden_layers)]


@pytest.mark.parametrize("with_memory", [False, True])
def test_a_batch_is_the_textbook_loop(any_tiny_model, with_memory):
    model = load_model(any_tiny_model)
    memory = some_memory(model) if with_memory else None
    assert greedy(model, ROWS, 7, set(), memory) == [slow(model, row, 7, memory=memory) for row in ROWS]


def test_without_a_memory_it_is_transformers_generate(any_tiny_model):
    model = load_model(any_tiny_model)
    for row in ROWS:
        made = model.generate(torch.tensor([row]), max_new_tokens=7, do_sample=False, eos_token_id=None, pad_token_id=0)
        assert greedy(model, [row], 7, set())[0] == made[0, len(row) :].tolist()


def test_rows_leave_as_they_end_and_the_others_go_on(any_tiny_model):
    """With stop tokens that end the rows at different times, down to the last one."""
    model = load_model(any_tiny_model)
    free = [slow(model, row, 12) for row in ROWS]
    for stop in ({free[0][0]}, {free[0][0], free[1][2]}, {free[2][5]}, {token for made in free for token in made}):
        assert greedy(model, ROWS, 12, stop) == [slow(model, row, 12, stop) for row in ROWS]


@pytest.mark.parametrize(
    "rows",
    [[[7]], [[7], [8]], [[7], [7]], [[7, 8], [7]], [[5, 6, 7], [5, 6, 7], [5, 6, 7]], [[5], [6, 7, 8, 9, 10, 11]], [[5, 6], [5, 6, 7], [5, 6, 7, 8]]],
)
def test_odd_batches(tiny_model, rows):
    model = load_model(tiny_model)
    assert greedy(model, rows, 4, set()) == [slow(model, row, 4) for row in rows]
    assert greedy(model, rows, 1, set()) == [slow(model, row, 1) for row in rows]


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=5))
def test_shared_beginning_is_the_longest_that_leaves_a_token(rows):
    shared = shared_beginning(rows)
    assert all(row[:shared] == rows[0][:shared] and len(row) > shared for row in rows)
    longer = shared + 1
    assert len(rows) == 1 or any(len(row) <= longer or row[:longer] != rows[0][:longer] for row in rows)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(st.integers(3, 60), min_size=1, max_size=9), min_size=1, max_size=5), st.booleans())
def test_any_batch_is_the_textbook_loop(tiny_model, rows, with_memory):
    model = _model(tiny_model)
    memory = some_memory(model) if with_memory else None
    assert greedy(model, rows, 3, set(), memory) == [slow(model, row, 3, memory=memory) for row in rows]


_models = {}


def _model(folder):
    return _models.setdefault(folder, load_model(folder))


def test_room_is_written_in_place_and_rows_are_given_up():
    cache = make_room(1, [(torch.ones(1, 2, 2, 4), torch.zeros(1, 2, 2, 4))], rows=3, capacity=5)
    room = cache.layers[0]
    buffer = room.keys.data_ptr()
    keys, values = cache.update(torch.full((3, 2, 1, 4), 2.0), torch.full((3, 2, 1, 4), 3.0), 0)
    assert room.keys.data_ptr() == buffer and keys.shape == values.shape == (3, 2, 3, 4)
    assert keys[:, :, :2].eq(1).all() and keys[:, :, 2].eq(2).all() and values[:, :, 2].eq(3).all()
    room.keep(torch.tensor([2]))
    assert room.keys.shape == (1, 2, 5, 4) and room.get_seq_length() == 3 and room.get_max_length() == 5
