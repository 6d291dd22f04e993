"""What a comparison found, as charts: the arms, their differences from the reference, the interactions.

result.plot().save("arms.svg")       # or, in a notebook, result.plot("differences") on a line of its own
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ragft import charts
from ragft.charts import Chart, IntervalRow
from ragft.comparison import Comparison
from ragft.diagnosis import no_interval
from ragft.errors import unknown
from ragft.numbers import percent, signed, span


def plot(found: Comparison, recommend: str, what: str) -> Chart:
    """The chart "arms" or "differences" on its own. Raises InputError for another name."""
    drawn = {"arms": arms, "differences": differences}
    if what not in drawn:
        raise unknown("chart", what, drawn)
    return charts.alone(drawn[what](found, recommend))


def arms(found: Comparison, recommend: str) -> Markup:
    """Every arm's score with its own interval, single seeds as dots; the recommended arm stands out."""
    rows = []
    for row in found.arms:
        low, high = _hundred(row.low), _hundred(row.high)
        interval = f", {no_interval(row.estimate)}" if low is None or high is None else f" ({low:.1f} to {high:.1f})"
        dots = tuple(100 * mean for mean in row.seed_means) if len(row.seed_means) > 1 else ()
        mean = row.estimate.mean
        rows.append(IntervalRow(row.name, percent(mean) + interval, 100 * mean, low, high, dots, row.name == recommend))
    highest = max((value for row in rows for value in (row.mean, row.high or 0.0, *row.dots)), default=100.0)
    title, unit = "Score of each arm with its 95 % interval.", f"{found.metric}, % of {found.questions} questions"
    return charts.interval_chart(rows, charts.axis(0, max(highest, 1)), title=title, unit=unit)


def differences(found: Comparison, recommend: str) -> Markup:
    """Every arm minus the reference, with the margin as a band."""
    rows = [_signed_row(d.arm, d.estimate.mean, d.low, d.high, no_interval(d.estimate), d.arm == recommend) for d in found.challengers]
    title = f"Each arm minus {found.reference}, with simultaneous intervals; the band is the margin of {100 * found.margin:g} points either way."
    return _signed_chart(rows, 100 * found.margin, title)


def interactions(found: Comparison) -> Markup:
    """What each pair brings beyond the sum of both."""
    rows = [_signed_row(f"{i.rag} with {i.tuned}", i.estimate.mean, i.low, i.high, no_interval(i.estimate), False) for i in found.interactions]
    return _signed_chart(rows, 100 * found.margin, "What both together bring beyond the plain sum, with its interval.")


def _signed_row(label: str, mean: float, low: float | None, high: float | None, otherwise: str, strong: bool) -> IntervalRow:
    note = f"{signed(mean)}, {otherwise}" if low is None else f"{signed(mean)} ({span(low, high)})"
    return IntervalRow(label, note, 100 * mean, _hundred(low), _hundred(high), strong=strong)


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _signed_chart(rows: Sequence[IntervalRow], margin: float, title: str) -> Markup:
    values = [value for row in rows for value in (row.mean, row.low, row.high) if value is not None]
    scale = charts.axis(min(-margin, *values), max(margin, *values)) if values else charts.axis(-margin, margin)
    return charts.interval_chart(rows, scale, title=title, unit="percentage points", band=(-margin, margin), signed=True)
