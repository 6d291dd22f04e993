"""Prompts as a tree: every prompt is the path to its leaf, what is shared stands once, and a token sees what it would see alone."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from ragft.generation.tree import lay_out, make_tree

some_rows = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=7)


def test_a_passage_of_some_rows_is_a_segment():
    tree = make_tree([[1, 2, 3, 9], [1, 5], [1, 2, 3, 8], [1, 2, 3]])
    found = [(segment.tokens, segment.above) for segment in tree.segments]
    assert found == [((1,), ()), ((2,), (0,)), ((3,), (0, 1)), ((3,), (0, 1)), ((8,), (0, 1, 3)), ((9,), (0, 1, 3)), ((5,), (0,))]
    assert tree.leaves == (5, 6, 4, 2)


@given(some_rows)
def test_every_prompt_is_the_path_to_a_leaf_of_its_own(rows):
    tree = make_tree(rows)
    assert len(set(tree.leaves)) == len(rows)
    for row, leaf in zip(rows, tree.leaves, strict=True):
        segment = tree.segments[leaf]
        assert all(above < leaf for above in segment.above)
        assert [token for number in (*segment.above, leaf) for token in tree.segments[number].tokens] == row


@given(some_rows)
def test_no_token_is_read_twice(rows):
    """As many tokens as there are different beginnings, but that each prompt has its last token for itself."""
    beginnings = {tuple(row[:n]) for row in rows for n in range(1, len(row))}
    tree = make_tree(rows)
    assert sum(len(segment.tokens) for segment in tree.segments) == len(beginnings) + len(rows)


@given(some_rows, st.integers(0, 2))
def test_a_token_sees_the_memory_and_its_own_prompt_up_to_itself(rows, virtual):
    layout = lay_out(make_tree(rows), virtual, torch.device("cpu"))
    ids, positions = layout.ids[0].tolist(), layout.positions[0].tolist()
    at = {}
    for part in layout.parts:
        for line, place in enumerate(range(part.begin, part.end)):
            at[place] = [p for n, p in enumerate(part.seen.tolist()) if part.mask is None or part.mask[0, 0, line, n]]
    for number, row in enumerate(rows):
        places = layout.rows[number, -int(layout.lengths[number]) :].tolist()
        assert places[:virtual] == list(range(virtual)) and [ids[place - virtual] for place in places[virtual:]] == row
        assert places[-1] - virtual == layout.ends[number]
        for n in range(virtual, len(places)):
            assert at[places[n] - virtual] == places[: n + 1] and positions[places[n] - virtual] == n
