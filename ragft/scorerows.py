"""Scores in files and frames -> rows: the columns a table may have, and every mistake in one as a line with file and row.

docs/scores.md describes the columns. A row is one answer: an arm, a seed, a question, a score.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ragft import registry
from ragft.domain.rows import read_csv, read_jsonl
from ragft.errors import InputError, MismatchError
from ragft.scorelogs import Log, is_harness, read_harness, read_inspect
from ragft.scoresource import Line, Source, source_of

if TYPE_CHECKING:
    import pandas as pd

    from ragft.scoresource import Given

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


@dataclass(frozen=True)
class Rows:
    """All files' rows together. `frame` has COLUMNS: texts ("" = none) and, for those of NUMBERS, numbers (NaN = none)."""

    frame: pd.DataFrame
    metric: str  # the scorer of the logs; "" where all files are tables
    warnings: tuple[str, ...] = field(default=())


def read_rows(given: Iterable[Given], scorer: str | None = None) -> Rows:
    """The rows of frames, tables and logs. Raises as `ragft.scorefile.read_scores` says."""
    import pandas as pd

    sources = [source_of(one) for one in given]
    if not sources:
        raise InputError("no file or frame of scores was given.")
    parts, metrics, warnings = [], dict[str, str](), list[str]()
    for source in sources:
        frame, metric, notes = _read(source, scorer)
        parts.append(frame)
        warnings += notes
        if metric:
            metrics.setdefault(metric, source.name)
    if scorer is not None and not metrics:
        raise InputError(f"scorer '{scorer}': it chooses among the scores of a log, and a table has one. Leave it out.")
    if len(metrics) > 1:
        used = "; ".join(f"{metric} in {path}" for metric, path in metrics.items())
        raise MismatchError(f"arms scored by different scorers cannot be compared ({used}). Choose one with --scorer.")
    return Rows(_checked(pd.concat(parts, ignore_index=True).fillna("")), next(iter(metrics), ""), tuple(warnings))


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(source: Source, scorer: str | None) -> tuple[pd.DataFrame, str, list[str]]:
    """The file's rows as a frame of texts, the scorer of a log, and what must be said of the file."""
    if source.path is None:
        return _of_table(source, _some(source, source.rows()))
    path, suffix = source.path, source.path.suffix.lower()
    if suffix in (".json", ".eval"):
        return _of_log(source, read_inspect(path, scorer))
    if suffix == ".jsonl":
        lines = list(read_jsonl(path))
        if lines and is_harness(lines[0][1]):
            if "arm" not in source.said:
                raise InputError(f"{path}: a log of lm-evaluation-harness does not say which arm it is. Name it: ARM={path}")
            return _of_log(source, read_harness(path, lines, scorer))
    elif suffix in (".csv", ".tsv"):
        lines = list(read_csv(path))
    else:
        raise InputError(f"{path}: unknown kind of file. Scores are read from .csv, .tsv, .jsonl, .json and .eval files.")
    return _of_table(source, _some(source, lines))


def _some(source: Source, lines: Sequence[Line]) -> Sequence[Line]:
    if not lines:
        raise InputError(f"{source.name}: no scores are in it. It needs the columns {', '.join(REQUIRED)}, and a row for each answer.")
    return lines


def _of_log(source: Source, log: Log) -> tuple[pd.DataFrame, str, list[str]]:
    frame = _frame(source, [source.fill(row) for row in log.rows])
    return _with_slots(source, frame, f"{source.said.get('arm', 'ARM')}:RETRIEVER:TUNING={source.path}"), log.scorer, list(log.warnings)


def _of_table(source: Source, lines: Sequence[Line]) -> tuple[pd.DataFrame, str, list[str]]:
    """A table's rows. Raises InputError for a column that is missing, or that the file's name says as well."""
    names = dict.fromkeys(chain.from_iterable(row for _, row in lines))
    columns = {name: name.strip().lower() for name in names}
    known = {column: name for name, column in columns.items() if column in COLUMNS}
    if len(known) < sum(column in COLUMNS for column in columns.values()):
        raise InputError(f"{source.head}: a column is there twice, in capitals and in small letters. Leave one of the two out.")
    if twice := sorted(known.keys() & source.said.keys()):
        raise InputError(f"{source.name}: it has the column '{twice[0]}' itself. Give the file without a name before it.")
    for column in REQUIRED:
        if column not in known and column not in source.said:
            raise InputError(f"{source.head}: the column '{column}' is missing.{_near(column, names)} It needs {', '.join(REQUIRED)}.")
    spare = [name for name in names if columns[name] not in COLUMNS]
    hints = [f"'{name}'{_like(columns[name])}" for name in spare]
    warnings = [f"{source.name}: unknown columns were ignored: {', '.join(hints)}."] if spare else []
    rows = [source.fill({column: row.get(name) for column, name in known.items()} | {"line": number}) for number, row in lines]
    return _with_slots(source, _frame(source, rows), "the columns retriever and tuning (empty: none)"), "", warnings


def _near(column: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(column, [str(name).strip().lower() for name in names], n=1)
    return f" Is it '{found[0]}'?" if found else ""


def _like(name: str) -> str:
    found = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.75)
    return f" (did you mean '{found[0]}'?)" if found else ""


def _frame(source: Source, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame in which every cell is a text, "" for none. Raises InputError for a cell that is a list or an object."""
    import pandas as pd

    columns = [name for name in dict.fromkeys(chain.from_iterable(rows)) if name != "line"]
    cells = {
        name: [value.strip() if isinstance(value := row.get(name, ""), str) else _cell(source, row["line"], name, value) for row in rows]
        for name in columns
    }
    return pd.DataFrame({**cells, "line": [row["line"] for row in rows], "file": source.name, "before": source.before}, dtype=object)


def _cell(source: Source, line: int, name: str, value: Any) -> str:
    """A value of JSON as the text that a CSV would hold."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        place = f"{source.before}{line}" if line else source.name
        raise InputError(f"{place}: '{name}' is a {'list' if isinstance(value, list) else 'object'}. Write a text or a number.")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _with_slots(source: Source, frame: pd.DataFrame, remedy: str) -> pd.DataFrame:
    """With the columns retriever and tuning: as the file has them, else as the presets of these names fill them."""
    given = [column for column in ("retriever", "tuning") if column in frame]
    if len(given) == 1 and not source.is_log:  # metadata cannot state an empty value
        other = "tuning" if given == ["retriever"] else "retriever"
        raise InputError(f"{source.head}: it has the column '{given[0]}' and not '{other}'. Add it; an empty cell is none.")
    if given:
        return frame
    known = registry.entries("arm")
    for name in dict.fromkeys(frame["arm"]):
        if name not in known:
            raise InputError(f"{source.name}: what fills the slots of arm '{name}' is not known. Say it with {remedy}. Known: {', '.join(known)}.")
    slots = {name: known[name].make() for name in dict.fromkeys(frame["arm"])}
    for column in ("retriever", "tuning", "format"):
        if column not in frame:
            frame[column] = [slots[name].get(column) or "" for name in frame["arm"]]
    return frame


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
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
    return f"{row['before']}{row['line']}" if row["line"] else f"{row['file']}, question '{row['question']}'"


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
