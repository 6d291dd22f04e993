"""A judge against human labels, on arrays: agreement, error rates, and means that the labels correct. Knows of no arms or files.

A judge grades every answer, people label a random sample of questions. What the judge says of the sample shows how it
errs; the mean of its grades is corrected by that (prediction-powered inference, Angelopoulos et al. 2301.09633, 2311.01453).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from scipy.stats import beta, fisher_exact

from ragft.stats import Estimate, clustered_mean, holm, satterthwaite

LOOKS = 9999  # draws of a table with given margins
ONE_SIDE = 0.025  # on each side of a 95 % interval


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of`, with the exact 95 % interval (Clopper and Pearson 1934); None where there is nothing to count."""

    count: int
    of: int
    value: float | None
    low: float | None
    high: float | None


def share(count: int, of: int) -> Share:
    """The share and its Clopper-Pearson interval."""
    if of == 0:
        return Share(0, 0, None, None, None)
    low = float(beta.ppf(ONE_SIDE, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - ONE_SIDE, count + 1, of - count)) if count < of else 1.0
    return Share(count, of, count / of, low, high)


# ── agreement ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two graders say the same of the same answers. Intervals are 95 %, clustered by document; None: none can be given.

    `kappa` is Cohen's (1960): 0 is what two graders reach who know nothing of each other, 1 is always. None: both gave one grade only.
    """

    n: int  # answers that both graded
    share: float
    low: float | None
    high: float | None
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None


def agreement(one: np.ndarray, other: np.ndarray, clusters: Sequence[str]) -> Agreement | None:
    """Of two graders' 0s and 1s, NaN = not graded; None where they share no answer.

    Both standard errors leave out one document at a time, as `clustered_mean` does, and are never less than one answer's worth.
    """
    both = ~np.isnan(one) & ~np.isnan(other)
    if not both.any():
        return None
    a, b = one[both].astype(int), other[both].astype(int)
    kept = [cluster for cluster, ok in zip(clusters, both, strict=True) if ok]
    same = clustered_mean((a == b).astype(float), kept)
    low, high = same.bounds(ONE_SIDE)
    value, (kappa_low, kappa_high) = _kappa_of(a, b, kept, same)
    return Agreement(same.n, same.mean, clip(low, 0.0), clip(high, 0.0), value, clip(kappa_low, -1.0), clip(kappa_high, -1.0))


def _kappa_of(a: np.ndarray, b: np.ndarray, clusters: Sequence[str], same: Estimate) -> tuple[float | None, tuple[float | None, float | None]]:
    member = np.unique(np.array(clusters), return_inverse=True)[1]
    cells = np.stack([np.bincount(member, weights=(a == i) & (b == j)) for i in (0, 1) for j in (0, 1)], axis=1)
    total = cells.sum(axis=0)
    value = float(_kappa(total))
    if np.isnan(value):
        return None, (None, None)
    without = _kappa(total - cells) if len(cells) > 1 else np.array([np.nan])
    if same.df <= 0 or np.isnan(without).any():
        return value, (None, None)
    by_chance = _by_chance(total / total.sum())
    se = max(_jackknife(without, value), 1 / (total.sum() * (1 - by_chance)))
    return value, replace(same, mean=value, question_se=se).bounds(ONE_SIDE)


def _kappa(cells: np.ndarray) -> np.ndarray:
    """Cohen's kappa of counts (..., 4) in the order 00, 01, 10, 11; NaN where both graders gave one and the same grade only."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = cells / cells.sum(axis=-1, keepdims=True)
        by_chance = _by_chance(p)
        # what is left of 1 may be rounding only
        return np.where(1 - by_chance < 1e-12, np.nan, (p[..., 0] + p[..., 3] - by_chance) / (1 - by_chance))


def _by_chance(p: np.ndarray) -> np.ndarray:
    one, other = p[..., 2] + p[..., 3], p[..., 1] + p[..., 3]  # how often each says 1
    return one * other + (1 - one) * (1 - other)


def _jackknife(without: np.ndarray, whole: float) -> float:
    """The leave-one-document-out standard error, V = (G-1)/G Σ (without g - whole)²."""
    groups = len(without)
    return sqrt((groups - 1) / groups * float(((without - whole) ** 2).sum()))


def clip(bound: float | None, least: float) -> float | None:
    """A bound of what lies between `least` and 1."""
    return None if bound is None else min(1.0, max(least, bound))


# ── error rates ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """How a judge errs on one arm's answers, by the human labels."""

    false_positive: Share  # of the answers that people call wrong, those it calls right
    false_negative: Share  # of the answers that people call right, those it calls wrong


def error_rates(judge: np.ndarray, human: np.ndarray) -> ErrorRates:
    """Of 0s and 1s, NaN = not graded. Give one answer a question: the intervals take answers as independent."""
    both = ~np.isnan(judge) & ~np.isnan(human)
    wrong, right = both & (human == 0), both & (human == 1)
    return ErrorRates(share(int((judge[wrong] == 1).sum()), int(wrong.sum())), share(int((judge[right] == 0).sum()), int(right.sum())))


@dataclass(frozen=True, slots=True)
class JudgedAlike:
    """Whether a judge errs equally on all arms: exact p-values, adjusted for being two (Holm). None: fewer than two arms have such answers."""

    false_positive: float | None
    false_negative: float | None


def judged_alike(arms: Sequence[ErrorRates], seed: int = 0) -> JudgedAlike:
    """Fisher's exact test for two arms; for more, 9,999 tables with the same margins are drawn and compared by chi-square."""
    p_values = [_same_rate([r.false_positive for r in arms], seed), _same_rate([r.false_negative for r in arms], seed)]
    known = [p for p in p_values if p is not None]
    adjusted = iter(holm(known))
    return JudgedAlike(*(None if p is None else next(adjusted) for p in p_values))


def _same_rate(shares: Sequence[Share], seed: int) -> float | None:
    counts, sizes = np.array([[s.count, s.of] for s in shares if s.of]).reshape(-1, 2).T
    if len(sizes) < 2:
        return None
    if len(sizes) == 2:
        return float(fisher_exact(np.array([counts, sizes - counts])).pvalue)
    total = int(counts.sum())
    if total in (0, sizes.sum()):
        return 1.0
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(sizes, total, size=LOOKS)
    expected = total * sizes / sizes.sum()  # chi-square with these margins, but for a constant factor
    found, others = ((counts - expected) ** 2 / sizes).sum(), ((drawn - expected) ** 2 / sizes).sum(axis=1)
    return float((1 + (others >= found * (1 - 1e-9)).sum()) / (LOOKS + 1))


# ── correction ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Corrected:
    """A mean of a judge's grades, or of their differences, corrected by human labels."""

    estimate: Estimate  # of what people would say of all questions
    judge: float  # the mean of the judge's grades as they are
    weight: float  # of the judge, 0 to 1: 0 where its grades tell nothing, and the labels stand alone
    labelled: int  # questions
    documents: int  # with labelled questions


def corrected(judge: np.ndarray, human: np.ndarray, clusters: Sequence[str]) -> Corrected:
    """The mean over all questions of what people would say. (questions,) each; NaN = not graded, not labelled.

    weight * (mean of the judge) + (mean over the labelled of human - weight * judge): PPI++ for a labelled sample that is
    part of the whole, so that the best weight is the slope of human on judge among the labelled (kept within 0 and 1). The
    standard error leaves one document out of all of this, the weight included; df are the effective number of labelled
    documents less one, and the standard error is at least one labelled question's worth. With all questions labelled it is
    `clustered_mean` of the labels. Questions without a grade are left out. Raises ValueError where none with a grade is labelled.
    """
    used = ~np.isnan(judge)
    j, labelled = judge[used], ~np.isnan(human[used])
    h = np.where(labelled, human[used], 0.0)
    if not labelled.any():
        raise ValueError("no question is both graded and labelled")
    names, member = np.unique(np.array([cluster for cluster, ok in zip(clusters, used, strict=True) if ok]), return_inverse=True)
    columns = (np.ones(len(j)), j, labelled, labelled * j, h, labelled * j * j, j * h)
    sums = np.stack([np.bincount(member, weights=column) for column in columns], axis=1)
    total, sizes = sums.sum(axis=0), sums[:, 2]
    n, effective = int(total[2]), float(total[2] ** 2 / (sizes**2).sum())
    mean, weight = (float(value) for value in _powered(total))
    df = effective - 1 if effective >= 2 else 0.0
    se = max(_jackknife(_powered(total - sums)[0], mean), 1 / n) if df else 0.0
    found = Estimate(mean, se, 0.0, df, len(j), len(names), 1, question_df=df)
    return Corrected(found, float(j.mean()), weight, n, int((sizes > 0).sum()))


def _powered(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimate and weight from sums (..., 7) over: 1, judge, labelled, and among the labelled judge, human, judge², judge * human."""
    n, judge, labelled, j, h, jj, jh = np.moveaxis(sums, -1, 0)
    variance = jj / labelled - (j / labelled) ** 2
    weight = np.clip((jh / labelled - j * h / labelled**2) / np.where(variance > 1e-12, variance, np.inf), 0.0, 1.0)
    return weight * judge / n + (h - weight * j) / labelled, weight


def rectified(judge: np.ndarray, human: np.ndarray) -> np.ndarray:
    """Per seed and question, values whose mean over the questions is the corrected mean with weight 1; (seeds, questions) each.

    Their means say how training seeds differ in what people would say, not in what the judge says.
    """
    used = ~np.isnan(judge).any(axis=0)
    labelled = used & ~np.isnan(human).any(axis=0)
    off = np.where(labelled, human - judge, 0.0)
    return judge + off * used.sum() / labelled.sum()


def with_seeds(found: Corrected, seeds: Estimate) -> Corrected:
    """With the seed part of another estimate of the same contrast; no interval where that has none because its seeds are unknown."""
    base = replace(found.estimate, seed_se=seeds.seed_se, seed_df=seeds.seed_df, seeds=seeds.seeds)
    if seeds.df <= 0 or base.df <= 0:
        return replace(found, estimate=replace(base, df=0.0))
    if seeds.seed_se > 0:
        base = replace(base, df=satterthwaite(base.question_se**2, base.question_df, seeds.seed_se**2, seeds.seed_df))
    return replace(found, estimate=base)


def sample_questions(clusters: Sequence[str], number: int, seed: int) -> list[int]:
    """That many questions by their places, in random order, each with the same chance; every document gets its share, to within one.

    Drawn at equal steps through the questions in a random order of documents. All of them where `number` is not less.
    """
    rng = np.random.default_rng(seed)
    rank = {cluster: place for place, cluster in enumerate(rng.permutation(sorted(set(clusters))).tolist())}
    order = sorted(rng.permutation(len(clusters)).tolist(), key=lambda i: rank[clusters[i]])  # stable: shuffled within each document
    number = min(number, len(order))
    steps = np.floor((rng.random() + np.arange(number)) * len(order) / max(1, number)).astype(int)
    return [order[step] for step in rng.permutation(steps).tolist()]
