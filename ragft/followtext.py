"""What `ragft drill` and `ragft risks` print."""

from __future__ import annotations

from ragft.drilled import Drill, Share, says, told
from ragft.numbers import NONE, percent, seconds, signed, span
from ragft.risk import KINDS, Risk, Risks
from ragft.views import table


def drill_text(drill: Drill) -> str:
    """The table of arms and states, and the sentences."""
    heads = ["arm", "state", "fresh after", "new answer", "old answer", "added right", "withdrawn, old", "kept", "unchanged right"]
    rows = [
        [row.arm, row.state, seconds(row.seconds), *map(_share, (row.adopted, row.stale, row.learned, row.outlived, row.kept, row.unchanged))]
        for row in drill.rows
    ]
    return "\n".join([table(heads, rows, right=range(2, 9)), "", *says(drill), *told(drill)])


def _share(found: Share | None) -> str:
    return NONE if found is None else f"{percent(found.mean)} of {found.n}"


def risks_text(found: Risks) -> str:
    """One table for each thing that was tried."""
    parts = []
    for what, kind in KINDS.items():
        if rows := [row for row in found.rows if row.what == what]:
            heads = ["arm", "found", "95 % interval", "count", "beside it", "change"]
            title = f"{kind.title[0].upper()}{kind.title[1:]}. Tried: {kind.tried}. Good: {kind.good}."
            parts.append(f"{title}\n{table(heads, [_risk(row) for row in rows], right=range(1, 6))}")
    return "\n\n".join(
        [*parts, "Of each arm's first seed; changes in points, paired by question. That an attack failed here does not mean that none succeeds."]
    )


def _risk(row: Risk) -> list[str]:
    interval = NONE if row.low is None or row.high is None else f"{100 * row.low:.0f} to {100 * row.high:.0f}"
    count = NONE if not row.n else f"{row.n} pairs" if row.k is None else f"{row.k} of {row.n}"
    change = NONE if row.change is None else f"{signed(row.change)} ({span(row.change_low, row.change_high, 'no interval')})"
    return [row.arm, percent(row.value), interval, count, f"{percent(row.beside)} {row.against}" if row.against else NONE, change]
