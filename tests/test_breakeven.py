"""Break-evens in all cases of signs: by hand, against direct evaluation of the costs, and their intervals against independent ones."""

from __future__ import annotations

from itertools import product
from math import inf, sqrt

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from ragft.breakeven import REACH, Term, break_even, break_evens, chance, confidence_set, cost_terms, difference, surely_cheaper
from ragft.cost import Measured, Metered, Prices, arm_cost, measured

PRICES = Prices(machine_per_hour=3.6, questions_per_month=1000, updates_per_month=2, months=10)  # 0.001 a second


def exact(setup: float, question: float, update: float | None = None) -> Metered:
    return Metered(Measured(setup), Measured(question), 0.5, update_seconds=None if update is None else Measured(update))


def told(setup: Measured, question: Measured, update: Measured | None = None) -> Metered:
    return Metered(setup, question, 0.5, update_seconds=update)


# ── where it is ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("one", "other", "cheaper", "at"),
    [
        ((100, 0.4), (10, 0.5), "above", 1890),  # 90 s more, 21 times over, against 10 months x 0.1 s a question
        ((10, 0.5), (100, 0.4), "below", 1890),
        ((10, 0.4), (100, 0.5), "always", None),
        ((100, 0.5), (10, 0.4), "never", None),
        ((10, 0.4), (10, 0.5), "always", None),  # the same set-up
        ((10, 0.5), (10, 0.4), "never", None),
        ((10, 0.5), (100, 0.5), "always", None),  # the same cost a question
        ((100, 0.5), (10, 0.5), "never", None),
        ((10, 0.5), (10, 0.5), "never", None),  # the same throughout: not cheaper
        ((100, 0.5), (10, 0.5 - 1e-10), "never", None),  # a break-even beyond reach is none
        ((100, 0.5 - 1e-10), (10, 0.5), "never", None),
        ((10, 0.5), (100, 0.5 - 1e-10), "always", None),
    ],
)
def test_questions_by_hand(one, other, cheaper, at):
    found = break_even("a", exact(*one), "b", exact(*other), PRICES, "questions")
    assert (found.arm, found.other, found.axis, found.cheaper) == ("a", "b", "questions", cheaper)
    assert found.at == (None if at is None else pytest.approx(at))
    assert found.interval == (() if at is None else ((found.at, found.at),))  # nothing was measured with an error
    assert found.exists == (at is not None)


@pytest.mark.parametrize(
    ("one", "other", "cheaper", "at"),
    [
        ((100, 0.4), (10, 0.5), "below", 910 / 900),  # saves 1,000 s over the horizon; 90 s more for the set-up and each of 10 U updates
        ((10, 0.5), (100, 0.4), "above", 910 / 900),
        ((10, 0.4), (100, 0.5), "always", None),
        ((100, 0.5), (10, 0.4), "never", None),
        ((2000, 0.4), (10, 0.5), "never", None),  # more than it saves before the first update
        ((100, 0.4, 20), (10, 0.5, 10), "below", 9.1),  # 90 s, and then 10 s an update
        ((100, 0.4, 10), (10, 0.5, 20), "always", None),
        ((1100, 0.4, 10), (10, 0.5, 20), "above", 0.9),
        ((10, 0.5, 10), (100, 0.5, 10), "always", None),  # updates cost the same
        ((10, 0.5), (10, 0.5), "never", None),
    ],
)
def test_updates_by_hand(one, other, cheaper, at):
    found = break_even("a", exact(*one), "b", exact(*other), PRICES, "updates")
    assert (found.axis, found.cheaper) == ("updates", cheaper)
    assert found.at == (None if at is None else pytest.approx(at))


def test_both_axes_at_once():
    found = break_evens("a", exact(100, 0.4), "b", exact(10, 0.5), PRICES)
    assert [(even.axis, even.cheaper) for even in found] == [("questions", "above"), ("updates", "below")]


seconds = st.floats(0.01, 1000)
arms = st.builds(exact, seconds, seconds, st.none() | seconds)


@given(arms, arms, st.floats(0.1, 30), st.floats(1, 60), st.sampled_from(["questions", "updates"]), st.floats(0.01, 100))
def test_it_is_where_the_total_costs_are_equal(one, other, updates, months, axis, factor):
    prices = Prices(updates_per_month=updates, months=months)

    def totals(x):
        at = prices.model_copy(update={f"{axis}_per_month": x})
        return arm_cost(one, at).horizon_total, arm_cost(other, at).horizon_total

    found = break_even("a", one, "b", other, prices, axis)
    if found.at is not None:
        a, b = totals(found.at)
        assert a == pytest.approx(b, rel=1e-9)
    x = factor * (found.at or 1000)
    a, b = totals(x)
    assume(abs(a - b) > 1e-9 * a and x <= REACH[axis])
    expected = {"always": True, "never": False, "above": factor > 1, "below": factor < 1}[found.cheaper]
    assert (a < b) == expected


@given(arms, st.floats(0, 30))
def test_what_two_arms_share_leaves_nothing_behind(arm, updates):
    """Not even a rounding error, which would be a break-even at almost 0 or almost never."""
    prices = Prices(updates_per_month=updates)
    for axis in ("questions", "updates"):
        assert break_even("a", arm, "b", arm, prices, axis).cheaper == "never"
        assert difference(cost_terms(arm, arm, prices, axis), 123.4) == 0


# ── its interval ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_update_as_the_set_up_is_one_quantity():
    setup = Measured(60.0, 4.0, 2.0)
    once, twice = (cost_terms(told(setup, Measured(0.5), update), exact(0, 0), PRICES, "questions") for update in (None, setup))
    assert [(t.constant, t.slope) for t in once[:2]] == [(0, 10), (21, 0)]  # 21 set-ups of one measurement
    assert [(t.constant, t.slope) for t in twice[:3]] == [(0, 10), (1, 0), (20, 0)]


def test_what_plays_no_part_need_not_be_known():
    unknown = told(Measured(60.0, 1.0, 2.0), Measured(0.4, 1e-4, 8.0), Measured(5.0, 0.0, 0.0))  # the drill ran once
    other = told(Measured(5.0, 0.1, 2.0), Measured(0.5, 1e-4, 8.0), Measured(5.0, 0.0, 0.0))
    still = PRICES.model_copy(update={"updates_per_month": 0})
    assert break_even("a", unknown, "b", other, still, "questions").interval is not None
    found = break_even("a", unknown, "b", other, PRICES, "questions")
    assert (found.interval, found.exists, found.cheaper) == (None, None, "above")
    assert surely_cheaper(unknown, other, still) is not None and surely_cheaper(unknown, other, PRICES) is None


def test_what_the_reference_took_once_counts_as_nothing():
    """An index that was timed once may have cost anything: only what is saved besides it is sure."""
    once, free = Measured(600.0, 0.0, 0.0), Measured(0.0)
    arm = told(Measured(60.0, 1.0, 2.0), Measured(0.4, 1e-4, 8.0))
    for question, sure in ((0.9, True), (0.4, False)):
        other, without = (told(setup, Measured(question, 1e-4, 8.0)) for setup in (once, free))
        found = surely_cheaper(arm, other, PRICES)
        assert found == surely_cheaper(arm, without, PRICES) and (found > 0.95) == sure


def fieller(a, b, vaa, vab, vbb, z, reach):
    """{x in [0, reach]: (a + b x)² <= z² V(x)} for known variances, by the roots of the quadratic and the sign of its leading coefficient."""
    qa, qb, qc = b * b - z * z * vbb, 2 * (a * b - z * z * vab), a * a - z * z * vaa
    disc = qb * qb - 4 * qa * qc
    if disc < 0:
        stretches = [(-inf, inf)] if qa < 0 else []
    else:
        low, high = sorted([(-qb - sqrt(disc)) / (2 * qa), (-qb + sqrt(disc)) / (2 * qa)])
        stretches = [(low, high)] if qa > 0 else [(-inf, low), (high, inf)]
    clipped = [(max(low, 0.0), min(high, reach)) for low, high in stretches]
    return [(low, None if high == reach else high) for low, high in clipped if high > low]


Z = scipy.stats.norm.ppf(0.975)


def as_terms(a, b, va, vb):
    return (Term(Measured(a, va, inf), 1.0, 0.0), Term(Measured(b, vb, inf), 0.0, 1.0))


@pytest.mark.parametrize(
    ("a", "b", "va", "vb", "shape"),
    [
        (100.0, -0.1, 25.0, 1e-4, "bounded"),
        (100.0, -0.1, 25.0, 0.01, "from"),  # the slope may be 0: a ray
        (10.0, -0.1, 100.0, 1e-4, "to"),  # the start may be 0: begins at 0
        (-100.0, -0.1, 25.0, 0.01, "from"),  # estimated never to be, and not excluded
        (-10.0, -0.5, 100.0, 1e-4, "to"),
        (0.1, 0.1, 100.0, 0.1, "everything"),
        (-100.0, -0.1, 25.0, 1e-4, "nothing"),
        (100.0, 0.1, 25.0, 1e-4, "nothing"),
    ],
)
def test_the_shapes_of_an_interval_of_known_variances(a, b, va, vb, shape):
    found = confidence_set(as_terms(a, b, va, vb), "questions")
    expected = fieller(a, b, va, 0.0, vb, Z, REACH["questions"])
    assert len(found) == len(expected) == (0 if shape == "nothing" else 1)
    for (low, high), (low_too, high_too) in zip(found, expected, strict=True):
        assert low == pytest.approx(low_too, rel=1e-6)
        assert (high is None) == (high_too is None) and (high is None or high == pytest.approx(high_too, rel=1e-6))
        assert ((low > 0), (high is None)) == {"bounded": (True, False), "from": (True, True), "to": (False, False), "everything": (False, True)}[
            shape
        ]


def test_two_rays():
    """One quantity enters with both signs, so that D's error is smallest in between."""
    terms = (Term(Measured(1.0, 1.0, inf), 100.0, -1.0), Term(Measured(0.0, 1.0, inf), 1.0, 0.0), Term(Measured(30.0), 1.0, 0.0))
    found = confidence_set(terms, "questions")
    expected = fieller(130.0, -1.0, 100.0**2 + 1, -100.0, 1.0, Z, REACH["questions"])
    assert len(found) == len(expected) == 2
    assert found[0] == (0.0, pytest.approx(expected[0][1])) and found[1] == (pytest.approx(expected[1][0]), None)


@given(st.floats(-100, 100), st.floats(-1, 1), st.floats(0.01, 1e4), st.floats(1e-6, 1))
def test_an_interval_of_known_variances_is_fieller_s(a, b, va, vb):
    reach = REACH["questions"]
    found, expected = confidence_set(as_terms(a, b, va, vb), "questions"), fieller(a, b, va, 0.0, vb, Z, reach)
    ends = [end for segment in expected for end in segment if end]
    assume(
        all(1e-6 < end < reach / 10 for end in ends) and abs(b * b - Z * Z * vb) > 1e-3 * vb
    )  # not at the rim, where the ends go to infinity and rounding decides
    assert len(found) == len(expected)
    for segment, other in zip(found, expected, strict=True):
        assert segment == tuple(None if end is None else pytest.approx(end, rel=1e-5, abs=1e-9) for end in other)


measurements = st.builds(Measured, st.floats(0.1, 100), st.floats(1e-6, 100), st.floats(1, 40))
noisy = st.builds(told, measurements, measurements, st.none() | measurements)


@given(noisy, noisy, st.sampled_from(["questions", "updates"]))
def test_an_interval_is_where_a_welch_test_finds_no_difference(one, other, axis):
    """Point by point, with degrees of freedom by Satterthwaite's formula and scipy's t."""
    terms, found = cost_terms(one, other, PRICES, axis), break_even("a", one, "b", other, PRICES, axis)
    assert found.interval is not None
    for x in [0.0, *np.geomspace(1e-3, REACH[axis], 60)]:
        weights = [term.constant + term.slope * x for term in terms]
        mean = sum(w * term.measured.mean for w, term in zip(weights, terms, strict=True))
        parts = [w * w * term.measured.variance for w, term in zip(weights, terms, strict=True)]
        df = sum(parts) ** 2 / sum(v * v / term.measured.df for v, term in zip(parts, terms, strict=True))
        p = 2 * scipy.stats.t.sf(abs(mean) / sqrt(sum(parts)), df)
        inside = any(low <= x and (high is None or x <= high) for low, high in found.interval)
        assert inside == (p >= 0.05) or p == pytest.approx(0.05, abs=1e-4)
    if found.at is not None:
        assert any(low <= found.at and (high is None or found.at <= high) for low, high in found.interval)


def test_a_narrow_interval_is_not_missed():
    one, other = told(Measured(100.0, 1e-12, 2.0), Measured(0.4, 1e-18, 8.0)), told(Measured(10.0, 1e-12, 2.0), Measured(0.5, 1e-18, 8.0))
    ((low, high),) = break_even("a", one, "b", other, PRICES, "questions").interval
    assert low < 1890 < high and high - low < 1e-3


def test_intervals_hold_the_truth():
    """Of 95 % intervals of setups with three measurements and questions with nine; in the check of `ragft validate` by more."""
    rng, number, held, fixed = np.random.default_rng(1), 600, 0, 0
    for _ in range(number):
        one, other = (told(measured(rng.normal(setup, 5, 3)), measured(rng.normal(question, 0.05, 9))) for setup, question in ((100, 0.4), (60, 0.5)))
        interval = break_even("a", one, "b", other, PRICES, "questions").interval
        held += any(low <= 840 and (high is None or high >= 840) for low, high in interval)
        known = [Measured(m.mean, m.variance) for arm in (one, other) for m in (arm.setup_seconds, arm.question_seconds)]
        interval = break_even("a", told(*known[:2]), "b", told(*known[2:]), PRICES, "questions").interval
        fixed += any(low <= 840 and (high is None or high >= 840) for low, high in interval)
    assert 0.93 <= held / number <= 0.98
    assert fixed < held - 0.01 * number  # variances taken for known are not enough: the test would see it


# ── how likely it is ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("signs", list(product((1, -1), (1, -1))))
@pytest.mark.parametrize("update", [None, Measured(30.0, 20.0, 3.0)])
def test_the_probability_that_there_is_one_is_that_of_other_draws(signs, update):
    one = told(Measured(30.0 + 3 * signs[0], 4.0, 2.0), Measured(0.4 + 0.02 * signs[1], 4e-4, 8.0), update)
    other = told(Measured(30.0, 4.0, 2.0), Measured(0.4, 4e-4, inf), update)
    rng, n = np.random.default_rng(99), 100_000

    def drawn(value):
        return value.mean + np.sqrt(value.variance) * scipy.stats.t.rvs(min(value.df, 1e6), size=n, random_state=rng)

    def total(arm, questions, updates):
        setup, question = drawn(arm.setup_seconds), drawn(arm.question_seconds)
        again = setup if arm.update_seconds is None else drawn(arm.update_seconds)
        return [0.001 * (setup + 10 * (u * again + q * question)) for q, u in zip(questions, updates, strict=True)]

    for axis, questions, updates in (("questions", (0, 1e9), (2, 2)), ("updates", (1000, 1000), (0, 1e4))):
        (a0, a1), (b0, b1) = total(one, questions, updates), total(other, questions, updates)
        share = np.mean((a0 - b0 < 0) != (a1 - b1 < 0))
        found = break_even("a", one, "b", other, PRICES, axis).exists
        assert found == pytest.approx(share, abs=0.02) and 0.02 < found < 0.98


def test_a_probability_does_not_depend_on_luck():
    terms = cost_terms(told(Measured(30.0, 4.0, 2.0), Measured(0.4, 4e-4, 8.0)), exact(29, 0.41), PRICES, "questions")
    assert chance(terms, "questions") == chance(terms, "questions")


def test_how_sure_it_is_that_an_arm_is_cheaper_equals_welch_s_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(100, 5, 4), rng.normal(104, 9, 3)
    one, other = (told(measured(values), Measured(0.5)) for values in (a, b))
    test = scipy.stats.ttest_ind(a, b, equal_var=False, alternative="less")
    assert surely_cheaper(one, other, PRICES) == pytest.approx(1 - test.pvalue)
    assert surely_cheaper(one, other, PRICES) + surely_cheaper(other, one, PRICES) == pytest.approx(1)


def test_exact_costs_are_surely_cheaper_or_surely_not():
    assert surely_cheaper(exact(10, 0.4), exact(10, 0.5), PRICES) == 1
    assert surely_cheaper(exact(10, 0.5), exact(10, 0.4), PRICES) == surely_cheaper(exact(10, 0.5), exact(10, 0.5), PRICES) == 0


def test_free_machines_leave_only_what_is_paid_for():
    """With an API that answers and a machine that costs nothing, set-ups that were measured once are no obstacle."""
    prices = Prices(machine_per_hour=0, prompt_tokens_per_million=1.0)
    one, other = (Metered(Measured(60.0, 0.0, 0.0), Measured(0.5, 0.0, 0.0), 0.5, prompt_tokens=tokens) for tokens in (50, 400))
    found = break_even("a", one, "b", other, prices, "questions")
    assert (found.cheaper, found.interval, found.exists) == ("always", (), 0.0)
