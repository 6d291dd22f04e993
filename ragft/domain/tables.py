"""Questions as people keep them, a CSV or a JSON-lines file -> lines of questions.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragft.domain.records import KEYS
from ragft.domain.rows import read_csv, read_jsonl
from ragft.errors import InputError, MissingError, unknown

COLUMNS = (*KEYS, "answer", "context", "contexts")


@dataclass(frozen=True, slots=True)
class TableQuestion:
    """One question of a table: `line` as questions.jsonl takes it, and the texts that came with it."""

    where: str  # file:line, for errors
    number: int
    line: dict[str, Any]
    contexts: tuple[str, ...]


def read_questions(file: Path, kind: str) -> Iterator[TableQuestion]:
    """The file's questions; `kind` is "csv" or "jsonl". In a CSV several answers are separated by `|`, no answer = unanswerable.

    Evidence may be a quote, several quotes (jsonl), or as in questions.jsonl; without a document it takes the line's.
    """
    if not file.is_file():
        raise MissingError(f"{file}: no such file. Give a .csv or .jsonl file with the columns question and answers.")
    found = False
    for number, row in read_csv(file) if kind == "csv" else read_jsonl(file):
        found = True
        where = f"{file}:{number}"
        cells = {str(key).strip().lower(): value for key, value in row.items()}
        for key in cells:
            if key not in COLUMNS:
                raise InputError(f"{where if kind == 'jsonl' else f'{file}:1'}: {unknown('column', key, COLUMNS)}")
        if kind == "csv":
            cells = _typed(where, cells)
        yield TableQuestion(where, number, _line(where, cells), _contexts(where, cells))
    if not found:
        raise InputError(f"{file}: no question in it. It needs the columns question and answers, and one line a question.")


def _typed(where: str, cells: dict[str, str]) -> dict[str, Any]:
    """The cells of a CSV row: empty ones dropped, answers and quotes as lists, wording as a number."""
    given: dict[str, Any] = {key: value.strip() for key, value in cells.items() if value.strip()}
    given |= {key: _split(cells[key]) for key in ("answers", "answer") if key in cells}
    if "wording" in given:
        if not given["wording"].isdecimal():
            raise InputError(f'{where}: "wording" must be a whole number, such as 0, found {given["wording"]!r}.')
        given["wording"] = int(given["wording"])
    if given.get("closed_book", "").lower() in ("true", "false"):
        given["closed_book"] = given["closed_book"].lower() == "true"
    for key in ("evidence", "contexts"):
        if given.get(key, "").startswith("["):
            try:
                given[key] = json.loads(given[key])
            except json.JSONDecodeError as error:
                raise InputError(f"{where}: broken JSON in the {key} ({error.msg}). Write one text, or a JSON list.") from error
    return given


def _split(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()]


def _line(where: str, cells: dict[str, Any]) -> dict[str, Any]:
    """The row without contexts, `answer` as `answers`, evidence as a list of objects."""
    line = {key: value for key, value in cells.items() if key in KEYS and value is not None}
    if cells.get("answer") and cells.get("answers"):
        raise InputError(f'{where}: both "answer" and "answers". Keep one.')
    if "answer" not in cells and "answers" not in cells:
        raise InputError(f'{where}: a question needs "answers"; an empty one says that the documents do not answer it.')
    answers = cells.get("answers") or cells.get("answer", [])
    line["answers"] = [text for text in [answers] if text.strip()] if isinstance(answers, str) else [] if answers is None else answers
    if not isinstance(line["answers"], list) or not all(isinstance(answer, str) for answer in line["answers"]):
        raise InputError(f'{where}: "answers" must be a list of texts, such as ["42 bar"]; [] for a question the documents do not answer.')
    if not isinstance(line.get("document", ""), str):
        raise InputError(f'{where}: "document" must be a text: the name of a document.')
    if line.get("evidence"):
        pieces = line["evidence"] if isinstance(line["evidence"], list) else [line["evidence"]]
        named = {"document": line["document"]} if line.get("document") else {}
        line["evidence"] = [
            {**named, "quote": piece} if isinstance(piece, str) else {**named, **piece} if isinstance(piece, dict) else piece for piece in pieces
        ]
    return line


def _contexts(where: str, cells: dict[str, Any]) -> tuple[str, ...]:
    """The texts of `context` and `contexts`; equal ones once."""
    texts = []
    for key in ("context", "contexts"):
        value = cells.get(key) or []
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise InputError(f'{where}: "{key}" must be a text{" or a list of texts" if key == "contexts" else ""}.')
        texts += [text for text in value if text.strip()]
    return tuple(dict.fromkeys(texts))
