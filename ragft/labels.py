"""A run's answers as graders see them, without their arms, and the sheet on which people label a sample of them.

    write_label_sheet(run, Path("labels.csv"), 100)   # then somebody fills in the column `correct`
    labels = read_labels(run, Path("labels.csv"))

Arms, seeds and questions that gave the same words for the same question share one line, so what is the same is graded the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ragft.agreement import sample_questions
from ragft.errors import InputError, MissingError
from ragft.judges import UNANSWERED, Item
from ragft.scoring import finished, read_gold
from ragft.sheets import read_sheet, refuse_old, write_sheet
from ragft.store import Run, fingerprint, read_jsonl_as
from ragft.types import Answer, Question

COLUMNS = ("id", "question", "reference", "answer", "correct")
MARKS = {"1": 1.0, "yes": 1.0, "true": 1.0, "0": 0.0, "no": 0.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class ToGrade:
    """One answer that can be graded. `key` stands for the question and the words of the answer, and tells nothing of the arm."""

    arm: str
    seed: int
    question: str
    key: str
    item: Item


@dataclass(frozen=True, slots=True)
class Sheet:
    """A label sheet that was written."""

    path: Path
    questions: int
    answers: int  # lines: different answers to these questions


@dataclass(frozen=True)
class Labels:
    """What people said."""

    correct: Mapping[str, float]  # ToGrade.key -> 1 or 0
    questions: int  # of which every answer is labelled
    skipped: int  # questions of the sheet without a label


def answers_to_grade(run: Run) -> list[ToGrade]:
    """Every finished arm's answers in the run's order, but those that failed: of them there is nothing to grade.

    Raises MissingError while no arm has answered all questions.
    """
    texts = {question.id: question.text for question in read_jsonl_as(Question, run.folder / "questions.jsonl")}
    golds = {gold.id: gold for gold in read_gold(run)}
    found = []
    for arm, seed in finished(run):
        for answer in read_jsonl_as(Answer, run.seed_folder(arm, seed) / "answers.jsonl"):
            if answer.outcome != "error":
                item = Item(texts[answer.question], golds[answer.question].answers, answer.text)
                found.append(ToGrade(arm, seed, answer.question, fingerprint([answer.question, item]), item))
    if not found:
        raise MissingError(f"{run.folder}: there is no answer to grade yet. Finish the run first: ragft run")
    return found


def write_label_sheet(run: Run, path: Path, number: int, seed: int = 0) -> Sheet:
    """A CSV for people: all arms' different answers to `number` questions drawn at random, an empty column `correct`.

    Whoever labels from the top and stops early still leaves a random sample. Raises InputError where the file is there already.
    """
    refuse_old(path, "labels")
    golds, rng = read_gold(run), np.random.default_rng(seed)
    drawn = [golds[place].id for place in sample_questions([gold.document for gold in golds], number, seed)]
    items: dict[str, dict[str, Item]] = {question: {} for question in drawn}
    for one in answers_to_grade(run):
        if one.question in items:
            items[one.question][one.key] = one.item
    lines: list[list[str]] = []
    for answers in items.values():
        keys = sorted(answers)  # their order of appearance would tell the arm
        for key in rng.permutation(keys).tolist():
            item = answers[key]
            lines.append([key, item.question, " | ".join(item.references) or UNANSWERED, item.answer, ""])
    write_sheet(path, COLUMNS, lines)
    return Sheet(path, sum(bool(answers) for answers in items.values()), len(lines))


def read_labels(run: Run, path: Path) -> Labels:
    """The labels of a filled-in sheet; commas or semicolons between the columns, other columns than `id` and `correct` are not read.

    A question counts when all its answers are labelled. Raises InputError, with the line, for what is no label, an id that
    is not of this run, a line that is there twice, and a question of which only some answers are labelled.
    """
    questions: dict[str, set[str]] = {}
    for one in answers_to_grade(run):
        questions.setdefault(one.question, set()).add(one.key)
    asked = {key: question for question, keys in questions.items() for key in keys}
    given = {row["id"]: (line, row["correct"].lower()) for line, row in read_sheet(path, ("id", "correct"), COLUMNS, ("id", "correct"))}
    correct: dict[str, float] = {}
    for key, (line, mark) in given.items():
        if key not in asked:
            raise InputError(f"{path}:{line}: no answer of {run.folder} has the id '{key}'. Label a sheet that was written for this run.")
        if mark and mark not in MARKS:
            raise InputError(f"{path}:{line}: '{mark}' is no label. Write one of {', '.join(MARKS)}, or nothing for the whole question.")
        if mark:
            correct[key] = MARKS[mark]
    started = {asked[key] for key in correct}
    for question in started:
        left = sorted(given[key][0] for key in questions[question] - correct.keys() if key in given)
        if left:
            raise InputError(f"{path}:{left[0]}: question '{question}' has labels for some answers only. Label all of them, or none.")
        if questions[question] - correct.keys():
            raise InputError(f"{path}: lines of question '{question}' are missing. Take the sheet as it was written, or clear its other labels.")
    if not started:
        raise InputError(f"{path}: holds no label. Write 1 (correct) or 0 into the column `correct`.")
    return Labels(correct, len(started), len({asked[key] for key in given} - started))
