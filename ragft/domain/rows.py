"""Tables and lines of records: CSV and JSON lines, every mistake in them named by file and line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ragft.errors import InputError
from ragft.files import read_text


def read_csv(path: Path, read: Callable[[Path], str] = read_text) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row by column) for each row; columns separated by commas or, where the header has none, `;` or tabs."""
    text = read(path)
    header = text.split("\n", 1)[0]
    delimiter = next((d for d in ",;\t" if d in header), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter, restkey="")
    line = 2
    try:
        for column in reader.fieldnames or ():
            if not column.strip() or list(reader.fieldnames or ()).count(column) > 1:
                raise InputError(f"{path}:1: the column name {column!r} is empty or used twice. Give every column its own name.")
        for row in reader:
            if "" in row or None in row.values():
                raise InputError(f"{path}:{line}: this row has not as many cells as the header. Quote cells that hold commas.")
            yield line, {column.strip(): value for column, value in row.items()}
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: broken CSV ({error}). Check the quotes on that line.") from error


def read_jsonl(path: Path, read: Callable[[Path], str] = read_text) -> Iterator[tuple[int, dict]]:
    """(line number, object) for each line that is not blank. Raises InputError naming the line that is broken."""
    for number, line in enumerate(read(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{number}: broken JSON at column {error.colno} ({error.msg}). One object a line.") from error
        if not isinstance(record, dict):
            raise InputError(f"{path}:{number}: expected an object, {{...}}, found {type(record).__name__}. One object a line.")
        if _SURROGATE.search(line) and not _is_unicode(record):
            raise InputError(f"{path}:{number}: half of a character (\\ud800 … \\udfff alone). Write the file again as UTF-8.")
        yield number, record


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
