"""Paired statistics on arrays: the same questions, a weighted sum of arms, questions clustered in documents.

Specification: docs/statistics.md. Nothing here knows of arms, files or verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from scipy.special import stdtr, stdtrit  # the t distribution and its quantiles, without the overhead of scipy.stats

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


def clustered_mean(values: np.ndarray, clusters: Sequence[str]) -> Estimate:
    """The mean over questions of `values` (n,), with the leave-one-cluster-out (jackknife) standard error.

    V = (G-1)/G Σ_g (mean without g - mean)², df = N²/Σ n_g² - 1: the effective number of clusters, less one, which
    keeps the error rate where documents differ in size. Below one degree of freedom (a single document, or one that
    holds most questions) there is no interval: df 0. The standard error is never less than one question's worth, 1/N:
    where all questions agree, the data cannot say more than that. Raises ValueError for no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no question is scored in every arm of this comparison")
    numbers: dict[str, int] = {}
    member = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    sizes = np.bincount(member).astype(float)
    sums = np.bincount(member, weights=values)
    groups = len(sizes)
    mean = float(values.mean())
    if groups < 2:
        return Estimate(mean, 0.0, 0.0, 0.0, n, groups, 1)
    without = (n * mean - sums) / (n - sizes)
    se = sqrt((groups - 1) / groups * float(((without - mean) ** 2).sum()))
    df = n**2 / float((sizes**2).sum()) - 1
    df = df if df >= 1 else 0.0
    return Estimate(mean, max(se, 1 / n), 0.0, df, n, groups, 1, question_df=df)


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
    kept = [cluster for cluster, ok in zip(clusters, scored, strict=True) if ok]
    base = clustered_mean(values[:, scored].mean(axis=0), kept)
    seeds = values.shape[0]
    if not tuned:
        return replace(base, seeds=seeds)
    if pooled.df == 0 or base.df <= 0:
        return replace(base, seeds=seeds, df=0.0, seed_df=float(pooled.df))
    seed_variance = pooled.variance / seeds
    df = satterthwaite(base.question_se**2, base.question_df, seed_variance, pooled.df)
    return replace(base, seeds=seeds, seed_se=sqrt(seed_variance), df=df, seed_df=float(pooled.df))


def satterthwaite(question_variance: float, question_df: float, seed_variance: float, seed_df: float) -> float:
    """Degrees of freedom of the sum of two estimated variances (Satterthwaite 1946)."""
    return (question_variance + seed_variance) ** 2 / (question_variance**2 / question_df + seed_variance**2 / seed_df)


def p_above(found: Estimate, threshold: float) -> float | None:
    """One-sided p-value of "the true mean is at most `threshold`"; None without an interval."""
    return None if found.df <= 0 else float(stdtr(found.df, (threshold - found.mean) / found.se))


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


def questions_needed(found: Estimate, distance: float, alpha: float, seeds: int, power: float = 0.8) -> int | None:
    """Questions in all, of documents like these, that detect `distance` with `seeds` seeds; None: no number of them does."""
    if found.question_df <= 0 or (found.seed_se > 0 and found.seeds < 2):
        return None
    seed_variance = found.seed_se**2 * found.seeds / seeds
    seed_df = found.seed_df * (seeds - 1) / max(1, found.seeds - 1)

    def reached(n: int) -> bool:
        question_variance = found.question_se**2 * found.n / n
        question_df = max((found.question_df + 1) * n / found.n - 1, 0.5)
        df = satterthwaite(question_variance, question_df, seed_variance, seed_df) if seed_variance > 0 else question_df
        return (detectable(sqrt(question_variance + seed_variance), df, alpha, power) or 0.0) <= distance

    low, high = 0, 1
    while not reached(high):
        low, high = high, 2 * high
        if high > MOST_QUESTIONS:
            return None
    while high - low > 1:  # bisection: reached(high), not reached(low)
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
