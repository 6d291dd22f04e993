"""The chunks of an index where they lie: a file of a hundred thousand is opened at once, and a chunk is read when it is asked for."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from ragft.store import line_as
from ragft.types import Chunk

FILE = "chunks.jsonl"
NEWLINE = 10


class StoredChunks(Sequence[Chunk]):
    """The lines of chunks.jsonl as chunks. Raises InputError when a line that is asked for is torn or was changed."""

    def __init__(self, folder: Path):
        self._path = folder / FILE
        with self._path.open("rb") as file:
            empty = self._path.stat().st_size == 0  # which cannot be mapped
            self._bytes: mmap.mmap | bytes = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._ends = np.concatenate([[0], np.flatnonzero(np.frombuffer(self._bytes, dtype=np.uint8) == NEWLINE) + 1])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> Chunk: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Chunk, ...]: ...
    def __getitem__(self, place: int | slice) -> Chunk | tuple[Chunk, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(place)
        return self._read(number)

    def __iter__(self) -> Iterator[Chunk]:
        return map(self._read, range(len(self)))

    def _read(self, number: int) -> Chunk:
        line = self._bytes[self._ends[number] : self._ends[number + 1]]
        return line_as(Chunk, line, self._path, number + 1)
