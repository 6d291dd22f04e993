"""Dose-response: does a tuned arm gain with every doubling of the wordings a fact is trained with, and would more overtake the reference?

A straight line in log2(dose) is laid through the scores of arms that differ in nothing else (gains grow about log-linearly
with variety: 2409.07431). Its slope and its forecasts are weighted sums of the arms, so that documents and seeds are
accounted for as in every other difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtr

from ragft import contrasts, stats
from ragft.comparison import Dose, Forecast
from ragft.scoretable import ArmScores, ScoreTable
from ragft.stats import Estimate
from ragft.tuning.formats import WORDINGS

TIMES = (2, 4, 16)  # the largest dose, of which a score is forecast
LEAST_FOR_BEND = 3  # doses; two always lie on a line


def dose_of(arm: Mapping[str, Any]) -> float | None:
    """Wordings a fact is trained with, from arm.json; None: the arm's format has no such dose."""
    return float((arm.get("format_options") or {}).get("wordings", WORDINGS)) if arm["format"] == "paraphrase" else None


def recipe_of(arm: Mapping[str, Any]) -> str:
    """What arms of one dose-response share, from arm.json: the options of tuning and format, but for the dose.

    Not the learning rate: a search may choose another for each dose, as it would for whoever takes more wordings.
    """
    form = {key: value for key, value in (arm.get("format_options") or {}).items() if key != "wordings"}
    return repr((sorted((arm.get("options") or {}).items()), sorted(form.items())))


def doses(table: ScoreTable, ref: ArmScores) -> list[Dose]:
    """One record for each group of arms that differ in the dose only and have at least two of them."""
    groups: dict[tuple[Any, ...], list[ArmScores]] = {}
    for arm in table.arms:
        if arm.dose is not None and arm.deployable and arm.scored.any():
            groups.setdefault((arm.tuning, arm.retriever, arm.k, arm.model, arm.format, arm.recipe), []).append(arm)
    found = [_response(table, sorted(arms, key=lambda arm: arm.dose or 0.0), ref) for arms in groups.values() if len({arm.dose for arm in arms}) > 1]
    return [one for one in found if one]


def _response(table: ScoreTable, arms: Sequence[ArmScores], ref: ArmScores) -> Dose | None:
    """All of it on the questions that every arm of it has scores for, the reference too where it has any of them; None: there is none."""
    common = np.all([arm.scored for arm in arms], axis=0)
    if not common.any():
        return None
    compared = bool((common & ref.scored).any())
    part = table.restrict(common & ref.scored if compared else common)
    seeds = contrasts.seed_variances(part.arms)
    names, sizes = [arm.name for arm in arms], [float(arm.dose or 0.0) for arm in arms]

    def total(weights: Mapping[str, float]) -> Estimate:
        return contrasts.estimate(part, [(weight, part.arm(name)) for name, weight in weights.items() if abs(weight) > 1e-12], seeds)

    def forecast(times: float) -> Forecast:
        weights = dict(zip(names, line_weights(sizes, times * max(sizes)), strict=True))
        level = total(weights)
        low, high = (contrasts.clip(bound) for bound in level.bounds(contrasts.OWN_ALPHA))
        ahead = total({**weights, ref.name: weights.get(ref.name, 0.0) - 1}) if compared else None
        return Forecast(times * max(sizes), level, low, high, _chance(ahead) if ahead else None)

    slope = total(dict(zip(names, slope_weights(sizes), strict=True)))
    bend = total(dict(zip(names, bend_weights(sizes), strict=True))) if len(set(sizes)) >= LEAST_FOR_BEND else None
    below = stats.p_above(bend, 0.0) if bend else None
    return Dose(
        arms=tuple(names),
        doses=tuple(sizes),
        levels=tuple(contrasts.level(total({name: 1.0})) for name in names),
        slope=slope,
        low=slope.bounds(contrasts.OWN_ALPHA)[0],
        high=slope.bounds(contrasts.OWN_ALPHA)[1],
        forecasts=tuple(forecast(times) for times in TIMES),
        reference=contrasts.level(total({ref.name: 1.0})) if compared else None,
        bend=bend,
        bend_p=None if below is None else min(1.0, 2 * min(below, 1 - below)),
    )


def _chance(found: Estimate) -> float | None:
    """That the true difference is above 0, with a flat prior: one less the one-sided p-value."""
    return float(stdtr(found.df, found.mean / found.se)) if found.df > 0 else None


# ── weights of the arms: each dose counts the same, however many arms have it ────────────────────────────────────────


def slope_weights(sizes: Sequence[float]) -> list[float]:
    """Of the least-squares slope over log2(dose)."""
    x = np.log2(np.unique(sizes))
    centred = x - x.mean()
    return _per_arm(sizes, centred / (centred**2).sum())


def line_weights(sizes: Sequence[float], dose: float) -> list[float]:
    """Of the least-squares line's value at a dose."""
    x = np.log2(np.unique(sizes))
    centred = x - x.mean()
    return _per_arm(sizes, 1 / len(x) + (np.log2(dose) - x.mean()) * centred / (centred**2).sum())


def bend_weights(sizes: Sequence[float]) -> list[float]:
    """Of what a line leaves over of a parabola, positive at the ends: how far the middle lies below the ends."""
    x = np.log2(np.unique(sizes))
    design = np.stack([np.ones_like(x), x], axis=1)
    rest = x**2 - design @ np.linalg.lstsq(design, x**2, rcond=None)[0]
    return _per_arm(sizes, 2 * rest / np.abs(rest).sum())


def _per_arm(sizes: Sequence[float], weights: np.ndarray) -> list[float]:
    """The weights of the different doses, each shared by the arms that have it."""
    different, place, count = np.unique(sizes, return_inverse=True, return_counts=True)
    assert len(different) == len(weights)
    return (weights / count)[place].tolist()
