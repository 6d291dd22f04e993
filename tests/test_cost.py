"""Costs by hand from seconds, tokens and memory; what is measured against plain arithmetic and an independent jackknife."""

from __future__ import annotations

import doctest
import re
from math import inf, isnan, pi
from pathlib import Path
from statistics import mean, median, variance

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ragft.cost import Measured, Metered, Prices, arm_cost, measured, measured_by_batch, timed_once
from ragft.errors import InputError

PRICES = Prices(machine_per_hour=3.6, questions_per_month=1000, updates_per_month=2, months=10)  # 0.001 a second


def metered(**changes) -> Metered:
    return Metered(**{"setup_seconds": Measured(600.0), "question_seconds": Measured(0.5), "share_correct": 0.25, **changes})


# ── what an arm costs ────────────────────────────────────────────────────────────────────────────────────────────────


def test_cost_by_hand():
    cost = arm_cost(metered(), PRICES)
    assert (cost.setup_seconds, cost.seconds_per_question) == (600, 0.5)
    assert cost.setup == pytest.approx(0.6)
    assert cost.update == pytest.approx(0.6)  # the set-up again
    assert cost.per_1000_questions == pytest.approx(0.5)
    assert cost.per_correct_answer == pytest.approx(0.002)  # every fourth answer is right
    assert cost.horizon_total == pytest.approx(0.6 + 10 * (2 * 0.6 + 1000 * 0.0005))


def test_the_horizon_in_months_updates_and_questions():
    found = {
        name: arm_cost(metered(), PRICES.model_copy(update={name: value})).horizon_total
        for name, value in (("months", 20), ("updates_per_month", 0), ("questions_per_month", 3000))
    }
    assert found == pytest.approx({"months": 34.6, "updates_per_month": 5.6, "questions_per_month": 27.6})


def test_no_correct_answer_has_no_price():
    assert arm_cost(metered(share_correct=0.0), PRICES).per_correct_answer is None


def test_an_update_that_was_measured():
    cost = arm_cost(metered(update_seconds=Measured(100.0)), PRICES)
    assert (cost.setup, cost.update) == pytest.approx((0.6, 0.1))
    assert cost.horizon_total == pytest.approx(0.6 + 10 * (2 * 0.1 + 0.5))


def test_electricity_by_hand():
    prices = Prices(machine_per_hour=0.10, watts=500, electricity_per_kwh=0.20)
    assert prices.second(gib=7) == pytest.approx(0.20 / 3600)  # 0.10 of rent and half a kilowatt-hour
    assert Prices(machine_per_hour=0, watts=1000).second(0) == pytest.approx(0.19 / 3600)  # the default price
    assert Prices().second(100) == pytest.approx(0.10 / 3600)  # neither electricity nor memory counts by default


def test_memory_is_paid_for_while_it_is_held():
    prices = PRICES.model_copy(update={"machine_per_hour": 0.0, "memory_per_gib_hour": 0.36})
    cost = arm_cost(metered(setup_gib=10.0, answer_gib=2.0), prices)
    assert cost.setup == pytest.approx(600 * 10 * 0.0001)
    assert cost.per_1000_questions == pytest.approx(1000 * 0.5 * 2 * 0.0001)


# ── behind an API ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_api_that_answers_is_paid_by_token():
    prices = PRICES.model_copy(update={"prompt_tokens_per_million": 2.0, "completion_tokens_per_million": 10.0})
    cost = arm_cost(metered(prompt_tokens=400, completion_tokens=20), prices)
    assert cost.per_1000_questions == pytest.approx(1000 * (400 * 2 + 20 * 10) / 1e6)
    assert cost.setup == pytest.approx(0.6)  # still on the machine
    assert metered(prompt_tokens=400, question_seconds=Measured(0.5, 1.0, 0.0)).question(prices) == Measured(0.0008)  # counted, hence exact


def test_one_price_of_two_leaves_the_other_free():
    prices = PRICES.model_copy(update={"completion_tokens_per_million": 10.0})
    assert metered(prompt_tokens=400, completion_tokens=20).question(prices) == Measured(pytest.approx(0.0002))


def test_a_price_per_token_without_tokens_is_no_cost_of_0():
    with pytest.raises(InputError, match="were not counted"):
        arm_cost(metered(), PRICES.model_copy(update={"prompt_tokens_per_million": 2.0}))


def test_an_api_that_trains_is_paid_by_token_and_leaves_the_index():
    prices = PRICES.model_copy(update={"training_tokens_per_million": 3.0})
    arm = metered(training_tokens=2e6, index_seconds=Measured(50.0, 4.0, 2.0), update_seconds=Measured(1.0))
    assert arm.setup(prices) == Measured(pytest.approx(6.05), pytest.approx(4e-6), 2.0)
    assert arm.update(prices) == arm.setup(prices) and arm.updates_as_setup(prices)
    untrained = metered(index_seconds=Measured(600.0))  # nothing of it is trained
    assert untrained.setup(prices).mean == pytest.approx(0.6)
    assert not metered(update_seconds=Measured(1.0)).updates_as_setup(prices)


@pytest.mark.parametrize("name", ["machine_per_hour", "watts", "memory_per_gib_hour", "prompt_tokens_per_million", "updates_per_month"])
def test_no_price_is_negative(name):
    with pytest.raises(ValidationError):
        Prices(**{name: -1})


# ── what is measured ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mean_and_its_variance_by_hand():
    assert measured([1.0, 2.0, 3.0]) == Measured(2.0, pytest.approx(1 / 3), 2.0)
    assert measured([5.0]) == Measured(5.0, 0.0, 0.0)  # once: unknown, and not 0
    assert measured([5.0, 5.0]) == Measured(5.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="nothing"):
        measured([])


@given(st.lists(st.floats(0.01, 1000), min_size=2, max_size=20))
def test_a_mean_equals_the_standard_library_s(values):
    found = measured(values)
    assert (found.mean, found.variance) == pytest.approx((mean(values), variance(values) / len(values)), abs=1e-9)


def test_prices_scale_what_is_measured():
    assert Measured(2.0, 0.5, 3.0).times(4.0) == Measured(8.0, 8.0, 3.0)
    assert Measured(2.0, 0.0, 0.0).times(0.0) == Measured(0.0, 0.0, inf)  # what costs nothing is exact, however often it was measured


def test_a_sum_has_satterthwaite_s_degrees_of_freedom():
    a, b = [1.0, 1.4, 1.1, 1.7], [10.0, 12.0, 9.0]
    found = measured(a).plus(measured(b))
    welch = scipy.stats.ttest_ind(a, b, equal_var=False)
    assert found.mean == pytest.approx(mean(a) + mean(b))
    assert found.variance == pytest.approx(variance(a) / 4 + variance(b) / 3)
    assert found.df == pytest.approx(welch.df)


def test_sums_with_what_is_exact_and_what_is_unknown():
    known, exact, unknown = Measured(1.0, 0.2, 4.0), Measured(3.0), Measured(2.0, 0.0, 0.0)
    assert known.plus(exact) == Measured(4.0, 0.2, pytest.approx(4.0))
    assert exact.plus(exact) == Measured(6.0)
    assert known.plus(unknown).df == unknown.plus(exact).df == 0
    assert Measured(1.0, 0.2, inf).plus(Measured(1.0, 0.3, inf)) == Measured(2.0, 0.5, inf)
    assert not isnan(Measured(1.0, 0.2, inf).plus(known).df)


def test_a_typical_question_by_hand():
    values, batches = [1.0, 1.0, 2.0, 2.0, 6.0, 6.0], ["a", "a", "b", "b", "c", "c"]
    found = measured_by_batch(values, batches)
    assert found.mean == 2.0  # the median: one slow batch does not decide it
    assert found.variance == pytest.approx(pi / 2 * variance([1.0, 2.0, 6.0]) / 3)  # batches of one size: that of their mean
    assert found.df == pytest.approx(2.0)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 4)), min_size=2, max_size=30))
def test_a_typical_question_equals_an_independent_jackknife(pairs):
    values, batches = [value for value, _ in pairs], [batch for _, batch in pairs]
    found, names = measured_by_batch(values, batches), sorted(set(batches))
    assert found.mean == pytest.approx(median(values))
    effective = len(values) ** 2 / sum(batches.count(name) ** 2 for name in names) - 1
    if effective < 1:
        assert (found.variance, found.df) == (0.0, 0.0)
        return
    without = [mean(v for v, batch in pairs if batch != name) for name in names]
    spread = (len(names) - 1) / len(names) * sum((left - mean(values)) ** 2 for left in without)
    assert found.variance == pytest.approx(pi / 2 * spread, abs=1e-9)
    assert found.df == pytest.approx(effective)


def test_of_one_batch_the_variance_is_unknown():
    assert measured_by_batch([1.0, 3.0], ["a", "a"]) == Measured(2.0, 0.0, 0.0)
    assert measured_by_batch([1.0] * 99 + [2.0], ["a"] * 99 + ["b"]).df == 0  # and of one that holds nearly all questions
    with pytest.raises(ValueError, match="nothing"):
        measured_by_batch([], [])


def test_a_load_on_one_batch_does_not_decide_but_is_seen():
    rng = np.random.default_rng(0)
    batches = np.repeat(np.arange(9), 8)
    quiet = np.repeat(rng.normal(1.0, 0.01, 9), 8)
    loaded = np.where(batches == 3, 3 * quiet, quiet)
    still, disturbed = (measured_by_batch(values.tolist(), batches.tolist()) for values in (quiet, loaded))
    assert disturbed.mean == pytest.approx(still.mean, rel=0.02)
    assert disturbed.variance > 100 * still.variance


# ── docs/costs.md ────────────────────────────────────────────────────────────────────────────────────────────────────

PAGE = Path(__file__).parents[1] / "docs" / "costs.md"


def test_the_example_of_the_page_is_what_the_code_says():
    found = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert found.attempted > 10 and found.failed == 0


def test_the_page_has_every_price_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = {name: "none" if field.default is None else f"`{field.default:g}`" for name, field in Prices.model_fields.items() if name != "currency"}
    assert {name: text if text == "none" else f"`{float(text.strip('`')):g}`" for name, text in rows.items() if name != "currency"} == shown
    assert rows["currency"] == f"`{Prices().currency}`"


def test_what_was_timed_once_varies_as_one_timing_does():
    """Three trainings and three indexes by hand; the update took twice as long as their sum."""
    trained, indexed = measured([60.0, 66.0, 72.0]), measured([2.0, 3.0, 4.0])
    found = timed_once(138.0, [trained, indexed])
    assert (found.mean, found.variance) == (138.0, pytest.approx(4 * (36 + 1)))
    assert found.df == pytest.approx(37**2 / (36**2 / 2 + 1 / 2))
    assert timed_once(5.0, [Measured(0.0), indexed]).variance == pytest.approx((5 / 3) ** 2)
    assert timed_once(5.0, [measured([3.0])]) == Measured(5.0, 0.0, 0.0)
    assert timed_once(5.0, [Measured(0.0)]) == Measured(5.0, 0.0, 0.0)
