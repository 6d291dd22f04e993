"""Documents and questions that are in memory -> the files that a domain is read from, so that one reader checks both.

Documents are a mapping of names to texts, or rows with `name` and `text`; questions are rows with what questions.jsonl knows.
Rows are a DataFrame or any list of mappings; errors count them from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragft.domain.draft import Draft
from ragft.errors import InputError, unknown
from ragft.store import to_json

if TYPE_CHECKING:
    import pandas as pd

    Rows = pd.DataFrame | Iterable[Mapping[str, Any]]

DOCUMENT = ("name", "text")
KINDS = (".md", ".txt")
ANSWERS = ("answers", "answer")


def write_documents(folder: Path, given: Mapping[str, str] | Rows) -> dict[str, str]:
    """A file for each document; returns the files' names by those given, which get .txt where they end neither in .md nor in .txt.

    Raises InputError naming the row.
    """
    draft, names = Draft(folder), dict[str, str]()
    pairs = given.items() if isinstance(given, Mapping) else [_document(number, row) for number, row in _rows("documents", given)]
    for number, (name, text) in enumerate(pairs, start=1):
        where = f"documents row {number}"
        if not isinstance(name, str) or not name.strip() or not isinstance(text, str):
            raise InputError(f"{where}: a document is a name and a text, not {type(name).__name__} and {type(text).__name__}.")
        names[name] = draft.add_named(name if name.endswith(KINDS) else f"{name}.txt", text, where)
        if len(draft.documents) < number:
            raise InputError(f"{where}: there is a document '{names[name]}' already. Give every document its own name.")
    if not draft.documents:
        raise InputError("documents: there is none. Give a mapping of names to texts, or rows with name and text.")
    for name, text in draft.documents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return names


def _document(number: int, row: Mapping[str, Any]) -> tuple[Any, Any]:
    for column in DOCUMENT:
        if column not in row:
            raise InputError(f"documents row {number}: the column '{column}' is missing. Rows of documents have name and text.")
    for column in row:
        if column not in DOCUMENT:
            raise InputError(f"documents row {number}: {unknown('column', str(column), DOCUMENT)}")
    return row["name"], row["text"]


def write_questions(path: Path, given: Rows, names: Mapping[str, str]) -> None:
    """A line of questions.jsonl for each row, in which documents have the names of their files.

    A cell without a value is left out; where that is the answer's, the documents do not answer the question.
    """
    lines = [_line(number, row, names) for number, row in _rows("questions", given)]
    if not lines:
        raise InputError("questions: there is none. Give rows with question and answers, or leave questions out to have some made.")
    path.write_text("".join(to_json(line) + "\n" for line in lines), encoding="utf-8")


def _line(number: int, row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    line: dict[str, Any] = {}
    for key, cell in row.items():
        value = plain(f"questions row {number}: '{key}'", cell)
        if value is not None or key in ANSWERS:
            line[str(key)] = [] if value is None else value
    if isinstance(line.get("document"), str):
        line["document"] = names.get(line["document"], line["document"])
    if isinstance(line.get("evidence"), list):
        line["evidence"] = [_piece(piece, names) for piece in line["evidence"]]
    if isinstance(line.get("wording"), float) and line["wording"].is_integer():
        line["wording"] = int(line["wording"])  # whole numbers beside cells without a value are floats in a DataFrame
    return line


def _piece(piece: Any, names: Mapping[str, str]) -> Any:
    if isinstance(piece, list):
        return [_piece(place, names) for place in piece]
    if not isinstance(piece, dict) or not isinstance(piece.get("document"), str):
        return piece
    return {**piece, "document": names.get(piece["document"], piece["document"])}


def plain(what: str, cell: Any) -> Any:
    """A cell as JSON has it: numpy's values as Python's, and None for one without a value."""
    cell = cell.tolist() if hasattr(cell, "tolist") else cell
    if cell is None or type(cell).__name__ in ("NAType", "NaTType") or cell != cell:  # NaN is not itself
        return None
    if not isinstance(cell, str | int | float | list | tuple | dict):
        raise InputError(f"{what} holds a {type(cell).__name__}. Write it as a text.")
    return cell


def _rows(what: str, given: Any) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """The rows of a DataFrame, or of a list of mappings, by number. Raises InputError for anything else."""
    rows = given.to_dict("records") if hasattr(given, "to_dict") else given
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise InputError(f"{what}: found {type(rows).__name__}. Give a DataFrame or a list of mappings.")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise InputError(f"{what} row {number}: found {type(row).__name__}. Give a DataFrame or a list of mappings.")
        yield number, row
