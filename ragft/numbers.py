"""Numbers as text for people: shares in %, differences in points, seconds, bytes, money. None is "–", never 0."""

from __future__ import annotations

from math import floor, log10

NONE = "–"  # not applicable


def percent(share: float | None, digits: int | None = None) -> str:
    """ "54.2 %", "25 %"; with `digits`, always so many after the point, for columns."""
    if share is None:
        return NONE
    return f"{_short(share)} %" if digits is None else f"{100 * share:.{digits}f} %"


def chance(probability: float | None) -> str:
    """ "12 %"; never quite 0 or 100."""
    if probability is None:
        return NONE
    return "below 1 %" if probability < 0.01 else "above 99 %" if probability > 0.99 else percent(probability, 0)


def points(difference: float) -> str:
    """A difference of shares without its sign: "4.2 points", "3 points", "1 point"."""
    value = _short(abs(difference))
    return f"{value} point{'' if value == '1' else 's'}"


def _short(share: float) -> str:
    """In hundredths, one decimal unless it is whole."""
    return f"{round(100 * share, 1) + 0.0:g}"  # + 0.0: no "-0"


def signed(difference: float | None) -> str:
    """A difference of shares in points with its sign: "+4.2", "−0.3", "0.0"."""
    if difference is None:
        return NONE
    text = f"{100 * difference:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def span(low: float | None, high: float | None, otherwise: str = "no interval") -> str:
    """ "−1.1 to +9.5" in points."""
    return otherwise if low is None or high is None else f"{signed(low)} to {signed(high)}"


def seconds(value: float | None) -> str:
    """ "4 ms", "0.49 s", "12 s", "3 min 20 s", "1 h 5 min"."""
    if value is None:
        return NONE
    if value < 1:
        return f"{1000 * value:.0f} ms" if value < 0.1 else f"{value:.2f} s"
    if value < 99.5:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def rough(value: float) -> str:
    """Seconds as people guess them: "8 s", "50 s", "4 min", "1 h 10 min"."""
    if value < 95:
        return f"{max(1, round(value)) if value < 20 else round(value, -1):.0f} s"
    minutes = round(value / 60)
    minutes = minutes if minutes < 60 else round(minutes, -1)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def count(value: float | None) -> str:
    """ "4,884,480"."""
    return NONE if value is None else f"{value:,.0f}"


def size(value: float | None) -> str:
    """Bytes in decimal units: "19.6 MB"."""
    if value is None:
        return NONE
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value:.0f} B"


def money(value: float | None, currency: str) -> str:
    """Cents from 1 on, whole units from 100 on, two significant digits below 1: "0.014 EUR", "4.60 EUR", "1,250 EUR"."""
    if value is None:
        return NONE
    digits = 0 if value >= 100 else 2 if value >= 1 or value <= 0 else 1 - floor(log10(value))
    return f"{value:,.{digits}f} {currency}"


def ordinary(value: object) -> str:
    """Markdown that shows the text as it is: marks escaped, one line, so that no cell breaks a table."""
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join("\\" + mark if mark in "\\`*_{}[]>|#~" else mark for mark in text)
