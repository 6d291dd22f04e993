"""Scores -> Comparison: every arm with its interval, paired differences, the 2x2, where points are lost. No model needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import false_discovery_control

from ragft import stats
from ragft.errors import InputError
from ragft.stats import Estimate

MAX_MISSING = 0.05  # more unscored answers than this block a verdict


@dataclass(frozen=True)
class ArmScores:
    """One arm's scores by one metric: (seeds, questions), NaN = unscored. `slots` say what fills the two slots."""

    name: str
    scores: np.ndarray
    retriever: str | None
    tuning: str | None
    format: str | None = None
    model: str = ""  # arms of another model are whole systems, outside the 2x2

    @property
    def deployable(self) -> bool:
        return self.retriever != "oracle"


@dataclass(frozen=True)
class ScoreTable:
    """All arms' scores of the same questions, in the same order."""

    questions: tuple[str, ...]
    documents: tuple[str, ...]  # the cluster of each question
    strata: tuple[str, ...]
    kinds: tuple[str, ...]
    arms: tuple[ArmScores, ...]
    hit: np.ndarray  # (questions,): 1 all evidence was retrieved by the reference, 0 not, NaN not applicable

    def arm(self, name: str) -> ArmScores:
        return next(arm for arm in self.arms if arm.name == name)

    def find(self, *, retriever: bool, tuned: bool) -> list[ArmScores]:
        """The deployable arms with or without a retriever and a tuning."""
        return [a for a in self.arms if a.deployable and (a.retriever is not None) == retriever and (a.tuning is not None) == tuned]


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm's line in the table. `low` and `high` are its own 95 % interval."""

    name: str
    estimate: Estimate
    low: float | None
    high: float | None
    seed_means: tuple[float, ...]
    missing: float  # share of answers without a score
    worst: float  # the mean if every missing score were 0 …
    best: float  # … or 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm minus another. `low` and `high` hold for all differences of the family at once (`alpha` on each side)."""

    arm: str
    minus: str
    estimate: Estimate
    low: float | None
    high: float | None
    p_above_margin: float | None
    p_above_margin_holm: float | None


@dataclass(frozen=True, slots=True)
class Interaction:
    """(both - rag) - (tuned - base): what the two bring together beyond the sum of what each brings."""

    base: str
    rag: str
    tuned: str
    both: str
    estimate: Estimate
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class SliceRow:
    """Exploratory: one arm in one slice. `q` is the Benjamini-Hochberg adjusted p of a difference from the reference."""

    slice: str
    value: str
    arm: str
    n: int
    mean: float
    low: float | None
    high: float | None
    minus_reference: float | None
    q: float | None


@dataclass(frozen=True)
class Comparison:
    """All that the verdict rests on."""

    metric: str
    reference: str
    margin: float
    alpha: float
    questions: int
    documents: int
    family: tuple[str, ...]  # the challengers: every deployable arm but the reference
    arms: tuple[ArmRow, ...]
    challengers: tuple[Difference, ...]  # each challenger minus the reference
    against_base: tuple[Difference, ...]  # base minus every other deployable arm
    ceiling: Difference | None  # oracle minus reference
    interactions: tuple[Interaction, ...]
    slices: tuple[SliceRow, ...]
    detectable: float | None  # the smallest gain over the margin that this study finds with 80 % power
    warnings: tuple[str, ...] = field(default=())

    def row(self, arm: str) -> ArmRow:
        return next(row for row in self.arms if row.name == arm)


def compare(table: ScoreTable, *, metric: str, reference: str, margin: float, alpha: float) -> Comparison:
    """Compare all arms of a table. Raises InputError when the reference is not one of them."""
    if reference not in [arm.name for arm in table.arms]:
        raise InputError(f"the reference arm '{reference}' is not in this study. Known: {', '.join(a.name for a in table.arms)}.")
    challengers = [arm for arm in table.arms if arm.deployable and arm.name != reference]
    ref = table.arm(reference)
    pooled = stats.pool([stats.between_seeds(stats.contrast_values([(1, a.scores), (-1, ref.scores)])) for a in table.arms if a.tuning])
    share = alpha / max(1, len(challengers))  # Bonferroni: the intervals and the decisions read off them hold together
    differences = [_difference(table, arm, ref, margin, share, pooled) for arm in challengers]
    bare = next(iter(table.find(retriever=False, tuned=False)), None)
    against_base = [_difference(table, bare, arm, margin, share, pooled) for arm in table.arms if bare and arm.deployable and arm is not bare]
    oracle = next((arm for arm in table.arms if not arm.deployable), None)
    return Comparison(
        metric=metric,
        reference=reference,
        margin=margin,
        alpha=alpha,
        questions=len(table.questions),
        documents=len(set(table.documents)),
        family=tuple(arm.name for arm in challengers),
        arms=tuple(_row(table, arm, pooled) for arm in table.arms),
        challengers=tuple(_with_holm(differences)),
        against_base=tuple(against_base),
        ceiling=_difference(table, oracle, ref, margin, alpha, pooled) if oracle else None,
        interactions=tuple(_interactions(table, ref, bare, alpha, pooled)) if bare else (),
        slices=tuple(_slices(table, ref, pooled)),
        detectable=_detectable(differences, margin, share),
        warnings=tuple(_warnings(table, pooled)),
    )


def _estimate(table: ScoreTable, parts: Sequence[tuple[float, ArmScores]], pooled: stats.SeedVariance, scale: float = 1.0) -> Estimate:
    values = stats.contrast_values([(weight, arm.scores) for weight, arm in parts])
    variance = stats.SeedVariance(pooled.variance * scale, pooled.df)
    return stats.estimate(values, table.documents, any(arm.tuning for _, arm in parts), variance)


def _difference(table: ScoreTable, arm: ArmScores, other: ArmScores, margin: float, alpha: float, pooled: stats.SeedVariance) -> Difference:
    # two separately trained arms bring two seed variances
    found = _estimate(table, [(1, arm), (-1, other)], pooled, scale=2.0 if arm.tuning and other.tuning else 1.0)
    return Difference(arm.name, other.name, found, *found.bounds(alpha), stats.p_above(found, margin), None)


def _with_holm(differences: Sequence[Difference]) -> list[Difference]:
    known = [d for d in differences if d.p_above_margin is not None]
    adjusted = dict(zip([d.arm for d in known], stats.holm([d.p_above_margin or 0.0 for d in known]), strict=True))
    return [Difference(d.arm, d.minus, d.estimate, d.low, d.high, d.p_above_margin, adjusted.get(d.arm)) for d in differences]


def _row(table: ScoreTable, arm: ArmScores, pooled: stats.SeedVariance) -> ArmRow:
    found = _estimate(table, [(1, arm)], pooled)
    unscored = np.isnan(arm.scores)
    return ArmRow(
        name=arm.name,
        estimate=found,
        low=_clip(found.bounds(0.025)[0]),
        high=_clip(found.bounds(0.025)[1]),
        seed_means=tuple(float(m) for m in np.nanmean(arm.scores, axis=1)),
        missing=float(unscored.mean()),
        worst=float(np.where(unscored, 0.0, arm.scores).mean()),
        best=float(np.where(unscored, 1.0, arm.scores).mean()),
    )


def _clip(bound: float | None) -> float | None:
    """A mean score lies in [0, 1], and so does what is known of it."""
    return None if bound is None else min(1.0, max(0.0, bound))


def _interactions(table: ScoreTable, ref: ArmScores, base: ArmScores, alpha: float, pooled: stats.SeedVariance) -> list[Interaction]:
    """One for each tuning that is there alone and with the reference's retriever; the same adapters serve both."""
    found = []
    for tuned in table.find(retriever=False, tuned=True):
        for both in table.find(retriever=True, tuned=True):
            if (both.retriever, both.tuning, both.format, both.model) == (ref.retriever, tuned.tuning, tuned.format, tuned.model):
                value = _estimate(table, [(1, both), (-1, ref), (-1, tuned), (1, base)], pooled, scale=2.0)
                found.append(Interaction(base.name, ref.name, tuned.name, both.name, value, *value.bounds(alpha)))
    return found


def _slices(table: ScoreTable, ref: ArmScores, pooled: stats.SeedVariance) -> list[SliceRow]:
    labels = {
        "stratum": np.array(table.strata, dtype=object),
        "kind": np.array(table.kinds, dtype=object),
        "retrieval": np.array([{1.0: "found", 0.0: "missed"}.get(h, "") for h in table.hit.tolist()], dtype=object),
    }
    rows, p_values = [], []
    for name, column in labels.items():
        for value in dict.fromkeys(v for v in column if v):
            part = _restrict(table, column == value)
            for arm in part.arms:
                found = _estimate(part, [(1, arm)], pooled)
                difference = _estimate(part, [(1, arm), (-1, part.arm(ref.name))], pooled) if arm.name != ref.name else None
                p = stats.p_above(difference, 0.0) if difference else None
                p_values.append(None if p is None else min(1.0, 2 * min(p, 1 - p)))
                low, high = (_clip(bound) for bound in found.bounds(0.025))
                rows.append(SliceRow(name, value, arm.name, found.n, found.mean, low, high, difference.mean if difference else None, None))
    tested = [i for i, p in enumerate(p_values) if p is not None]
    adjusted = false_discovery_control([p_values[i] for i in tested]) if tested else []
    for i, q in zip(tested, adjusted, strict=True):
        row = rows[i]
        rows[i] = SliceRow(row.slice, row.value, row.arm, row.n, row.mean, row.low, row.high, row.minus_reference, float(q))
    return rows


def _restrict(table: ScoreTable, keep: np.ndarray) -> ScoreTable:
    def pick(column: Sequence[str]) -> tuple[str, ...]:
        return tuple(value for value, kept in zip(column, keep, strict=True) if kept)

    arms = tuple(ArmScores(a.name, a.scores[:, keep], a.retriever, a.tuning, a.format, a.model) for a in table.arms)
    return ScoreTable(pick(table.questions), pick(table.documents), pick(table.strata), pick(table.kinds), arms, table.hit[keep])


def _detectable(differences: Sequence[Difference], margin: float, alpha: float) -> float | None:
    """The largest over the challengers: what holds for the worst-measured holds for all."""
    found = [stats.detectable(d.estimate.se, d.estimate.df, alpha) for d in differences]
    known = [value for value in found if value is not None]
    return margin + max(known) if known else None


def _warnings(table: ScoreTable, pooled: stats.SeedVariance) -> list[str]:
    warnings = []
    if len(set(table.documents)) < 10:
        warnings.append(f"Only {len(set(table.documents))} documents carry the test questions: intervals are wide and rough. Ask about more documents.")
    tuned = [arm for arm in table.arms if arm.tuning]
    if tuned and pooled.df == 0:
        warnings.append("Every tuned arm was trained with one seed only, so how much training runs differ is unknown and no tuned arm can be adopted.")
    for arm in table.arms:
        share = float(np.isnan(arm.scores).mean())
        if share > 0:
            warnings.append(f"{arm.name}: {share:.1%} of its answers failed and are not scored; differences rest on the other questions.")
    return warnings


def table_of(scores: Mapping[str, np.ndarray], documents: Sequence[str], **slots: Mapping[str, str | None]) -> ScoreTable:
    """A table from plain arrays: arm -> (seeds, questions). `retriever` and `tuning` map arms to what fills the slot."""
    n = len(documents)
    arms = tuple(
        ArmScores(name, np.atleast_2d(np.asarray(values, dtype=float)), slots.get("retriever", {}).get(name), slots.get("tuning", {}).get(name))
        for name, values in scores.items()
    )
    return ScoreTable(tuple(map(str, range(n))), tuple(documents), ("",) * n, ("",) * n, arms, np.full(n, np.nan))
