"""Greedy decoding: the tokens of the textbook loop, whatever the batch, the beginning, the memory and who leaves when."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from ragft.generation.cache import make_room
from ragft.generation.decode import greedy
from ragft.generation.tree import lay_out, make_tree
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


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(st.integers(3, 60), min_size=1, max_size=9), min_size=1, max_size=5), st.booleans())
def test_any_batch_is_the_textbook_loop(tiny_model, rows, with_memory):
    model = _model(tiny_model)
    memory = some_memory(model) if with_memory else None
    assert greedy(model, rows, 3, set(), memory) == [slow(model, row, 3, memory=memory) for row in rows]


_models = {}


def _model(folder):
    return _models.setdefault(folder, load_model(folder))


def test_rows_that_share_passages_are_the_textbook_loop(any_tiny_model):
    """Three levels: what all share, what some share, and rows that are the beginning of another or the same."""
    model = load_model(any_tiny_model)
    one, two = [5, 6, *range(10, 30)], [5, 6, *range(40, 62)]
    rows = [[*one, 7], [*two, 8, 9], [*one, 70, 71, 72], [5, 6, 80], [*two, 9], [*one, 7, 7], [*one, 7], one]
    for memory in (None, some_memory(model)):
        expected = [slow(model, row, 6, memory=memory) for row in rows]
        assert greedy(model, rows, 6, set(), memory) == expected
        model._supports_attention_backend = False  # a model whose attention cannot be exchanged gets a mask: the same answers
        assert greedy(model, rows, 6, set(), memory) == expected
        del model._supports_attention_backend
    assert model.config._attn_implementation == "sdpa"


def test_room_is_written_in_place_and_rows_are_given_up():
    layout = lay_out(make_tree([[7, 8, 9], [7, 5], [7, 8, 4]]), 1, torch.device("cpu"))
    assert layout.ids.tolist() == [[7, 5, 8, 4, 9]] and layout.positions.tolist() == [[1, 2, 2, 3, 3]]
    cache = make_room(1, layout, 2, [(torch.full((1, 2, 1, 4), 1.0), torch.full((1, 2, 1, 4), -1.0))])
    states = layout.ids[:, None, :, None].expand(1, 2, 5, 4).float()
    keys, values = cache.update(states, -states, 0)
    assert keys[0, 1, :, 2].tolist() == [1, 7, 5, 8, 4, 9] and torch.equal(values, -keys)
    room = cache.layers[0]
    assert room.keys[:, 1, :4, 3].tolist() == [[1, 7, 8, 9], [1, 1, 7, 5], [1, 7, 8, 4]] and torch.equal(room.values[:, :, :4], -room.keys[:, :, :4])
    buffer = room.keys.data_ptr()
    keys, values = cache.update(torch.full((3, 2, 1, 4), 2.0), torch.full((3, 2, 1, 4), 3.0), 0)
    assert room.keys.data_ptr() == buffer and keys.shape == values.shape == (3, 2, 5, 4)
    assert keys[0, 0, :, 0].tolist() == [1, 7, 8, 9, 2] and values[:, :, 4].eq(3).all()
    room.keep(torch.tensor([2]))
    assert room.keys.shape == (1, 2, 6, 4) and room.get_seq_length() == 5 and room.get_max_length() == 6
