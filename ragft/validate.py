"""Proof that the verdict's error rates hold: made-up worlds with a known truth, decided by ragft's own code.

ragft validate --quick      # the hardest cells: under a minute
ragft validate              # all of them, 2,000 worlds a cell: some minutes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from ragft.costchecks import break_even_coverage
from ragft.errors import InputError
from ragft.judgechecks import judge_check
from ragft.ladderchecks import faults
from ragft.powerchecks import stated_power
from ragft.progress import Advance, Silent, Watcher
from ragft.validation import Cell, Finding, Setup, workers
from ragft.verdictchecks import false_recommendations, mistaken_verdicts, winners_and_ties

__all__ = ["CHECKS", "Cell", "Finding", "Setup", "findings_text", "validate"]

Check = Callable[[Setup, Advance], tuple[Finding, ...]]

CHECKS: tuple[tuple[str, Check], ...] = (  # a new check is one line here
    ("false recommendations", false_recommendations),
    ("mistaken verdicts", mistaken_verdicts),
    ("stated power", stated_power),
    ("winners and ties", winners_and_ties),
    ("the error ladder", faults),
    ("break-evens", break_even_coverage),
    ("a judge that flatters", judge_check),
)
WORLDS, QUICK_WORLDS = 2000, 1000  # of each cell
FEWEST = 100  # with fewer, 3.5 standard errors allow almost everything
SHOWN = 8  # cells of a finding in the text; the page has all


def validate(
    quick: bool = False, worlds: int | None = None, seed: int = 0, watcher: Watcher | None = None, processes: int | None = None
) -> tuple[Finding, ...]:
    """Every check's findings. The same seed gives the same findings, however many processes share the work (default: one a core).

    Raises InputError where so few worlds are asked for that the findings would mean nothing. With several processes a
    script that calls this needs the usual `if __name__ == "__main__":`.
    """
    number = worlds if worlds is not None else QUICK_WORLDS if quick else WORLDS
    if number < FEWEST:
        raise InputError(
            f"{number} worlds a cell show nothing: use --worlds {FEWEST} or more (without it: {WORLDS:,}, with --quick {QUICK_WORLDS:,})."
        )
    if seed < 0:
        raise InputError(f"seed {seed} is below 0. Use a whole number from 0 on.")
    seen, found = watcher or Silent(), list[Finding]()
    with workers(processes) as pool:
        setup = Setup(quick, number, seed, pool)
        for place, (label, check) in enumerate(CHECKS, start=1):
            unit: AbstractContextManager[Advance] = seen.unit(label, place, len(CHECKS))
            with unit as advance:
                found += check(setup, advance)
    return tuple(found)


def findings_text(findings: Sequence[Finding]) -> str:
    """One paragraph a finding, with the cells nearest to their limit; last, how many hold."""
    parts = []
    for finding in findings:
        lines = [f"{'ok    ' if finding.ok else 'FAILED'}  {finding.name}", f"        found   {finding.found}", f"        wanted  {finding.wanted}"]
        if finding.cells:
            nearest = sorted(finding.cells, key=lambda cell: -cell.beyond)[:SHOWN]
            lines += ["", *(f"        {line}" for line in _table(nearest, finding.counted))]
            if len(nearest) < len(finding.cells):
                lines.append(f"        (the {SHOWN} of {len(finding.cells)} cells that are nearest to their limit)")
        parts.append("\n".join(lines))
    wrong = sum(not finding.ok for finding in findings)
    parts.append(f"{len(findings) - wrong} of {len(findings)} findings hold.")
    return "\n\n".join(parts)


def _table(cells: Sequence[Cell], counted: str) -> list[str]:
    """Columns as wide as their longest text."""
    heads = [*cells[0].of, counted, "limit"]
    rows = [heads, *([*cell.of.values(), f"{100 * cell.share:.1f} %", limit(cell)] for cell in cells)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def limit(cell: Cell) -> str:
    """ "at most 3.7 %", "at least 93.3 %", "73.2 to 86.5 %"."""
    if cell.least <= 0:
        return f"at most {100 * cell.most:.1f} %"
    return f"at least {100 * cell.least:.1f} %" if cell.most >= 1 else f"{100 * cell.least:.1f} to {100 * cell.most:.1f} %"
