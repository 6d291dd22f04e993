"""A break-even in plain sentences: where it is estimated, how sure that is, and how likely it is that there is one."""

from __future__ import annotations

from collections.abc import Sequence

from ragft.breakeven import REACH, BreakEven, Segment
from ragft.cost import Prices
from ragft.numbers import count, percent

LEAST, MOST = 0.005, 0.995  # probabilities outside are as good as 0 and 1, and not said
SMALLEST = 0.01  # questions or updates a month


def break_even_words(even: BreakEven, prices: Prices) -> str:
    """When `even.arm` is the cheaper one over the horizon, in one to three sentences."""
    stated = prices.questions_per_month if even.axis == "questions" else prices.updates_per_month
    return " ".join([_estimate(even, stated), *_interval(even), *_probability(even)])


def amount(value: float) -> str:
    """Questions or updates a month: "3,100", "12", "2.3", "0.04"; below a hundredth "almost 0"."""
    if value >= 9.95 or value == 0:
        return count(value)
    return "almost 0" if value < SMALLEST else f"{value:.2g}"


def between(segments: Sequence[Segment]) -> str:
    """ "between 3,100 and 9,800", "above 3,100", "below 9,800", "below 300 or above 9,000", "at any number"."""
    return " or ".join(_piece(low, high) for low, high in segments)


def _piece(low: float, high: float | None) -> str:
    if high is None:
        return f"above {amount(low)}" if low > 0 else "at any number"
    if low <= 0:
        return f"below {amount(high)}"
    return f"at {amount(low)}" if amount(low) == amount(high) else f"between {amount(low)} and {amount(high)}"


def _estimate(even: BreakEven, stated: float) -> str:
    who = f"{even.arm} {'is not' if even.cheaper == 'never' else 'is'} cheaper than {even.other}"
    if even.at is None:
        return f"{who} at any number of {even.axis} a month."
    same = f"{who} {even.cheaper} {amount(even.at)} {even.axis} a month"
    side = "cheaper" if (stated > even.at) == (even.cheaper == "above") else "dearer"
    doubt = ", but that is not sure" if _holds(even, stated) else ""
    return f"{same}; at the {amount(stated)} of this study it is the {side} one{doubt}."


def _holds(even: BreakEven, x: float) -> bool:
    """Whether the interval leaves open which of the two is cheaper at so many a month."""
    return any(low <= x and (high is None or x <= high) for low, high in even.interval or ())


def _interval(even: BreakEven) -> list[str]:
    """What the 95 % interval says, in one sentence; nothing where all is exact."""
    if even.interval is None:
        return ["How sure that is cannot be told from these measurements: something was timed only once."]
    if not even.interval:
        return ["At no number is that in doubt (95 % interval)."]
    (low, _), (_, high) = even.interval[0], even.interval[-1]
    if low <= 0 and high is None and len(even.interval) == 1:
        return ["Which of the two is cheaper cannot be told from these measurements, at any number (95 % interval)."]
    where = between(even.interval)
    if even.at is None:
        return [f"A break-even {where} cannot be ruled out (95 % interval)."]
    if len(even.interval) > 1:
        return [f"The break-even lies {where}, or there is none (95 % interval)."]
    if high is None:
        return [f"The break-even lies {where} at least; no upper end is known (95 % interval)."]
    if low <= 0:
        return [f"The break-even lies {where}, or there is none (95 % interval)."]
    return [] if low == high else [f"The break-even lies {where} (95 % interval)."]


def _probability(even: BreakEven) -> list[str]:
    if even.exists is None or not LEAST <= even.exists <= MOST:
        return []
    return [f"The probability that there is a break-even at all, up to {count(REACH[even.axis])} {even.axis} a month, is {percent(even.exists)}."]
