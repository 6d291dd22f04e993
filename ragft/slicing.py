"""Slices: arms in one kind of question at a time. Those fixed beforehand confirm, all others explore.

A slice is written "dimension=value", such as "kind=exact"; DIMENSIONS has the dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import false_discovery_control

from ragft import contrasts, stats
from ragft.comparison import Confirmed, Difference, Level, SliceRow
from ragft.errors import InputError, unknown
from ragft.scoretable import ArmScores, ScoreTable
from ragft.stats import SeedVariance

# What a question can be sliced by, with the values where they are the same for every study.
DIMENSIONS: dict[str, tuple[str, ...]] = {
    "stratum": (),
    "kind": (),
    "retrieval": ("found", "missed"),  # whether the reference had all the evidence among its passages
    "base": ("known", "unknown"),  # whether the model alone is right
    "writer": ("known", "unknown"),  # whether the model that wrote the question knew the answer without the documents
}
WRITER = {True: "known", False: "unknown", None: ""}  # what a question file says of it -> the value
MOST = 4  # fixed beforehand; each further one widens the intervals of all
KNOWN = 0.5  # a graded score counts as right from here on


# ── what a user writes ───────────────────────────────────────────────────────────────────────────────────────────────


def parts(name: str) -> tuple[str, str]:
    """Dimension and value of "kind=exact"."""
    dimension, _, value = name.partition("=")
    return dimension.strip(), value.strip()


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The slices of a study, without stray blanks. Raises InputError for more than MOST, for one twice, or for one that is none."""
    found = []
    for name in names:
        dimension, value = parts(name)
        if not dimension or not value:
            raise InputError(f"slice '{name}': write it as dimension=value, for example slices: [kind=exact, retrieval=missed].")
        if dimension not in DIMENSIONS:
            raise unknown(f"dimension of slice '{name}':", dimension, DIMENSIONS)
        if DIMENSIONS[dimension] and value not in DIMENSIONS[dimension]:
            raise unknown(f"value of slice '{name}':", value, DIMENSIONS[dimension])
        found.append(f"{dimension}={value}")
    if double := next((name for i, name in enumerate(found) if name in found[:i]), None):
        raise InputError(f"slice '{double}' is named twice. Remove one.")
    if len(found) > MOST:
        raise InputError(f"slices names {len(found)}, and at most {MOST} can be fixed beforehand. The others are reported as exploratory.")
    return tuple(found)


def tests(names: Sequence[str], challengers: int, bare: bool) -> int:
    """In how many tests the error is shared: every challenger in every slice, but for the model alone where its own scores make the slices."""
    return sum(challengers - (bare and parts(name)[0] == "base") for name in names)


def check_occur(names: Sequence[str], columns: Mapping[str, Iterable[str]]) -> None:
    """Raise InputError where a slice names a value that no question has; `columns` are the questions' values by dimension."""
    for name in names:
        dimension, value = parts(name)
        if dimension in columns and value not in (known := {v for v in columns[dimension] if v}):
            there = f"Those that occur: {', '.join(sorted(known))}." if known else f"No test question has a {dimension}."
            raise InputError(f"slice '{name}' holds no test question. {there}")


# ── what is found ────────────────────────────────────────────────────────────────────────────────────────────────────


def labels(table: ScoreTable, ref: ArmScores) -> dict[str, np.ndarray]:
    """Every question's value in each dimension; "" where it has none."""
    bare = contrasts.bare(table, ref)
    alone = bare.scores.mean(axis=0) if bare else np.full(len(table.questions), np.nan)
    return {
        "stratum": np.array(table.strata, dtype=object),
        "kind": np.array(table.kinds, dtype=object),
        "retrieval": _named(table.hit == 1.0, table.hit == 0.0, "retrieval"),
        "base": _named(alone >= KNOWN, alone < KNOWN, "base"),
        "writer": np.array(table.writer or [""] * len(table.questions), dtype=object),
    }


def _named(first: np.ndarray, second: np.ndarray, dimension: str) -> np.ndarray:
    one, other = DIMENSIONS[dimension]
    return np.array([one if a else other if b else "" for a, b in zip(first.tolist(), second.tolist(), strict=True)], dtype=object)


def rows(table: ScoreTable, ref: ArmScores, confirmatory: Sequence[str] = ()) -> list[SliceRow]:
    """Every arm in every slice that holds a scored question of it, with the seed variance of that slice.

    What is fixed beforehand gets no q: it is tested in `confirmed`, and the other looks are corrected for their own number.
    """
    found: list[SliceRow] = []
    p_values: dict[int, float] = {}
    for dimension, column in labels(table, ref).items():
        for value in dict.fromkeys(v for v in column if v):
            for row, p in _slice_rows(table, ref, dimension, value, column):
                if p is not None and f"{dimension}={value}" not in confirmatory:
                    p_values[len(found)] = p
                found.append(row)
    if p_values:
        for i, q in zip(p_values, false_discovery_control(list(p_values.values())), strict=True):
            found[i] = replace(found[i], q=float(q))
    return found


def _slice_rows(table: ScoreTable, ref: ArmScores, dimension: str, value: str, column: np.ndarray) -> list[tuple[SliceRow, float | None]]:
    """The arms of one slice, each with its two-sided p of no difference from the reference."""
    inside, outside = _halves(table, column, value)
    chooser = _chooser(table, ref, dimension)
    found = []
    for arm in (arm for arm in inside.table.arms if arm.scored.any() and arm.name != chooser):
        own = contrasts.estimate(inside.table, [(1, arm)], inside.seeds)
        tested = ref.name not in (arm.name, chooser)
        here, there = (half.difference(arm, ref, 0.0, contrasts.OWN_ALPHA) if tested else None for half in (inside, outside))
        p = stats.p_above(here.estimate, 0.0) if here else None
        level, minus = contrasts.level(own), here.estimate.mean if here else None
        elsewhere = Level(there.estimate.mean, there.low, there.high) if there else None
        row = SliceRow(dimension, value, arm.name, own.n, own.mean, level.low, level.high, minus, None, elsewhere)
        found.append((row, None if p is None else min(1.0, 2 * min(p, 1 - p))))
    return found


@dataclass(frozen=True)
class _Half:
    """Some of the questions, with the seed variances on them."""

    table: ScoreTable
    seeds: Mapping[str, SeedVariance]

    def difference(self, arm: ArmScores, ref: ArmScores, margin: float, alpha: float) -> Difference | None:
        """None: no question here is scored in both."""
        pair = (self.table.arm(arm.name), self.table.arm(ref.name))
        return next(iter(contrasts.differences(self.table, [pair], margin, alpha, self.seeds)), None)


def _halves(table: ScoreTable, column: np.ndarray, value: str) -> tuple[_Half, _Half]:
    """The slice, and the other questions of which the slice is known."""
    inside, outside = table.restrict(column == value), table.restrict((column != value) & (column != ""))
    return _Half(inside, contrasts.seed_variances(inside.arms)), _Half(outside, contrasts.seed_variances(outside.arms))


def _chooser(table: ScoreTable, ref: ArmScores, dimension: str) -> str | None:
    """The arm whose own scores made the slices: in them its mean is 1 or 0 by construction, and a difference from it says nothing."""
    bare = contrasts.bare(table, ref) if dimension == "base" else None
    return bare.name if bare else None


def confirmed(
    table: ScoreTable, ref: ArmScores, challengers: Sequence[ArmScores], confirmatory: Sequence[str], margin: float, alpha: float
) -> tuple[list[Confirmed], int]:
    """Each challenger minus the reference in each slice fixed beforehand: bounds of error alpha / tests, Holm's p over all tests; and their number.

    A test that the answers leave no question for still counts. Raises InputError for a slice whose value no question has.
    """
    columns = labels(table, ref)
    check_occur(confirmatory, {dimension: columns[dimension] for dimension, values in DIMENSIONS.items() if not values})
    tests = [(name, arm) for name in confirmatory for arm in challengers if _chooser(table, ref, parts(name)[0]) not in (arm.name, ref.name)]
    share = alpha / max(1, len(tests))
    halves = {name: _halves(table, columns[parts(name)[0]], parts(name)[1]) for name in confirmatory}
    found = []
    for name, arm in tests:
        here, there = (half.difference(arm, ref, margin, share) for half in halves[name])
        if here is not None:
            found.append(Confirmed(*parts(name), here, there))
    adjusted = contrasts.with_holm([one.difference for one in found], len(tests))
    return [replace(one, difference=difference) for one, difference in zip(found, adjusted, strict=True)], len(tests)
