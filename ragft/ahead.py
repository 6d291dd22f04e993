"""What a study will be able to show: power, the smallest difference shown, and the questions that would settle one.

Specification: docs/statistics.md. What has been measured is estimated in stats.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, ndtr, stdtrit

from ragft.stats import Estimate, t_quantile

MOST_QUESTIONS = 10_000_000  # more than this is as good as never
CASES = 8  # values of an estimated variance
FINE, COARSE = (16, 32), (8, 16)  # of the variances of questions and of seeds, equally likely values; coarse: power to a tenth of a percent or two


def detectable(se: float, df: float, alpha: float, power: float = 0.8) -> float | None:
    """The true difference that a one-sided test at `alpha` finds with the given power; None without an interval."""
    return None if df <= 0 else (t_quantile(alpha, df) + t_quantile(1 - power, df)) * se


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is known or supposed of a tuned arm's difference before it is measured: true variances, and what will estimate them."""

    question_variance: float
    question_df: float
    seed_variance: float  # of one seed's mean
    seeds: int
    trainings: int  # separately trained adapters, whose seed variances are pooled

    @property
    def se(self) -> float:
        """The true standard error."""
        return sqrt(self.question_variance + self.seed_variance / self.seeds)

    def halves(self, alpha: float, grid: tuple[int, int] = FINE) -> np.ndarray:
        """Equally likely half widths of the interval, as `estimate` and `cautious` will find them; `grid`: values of each variance tried.

        The true standard error and `satterthwaite` alone promise too much where seeds differ: about every second arm's seeds
        differ more than the pool's, and its interval then rests on its own few degrees of freedom.
        """
        questions = self.question_variance * _spread(self.question_df, grid[0])
        if self.seed_variance == 0:
            return -stdtrit(self.question_df, alpha) * np.sqrt(questions)
        df, others = self.seeds - 1, (self.trainings - 1) * (self.seeds - 1)
        own = self.seed_variance * _spread(df, grid[1])[:, None]
        rest = self.seed_variance * _spread(others, grid[1])[None] if others else own
        pooled = (own * df + rest * others) / (df + others)
        variance = (np.maximum(own, pooled) / self.seeds)[:, :, None]
        seed_df = np.where(own > pooled, df, df + others)[:, :, None]
        total = questions + variance
        return (-stdtrit(total**2 / (questions**2 / self.question_df + variance**2 / seed_df), alpha) * np.sqrt(total)).ravel()

    def power(self, distance: float, alpha: float, grid: tuple[int, int] = FINE) -> float:
        """The probability that the bound of a true difference so far from 0 excludes 0."""
        return float(ndtr((distance - self.halves(alpha, grid)) / self.se).mean())

    def shown(self, alpha: float, power: float = 0.8) -> float:
        """The true difference whose lower bound is above 0 with that probability."""
        halves, se = self.halves(alpha), self.se
        return _least(lambda distance: float(ndtr((distance - halves) / se).mean()), power, se)

    def equal_within(self, alpha: float, power: float = 0.8) -> float:
        """The distance within which both bounds lie with that probability, where the true difference is 0."""
        halves, se = self.halves(alpha), self.se
        return _least(lambda distance: float(np.maximum(0, 2 * ndtr((distance - halves) / se) - 1).mean()), power, se)


def _spread(df: float, number: int) -> np.ndarray:
    """As many equally likely values of chi squared / df."""
    return chdtri(df, 1 - (np.arange(number) + 0.5) / number) / df


def _least(share: Callable[[float], float], wanted: float, unit: float) -> float:
    high = unit
    while share(high) < wanted:
        high *= 2
    return float(brentq(lambda distance: share(distance) - wanted, 0, high, xtol=1e-9))


def ahead_of(found: Estimate, questions: float, seeds: int, ratio: float = 1.0) -> Ahead | None:
    """The same difference measured again, on so many questions on documents like these and with so many seeds; None: a variance is not known.

    The true variances are as estimated here, that between seeds `ratio` times as large. Where the arm's own seeds differed more
    than the pool's, they alone are pooled then.
    """
    if found.df <= 0 or found.question_df <= 0 or found.se == 0 or (found.seed_se > 0 and (found.seeds < 2 or found.seed_df <= 0)):
        return None
    trainings = max(1, round(found.seed_df / max(1, found.seeds - 1)))
    question_df = max((found.question_df + 1) * questions / found.n - 1, 0.5)
    return Ahead(found.question_se**2 * found.n / questions, question_df, ratio * found.seed_se**2 * found.seeds, seeds, trainings)


def smallest_shown(found: Estimate, alpha: float, power: float = 0.8) -> float | None:
    """The true difference that a study like this one shows with that probability; None: no interval can be given.

    The variance between seeds is only estimated, by few degrees of freedom: the power is the mean over what it may truly be,
    the estimate times df / chi squared (its fiducial distribution). With the estimate alone, studies whose few seeds happened to
    agree promise too much: 61 to 79 % instead of 80.
    """
    ratios = (1 / _spread(found.seed_df, CASES)).tolist() if found.seed_se > 0 and found.seed_df > 0 else [1.0]
    cases = [ahead for ratio in ratios if (ahead := ahead_of(found, found.n, found.seeds, ratio)) is not None]
    return _least(lambda distance: fmean(ahead.power(distance, alpha, COARSE) for ahead in cases), power, cases[0].se) if cases else None


def settles(found: Estimate, distance: float, alpha: float, questions: float, seeds: int, power: float = 0.8) -> bool:
    """Whether so many questions and seeds in all would detect `distance`, if training runs differ as much as they did here."""
    ahead = ahead_of(found, questions, seeds)
    return ahead is not None and ahead.power(distance, alpha, COARSE) >= power


def questions_needed(found: Estimate, distance: float, alpha: float, seeds: int, power: float = 0.8) -> int | None:
    """Questions in all, of documents like these, that detect `distance` with `seeds` seeds, to half a percent; None: no number of them does."""
    low, high = 1.0, float(MOST_QUESTIONS)
    if not settles(found, distance, alpha, high, seeds, power):
        return None
    while high / low > 1.005:  # bisection of the logarithm: high settles, low does not
        middle = sqrt(low * high)
        low, high = (low, middle) if settles(found, distance, alpha, middle, seeds, power) else (middle, high)
    return ceil(high)
