"""At how many questions or updates a month two arms cost the same, with an interval that may be unbounded, or that it never happens.

The difference of two arms' costs is a line in the questions (or updates) a month, D(x) = a + b·x, whose coefficients are sums
of measured quantities. The interval is Fieller's (1954): every x at which D(x) is not told apart from 0. It may be bounded, a
ray, two rays, everything, or empty; the line crosses 0 at a positive x only if its two ends have opposite signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, sqrt
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from ragft.cost import Measured, Metered, Prices

Axis = Literal["questions", "updates"]
REACH: dict[Axis, float] = {"questions": 1e9, "updates": 1e4}  # a month; beyond is never
ALPHA = 0.025  # on each side of a 95 % interval
DRAWS = 20_000  # of a probability: to 0.7 points (two standard errors)
QUANTILES = 40  # of t, at which an interval of known degrees of freedom would end
MANY = 1e9  # degrees of freedom that are as good as infinite
Segment = tuple[float, float | None]  # None: without end


@dataclass(frozen=True, slots=True)
class Term:
    """One measured quantity and how it enters D(x): (constant + slope·x) times it."""

    measured: Measured
    constant: float
    slope: float


@dataclass(frozen=True, slots=True)
class BreakEven:
    """At what monthly number `arm` and `other` cost the same over the horizon; `at` None: at none within reach."""

    arm: str
    other: str
    axis: Axis
    at: float | None
    cheaper: Literal["always", "never", "above", "below"]  # when `arm` is the cheaper one, with respect to `at`
    interval: tuple[Segment, ...] | None = None  # 95 %: where it is not known which of the two is cheaper; None: it cannot be given
    exists: float | None = None  # probability that there is such a number within reach; None: as above


def break_evens(arm: str, metered: Metered, other: str, than: Metered, prices: Prices) -> tuple[BreakEven, BreakEven]:
    """Of questions and of updates a month, everything else as stated."""
    return break_even(arm, metered, other, than, prices, "questions"), break_even(arm, metered, other, than, prices, "updates")


def break_even(arm: str, metered: Metered, other: str, than: Metered, prices: Prices, axis: Axis) -> BreakEven:
    """The four cases of signs: D(0) up or down, its slope up or down. Raises InputError as `Metered.question` does."""
    terms = cost_terms(metered, than, prices, axis)
    known = all(term.measured.df > 0 for term in terms)
    interval = confidence_set(terms, axis) if known else None
    exists = chance(terms, axis) if known else None
    at, start, slope = root(terms, axis), difference(terms, 0.0), slope_of(terms)
    if at is not None:
        return BreakEven(arm, other, axis, at, "above" if slope < 0 else "below", interval, exists)
    cheaper = start < 0 or (start == 0 and slope < 0)  # the same cost throughout is not cheaper
    return BreakEven(arm, other, axis, None, "always" if cheaper else "never", interval, exists)


def cost_terms(metered: Metered, than: Metered, prices: Prices, axis: Axis) -> tuple[Term, ...]:
    """`metered` minus `than` over the horizon, as a line in questions or updates a month; without what plays no part.

    An update that was not measured on its own is the set-up again, and then one quantity, not two. Quantities of two arms
    count as independent: where both were built on one index its variance is there twice, which makes an interval too wide.
    """
    found = []
    for one, sign in ((metered, 1.0), (than, -1.0)):
        questions = (0.0, prices.months) if axis == "questions" else (prices.months * prices.questions_per_month, 0.0)
        updates = (prices.months * prices.updates_per_month, 0.0) if axis == "questions" else (0.0, prices.months)
        found.append(Term(one.question(prices), sign * questions[0], sign * questions[1]))
        if one.updates_as_setup(prices):
            found.append(Term(one.setup(prices), sign * (1 + updates[0]), sign * updates[1]))
        else:
            found += [Term(one.setup(prices), sign, 0.0), Term(one.update(prices), sign * updates[0], sign * updates[1])]
    return tuple(term for term in found if term.constant or term.slope)


def difference(terms: Sequence[Term], x: float) -> float:
    """D(x). Summed exactly, so that what both arms share leaves nothing behind."""
    return fsum((term.constant + term.slope * x) * term.measured.mean for term in terms)


def slope_of(terms: Sequence[Term]) -> float:
    """D'(x)."""
    return fsum(term.slope * term.measured.mean for term in terms)


def root(terms: Sequence[Term], axis: Axis) -> float | None:
    """Where D changes its sign within reach; None: nowhere."""
    start, slope = difference(terms, 0.0), slope_of(terms)
    if start * slope >= 0:
        return None
    at = -start / slope
    return at if at <= REACH[axis] else None


def confidence_set(terms: Sequence[Term], axis: Axis, alpha: float = ALPHA) -> tuple[Segment, ...]:
    """Every x from 0 to REACH at which D(x) is not told apart from 0, with error `alpha` on each side.

    For known degrees of freedom its ends are the roots of a quadratic. Satterthwaite's change with x, but lie between the least of
    any term and the sum of all, so the set can begin or end only near the roots for a t between these two.
    """
    at = root(terms, axis)
    if not any(term.measured.variance for term in terms):  # nothing was measured with an error
        return () if at is None else ((at, at),)
    places = np.array(sorted({0.0, REACH[axis], *_ends(terms, axis, alpha), *([] if at is None else [at])}))
    places = np.sort(np.concatenate([places, (places[1:] + places[:-1]) / 2]))
    inside = _gap(terms, places, alpha) <= 0
    segments: list[Segment] = []
    for first in np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]])):  # where a stretch begins
        last = first + int(np.argmin(np.append(inside[first:], False))) - 1
        low = _end(terms, places[first - 1], places[first], alpha) if first else 0.0
        high = _end(terms, places[last], places[last + 1], alpha) if last < len(places) - 1 else None
        segments.append((low, high))
    return tuple(segments)


def _ends(terms: Sequence[Term], axis: Axis, alpha: float) -> list[float]:
    """Where the set would end for each of some values of t: the roots of D(x)² = t² V(x) within reach."""
    dfs = [term.measured.df for term in terms if term.measured.variance]
    least, most = -stdtrit(min(sum(dfs), MANY), alpha), -stdtrit(min(*dfs, MANY), alpha)
    squared = np.linspace(0.999 * least, 1.001 * most, QUANTILES) ** 2
    start, slope = difference(terms, 0.0), slope_of(terms)
    variances = [(term.constant, term.slope, term.measured.variance) for term in terms]
    a = slope**2 - squared * sum(s * s * v for _, s, v in variances)
    b = start * slope - squared * sum(c * s * v for c, s, v in variances)  # half of the linear coefficient
    c = start**2 - squared * sum(c * c * v for c, _, v in variances)
    with np.errstate(divide="ignore", invalid="ignore"):  # no root, or one at infinity
        q = -(b + np.copysign(np.sqrt(b * b - a * c), b))
        found = np.concatenate([q / a, c / q])
    return [float(x) for x in found if np.isfinite(x) and 0 < x < REACH[axis]]


def _gap(terms: Sequence[Term], xs: np.ndarray, alpha: float) -> np.ndarray:
    """By how much |D| exceeds what it would have to exceed to be told apart from 0."""
    mean, se, df = _at(terms, xs)
    return np.abs(mean) + stdtrit(df, alpha) * se


def _end(terms: Sequence[Term], one: float, other: float, alpha: float) -> float:
    """Where the set begins or ends between two places, one of them inside."""
    return float(brentq(lambda x: _gap(terms, np.array([x]), alpha)[0], one, other))


def _at(terms: Sequence[Term], xs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """D, its standard error and degrees of freedom (Satterthwaite) at each x."""
    constants, slopes, means, variances, dfs = np.array(
        [(t.constant, t.slope, t.measured.mean, t.measured.variance, t.measured.df) for t in terms], dtype=float
    ).T[:, :, None]
    weights = constants + slopes * xs
    parts = weights**2 * variances
    total = parts.sum(axis=0)
    spread = (parts**2 / dfs).sum(axis=0)
    df = np.divide(total**2, spread, out=np.full_like(total, MANY), where=spread > 0)
    return (weights * means).sum(axis=0), np.sqrt(total), np.minimum(df, MANY)


def chance(terms: Sequence[Term], axis: Axis) -> float:
    """Probability that D changes its sign between 0 and REACH, each quantity t-distributed around what was measured."""
    start, end = np.zeros(DRAWS), np.zeros(DRAWS)
    for place, term in enumerate(terms):
        drawn = np.full(DRAWS, term.measured.mean)
        if term.measured.variance:
            drawn += sqrt(term.measured.variance) * _draws(place, term.measured.df)
        start += term.constant * drawn
        end += (term.constant + term.slope * REACH[axis]) * drawn
    return float(np.mean(start * end < 0))


@lru_cache(maxsize=128)
def _draws(place: int, df: float) -> np.ndarray:
    """The same for the same term every time: a decision must not depend on luck, and a slider's every move not wait for new ones."""
    rng = np.random.default_rng(place)
    drawn = rng.standard_t(df, DRAWS) if df < MANY else rng.standard_normal(DRAWS)
    drawn.setflags(write=False)
    return drawn


def surely_cheaper(metered: Metered, than: Metered, prices: Prices) -> float | None:
    """Probability that `metered` costs less than `than` over the stated horizon, at least; None where nothing can be said.

    What of `than` was timed once, so that nobody knows how it varies, is taken to cost nothing, the least that it can; of
    `metered`, such a quantity could cost anything.
    """
    terms, costs = list[Term](), cost_terms(metered, than, prices, "questions")
    for term in costs:
        if term.measured.df > 0:
            terms.append(term)
        elif term.constant + term.slope * prices.questions_per_month > 0:
            return None
    if not terms:
        return None
    mean, se, df = (values[0] for values in _at(terms, np.array([prices.questions_per_month])))
    if se == 0:
        return float(difference(terms, prices.questions_per_month) < 0)
    return float(stdtr(df, -mean / se))
