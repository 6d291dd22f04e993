"""Scores -> Comparison: every arm with its interval, paired differences, the 2x2, where points are lost. No model needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import false_discovery_control

from ragft import stats
from ragft.cautions import cautions
from ragft.comparison import ArmRow, Comparison, Difference, Interaction, Level, SliceRow
from ragft.errors import InputError
from ragft.scoretable import ArmScores, ScoreTable, table_of
from ragft.stats import Estimate, SeedVariance

__all__ = ["ArmRow", "ArmScores", "Comparison", "Difference", "ScoreTable", "SliceRow", "compare", "pairwise", "table_of"]

OWN_ALPHA = 0.025  # on each side of an arm's own 95 % interval


def compare(table: ScoreTable, *, metric: str, reference: str, margin: float, alpha: float) -> Comparison:
    """Compare all arms of a table. Raises InputError when the reference is not one of them, or nothing can be compared."""
    _check(table, metric, reference)
    scored = [arm for arm in table.arms if arm.scored.any()]
    unscored = tuple(arm.name for arm in table.arms if arm not in scored)
    seeds = _seed_variances(table.arms)
    ref = table.arm(reference)
    challengers = [arm for arm in table.arms if arm.deployable and arm.name != reference]
    share = alpha / max(1, len(challengers))  # Bonferroni: the intervals and the decisions read off them hold together
    differences = _differences(table, [(arm, ref) for arm in challengers], margin, share, seeds)
    bare = _bare(table, ref)
    others = [(bare, arm) for arm in table.arms if bare and arm.deployable and arm is not bare]
    oracle = next((arm for arm in sorted(table.arms, key=lambda arm: arm.tuning is not None) if arm.retriever == "oracle" and arm is not ref), None)
    answerable = table.restrict(table.answerable)
    levels = _levels(answerable)
    return Comparison(
        metric=metric,
        reference=reference,
        margin=margin,
        alpha=alpha,
        questions=len(table.questions),
        documents=len(set(table.documents)),
        family=tuple(arm.name for arm in challengers),
        arms=tuple(_row(table, arm, seeds, levels) for arm in scored),
        challengers=tuple(_with_holm(differences, len(challengers))),
        against_base=tuple(_differences(table, others, margin, share, seeds)),
        ceiling=next(iter(_differences(table, [(oracle, ref)] if oracle else [], margin, alpha, seeds)), None),
        interactions=tuple(_interactions(table, ref, bare, alpha, seeds)) if bare else (),
        slices=tuple(_slices(table, ref)),
        detectable=_detectable([d for d in differences if table.arm(d.arm).tuning] or differences, margin, share),
        warnings=tuple(cautions(table, reference, seeds)),
        unscored=unscored,
        closed_book=_closed_book(answerable, bare, oracle, margin, alpha),
    )


def pairwise(table: ScoreTable, pairs: Sequence[tuple[str, str]], *, alpha: float) -> list[Difference]:
    """The paired differences of these arms; each bound is wrong with probability `alpha`. A pair without a common scored question is left out.

    Seed variances come from all tuned arms of the table, so that an arm with one seed takes the pool's.
    """
    return _differences(table, [(table.arm(one), table.arm(other)) for one, other in pairs], 0.0, alpha, _seed_variances(table.arms))


def _check(table: ScoreTable, metric: str, reference: str) -> None:
    names = [arm.name for arm in table.arms]
    if reference not in names:
        raise InputError(f"the reference arm '{reference}' is not in this study. Known: {', '.join(names)}.")
    if not table.questions:
        raise InputError("there is no test question, so nothing can be compared. Add questions, or give some of them the split 'test'.")
    for arm in table.arms:
        values = arm.scores[~np.isnan(arm.scores)]
        if values.size and not 0 <= values.min() <= values.max() <= 1:
            raise InputError(
                f"metric '{metric}' is not a score from 0 to 1 (arm {arm.name} has {values.max():g}). Choose one that is, such as match."
            )


def _bare(table: ScoreTable, ref: ArmScores) -> ArmScores | None:
    """The model alone: of the reference's own model where there is one."""
    return next(iter(sorted(table.find(retriever=False, tuned=False), key=lambda arm: arm.model != ref.model)), None)


def _seed_variances(arms: Sequence[ArmScores]) -> dict[str, SeedVariance]:
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


def _estimate(table: ScoreTable, parts: Sequence[tuple[float, ArmScores]], seeds: Mapping[str, SeedVariance]) -> Estimate:
    """The mean of Σ weight x arm. Each separately trained arm brings its own seed variance, divided by its own seeds."""
    values = stats.contrast_values([(weight, arm.scores) for weight, arm in parts])
    tuned = [(weight, arm) for weight, arm in parts if arm.tuning]
    variances = [(weight, seeds[arm.name], len(values) if len(arm.scores) > 1 else 1) for weight, arm in tuned]
    total = sum(weight**2 * known.variance / used for weight, known, used in variances)
    df = min((known.df for _, known, _ in variances), default=0)
    return stats.estimate(values, table.documents, bool(tuned), SeedVariance(total * len(values), df))  # estimate() divides by len(values)


def _differences(
    table: ScoreTable, pairs: Sequence[tuple[ArmScores, ArmScores]], margin: float, alpha: float, seeds: Mapping[str, SeedVariance]
) -> list[Difference]:
    """Every pair that shares at least one scored question; score differences lie in [-1, 1], and so do their bounds."""
    found = []
    for arm, other in pairs:
        if (arm.scored & other.scored).any():
            value = _estimate(table, [(1, arm), (-1, other)], seeds)
            low, high = (_clip(bound, -1.0) for bound in value.bounds(alpha))
            found.append(Difference(arm.name, other.name, value, low, high, stats.p_above(value, margin), None))
    return found


def _with_holm(differences: Sequence[Difference], family: int) -> list[Difference]:
    """With Holm's adjusted p; a challenger without a p-value still counts in the family, as p = 1."""
    p_values = [1.0 if d.p_above_margin is None else d.p_above_margin for d in differences]
    adjusted = stats.holm([*p_values, *[1.0] * (family - len(differences))])
    return [replace(d, p_above_margin_holm=None if d.p_above_margin is None else p) for d, p in zip(differences, adjusted, strict=False)]


def _row(table: ScoreTable, arm: ArmScores, seeds: Mapping[str, SeedVariance], answerable: Mapping[str, Level]) -> ArmRow:
    found = _estimate(table, [(1, arm)], seeds)
    low, high = (_clip(bound) for bound in found.bounds(OWN_ALPHA))
    scores = arm.scores[:, table.applicable]
    unscored = np.isnan(scores)
    return ArmRow(
        name=arm.name,
        estimate=found,
        low=low,
        high=high,
        seed_means=tuple(float(m) for m in np.nanmean(arm.scores, axis=1)),
        missing=float(unscored.mean()),
        worst=float(np.where(unscored, 0.0, scores).mean()),
        best=float(np.where(unscored, 1.0, scores).mean()),
        answerable=answerable.get(arm.name),
    )


def _levels(part: ScoreTable) -> dict[str, Level]:
    """Every arm that has a score in this part of the table, with the seed variance of that part."""
    seeds = _seed_variances(part.arms)
    found = {arm.name: _estimate(part, [(1, arm)], seeds) for arm in part.arms if arm.scored.any()}
    return {name: Level(value.mean, *(_clip(bound) for bound in value.bounds(OWN_ALPHA))) for name, value in found.items()}


def _closed_book(part: ScoreTable, bare: ArmScores | None, oracle: ArmScores | None, margin: float, alpha: float) -> Difference | None:
    """How near the model alone comes to its ceiling, the gold passages."""
    if not bare or not oracle:
        return None
    pair = (part.arm(bare.name), part.arm(oracle.name))
    return next(iter(_differences(part, [pair], margin, alpha, _seed_variances(part.arms))), None)


def _clip(bound: float | None, least: float = 0.0) -> float | None:
    """A mean score lies in [0, 1], and so does what is known of it."""
    return None if bound is None else min(1.0, max(least, bound))


def _interactions(table: ScoreTable, ref: ArmScores, base: ArmScores, alpha: float, seeds: Mapping[str, SeedVariance]) -> list[Interaction]:
    """One for each tuning that is there alone and with the reference's retriever; the same adapters serve both."""
    if ref.tuning or not ref.retriever or base.model != ref.model:
        return []  # not the four corners of a 2x2
    corners = [
        (tuned, both)
        for tuned in table.find(retriever=False, tuned=True)
        for both in table.find(retriever=True, tuned=True)
        if (both.retriever, both.k, both.model) == (ref.retriever, ref.k, ref.model)
        and (both.tuning, both.format, both.adapters) == (tuned.tuning, tuned.format, tuned.adapters)
        and (tuned.scored & both.scored & ref.scored & base.scored).any()
        and tuned.model == ref.model
    ]
    found = []
    for tuned, both in corners:
        value = _estimate(table, [(1, both), (-1, ref), (-1, tuned), (1, base)], seeds)
        found.append(Interaction(base.name, ref.name, tuned.name, both.name, value, *value.bounds(alpha / len(corners))))
    return found


def _slices(table: ScoreTable, ref: ArmScores) -> list[SliceRow]:
    """Every arm in every slice that holds a scored question of it, with the seed variance of that slice."""
    labels = {
        "stratum": np.array(table.strata, dtype=object),
        "kind": np.array(table.kinds, dtype=object),
        "retrieval": np.array([{1.0: "found", 0.0: "missed"}.get(h, "") for h in table.hit.tolist()], dtype=object),
    }
    rows, p_values = [], []
    for name, column in labels.items():
        for value in dict.fromkeys(v for v in column if v):
            part = table.restrict(column == value)
            seeds = _seed_variances(part.arms)
            for arm in part.arms:
                if not arm.scored.any():
                    continue
                found = _estimate(part, [(1, arm)], seeds)
                pair = [(arm, part.arm(ref.name))] if arm.name != ref.name else []
                difference = next((d.estimate for d in _differences(part, pair, 0.0, 0.025, seeds)), None)
                p = stats.p_above(difference, 0.0) if difference else None
                p_values.append(None if p is None else min(1.0, 2 * min(p, 1 - p)))
                low, high = (_clip(bound) for bound in found.bounds(OWN_ALPHA))
                rows.append(SliceRow(name, value, arm.name, found.n, found.mean, low, high, difference.mean if difference else None, None))
    tested = [i for i, p in enumerate(p_values) if p is not None]
    adjusted = false_discovery_control([p_values[i] for i in tested]) if tested else []
    for i, q in zip(tested, adjusted, strict=True):
        rows[i] = replace(rows[i], q=float(q))
    return rows


def _detectable(differences: Sequence[Difference], margin: float, alpha: float) -> float | None:
    """The largest over the challengers: what holds for the worst-measured holds for all."""
    found = [stats.detectable(d.estimate.se, d.estimate.df, alpha) for d in differences]
    known = [value for value in found if value is not None]
    return margin + max(known) if known else None
