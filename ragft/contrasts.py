"""Weighted sums of a table's arms, such as a difference: clustered by document, with the variance between training seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ragft import stats
from ragft.comparison import Difference, Level
from ragft.scoretable import ArmScores, ScoreTable
from ragft.stats import Estimate, SeedVariance

OWN_ALPHA = 0.025  # on each side of a 95 % interval that stands for itself


def bare(table: ScoreTable, ref: ArmScores) -> ArmScores | None:
    """The model alone: of the reference's own model where there is one."""
    return next(iter(sorted(table.find(retriever=False, tuned=False), key=lambda arm: arm.model != ref.model)), None)


def seed_variances(arms: Sequence[ArmScores]) -> dict[str, SeedVariance]:
    """How much each tuned arm's mean varies between training seeds: the pool's variance, or its own where that is larger.

    Arms that share their adapters, as lora and rag+lora do, bring degrees of freedom once; controls bring nothing to the pool.
    """
    own = {arm.name: stats.between_seeds(arm.scores) for arm in arms if arm.tuning}
    pool = [arm for arm in arms if arm.tuning and not arm.control] or [arm for arm in arms if arm.tuning]
    adapters: dict[tuple[str | None, ...], int] = {}
    for arm in pool:
        key = (arm.tuning, arm.format, arm.model, arm.adapters)
        adapters[key] = max(adapters.get(key, 0), own[arm.name].df)
    pooled = SeedVariance(stats.pool([own[arm.name] for arm in pool]).variance, sum(adapters.values()))
    return {name: stats.cautious(variance, pooled) for name, variance in own.items()}


def estimate(table: ScoreTable, parts: Sequence[tuple[float, ArmScores]], seeds: Mapping[str, SeedVariance]) -> Estimate:
    """The mean of Σ weight x arm. Each separately trained arm brings its own seed variance, divided by its own seeds."""
    values = stats.contrast_values([(weight, arm.scores) for weight, arm in parts])
    tuned = [(weight, arm) for weight, arm in parts if arm.tuning]
    variances = [(weight, seeds[arm.name], len(values) if len(arm.scores) > 1 else 1) for weight, arm in tuned]
    total = sum(weight**2 * known.variance / used for weight, known, used in variances)
    df = min((known.df for _, known, _ in variances), default=0)
    return stats.estimate(values, table.documents, bool(tuned), SeedVariance(total * len(values), df))  # estimate() divides by len(values)


def differences(
    table: ScoreTable, pairs: Sequence[tuple[ArmScores, ArmScores]], margin: float, alpha: float, seeds: Mapping[str, SeedVariance]
) -> list[Difference]:
    """Every pair that shares at least one scored question; score differences lie in [-1, 1], and so do their bounds."""
    found, asked = [], int(table.applicable.sum())
    for arm, other in pairs:
        if (arm.scored & other.scored).any():
            value = estimate(table, [(1, arm), (-1, other)], seeds)
            low, high = (clip(bound, -1.0) for bound in value.bounds(alpha))
            found.append(Difference(arm.name, other.name, value, low, high, stats.p_above(value, margin), None, (asked - value.n) / asked))
    return found


def with_holm(differences: Sequence[Difference], family: int) -> list[Difference]:
    """With Holm's adjusted p; a challenger without a p-value still counts in the family, as p = 1."""
    p_values = [1.0 if d.p_above_margin is None else d.p_above_margin for d in differences]
    adjusted = stats.holm([*p_values, *[1.0] * (family - len(differences))])
    return [replace(d, p_above_margin_holm=None if d.p_above_margin is None else p) for d, p in zip(differences, adjusted, strict=False)]


def bounded(difference: Difference, value: Estimate, alpha: float) -> Difference:
    """The same difference by another estimate."""
    low, high = (clip(bound, -1.0) for bound in value.bounds(alpha))
    return replace(difference, estimate=value, low=low, high=high)


def clip(bound: float | None, least: float = 0.0) -> float | None:
    """A mean score lies in [0, 1], and so does what is known of it."""
    return None if bound is None else min(1.0, max(least, bound))


def level(value: Estimate, least: float = 0.0) -> Level:
    """A mean with a 95 % interval for itself; `least` is the lowest that it can be."""
    return Level(value.mean, *(clip(bound, least) for bound in value.bounds(OWN_ALPHA)))
