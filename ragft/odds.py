"""The second panel: not what to do, but how the odds lie for each arm. Nothing here makes a verdict.

Means are drawn from their joint t distribution, costs from theirs; a flat prior, so that the chance that a gain is above
the margin is one less the one-sided p-value of the opposite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from scipy.special import stdtr

from ragft.case import Case
from ragft.comparison import Difference, Joint
from ragft.cost import Prices
from ragft.needs import ArmFacts

DRAWS = 4000
DIGITS = 4  # more would be noise, and differ between machines
SEED = 0  # the same draws every time: a decision replays bit for bit


@dataclass(frozen=True, slots=True)
class Odds:
    """One arm that could be deployed. Chances are in [0, 1], the loss is a difference of mean scores; None: not known."""

    arm: str
    gain: float | None  # that it is better than the reference by more than the margin; None for the reference too
    same: float | None  # that it differs from the reference by no more than the margin (ROPE)
    loss: float | None  # expected: how far the best arm's mean is above this one's, over all that the data leave possible
    front: float | None  # that no other arm is as good in score, cost and waiting time and better in one of them


def odds(case: Case) -> tuple[Odds, ...]:
    """One record an arm, in the comparison's order, without those that could not be trained."""
    joint = case.found.joint
    if joint is None:
        return ()
    kept = [i for i, arm in enumerate(joint.arms) if not case.facts[arm].untrained]
    arms = [joint.arms[i] for i in kept]
    draws = _draws(joint, kept)
    losses: Sequence[float | None] = (
        [None] * len(arms) if draws is None else [round(float(x), DIGITS) for x in (draws.max(axis=0) - draws).mean(axis=1)]
    )
    fronts = [None] * len(arms) if draws is None else _fronts(case, arms, draws)
    against = {d.arm: d for d in case.found.challengers}
    return tuple(
        Odds(arm, *_chances(against.get(arm), case.found.margin), loss, front) for arm, loss, front in zip(arms, losses, fronts, strict=True)
    )


def _chances(found: Difference | None, margin: float) -> tuple[float | None, float | None]:
    if found is None or found.estimate.df <= 0:
        return None, None
    value = found.estimate
    above, below = (float(stdtr(value.df, (value.mean - edge) / value.se)) for edge in (margin, -margin))
    return above, below - above


def _draws(joint: Joint, kept: Sequence[int]) -> np.ndarray | None:
    """(arms, DRAWS) means as they may be; None where their covariance is not known."""
    if joint.df <= 0:
        return None
    rng = np.random.default_rng(SEED)
    spread, axes = np.linalg.eigh(np.array(joint.covariance)[np.ix_(kept, kept)])
    normal = axes * np.sqrt(np.maximum(spread, 0.0)) @ rng.standard_normal((len(kept), DRAWS))
    return np.array(joint.means)[kept, None] + normal / np.sqrt(rng.chisquare(joint.df, DRAWS) / joint.df)


def _fronts(case: Case, arms: Sequence[str], draws: np.ndarray) -> Sequence[float | None]:
    """The share of draws in which no other arm dominates; by what is known of all arms, of score, cost and waiting time."""
    facts = [case.facts[arm] for arm in arms]
    worse = [-draws, *_cost_draws(facts, case.prices), *_waits(facts)]
    found = []
    for i in range(len(arms)):
        no_worse, better = np.ones_like(draws, dtype=bool), np.zeros_like(draws, dtype=bool)
        for axis in worse:
            no_worse &= axis <= axis[i]
            better |= axis < axis[i]
        found.append(round(float(1 - (no_worse & better).any(axis=0).mean()), DIGITS))
    return found


def _cost_draws(facts: Sequence[ArmFacts], prices: Prices) -> list[np.ndarray]:
    """Over the horizon: [(arms, DRAWS)], or nothing where an arm's cost is not known, or what of it was measured once."""
    rng, rows = np.random.default_rng(SEED + 1), []
    for arm in facts:
        if arm.metered is None:
            return []
        row = np.zeros(DRAWS)
        for quantity, times in arm.metered.over(prices):
            if times and quantity.df <= 0:
                return []  # how it varies is not known, and it must not pass for exact
            luck = rng.standard_normal(DRAWS) if quantity.df == inf else rng.standard_t(quantity.df, DRAWS) if quantity.df > 0 else 0.0
            row += times * (quantity.mean + np.sqrt(quantity.variance) * luck)
        rows.append(row)
    return [np.stack(rows)]


def _waits(facts: Sequence[ArmFacts]) -> list[np.ndarray]:
    values = [arm.value("p95_latency_seconds") for arm in facts]
    return [] if any(value is None for value in values) else [np.array(values, dtype=float)[:, None]]
