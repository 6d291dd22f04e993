"""CSV sheets that people fill in: written so that a spreadsheet shows them as they are, read as spreadsheets save them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ragft.errors import InputError
from ragft.files import readings
from ragft.store import write_text

DELIMITERS = ",;\t"  # what spreadsheets of different languages and menus put between columns
LONGEST_CELL = 10_000_000  # characters; Python's own limit is less than a long document
FORMULA = re.compile(r"[=@\t\r]|[+-](?!\d[^-+*/^=|!(&]*\Z)")  # how a cell begins that a spreadsheet would run; "-5 °C" is none, "-2+3" is


def cell(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula."""
    plain = text.replace("\0", "")  # no sheet could be read back with it
    return f"'{plain}" if FORMULA.match(plain) else plain


def same_text(one: str, other: str) -> bool:
    """Whether two cells say the same: spreadsheets change line ends, and may drop the mark of `cell`."""
    return _bare(one) == _bare(other)


def _bare(text: str) -> str:
    return " ".join(text.removeprefix("'").split())


def refuse_old(path: Path, holds: str) -> None:
    """Raise InputError where the file is there already: what people wrote into it is never overwritten. `holds`: such as "labels"."""
    if path.exists():
        raise InputError(f"{path}: exists, and may hold {holds}. Give another name, or move it away.")


def write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The header and the rows, no cell of which is a formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([columns, *(map(cell, row) for row in rows)])
    write_text(path, "\ufeff" + out.getvalue())  # the mark by which spreadsheets know UTF-8


Row = tuple[int, dict[str, str]]  # the line it begins on; its cells


def read_sheet(
    path: Path, needed: Sequence[str], columns: Sequence[str], taken: Sequence[str], known: Callable[[Mapping[str, str]], str | None] | None = None
) -> list[Row]:
    """Each row with the line it begins on; commas, semicolons or tabs between the columns, empty rows left out.

    The columns of `needed` must be there, "id" first; `columns` are all of the sheet as it was written. Raises InputError where
    one is not, and for an id that stands there twice.

    Some spreadsheets save in an old encoding, and do not say in which: it is one in which each row's "question" is what is `known`
    of that row. Raises InputError where that does not tell what stands in the columns that are `taken`.
    """
    texts, sure = readings(path)
    if sure:
        return _rows(path, texts[0], needed, columns)
    fitting = [found for text in texts if _fits(found := _rows(path, text, needed, columns), known)]
    if not fitting:
        raise InputError(
            f"{path}: not UTF-8, and in none of the usual encodings are its questions those that were written. "
            "Take the sheet as it was written, and save it as «CSV UTF-8»."
        )
    told = known is not None and any(not row["question"].isascii() for _, row in fitting[0])
    for same in zip(*fitting, strict=True):
        cells = {tuple(row.get(name, "") for name in taken) for _, row in same}
        if len(cells) > 1 or not (told or all(map(str.isascii, cells.pop()))):
            raise InputError(
                f"{path}:{same[0][0]}: not UTF-8, and what is written here cannot be read for sure, for its questions do not tell the encoding. "
                "Save it again from the spreadsheet, as «CSV UTF-8»."
            )
    return fitting[0]


def _fits(rows: Sequence[Row], known: Callable[[Mapping[str, str]], str | None] | None) -> bool:
    """Whether these are the questions."""
    return known is None or all((text := known(row)) is not None and same_text(row["question"], text) for _, row in rows)


def _rows(path: Path, text: str, needed: Sequence[str], columns: Sequence[str]) -> list[Row]:
    csv.field_size_limit(LONGEST_CELL)
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(DELIMITERS, key=header.count))
    lacks = set(needed) - set(reader.fieldnames or ())
    if lacks:
        raise InputError(f"{path}:1: there is no column '{min(lacks)}'. Keep the sheet's columns: {', '.join(columns)}.")
    found: dict[str, Row] = {}
    line = reader.line_num + 1
    for row in reader:
        cells = {name: (value or "").strip() for name, value in row.items() if name}
        key = cells["id"]
        if key in found:
            raise InputError(f"{path}:{line}: the id '{key}' stands in line {found[key][0]} already. Remove one of them.")
        if any(cells.values()):
            found[key] = (line, cells)
        line = reader.line_num + 1
    return list(found.values())
