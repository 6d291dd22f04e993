"""Scores -> Comparison: every arm with its interval, paired differences, the 2x2, where points are lost. No model needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ragft import ahead, contrasts, dose, slicing, stats
from ragft.cautions import cautions
from ragft.comparison import ArmRow, Comparison, Difference, Interaction, Joint, Level, SliceRow
from ragft.errors import InputError
from ragft.scoretable import ArmScores, ScoreTable, table_of
from ragft.stats import Estimate, SeedVariance

__all__ = ["ArmRow", "ArmScores", "Comparison", "Difference", "ScoreTable", "SliceRow", "compare", "pairwise", "table_of"]


def compare(table: ScoreTable, *, metric: str, reference: str, margin: float, alpha: float, slices: Sequence[str] = ()) -> Comparison:
    """Compare all arms of a table; `slices` are those fixed beforehand, such as "kind=exact".

    Raises InputError when the reference is not one of the arms, nothing can be compared, or a slice is none of the table's.
    """
    _check(table, metric, reference)
    slices = slicing.checked(slices)
    scored = [arm for arm in table.arms if arm.scored.any()]
    unscored = tuple(arm.name for arm in table.arms if arm not in scored)
    seeds = contrasts.seed_variances(table.arms)
    ref = table.arm(reference)
    bare = contrasts.bare(table, ref)
    family = tuple(arm.name for arm in table.arms if arm.deployable and arm.name != reference)
    share = alpha / max(1, len(family))
    differences, against_base = _contrasts(table, reference, margin, alpha, seeds)
    oracle = next((arm for arm in sorted(table.arms, key=lambda arm: arm.tuning is not None) if arm.retriever == "oracle" and arm is not ref), None)
    confirmed, tests = slicing.confirmed(table, ref, [table.arm(name) for name in family], slices, margin, alpha)
    answerable = table.restrict(table.answerable)
    levels = _levels(answerable)
    return Comparison(
        metric=metric,
        reference=reference,
        margin=margin,
        alpha=alpha,
        questions=len(table.questions),
        documents=len(set(table.documents)),
        family=family,
        arms=tuple(_row(table, arm, seeds, levels) for arm in scored),
        challengers=tuple(contrasts.with_holm(differences, len(family))),
        against_base=tuple(against_base),
        ceiling=next(iter(contrasts.differences(table, [(oracle, ref)] if oracle else [], margin, alpha, seeds)), None),
        interactions=tuple(_interactions(table, ref, bare, alpha, seeds)) if bare else (),
        slices=tuple(slicing.rows(table, ref, slices)),
        confirmatory=tuple(slices),
        confirmed=tuple(confirmed),
        confirmed_tests=tests,
        doses=tuple(dose.doses(table, ref)),
        systems=tuple(_systems(table, ref, margin, alpha, seeds)),
        detectable=_detectable([d for d in differences if table.arm(d.arm).tuning] or differences, margin, share),
        warnings=tuple(cautions(table, reference, seeds)),
        unscored=unscored,
        joint=_joint(table, seeds),
        closed_book=_closed_book(answerable, bare, oracle, margin, alpha),
    )


def at_margin(found: Comparison, margin: float) -> Comparison:
    """What `compare` finds of the same scores at another margin: no interval changes, the p-values and what can be detected do."""

    def moved(difference: Difference) -> Difference:
        return replace(difference, p_above_margin=stats.p_above(difference.estimate, margin))

    def optional(difference: Difference | None) -> Difference | None:
        return None if difference is None else moved(difference)

    confirmed = contrasts.with_holm([moved(one.difference) for one in found.confirmed], found.confirmed_tests)
    return replace(
        found,
        margin=margin,
        challengers=tuple(contrasts.with_holm([moved(d) for d in found.challengers], len(found.family))),
        against_base=tuple(map(moved, found.against_base)),
        ceiling=optional(found.ceiling),
        systems=tuple(map(moved, found.systems)),
        closed_book=optional(found.closed_book),
        confirmed=tuple(replace(one, difference=d, elsewhere=optional(one.elsewhere)) for one, d in zip(found.confirmed, confirmed, strict=True)),
        detectable=None if found.detectable is None else found.detectable - found.margin + margin,
    )


def at_weights(table: ScoreTable, weights: np.ndarray, found: Comparison) -> Comparison:
    """What the verdict's differences would be if the questions weighed so; `weights` (questions,) have mean 1.

    A weighted mean is a ratio, Σ w·s / Σ w. Its linear form, w·(s - mean) + mean, has that mean and, to first order, its
    variance (Särndal, Swensson and Wretman 1992, 5.7), and it is linear in the arms, so that everything else is as before.
    """
    changed = _at(table, weights)
    differences, against_base = _contrasts(changed, found.reference, found.margin, found.alpha, contrasts.seed_variances(changed.arms))
    share, fewer = found.alpha / max(1, len(found.family)), _fewer(table, weights)
    return replace(
        found,
        challengers=tuple(_bounded(d, fewer(d.estimate), share) for d in differences),
        against_base=tuple(_bounded(d, fewer(d.estimate), share) for d in against_base),
    )


def reweighted(table: ScoreTable, weights: np.ndarray, found: Comparison) -> Comparison:
    """As `at_weights`, and the arms' own scores, the ceiling, the 2x2 and how the arms vary together as well: all but the slices.

    What is said of the answerable questions alone stays as it was measured.
    """
    changed, fewer = _at(table, weights), _fewer(table, weights)
    seeds, ref, alpha = contrasts.seed_variances(changed.arms), changed.arm(found.reference), found.alpha
    bare, old = contrasts.bare(changed, ref), found.ceiling
    ceiling = contrasts.differences(changed, [(changed.arm(old.arm), ref)] if old else [], found.margin, alpha, seeds)
    corners = _interactions(changed, ref, bare, alpha, seeds) if bare else []

    def row(known: ArmRow) -> ArmRow:
        arm = changed.arm(known.name)
        value = fewer(contrasts.estimate(changed, [(1, arm)], seeds))
        low, high = (contrasts.clip(bound) for bound in value.bounds(contrasts.OWN_ALPHA))
        return replace(known, estimate=value, low=low, high=high, seed_means=tuple(float(m) for m in np.nanmean(arm.scores, axis=1)))

    def interaction(known: Interaction) -> Interaction:
        value = fewer(known.estimate)
        low, high = value.bounds(alpha / len(corners))
        return replace(known, estimate=value, low=low, high=high)

    joint = _joint(changed, seeds)
    return replace(
        at_weights(table, weights, found),
        arms=tuple(map(row, found.arms)),
        ceiling=next((_bounded(d, fewer(d.estimate), alpha) for d in ceiling), None),
        interactions=tuple(map(interaction, corners)),
        joint=None if joint is None else replace(joint, df=min(joint.df, max(0.0, _in_effect(table, weights)[0] - 1))),
    )


def _at(table: ScoreTable, weights: np.ndarray) -> ScoreTable:
    return replace(table, arms=tuple(replace(arm, scores=_linear(arm.scores, weights)) for arm in table.arms))


def _in_effect(table: ScoreTable, weights: np.ndarray) -> tuple[float, float]:
    """As many documents and questions as count (Kish): of equal weights, all of them."""
    of_documents = np.array(list(_totals(table.documents, weights).values()))
    documents, questions = (float(values.sum() ** 2 / (values**2).sum()) for values in (of_documents, weights))
    return documents, questions


def _fewer(table: ScoreTable, weights: np.ndarray) -> Callable[[Estimate], Estimate]:
    documents, questions = _in_effect(table, weights)
    return lambda value: stats.of_fewer(value, documents - 1, questions)


def _bounded(difference: Difference, value: Estimate, alpha: float) -> Difference:
    return replace(difference, estimate=value, low=None, high=None) if value.df <= 0 else contrasts.bounded(difference, value, alpha)


def _totals(documents: Sequence[str], weights: np.ndarray) -> dict[str, float]:
    found: dict[str, float] = {}
    for document, weight in zip(documents, weights.tolist(), strict=True):
        found[document] = found.get(document, 0.0) + weight
    return found


def _linear(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    known = np.where(np.isnan(scores), 0.0, weights)
    total = known.sum(axis=1, keepdims=True)
    means = np.divide(np.nansum(known * scores, axis=1, keepdims=True), total, out=np.zeros_like(total), where=total > 0)
    return weights * (scores - means) + means


def pairwise(table: ScoreTable, pairs: Sequence[tuple[str, str]], *, alpha: float) -> list[Difference]:
    """The paired differences of these arms; each bound is wrong with probability `alpha`. A pair without a common scored question is left out.

    Seed variances come from all tuned arms of the table, so that an arm with one seed takes the pool's.
    """
    return contrasts.differences(
        table, [(table.arm(one), table.arm(other)) for one, other in pairs], 0.0, alpha, contrasts.seed_variances(table.arms)
    )


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


def _contrasts(
    table: ScoreTable, reference: str, margin: float, alpha: float, seeds: Mapping[str, SeedVariance]
) -> tuple[list[Difference], list[Difference]]:
    """Every challenger minus the reference, and the model alone minus every other arm; Bonferroni: all of them hold together."""
    ref = table.arm(reference)
    challengers = [arm for arm in table.arms if arm.deployable and arm.name != reference]
    share, bare = alpha / max(1, len(challengers)), contrasts.bare(table, ref)
    others = [(bare, arm) for arm in table.arms if bare and arm.deployable and arm is not bare]
    return contrasts.differences(table, [(arm, ref) for arm in challengers], margin, share, seeds), contrasts.differences(
        table, others, margin, share, seeds
    )


def _systems(table: ScoreTable, ref: ArmScores, margin: float, alpha: float, seeds: Mapping[str, SeedVariance]) -> list[Difference]:
    """Each whole system minus the reference. They are no candidates of the verdict, so its error is not shared with them."""
    systems = [arm for arm in table.arms if arm.system]
    return contrasts.differences(table, [(arm, ref) for arm in systems], margin, alpha / max(1, len(systems)), seeds)


def _row(table: ScoreTable, arm: ArmScores, seeds: Mapping[str, SeedVariance], answerable: Mapping[str, Level]) -> ArmRow:
    found = contrasts.estimate(table, [(1, arm)], seeds)
    low, high = (contrasts.clip(bound) for bound in found.bounds(contrasts.OWN_ALPHA))
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
        tuned=arm.tuning is not None,
    )


def _levels(part: ScoreTable) -> dict[str, Level]:
    """Every arm that has a score in this part of the table, with the seed variance of that part."""
    seeds = contrasts.seed_variances(part.arms)
    found = {arm.name: contrasts.estimate(part, [(1, arm)], seeds) for arm in part.arms if arm.scored.any()}
    return {name: Level(value.mean, *(contrasts.clip(bound) for bound in value.bounds(contrasts.OWN_ALPHA))) for name, value in found.items()}


def _closed_book(part: ScoreTable, bare: ArmScores | None, oracle: ArmScores | None, margin: float, alpha: float) -> Difference | None:
    """How near the model alone comes to its ceiling, the gold passages."""
    if not bare or not oracle:
        return None
    pair = (part.arm(bare.name), part.arm(oracle.name))
    return next(iter(contrasts.differences(part, [pair], margin, alpha, contrasts.seed_variances(part.arms))), None)


def _joint(table: ScoreTable, seeds: Mapping[str, SeedVariance]) -> Joint | None:
    """Seeds are averaged by question; the training seeds of two arms count as independent."""
    arms = [arm for arm in table.arms if arm.deployable and arm.scored.any()]
    if not arms:
        return None
    common = np.all([arm.scored for arm in arms], axis=0)
    if not common.any():
        return None
    values = np.stack([arm.scores[:, common].mean(axis=0) for arm in arms])
    covariance, df = stats.covariance(values, [document for document, kept in zip(table.documents, common, strict=True) if kept])
    for i, arm in enumerate(arms):
        if arm.tuning:
            covariance[i, i] += seeds[arm.name].variance / len(arm.scores)
            df = df if seeds[arm.name].df else 0.0  # with one seed nobody knows how much training runs differ
    return Joint(tuple(arm.name for arm in arms), tuple(values.mean(axis=1).tolist()), tuple(map(tuple, covariance.tolist())), df, int(common.sum()))


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
        value = contrasts.estimate(table, [(1, both), (-1, ref), (-1, tuned), (1, base)], seeds)
        found.append(Interaction(base.name, ref.name, tuned.name, both.name, value, *value.bounds(alpha / len(corners))))
    return found


def _detectable(differences: Sequence[Difference], margin: float, alpha: float) -> float | None:
    """The largest over the challengers: what holds for the worst-measured holds for all."""
    known = [value for d in differences if (value := ahead.smallest_shown(d.estimate, alpha)) is not None]
    return margin + max(known) if known else None
