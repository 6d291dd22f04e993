"""The columns that a table of scores may have, and every mistake in its rows as a line with file and row.

docs/scores.md describes the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragft.errors import InputError, MismatchError

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("arm", "question", "score")
OF_QUESTION = ("document", "stratum", "kind")  # one value for each question
OF_ARM = (
    "retriever",
    "tuning",
    "format",
    "model",
    "k",
    "adapters",
    "control",
    "dose",
    "recipe",
    "system",
    "untrained",
    "update_seconds",
)  # … each arm
OF_ROW = (
    "seed",
    "outcome",
    "hit",
    "abstained",
    "false_answer",
    "index_seconds",
    "training_seconds",
    "setup_gib",
    "answer_gib",
    "training_tokens",
    "seconds",
    "batch",
    "alone_seconds",
    "prompt_tokens",
    "completion_tokens",
)
COLUMNS = (*REQUIRED, *OF_QUESTION, *OF_ARM, *OF_ROW)
NUMBERS: dict[str, tuple[float, float, bool]] = {  # lowest, highest, whole numbers only
    **dict.fromkeys(("score",), (0.0, 1.0, False)),
    **dict.fromkeys(("hit", "abstained", "false_answer", "control"), (0.0, 1.0, True)),
    **dict.fromkeys(("seed", "prompt_tokens", "completion_tokens"), (0.0, float(2**53), True)),
    **dict.fromkeys(("k",), (1.0, float(2**53), True)),
    **dict.fromkeys(
        ("index_seconds", "training_seconds", "setup_gib", "answer_gib", "training_tokens", "seconds", "alone_seconds", "update_seconds", "dose"),
        (0.0, float(2**53), False),
    ),
}
WORDS = {"true": "1", "yes": "1", "false": "0", "no": "0", "null": "", "none": ""}  # in a column of numbers


def checked(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with all columns and numbers where numbers belong. Raises InputError or MismatchError for the first mistake."""
    for column in (*COLUMNS, "target"):
        if column not in rows:
            rows[column] = ""
    for column in ("arm", "question"):
        if (empty := rows[column] == "").any():
            raise InputError(f"{_where(rows[empty].iloc[0])}: '{column}' is empty. Every row needs one.")
    for column in OF_ARM:
        _check_one(rows, ["arm"], column)
    for column in (*OF_QUESTION, "target"):
        _check_one(rows[rows[column] != ""], ["question"], column)
    for column, limits in NUMBERS.items():
        rows[column] = _numbers(rows, column, *limits)
    rows["seed"] = rows["seed"].fillna(0).astype(int)
    _check_one(rows, ["arm", "seed"], "training_seconds")
    _check_once(rows)
    rows.loc[rows["outcome"].str.lower() == "error", "score"] = np.nan
    return rows


def _check_once(rows: pd.DataFrame) -> None:
    """Raise where a question is scored twice under one seed of an arm."""
    key = ["arm", "seed", "question"]
    again = rows.duplicated(key)
    if not again.any():
        return
    second = rows[again].iloc[0]
    first = rows[(rows[key] == second[key]).all(axis=1)].iloc[0]
    what = f"a second score of question '{second['question']}' by {second['arm']} with seed {second['seed']}; the first is in {_where(first)}"
    raise InputError(f"{_where(second)}: {what}. Number the seeds (column seed, or ARM@SEED=PATH), or leave one out.")


def _where(row: Any) -> str:
    return f"{row['file']}:{row['line']}" if row["line"] else f"{row['file']}, question '{row['question']}'"


def _check_one(rows: pd.DataFrame, keys: list[str], column: str) -> None:
    """Raise where the rows of one arm, or of one question, differ in what they must share."""
    pairs = rows.drop_duplicates([*keys, column])
    again = pairs[pairs.duplicated(keys)]
    if not len(again):
        return
    second = again.iloc[0]
    first = pairs[(pairs[keys] == second[keys]).all(axis=1)].iloc[0]
    who = " ".join(f"{key} '{second[key]}'" for key in keys)
    one, other = ("" if row[column] != row[column] else str(row[column])[:60] for row in (first, second))  # NaN is not itself
    if column == "target":
        said = f"{_where(second)}: {who} should be answered {other}, in {_where(first)} {one}"
        raise MismatchError(f"{said}; the arms were asked different questions. Give equal ids to equal questions only, or write a table.")
    raise InputError(f"{_where(second)}: {who} has the {column} '{other}' here and '{one}' in {_where(first)}. It must be the same everywhere.")


def _numbers(rows: pd.DataFrame, column: str, low: float, high: float, whole: bool) -> pd.Series:
    """The column as numbers, NaN where it is empty. Raises InputError for the first cell that is none, or is outside."""
    texts = rows[column]
    known = {text: _number(text) for text in texts.unique()}  # most columns hold a few values many times
    found = texts.map(known).astype(float)
    bad = {text for text, value in known.items() if value is None or value < low or value > high or (whole and value % 1 > 0)}
    wrong = texts.isin(bad)
    if wrong.any():
        row = rows[wrong].iloc[0]
        kind = f"{'whole ' * whole}number from {low:g}" + (f" to {high:g}" if high < 2**53 else "")
        hint = " Write it with a point." if "," in str(row[column]) else " Scale it." if column == "score" and known[row[column]] is not None else ""
        raise InputError(f"{_where(row)}: {column} '{row[column]}' is not a {kind}, or empty where it is not known.{hint}")
    return found


def _number(text: str) -> float | None:
    """NaN for an empty cell, None for what is no number."""
    word = text.lower()
    try:
        return float(WORDS.get(word, word) or "nan")
    except ValueError:
        return None
