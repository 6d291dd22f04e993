"""Runs a judge over a run's answers and stores its grades, a batch at a time.

    judge_run(run, make_judge("local", "smollm2-135m-instruct"), "local")   # arms/<arm>/seed-<n>/judge-local.jsonl

Every answer is graded on its own and without its arm, in an order that mixes all arms, and the same words once. What the
grades are worth is worked out in `judged`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pydantic import TypeAdapter

from ragft.errors import InputError, MismatchError, MissingError
from ragft.files import naming_a_full_disk
from ragft.judges import Grade, Judge
from ragft.labels import ToGrade, answers_to_grade
from ragft.progress import Advance
from ragft.store import Run, read_jsonl_as, to_json, write_jsonl

BATCH = 16  # answers graded before they are stored


@dataclass(frozen=True, slots=True)
class Graded:
    """One line of judge-<name>.jsonl."""

    question: str
    score: float | None  # 1 correct, 0 incorrect; None: the judge failed
    why_not: str
    key: str  # of the question and the answer's words, see labels.ToGrade
    judge: str  # Judge.about


def judge_run(run: Run, judge: Judge, name: str, progress: Advance = lambda done, total: None) -> None:
    """Grade every answer of the finished arms; stopped at any moment, the same call goes on. A stored failure stays one.

    Raises InputError where a whole batch gets no grade (that is not the answers' fault; nothing of it is stored),
    MismatchError where another judge's grades are stored under this name.
    """
    asked = answers_to_grade(run)
    groups: dict[tuple[str, int], list[ToGrade]] = {}
    for one in asked:
        groups.setdefault((one.arm, one.seed), []).append(one)
    logs = {group: _open_log(_path(run, *group, name), judge.about, ones) for group, ones in groups.items()}
    grades = {row.key: Grade(row.score, row.why_not) for rows in logs.values() for row in rows}
    stored = {(*group, row.question) for group, rows in logs.items() for row in rows}
    _store(run, name, judge.about, [one for one in asked if one.key in grades and (one.arm, one.seed, one.question) not in stored], grades)
    alike: dict[str, list[ToGrade]] = {}  # the same words of the same question
    for one in asked:
        alike.setdefault(one.key, []).append(one)
    order = sorted(alike)
    Random(0).shuffle(order)  # arms mixed, so that a judge that drifts drifts for all
    left = [key for key in order if key not in grades]
    if left:
        progress(len(order) - len(left), len(order))
    for first in range(0, len(left), BATCH):
        keys = left[first : first + BATCH]
        found = judge.grade([alike[key][0].item for key in keys])
        never = all(grade.score is None for grade in grades.values())
        if all(grade.score is None for grade in found) and (never or len(keys) == BATCH):
            raise InputError(f"judge {judge.about}: no grade for any of {len(keys)} answers ({found[0].why_not}). Mend it and give the same command.")
        grades |= dict(zip(keys, found, strict=True))
        _store(run, name, judge.about, [one for key in keys for one in alike[key]], grades)
        progress(len(order) - len(left) + first + len(keys), len(order))


def _path(run: Run, arm: str, seed: int, name: str) -> Path:
    return run.seed_folder(arm, seed) / f"judge-{name}.jsonl"


def _open_log(path: Path, about: str, asked: Sequence[ToGrade]) -> list[Graded]:
    """The stored grades of answers as they are now; torn lines and those of other answers are dropped from the file."""
    if not path.is_file():
        return []
    keys = {one.question: one.key for one in asked}
    found = {row.question: row for row in _whole_lines(path) if keys.get(row.question) == row.key}
    others = {row.judge for row in found.values()} - {about}
    if others:
        raise MismatchError(f"{path}: graded by {min(others)}, not by {about}. Delete the judge's files of this name, or judge under another.")
    raw = path.read_bytes()
    if raw.count(b"\n") != len(found) or not raw.endswith(b"\n"):
        write_jsonl(path, found.values())
    return list(found.values())


def _whole_lines(path: Path) -> Iterator[Graded]:
    adapter = TypeAdapter(Graded)
    for line in path.read_bytes().split(b"\n"):
        try:
            if line:
                yield adapter.validate_json(line)
        except ValueError:  # torn by a kill or a full disk
            continue


def _store(run: Run, name: str, about: str, ones: Sequence[ToGrade], grades: Mapping[str, Grade]) -> None:
    rows: dict[Path, list[Graded]] = {}
    for one in ones:
        grade = grades[one.key]
        rows.setdefault(_path(run, one.arm, one.seed, name), []).append(Graded(one.question, grade.score, grade.why_not, one.key, about))
    for path, graded in rows.items():
        with naming_a_full_disk(path.parent), path.open("a", encoding="utf-8") as file:
            file.write("".join(to_json(row) + "\n" for row in graded))
            file.flush()
            os.fsync(file.fileno())


def stored_grades(run: Run, name: str, asked: Sequence[ToGrade]) -> dict[tuple[str, int, str], Graded]:
    """(arm, seed, question) -> its stored grade, for all these answers.

    Raises MissingError where any is not graded yet, or was answered anew since, MismatchError where two judges graded.
    """
    found: dict[tuple[str, int, str], Graded] = {}
    for arm, seed in dict.fromkeys((one.arm, one.seed) for one in asked):
        path = _path(run, arm, seed, name)
        if not path.is_file():
            raise MissingError(f"{path}: no such file. Grade the answers first: ragft judge {run.folder}")
        found |= {(arm, seed, row.question): row for row in read_jsonl_as(Graded, path)}
    left = [one for one in asked if (row := found.get((one.arm, one.seed, one.question))) is None or row.key != one.key]
    if left:
        path = _path(run, left[0].arm, left[0].seed, name)
        raise MissingError(f"{path}: {len(left)} answers are not graded yet, such as '{left[0].question}'. Go on with: ragft judge {run.folder}")
    if len(judges := sorted({row.judge for row in found.values()})) > 1:
        raise MismatchError(f"{run.folder}: the grades of judge '{name}' are from {' and '.join(judges)}. Delete its files and judge again.")
    return found
