"""Costs by hand, and break-even volumes in all cases of signs against direct evaluation of the cost function."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.cost import ArmCost, Prices, arm_cost, break_even

PRICES = Prices(machine_per_hour=3.6, questions_per_month=1000, updates_per_month=2, months=10)  # 0.001 a second


def total(cost: ArmCost, questions_per_month: float, prices: Prices = PRICES) -> float:
    """C(Q, U, T) = S + U·T·u + Q·T·c."""
    return cost.setup + prices.updates_per_month * prices.months * cost.update + questions_per_month * prices.months * cost.per_1000_questions / 1000


def test_cost_by_hand():
    cost = arm_cost(setup_seconds=600, seconds_per_question=0.5, share_correct=0.25, prices=PRICES)
    assert cost.setup == pytest.approx(0.6)
    assert cost.update == pytest.approx(0.6)
    assert cost.per_1000_questions == pytest.approx(0.5)
    assert cost.per_correct_answer == pytest.approx(0.002)
    assert cost.horizon_total == pytest.approx(0.6 + 10 * (2 * 0.6 + 1000 * 0.0005))
    assert cost.horizon_total == pytest.approx(total(cost, 1000))


def test_no_correct_answer_has_no_price():
    assert arm_cost(1, 1, 0.0, PRICES).per_correct_answer is None


@pytest.mark.parametrize(
    ("setup", "seconds", "other_setup", "other_seconds", "cheaper", "volume"),
    [
        (100, 0.4, 10, 0.5, "above", 1890),  # 90 s more, 21 times over, against 10 months x 0.1 s a question
        (10, 0.5, 100, 0.4, "below", 1890),
        (10, 0.4, 100, 0.5, "always", None),
        (100, 0.5, 10, 0.4, "never", None),
        (10, 0.4, 10, 0.5, "always", None),  # the same set-up
        (10, 0.5, 10, 0.4, "never", None),
        (10, 0.5, 100, 0.5, "always", None),  # the same cost a question
        (100, 0.5, 10, 0.5, "never", None),
        (10, 0.5, 10, 0.5, "never", None),  # the same throughout: not cheaper
    ],
)
def test_break_even_by_hand(setup, seconds, other_setup, other_seconds, cheaper, volume):
    found = break_even("a", arm_cost(setup, seconds, 0.5, PRICES), "b", arm_cost(other_setup, other_seconds, 0.5, PRICES), PRICES)
    assert found.cheaper == cheaper
    assert found.volume == (None if volume is None else pytest.approx(volume))
    assert (found.arm, found.other) == ("a", "b")


positive = st.floats(0.01, 1000)


@given(positive, positive, positive, positive, st.floats(0, 30), st.floats(1, 60), st.floats(0.01, 100))
def test_break_even_agrees_with_the_cost_function(setup, seconds, other_setup, other_seconds, updates, months, factor):
    prices = Prices(updates_per_month=updates, months=months)
    a, b = arm_cost(setup, seconds, 0.5, prices), arm_cost(other_setup, other_seconds, 0.5, prices)
    found = break_even("a", a, "b", b, prices)
    volume = factor * (found.volume if found.volume is not None else 1000)
    difference = total(a, volume, prices) - total(b, volume, prices)
    if abs(difference) < 1e-9 * total(a, volume, prices):
        return  # at the break-even itself
    at_volume = {"always": True, "never": False, "above": factor > 1, "below": factor < 1}[found.cheaper]
    assert (difference < 0) == at_volume
