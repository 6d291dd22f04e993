"""Chunks where they lie: the same as the list that was written, read one by one."""

from __future__ import annotations

import pytest

from ragft.errors import InputError
from ragft.retrieval.stored import FILE, StoredChunks
from ragft.store import write_jsonl
from ragft.types import Chunk, Span

CHUNKS = [Chunk(f"d:{n}", Span("d", n, n + 1), "é\n水" * n, f"Title > {n}", n or None) for n in range(5)]


@pytest.fixture
def stored(tmp_path):
    write_jsonl(tmp_path / FILE, CHUNKS)
    return StoredChunks(tmp_path)


def test_it_is_the_list_that_was_written(stored):
    assert list(stored) == CHUNKS == [stored[number] for number in range(len(stored))]
    assert stored[-1] == CHUNKS[-1]
    assert stored[1:4:2] == tuple(CHUNKS[1:4:2])
    assert CHUNKS[3] in stored


@pytest.mark.parametrize("place", [5, -6])
def test_beyond_its_ends_there_is_nothing(stored, place):
    with pytest.raises(IndexError):
        stored[place]


def test_only_a_torn_line_that_is_asked_for_is_an_error(tmp_path, stored):
    lines = (tmp_path / FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / FILE).write_text("".join([*lines[:2], lines[2][:9] + "\n", *lines[3:]]), encoding="utf-8")
    torn = StoredChunks(tmp_path)
    assert torn[3] == CHUNKS[3]
    with pytest.raises(InputError, match=rf"{FILE}:3: a line that is torn"):
        torn[2]


def test_an_empty_file_holds_none(tmp_path):
    (tmp_path / FILE).write_text("", encoding="utf-8")
    assert list(StoredChunks(tmp_path)) == []
