"""Paired statistics on arrays: the same questions, a weighted sum of arms, questions clustered in documents.

Specification: docs/statistics.md. Nothing here knows of arms, files or verdicts.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt

import numpy as np
from scipy.special import betaincinv, stdtr, stdtrit  # distributions and quantiles, without the overhead of scipy.stats


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
