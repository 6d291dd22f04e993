"""answers.jsonl of one arm and seed, appended a whole batch at a time; what a kill left of a torn batch is dropped when it is opened again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from ragft.files import naming_a_full_disk
from ragft.store import line_as, to_json, write_jsonl
from ragft.types import Answer

T = TypeVar("T")
BEGINNING = re.compile(rb'\{"question": ("(?:[^"\\]|\\.)*")')  # as to_json begins an answer and a row of scores


class AnswerLog:
    """answers.jsonl of one arm and seed: whole batches only.

    `batches` are the ids of each batch, as the arm will ask them; a stored batch counts when all its answers are there.
    """

    def __init__(self, path: Path, batches: Sequence[Sequence[str]]):
        self.path = path
        self._batches = [list(batch) for batch in batches]
        stored = list(_whole_lines(path)) if path.is_file() else []
        by_batch: dict[int, list[Answer]] = {}
        for answer in stored:
            by_batch.setdefault(answer.batch, []).append(answer)
        self.done: dict[int, list[Answer]] = {
            number: found
            for number, found in by_batch.items()
            if number < len(self._batches) and [a.question for a in found] == self._batches[number]
        }
        kept = [answer for number in self.done for answer in self.done[number]]
        if path.is_file() and len(kept) != _line_count(path):
            write_jsonl(path, kept)

    def append(self, number: int, answers: Sequence[Answer]) -> None:
        """Store one batch; on return it is on the disk. Raises InputError when the disk is full."""
        if [a.question for a in answers] != self._batches[number]:
            raise ValueError(f"batch {number} has other questions than planned")  # a bug in an arm, not the user's mistake
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with naming_a_full_disk(self.path.parent), self.path.open("a", encoding="utf-8") as file:
            file.write("".join(to_json(answer) + "\n" for answer in answers))
            file.flush()
            os.fsync(file.fileno())
        self.done[number] = list(answers)


def _line_count(path: Path) -> int:
    """Lines, a torn last one included."""
    raw = path.read_bytes()
    return raw.count(b"\n") + (0 if raw.endswith(b"\n") or not raw else 1)


def _whole_lines(path: Path) -> Iterator[Answer]:
    """The answers whose lines were written whole; a line that does not parse was torn by a kill or a full disk."""
    adapter = TypeAdapter(Answer)
    for line in path.read_bytes().split(b"\n"):
        try:
            if line:
                yield adapter.validate_json(line)
        except ValueError:
            continue


# ── one question of many ─────────────────────────────────────────────────────────────────────────────────────────────


def question_lines(path: Path) -> dict[str, tuple[int, int]]:
    """Of answers.jsonl or scores.jsonl: question -> where its line begins, and its number. No line is parsed as a whole, so this takes little.

    Lines that begin otherwise (torn ones) are left out.
    """
    found, begin = {}, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if start := BEGINNING.match(line):
                name = start[1]
                found[str(json.loads(name)) if b"\\" in name else name[1:-1].decode()] = (begin, number)
            begin += len(line)
    return found


def record_at(kind: type[T], path: Path, place: tuple[int, int]) -> T:
    """The record of a line that `question_lines` found. Raises InputError, with the line, where it was changed since."""
    return next(records_at(kind, path, [place]))


def records_at(kind: type[T], path: Path, places: Iterable[tuple[int, int]]) -> Iterator[T]:
    """The same of several lines, in the order asked for."""
    with path.open("rb") as file:
        for begin, number in places:
            file.seek(begin)
            yield line_as(kind, file.readline(), path, number)
