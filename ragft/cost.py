"""Seconds and prices -> what an arm costs, and the volume at which two arms cost the same.

C(Q, U, T) = S + U·T·u + Q·T·c: set-up S, u an update, c a question, U updates and Q questions a month over T months.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from ragft.strict import Strict

SECONDS_PER_HOUR = 3600


class Prices(Strict):
    """What the user states. The default price is a placeholder of the right size for a small rented machine: state your own."""

    currency: str = "EUR"
    machine_per_hour: float = Field(default=0.10, ge=0)
    questions_per_month: float = Field(default=10_000, gt=0)
    updates_per_month: float = Field(default=1, ge=0)
    months: float = Field(default=12, gt=0)


@dataclass(frozen=True, slots=True)
class ArmCost:
    """Machine seconds measured in this run, and what they cost at the stated prices."""

    setup_seconds: float  # index and one seed's training
    update_seconds: float  # the same again: a changed corpus is indexed and trained on anew
    seconds_per_question: float
    setup: float
    update: float
    per_1000_questions: float
    per_correct_answer: float | None  # of answering alone, without set-up; None: no answer was right
    horizon_total: float


def arm_cost(setup_seconds: float, seconds_per_question: float, share_correct: float, prices: Prices) -> ArmCost:
    """The cost of one arm; `share_correct` is its mean score."""
    rate = prices.machine_per_hour / SECONDS_PER_HOUR
    setup, question = setup_seconds * rate, seconds_per_question * rate
    total = setup + prices.months * (prices.updates_per_month * setup + prices.questions_per_month * question)
    return ArmCost(
        setup_seconds=setup_seconds,
        update_seconds=setup_seconds,
        seconds_per_question=seconds_per_question,
        setup=setup,
        update=setup,
        per_1000_questions=1000 * question,
        per_correct_answer=question / share_correct if share_correct > 0 else None,
        horizon_total=total,
    )


@dataclass(frozen=True, slots=True)
class BreakEven:
    """At what monthly volume `arm` and `other` cost the same over the horizon; `volume` None: at none."""

    arm: str
    other: str
    volume: float | None
    cheaper: Literal["always", "never", "above", "below"]  # when `arm` is the cheaper one, with respect to `volume`


def break_even(arm: str, cost: ArmCost, other: str, other_cost: ArmCost, prices: Prices) -> BreakEven:
    """The four cases of signs: fixed costs up or down, cost a question up or down."""
    fixed = (cost.setup - other_cost.setup) + prices.months * prices.updates_per_month * (cost.update - other_cost.update)
    question = prices.months * (cost.per_1000_questions - other_cost.per_1000_questions) / 1000
    if fixed >= 0 and question >= 0:  # the same cost throughout is not cheaper
        return BreakEven(arm, other, None, "never")
    if fixed <= 0 and question <= 0:
        return BreakEven(arm, other, None, "always")
    return BreakEven(arm, other, -fixed / question, "above" if question < 0 else "below")
