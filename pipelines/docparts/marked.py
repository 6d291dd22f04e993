"""Parts of a Markdown page that are written by a program, between two marks; everything else on the page is left as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MARKED = re.compile(r"(<!-- made: (?P<name>[\w./-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(page: str, parts: Mapping[str, str]) -> str:
    """The page with every marked part as `parts` has it now. Raises KeyError for a mark of which there is no part."""
    return MARKED.sub(lambda found: f"{found[1]}\n{parts[found['name']].strip()}\n\n{found[3]}", page)


def names(page: str) -> list[str]:
    """The parts that a page asks for, in order."""
    return [found["name"] for found in MARKED.finditer(page)]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; bars inside a cell are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
