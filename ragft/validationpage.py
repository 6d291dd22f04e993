"""Findings of a validation -> docs/validation.md: every cell of every finding, and where the error rates lie, as figures.

write_document(findings, Path("docs/validation.md"), "ragft validate --doc docs/validation.md")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from ragft.charts import IntervalRow, axis, interval_chart
from ragft.numbers import ordinary
from ragft.pages import chart_css
from ragft.peftcharts import standalone
from ragft.store import write_text
from ragft.validate import limit
from ragft.validation import Cell, Finding
from ragft.verdictchecks import ALPHA

OPENING = """\
# How often the verdict is wrong, and how often it finds what is there

Made-up worlds with a known truth, compared and decided by ragft's own code. [statistics.md](statistics.md) says how the verdict is
reached; this page is the proof that its error rates hold. It is written by

```bash
{command}
```

An arm is recommended in error where its true gain is no more than the margin (3 points). That may happen in at most alpha = 2.5 %
of studies, over all arms at once. A cell is one kind of world. Every share is that of its made-up worlds, so chance moves it; a cell fails
when it lies outside by more than 3.5 standard errors of a share that is exactly at the limit. The worlds are described in `ragft/worlds.py`, the
checks in `ragft/verdictchecks.py` and `ragft/powerchecks.py`; those of costs, made-up machines and all, in `ragft/costchecks.py`.
"""
ROWS = {"margin": ("documents", "sizes", "scores"), "power": ("documents", "sizes"), "plan": ("questions", "documents")}  # of the figures
CAPTIONS = {
    "margin": "A row has all cells of so many documents, of such sizes and scores: a small dot for each, the large one their mean, the line from the "
    "least to the most. Shaded: above alpha, but within what chance may add.",
    "power": "A row has all cells of so many documents of such sizes: a small dot for each, the large one their mean, the line from the least to the "
    "most. Shaded: what a stated power of 80 % may be.",
    "plan": "A row has all cells of so many documents and questions: a small dot for each, the large one their mean. Shaded: what a stated power of "
    "80 % may be.",
}


def write_document(findings: Sequence[Finding], page: Path, command: str) -> None:
    """Write the page, its figures into the folder of the same name beside it. Raises InputError when the disk is full."""
    css = chart_css()
    for finding in findings:
        if finding.key in ROWS and finding.cells:
            write_text(page.with_suffix("") / f"{finding.key}.svg", standalone(figure(finding), css))
    write_text(page, document(findings, page.stem, command))


def document(findings: Sequence[Finding], folder: str, command: str) -> str:
    """The page as Markdown; figures are linked from `folder`."""
    parts = [OPENING.format(command=command), _summary(findings)]
    for finding in findings:
        if not finding.cells:
            continue
        parts.append(f'<a id="{finding.key}"></a>\n\n## {finding.name}\n\nFound: {finding.found}. Wanted: {finding.wanted}.\n')
        if finding.key in ROWS:
            parts.append(f"![{finding.name}]({folder}/{finding.key}.svg)\n\n{CAPTIONS[finding.key]}\n")
        parts.append(_cells(finding))
    return "\n".join(parts)


def _summary(findings: Sequence[Finding]) -> str:
    rows = []
    for finding in findings:
        name = f"[{finding.name}](#{finding.key})" if finding.cells else finding.name
        rows.append([name, "holds" if finding.ok else "**does not hold**", finding.found, finding.wanted])
    return _markdown(["claim", "", "found", "wanted"], rows)


def _cells(finding: Finding) -> str:
    """All cells; a column for each other share that at least one of them has."""
    beside = list(dict.fromkeys(name for cell in finding.cells for name in cell.beside))
    heads = [*finding.cells[0].of, "worlds", finding.counted, "allowed", *beside]
    rows = [
        [
            *(ordinary(value) for value in cell.of.values()),
            f"{cell.worlds:,}",
            _share(cell.share) if cell.ok else f"**{_share(cell.share)}**",
            limit(cell),
            *(_share(cell.beside[name]) if name in cell.beside else "–" for name in beside),
        ]
        for cell in finding.cells
    ]
    return _markdown(heads, rows)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def figure(finding: Finding) -> Markup:
    """One row for the cells that agree in ROWS, with a ring for each cell, over the range of what chance or the promise allows."""
    groups: dict[str, list[Cell]] = {}
    for cell in finding.cells:
        groups.setdefault(_row_name(finding.key, cell), []).append(cell)
    rows = [_row(name, cells) for name, cells in groups.items()]
    low, high = (100 * bound for bound in _band(finding))
    values = [value for row in rows for value in (row.low, row.high) if value is not None]
    scale = axis(0.0 if finding.key == "margin" else min([*values, low]), max([*values, high]))
    return interval_chart(rows, scale, title=f"{finding.name}.", unit=f"{finding.counted}, % of worlds", band=(low, high))


def _row_name(key: str, cell: Cell) -> str:
    """ "100 unequal graded", "1000 questions of 100": short enough for a chart's label."""
    return f"{cell.of['questions']} questions of {cell.of['documents']}" if key == "plan" else " ".join(cell.of[column] for column in ROWS[key])


def _row(name: str, cells: Sequence[Cell]) -> IntervalRow:
    shares = [100 * cell.share for cell in cells]
    wrong = sum(not cell.ok for cell in cells)
    span = f"{min(shares):.1f} %" if len(shares) == 1 else f"{min(shares):.1f} to {max(shares):.1f} %"
    note = f"{span}, {wrong} outside" if wrong else span
    return IntervalRow(name, note, sum(shares) / len(shares), min(shares), max(shares), tuple(shares), strong=bool(wrong))


def _band(finding: Finding) -> tuple[float, float]:
    """From alpha, or the least power, to the most that chance allows."""
    most = max(cell.most for cell in finding.cells)
    least = min(cell.least for cell in finding.cells)
    return (least, most) if least > 0 else (ALPHA, most)
