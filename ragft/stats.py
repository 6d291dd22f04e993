"""Paired statistics on arrays: the same questions, a weighted sum of arms, questions clustered in documents.

Specification: docs/statistics.md. Nothing here knows of arms, files or verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean (or a mean difference) with what its interval rests on.

    `question_se` is the part of the standard error that more questions reduce, `seed_se` the part that only more
    training seeds reduce. `df` are the degrees of freedom of the t distribution; 0: no interval can be given.
    """

    mean: float
    question_se: float
    seed_se: float
    df: float
    n: int
    documents: int
    seeds: int

    @property
    def se(self) -> float:
        return sqrt(self.question_se**2 + self.seed_se**2)

    def bounds(self, alpha: float) -> tuple[float | None, float | None]:
        """Lower and upper bound, each exceeded with probability `alpha`; None where the data cannot give one."""
        if self.df <= 0:
            return None, None
        half = float(stats.t.isf(alpha, self.df)) * self.se
        return self.mean - half, self.mean + half


def clustered_mean(values: np.ndarray, clusters: Sequence[str]) -> Estimate:
    """The mean over questions of `values` (n,), with the leave-one-cluster-out (jackknife) standard error.

    V = (G-1)/G Σ_g (mean without g - mean)², df = N²/Σ n_g² - 1: the effective number of clusters, less one, which
    keeps the error rate where documents differ in size. The standard error is never less than one question's worth,
    1/N: where all questions agree, the data cannot say more than that.
    Raises ValueError for no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no question is scored in every arm of this comparison")
    _, member = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    sizes = np.bincount(member).astype(float)
    sums = np.bincount(member, weights=values)
    groups = len(sizes)
    mean = float(values.mean())
    if groups < 2:
        return Estimate(mean, 0.0, 0.0, 0.0, n, groups, 1)
    without = (n * mean - sums) / (n - sizes)
    se = sqrt((groups - 1) / groups * float(((without - mean) ** 2).sum()))
    return Estimate(mean, max(se, 1 / n), 0.0, n**2 / float((sizes**2).sum()) - 1, n, groups, 1)


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


def estimate(values: np.ndarray, clusters: Sequence[str], tuned: bool, pooled: SeedVariance) -> Estimate:
    """The mean of a contrast (seeds, questions) with both parts of its standard error.

    Questions unscored in any seed are left out of all. df by Satterthwaite from the clusters' and the seeds'.
    A tuned contrast whose seed variance nobody knows gets df 0: no interval.
    """
    scored = ~np.isnan(values).any(axis=0)
    kept = [cluster for cluster, ok in zip(clusters, scored, strict=True) if ok]
    base = clustered_mean(values[:, scored].mean(axis=0), kept)
    seeds = values.shape[0]
    if not tuned:
        return Estimate(base.mean, base.question_se, 0.0, base.df, base.n, base.documents, seeds)
    if pooled.df == 0 or base.df <= 0:
        return Estimate(base.mean, base.question_se, 0.0, 0.0, base.n, base.documents, seeds)
    seed_variance = pooled.variance / seeds
    question_variance = base.question_se**2
    total = seed_variance + question_variance
    df = total**2 / (question_variance**2 / base.df + seed_variance**2 / pooled.df)
    return Estimate(base.mean, base.question_se, sqrt(seed_variance), df, base.n, base.documents, seeds)


def p_above(found: Estimate, threshold: float) -> float | None:
    """One-sided p-value of "the true mean is at most `threshold`"; None without an interval."""
    return None if found.df <= 0 else float(stats.t.sf((found.mean - threshold) / found.se, found.df))


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
    return None if df <= 0 else float((stats.t.isf(alpha, df) + stats.t.ppf(power, df)) * se)


def planned_se(n: int, discordance: float = 0.2, design_effect: float = 1.4) -> float:
    """The standard error of a paired difference to expect before anything is measured.

    `discordance`: the share of questions on which two arms differ; `design_effect`: the loss from clustering in documents.
    """
    return sqrt(discordance * design_effect / n)
