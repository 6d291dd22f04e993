"""Files of scores -> rows: how a file is named, what kinds there are, and what fills the slots of the arms in them.

A row is one answer: an arm, a seed, a question, a score. Its columns, and what must be true of them, are scorecolumns.py's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragft import registry
from ragft.domain.rows import read_csv, read_jsonl
from ragft.errors import InputError, MismatchError, MissingError
from ragft.scorecolumns import COLUMNS, REQUIRED, checked
from ragft.scorelogs import Log, is_harness, read_harness, read_inspect

if TYPE_CHECKING:
    import pandas as pd

NAMED = re.compile(r"(?P<arm>[^=:@]+)(?:@(?P<seed>\d+))?(?::(?P<retriever>[^=:]*):(?P<tuning>[^=:]*))?=(?P<path>.+)")


@dataclass(frozen=True)
class Source:
    """A file of scores, and what its name on the command line says of the arm in it."""

    path: Path
    said: Mapping[str, str] = field(default_factory=dict)  # column -> value

    def fill(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {**row, **self.said}


@dataclass(frozen=True)
class Rows:
    """All files' rows together. `frame` has COLUMNS: texts ("" = none) and, for those of NUMBERS, numbers (NaN = none)."""

    frame: pd.DataFrame
    metric: str  # the scorer of the logs; "" where all files are tables
    warnings: tuple[str, ...] = field(default=())


def read_rows(paths: Iterable[str | Path], scorer: str | None = None) -> Rows:
    """The rows of tables and logs. Raises as `ragft.scorefile.read_scores` says."""
    import pandas as pd

    sources = [_source(path) for path in paths]
    if not sources:
        raise InputError("no file of scores was given.")
    parts, metrics, warnings = [], dict[str, str](), list[str]()
    for source in sources:
        frame, metric, notes = _read(source, scorer)
        parts.append(frame)
        warnings += notes
        if metric:
            metrics.setdefault(metric, str(source.path))
    if scorer is not None and not metrics:
        raise InputError(f"scorer '{scorer}': it chooses among the scores of a log, and a table has one. Leave it out.")
    if len(metrics) > 1:
        used = "; ".join(f"{metric} in {path}" for metric, path in metrics.items())
        raise MismatchError(f"arms scored by different scorers cannot be compared ({used}). Choose one with --scorer.")
    return Rows(checked(pd.concat(parts, ignore_index=True).fillna("")), next(iter(metrics), ""), tuple(warnings))


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _source(given: str | Path) -> Source:
    """`rag@1:bm25:=logs/a.eval` -> the path, and seed 1 of arm rag with retriever bm25 and without tuning."""
    path, said = Path(given), dict[str, str]()
    if isinstance(given, str) and "=" in given and not path.exists():
        match = NAMED.fullmatch(given)
        if not match:
            raise InputError(f"'{given}': write a file of scores as PATH, ARM=PATH, ARM@SEED=PATH or ARM@SEED:RETRIEVER:TUNING=PATH.")
        said = {key: value.strip() for key, value in match.groupdict().items() if value is not None}
        path = Path(said.pop("path"))
    if not path.is_file():
        what = "a folder; give the files in it" if path.is_dir() else "no such file"
        raise MissingError(f"{path}: {what}. Scores are read from .csv, .tsv, .jsonl, .json and .eval files; see docs/scores.md.")
    return Source(path, said)


def _read(source: Source, scorer: str | None) -> tuple[pd.DataFrame, str, list[str]]:
    """The file's rows as a frame of texts, the scorer of a log, and what must be said of the file."""
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
    if not lines:
        raise InputError(f"{path}: no scores are in it. It needs the columns {', '.join(REQUIRED)}, and a row for each answer.")
    return _of_table(source, lines)


def _of_log(source: Source, log: Log) -> tuple[pd.DataFrame, str, list[str]]:
    frame = _frame(source, [source.fill(row) for row in log.rows])
    return _with_slots(source, frame, f"{source.said.get('arm', 'ARM')}:RETRIEVER:TUNING={source.path}"), log.scorer, list(log.warnings)


def _of_table(source: Source, lines: Sequence[tuple[int, Mapping[str, Any]]]) -> tuple[pd.DataFrame, str, list[str]]:
    """A table's rows. Raises InputError for a column that is missing, or that the file's name says as well."""
    names = dict.fromkeys(chain.from_iterable(row for _, row in lines))
    columns = {name: name.strip().lower() for name in names}
    known = {column: name for name, column in columns.items() if column in COLUMNS}
    if len(known) < sum(column in COLUMNS for column in columns.values()):
        raise InputError(f"{source.path}:1: a column is there twice, in capitals and in small letters. Leave one of the two out.")
    if twice := sorted(known.keys() & source.said.keys()):
        raise InputError(f"{source.path}: it has the column '{twice[0]}' itself. Give the file without a name before it.")
    for column in REQUIRED:
        if column not in known and column not in source.said:
            raise InputError(f"{source.path}:1: the column '{column}' is missing.{_near(column, names)} It needs {', '.join(REQUIRED)}.")
    spare = [name for name in names if columns[name] not in COLUMNS]
    hints = [f"'{name}'{_like(columns[name])}" for name in spare]
    warnings = [f"{source.path}: unknown columns were ignored: {', '.join(hints)}."] if spare else []
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
        name: [value.strip() if isinstance(value := row.get(name, ""), str) else _cell(source.path, row["line"], name, value) for row in rows]
        for name in columns
    }
    return pd.DataFrame({**cells, "line": [row["line"] for row in rows], "file": str(source.path)}, dtype=object)


def _cell(path: Path, line: int, name: str, value: Any) -> str:
    """A value of JSON as the text that a CSV would hold."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        place = f"{path}:{line}" if line else str(path)
        raise InputError(f"{place}: '{name}' is a {'list' if isinstance(value, list) else 'object'}. Write a text or a number.")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _with_slots(source: Source, frame: pd.DataFrame, remedy: str) -> pd.DataFrame:
    """With the columns retriever and tuning: as the file has them, else as the presets of these names fill them."""
    given = [column for column in ("retriever", "tuning") if column in frame]
    if len(given) == 1 and source.path.suffix.lower() not in (".json", ".eval"):  # metadata cannot state an empty value
        other = "tuning" if given == ["retriever"] else "retriever"
        raise InputError(f"{source.path}:1: it has the column '{given[0]}' and not '{other}'. Add it; an empty cell is none.")
    if given:
        return frame
    known = registry.entries("arm")
    for name in dict.fromkeys(frame["arm"]):
        if name not in known:
            raise InputError(f"{source.path}: what fills the slots of arm '{name}' is not known. Say it with {remedy}. Known: {', '.join(known)}.")
    slots = {name: known[name].make() for name in dict.fromkeys(frame["arm"])}
    for column in ("retriever", "tuning", "format"):
        if column not in frame:
            frame[column] = [slots[name].get(column) or "" for name in frame["arm"]]
    return frame
