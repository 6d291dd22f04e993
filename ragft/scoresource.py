"""Where scores come from: a file, what its name on the command line says of it, or a DataFrame."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragft.domain.frames import plain
from ragft.errors import InputError, MissingError

if TYPE_CHECKING:
    import pandas as pd

    Given = str | Path | pd.DataFrame

Line = tuple[int, Mapping[str, Any]]
LOGS = (".json", ".eval")
NAMED = re.compile(r"(?P<arm>[^=:@]+)(?:@(?P<seed>\d+))?(?::(?P<retriever>[^=:]*):(?P<tuning>[^=:]*))?=(?P<path>.+)")


@dataclass(frozen=True)
class Source:
    """A file of scores with what its name says of the arm in it, or a frame."""

    path: Path | None  # None: a frame
    said: Mapping[str, str] = field(default_factory=dict)  # column -> value
    frame: pd.DataFrame | None = None

    @property
    def name(self) -> str:
        return str(self.path) if self.path else "the frame of scores"

    @property
    def head(self) -> str:
        """Where its columns are named."""
        return f"{self.path}:1" if self.path else self.name

    @property
    def before(self) -> str:
        """What stands before the number of a row."""
        return f"{self.path}:" if self.path else f"{self.name}, row "

    @property
    def is_log(self) -> bool:
        return self.path is not None and self.path.suffix.lower() in LOGS

    def fill(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {**row, **self.said}

    def rows(self) -> list[Line]:
        """The frame's rows, counted from 1; None for a cell without a value."""
        assert self.frame is not None
        rows = enumerate(self.frame.to_dict("records"), start=1)
        return [(number, {str(name): plain(f"{self.before}{number}: '{name}'", cell) for name, cell in row.items()}) for number, row in rows]


def source_of(given: Given) -> Source:
    """A frame, a path, or `rag@1:bm25:=logs/a.eval`: the path, and seed 1 of arm rag with retriever bm25 and without tuning."""
    if not isinstance(given, str | Path):
        return _framed(given)
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


def _framed(given: Any) -> Source:
    import pandas as pd

    if not isinstance(given, pd.DataFrame):
        raise InputError(f"scores are files or DataFrames, not {type(given).__name__}.")
    columns = given.columns.tolist()
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise InputError(f"the frame of scores: the column '{twice[0]}' is there twice. Leave one of the two out.")
    return Source(None, frame=given)
