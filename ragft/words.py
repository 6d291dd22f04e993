"""Differences as sentences, for verdicts: plain numbers, what is higher and by how much, and the interval."""

from __future__ import annotations

from collections.abc import Sequence

from ragft.compare import Difference


def percent(share: float) -> str:
    """ "5.4 %", "25 %"."""
    return f"{round(100 * share, 1) + 0.0:g} %"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with one decimal unless it is whole: "3 points", "1 point", "0.5 points"."""
    value = round(100 * difference, 1) + 0.0  # + 0.0: no "-0"
    return f"{value:g} point{'' if abs(value) == 1 else 's'}"


def interval(low: float | None, high: float | None) -> str:
    """ "interval −0.5 to +7.3", in points."""
    if low is None or high is None:
        return "no interval can be given"
    return f"interval {100 * low:+.1f} to {100 * high:+.1f}".replace("-", "−")


def says(difference: Difference) -> str:
    """ "raft scores 4.2 points higher than rag (interval +1.1 to +7.3)"."""
    mean = difference.estimate.mean
    size = points(abs(mean))
    word = "the same as" if size == "0 points" else f"{size} {'higher' if mean > 0 else 'lower'} than"
    return f"{difference.arm} scores {word} {difference.minus} ({interval(difference.low, difference.high)})"


def listed(differences: Sequence[Difference]) -> str:
    """Several differences in one sentence, without its full stop."""
    return "; ".join(says(difference) for difference in differences)
