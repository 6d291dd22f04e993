"""Paired statistics on arrays: the same questions, a weighted sum of arms, questions clustered in documents.

Specification: docs/statistics.md. Nothing here knows of arms, files or verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, sqrt
from statistics import fmean

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, chdtri, ndtr, stdtr, stdtrit  # distributions and quantiles, without the overhead of scipy.stats

MOST_QUESTIONS = 10_000_000  # more than this is as good as never


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean (or a mean difference) with what its interval rests on.

    `question_se` is the part of the standard error that more questions reduce, `seed_se` the part that only more
    training seeds reduce. `df` are the degrees of freedom of the t distribution; 0: no interval can be given.
    `question_df` and `seed_df` are those of the two parts.
    """

    mean: float
    question_se: float
    seed_se: float
    df: float
    n: int
    documents: int
    seeds: int
    question_df: float = 0.0
    seed_df: float = 0.0

    @property
    def se(self) -> float:
        return sqrt(self.question_se**2 + self.seed_se**2)

    def bounds(self, alpha: float) -> tuple[float | None, float | None]:
        """Lower and upper bound; each is on the wrong side of the truth with probability `alpha`. None: no bound can be given."""
        if self.df <= 0:
            return None, None
        half = t_quantile(alpha, self.df) * self.se
        return self.mean - half, self.mean + half


def t_quantile(alpha: float, df: float) -> float:
    """The t that is exceeded with probability `alpha`."""
    return -float(stdtrit(df, alpha))


@dataclass(frozen=True, slots=True)
class Jackknife:
    """The variance of a mean with one cluster left out in turn, and its degrees of freedom; 0: no interval can be given."""

    variance: float
    df: float
    clusters: int


def jackknife(values: np.ndarray, clusters: Sequence[Hashable]) -> Jackknife:
    """Of the mean over `values` (n,): V = (G-1)/G Σ_g (mean without g - mean)², df = N²/Σ n_g² - 1.

    df is the effective number of clusters, less one, which keeps the error rate where clusters differ in size. Below one degree
    of freedom (a single cluster, or one that holds most values) it is 0.
    """
    n = len(values)
    member = _numbered(tuple(clusters))
    sizes = np.bincount(member).astype(float)
    groups = len(sizes)
    if groups < 2:
        return Jackknife(0.0, 0.0, groups)
    mean = values.mean()
    without = (n * mean - np.bincount(member, weights=values)) / (n - sizes)
    df = n**2 / float((sizes**2).sum()) - 1
    return Jackknife((groups - 1) / groups * float(((without - mean) ** 2).sum()), df if df >= 1 else 0.0, groups)


def clustered_mean(values: np.ndarray, clusters: Sequence[str]) -> Estimate:
    """The mean over questions of `values` (n,), with the leave-one-cluster-out (`jackknife`) standard error.

    The standard error is never less than one question's worth, 1/N: where all questions agree, the data cannot say more than
    that. With a single document, or one that holds most questions, there is no interval: df 0. Raises ValueError for no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no question is scored in every arm of this comparison")
    mean, found = float(values.mean()), jackknife(values, clusters)
    if found.clusters < 2:
        return Estimate(mean, 0.0, 0.0, 0.0, n, found.clusters, 1)
    return Estimate(mean, max(sqrt(found.variance), 1 / n), 0.0, found.df, n, found.clusters, 1, question_df=found.df)


def covariance(values: np.ndarray, clusters: Sequence[str]) -> tuple[np.ndarray, float]:
    """Of the means of several rows (rows, n), by the same jackknife, with its degrees of freedom; 0 df: one cluster is no basis."""
    member = _numbered(tuple(clusters))
    sizes, n = np.bincount(member).astype(float), values.shape[1]
    groups, df = len(sizes), n**2 / float((sizes**2).sum()) - 1
    if groups < 2 or df < 1:
        return np.zeros((len(values), len(values))), 0.0
    sums = np.stack([np.bincount(member, weights=row) for row in values])
    means = values.mean(axis=1, keepdims=True)
    apart = (n * means - sums) / (n - sizes) - means
    return (groups - 1) / groups * (apart @ apart.T), df


@lru_cache(maxsize=16)
def _numbered(clusters: tuple[Hashable, ...]) -> np.ndarray:
    """Each value's cluster as a number, in the order of appearance. Kept, because all pairs of a table ask for the same one."""
    numbers: dict[Hashable, int] = {}
    found = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    found.setflags(write=False)
    return found


@dataclass(frozen=True, slots=True)
class SeedVariance:
    """A pooled variance between training seeds (of one seed's mean) and its degrees of freedom; 0 df: unknown."""

    variance: float = 0.0
    df: int = 0


def contrast_values(parts: Sequence[tuple[float, np.ndarray]]) -> np.ndarray:
    """(seeds, questions) of Σ weight x scores. Each part's scores are (its seeds, questions), NaN = unscored.

    Parts with several seeds are paired by their order; a part with one seed (an untuned arm) stands beside each.
    """
    seeds = max(scores.shape[0] for _, scores in parts)
    for _, scores in parts:
        if scores.shape[0] not in (1, seeds):
            seeds = min(s.shape[0] for _, s in parts if s.shape[0] > 1)
    total = np.zeros((seeds, parts[0][1].shape[1]))
    for weight, scores in parts:
        total = total + weight * (scores[:seeds] if scores.shape[0] > 1 else scores)
    return total


def between_seeds(values: np.ndarray) -> SeedVariance:
    """The variance between seeds of a contrast (seeds, questions), on the questions scored for every seed."""
    scored = values[:, ~np.isnan(values).any(axis=0)]
    if scored.shape[0] < 2 or scored.shape[1] == 0:
        return SeedVariance()
    return SeedVariance(float(scored.mean(axis=1).var(ddof=1)), scored.shape[0] - 1)


def pool(variances: Sequence[SeedVariance]) -> SeedVariance:
    """Several arms' seed variances as one, weighted by degrees of freedom: with three seeds an arm alone knows little."""
    df = sum(v.df for v in variances)
    return SeedVariance(sum(v.variance * v.df for v in variances) / df, df) if df else SeedVariance()


def cautious(own: SeedVariance, pooled: SeedVariance) -> SeedVariance:
    """The arm's own variance, on its own few degrees of freedom, where its seeds differ more than the pool's; else the pool's.

    Pooling alone adopts too often when one arm's training is less stable than the others': the pool is then too small for it.
    """
    return own if own.df > 0 and own.variance > pooled.variance else pooled


def estimate(values: np.ndarray, clusters: Sequence[str], tuned: bool, pooled: SeedVariance) -> Estimate:
    """The mean of a contrast (seeds, questions) with both parts of its standard error.

    Questions unscored in any seed are left out of all. df by Satterthwaite from the clusters' and the seeds'.
    A tuned contrast whose seed variance nobody knows gets df 0: no interval. Raises ValueError when no question is left.
    """
    scored = ~np.isnan(values).any(axis=0)
    kept = clusters if scored.all() else [cluster for cluster, ok in zip(clusters, scored, strict=True) if ok]
    base = clustered_mean(values[:, scored].mean(axis=0), kept)
    seeds = values.shape[0]
    if not tuned:
        return replace(base, seeds=seeds)
    if pooled.df == 0 or base.df <= 0:
        return replace(base, seeds=seeds, df=0.0, seed_df=float(pooled.df))
    seed_variance = pooled.variance / seeds
    df = satterthwaite(base.question_se**2, base.question_df, seed_variance, pooled.df)
    return replace(base, seeds=seeds, seed_se=sqrt(seed_variance), df=df, seed_df=float(pooled.df))


def of_fewer(found: Estimate, question_df: float, questions: float) -> Estimate:
    """The estimate when fewer documents and questions count than are there, because the rest weigh little or nothing."""
    if question_df < 1 or found.df <= 0:
        return replace(found, df=0.0, question_df=max(question_df, 0.0))
    question_se = max(found.question_se, 1 / questions)
    seeds = found.seed_se**2
    df = satterthwaite(question_se**2, question_df, seeds, found.seed_df) if seeds > 0 else question_df
    return replace(found, question_se=question_se, df=df, question_df=question_df)


def satterthwaite(question_variance: float, question_df: float, seed_variance: float, seed_df: float) -> float:
    """Degrees of freedom of the sum of two estimated variances (Satterthwaite 1946)."""
    return (question_variance + seed_variance) ** 2 / (question_variance**2 / question_df + seed_variance**2 / seed_df)


def p_above(found: Estimate, threshold: float) -> float | None:
    """One-sided p-value of "the true mean is at most `threshold`"; None without an interval."""
    return None if found.df <= 0 else float(stdtr(found.df, (threshold - found.mean) / found.se))


def exact_bounds(k: float, n: int, alpha: float) -> tuple[float | None, float | None]:
    """Clopper and Pearson's bounds (1934) for k of n, each wrong with probability `alpha` at most; None for n = 0."""
    if n == 0:
        return None, None
    return float(betaincinv(k, n - k + 1, alpha)) if k > 0 else 0.0, float(betaincinv(k + 1, n - k, 1 - alpha)) if k < n else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = worst
    return adjusted


def detectable(se: float, df: float, alpha: float, power: float = 0.8) -> float | None:
    """The true difference that a one-sided test at `alpha` finds with the given power; None without an interval."""
    return None if df <= 0 else (t_quantile(alpha, df) + t_quantile(1 - power, df)) * se


CASES = 8  # values of an estimated variance
FINE, COARSE = (16, 32), (8, 16)  # of the variances of questions and of seeds, equally likely values; coarse: power to a tenth of a percent or two


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
