"""Dose-response -> what the report says and shows of it: sentences, a chart and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ragft import charts
from ragft.charts import IntervalRow
from ragft.comparison import Comparison, Dose, Forecast, Level
from ragft.numbers import chance, percent, points, span

BENDS = 0.05  # the p below which a straight line is said not to fit
TOLD = 4  # times the largest dose: the forecast that is told in words


def view(found: Comparison) -> list[dict[str, Any]]:
    """What templates/dose.html knows; empty where no arms differ in the dose only."""
    return [{"dose": one, "words": dose_words(one, found.reference), "chart": _chart(one, found), "chance": chance} for one in found.doses]


def dose_words(dose: Dose, reference: str) -> list[str]:
    """What a doubling brings, what more would bring, whether it would overtake the reference, and whether to trust that."""
    told = [_slope_words(dose)]
    if dose.low is None:
        return told
    forecast = next(f for f in dose.forecasts if f.dose == TOLD * max(dose.doses))
    told.append(_forecast_words(forecast))
    if forecast.overtakes is not None and 0 <= forecast.estimate.mean <= 1:
        told.append(f"The chance that {forecast.dose:g} wordings overtake {reference} is {chance(forecast.overtakes)}, if that line holds.")
    return [*told, _fit_words(dose)]


def _slope_words(dose: Dose) -> str:
    sizes = _listed([f"{size:g}" for size in dict.fromkeys(dose.doses)])
    begins, mean = f"{', '.join(dose.arms)} ({sizes} wordings a fact)", dose.slope.mean
    if dose.low is None or dose.high is None:
        return f"{begins}: what more wordings bring cannot be told, because there are no intervals. Train with at least three seeds."
    open_ = "" if dose.low > 0 or dose.high < 0 else ", so that more wordings are not shown to change anything"
    moved = "changes nothing" if points(mean) == "0 points" else f"{'brings' if mean > 0 else 'costs'} {points(mean)}"
    return f"{begins}: each doubling {moved} (interval {span(dose.low, dose.high)}){open_}."


def _forecast_words(found: Forecast) -> str:
    begins = f"At {found.dose:g} wordings, {TOLD} times the most that was tried, a straight line over the logarithm of the dose forecasts"
    if not 0 <= found.estimate.mean <= 1:
        return f"{begins} a score outside 0 to 100 %, so it cannot hold that far."
    return f"{begins} {percent(found.estimate.mean)} (95 % band {_band(found.low, found.high)})."


def _fit_words(dose: Dose) -> str:
    if dose.bend is None or dose.bend_p is None:
        return "Two doses always lie on a line: whether it is straight cannot be told, so take the forecast for a guess."
    p = "p below 0.001" if dose.bend_p < 0.001 else f"p = {dose.bend_p:.3f}"
    if dose.bend_p >= BENDS:
        return f"The measured doses do not contradict a straight line ({p}); beyond them nothing has been measured."
    how = "grow with the dose, so the forecast may be too low" if dose.bend.mean > 0 else "shrink with the dose, so the forecast is rather too high"
    return f"A straight line does not fit ({p}): the gains {how}. Do not trust it."


def _chart(dose: Dose, found: Comparison) -> str:
    """Measured doses, forecasts and the reference, one below the other."""
    rows = [_row(f"{size:g} wording{'s' * (size != 1)} ({arm})", level) for arm, size, level in zip(dose.arms, dose.doses, dose.levels, strict=True)]
    rows += [_row(f"{f.dose:g} wordings, forecast", Level(f.estimate.mean, f.low, f.high)) for f in dose.forecasts]
    if dose.reference:
        rows.append(_row(found.reference, dose.reference, strong=True))
    highest = max(value for row in rows for value in (row.mean, row.high or 0.0))
    title = "Score by wordings a fact, as measured and as a straight line over the logarithm of the dose forecasts it."
    return charts.interval_chart(rows, charts.axis(0, max(highest, 1)), title=title, unit=f"{found.metric}, %")


def _row(label: str, level: Level, strong: bool = False) -> IntervalRow:
    """A mean beyond the scale is shown at its end, and said to be."""
    mean = min(1.0, max(0.0, level.mean))
    note = percent(mean) if mean == level.mean else f"{'above 100' if mean else 'below 0'} %: impossible"
    band = "" if level.low is None else f" ({_band(level.low, level.high)})"
    low, high = (None if bound is None else 100 * bound for bound in (level.low, level.high))
    return IntervalRow(label, note + band, 100 * mean, low, high, strong=strong)


def _band(low: float | None, high: float | None) -> str:
    return "no interval" if low is None or high is None else f"{100 * low:.0f} to {100 * high:.0f} %"


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
