"""Bounds of what is measured, against statsmodels, scipy and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, nct, norm, t
from statsmodels.stats.proportion import proportion_confint

from ragft.quantities import Fixed, Mean, Rate, Waits, none_of, rate
from ragft.stats import clustered_mean, exact_bounds

counts = st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.2, 0.05, 0.025]))
def test_exact_bounds_are_those_of_statsmodels(counts, alpha):
    k, n = counts
    assert exact_bounds(k, n, alpha) == pytest.approx(proportion_confint(k, n, alpha=2 * alpha, method="beta"))


def test_exact_bounds_by_hand():
    assert exact_bounds(0, 10, 0.05) == (0.0, pytest.approx(1 - 0.05**0.1))
    assert exact_bounds(10, 10, 0.05) == (pytest.approx(0.05**0.1), 1.0)
    assert exact_bounds(0, 0, 0.05) == (None, None)
    assert exact_bounds(3, 9, 0.05)[0] == pytest.approx(beta.ppf(0.05, 3, 7))


def test_a_figure_taken_as_it_stands():
    assert Fixed(1.5).bounds(0.01) == (1.5, 1.5)


def test_a_mean_has_the_bounds_of_a_t_distribution():
    assert Mean(0.7, 0.1, 9.0).bounds(0.05) == pytest.approx((0.7 - t.ppf(0.95, 9) * 0.1, 0.7 + t.ppf(0.95, 9) * 0.1))
    assert Mean(0.7, 0.1, 0.0).bounds(0.05) == (None, None)


def test_a_rate_takes_the_wider_of_its_two_bounds():
    exact, by_document = exact_bounds(20, 100, 0.025), (0.2 - t.ppf(0.975, 9) * 0.1, 0.2 + t.ppf(0.975, 9) * 0.1)
    assert Rate(0.2, 100).bounds(0.025) == exact
    assert Rate(0.2, 100, 0.01, 9.0).bounds(0.025) == exact
    assert Rate(0.2, 100, 0.1, 9.0).bounds(0.025) == (max(0.0, by_document[0]), pytest.approx(by_document[1]))


def test_a_rate_averages_the_seeds_by_question_and_leaves_out_what_does_not_apply():
    values = np.array([[1.0, 0.0, np.nan, 1.0], [0.0, 0.0, np.nan, 1.0]])
    found, known = rate(values, ["a", "a", "a", "b"]), clustered_mean(np.array([0.5, 0.0, 1.0]), ["a", "a", "b"])
    assert found == Rate(0.5, 3, known.se, known.df)
    assert rate(np.full((2, 3), np.nan), ["a", "b", "c"]) is None


@pytest.mark.parametrize("n", [3, 12, 40])
def test_the_bounds_of_the_95th_percentile_are_tolerance_limits(n):
    """Against scipy's noncentral t, and against what they promise: the truth beyond them in 5 % of samples."""
    rng, true, beyond = np.random.default_rng(n), float(np.exp(0.3 * norm.ppf(0.95))), np.zeros(2)
    for _ in range(2000):
        seconds = np.exp(0.3 * rng.standard_normal(n))
        low, high = Waits(tuple(seconds)).bounds(0.05)
        beyond += (low > true, high < true)
    logs = np.log(seconds)
    factor = nct.ppf([0.05, 0.95], n - 1, norm.ppf(0.95) * np.sqrt(n)) / np.sqrt(n)
    assert (low, high) == pytest.approx(tuple(np.exp(logs.mean() + factor * logs.std(ddof=1))), rel=1e-6)
    assert (np.abs(beyond / 2000 - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / 2000)).all()


def test_one_answer_gives_no_bound():
    assert Waits((0.5,)).value == 0.5
    assert Waits((0.5,)).bounds(0.05) == (None, None)


@pytest.mark.parametrize(("limit", "alpha"), [(0.1, 0.025), (0.2, 0.005), (0.01, 0.05)])
def test_how_many_without_one_show_a_share(limit, alpha):
    n = none_of(limit, alpha)
    assert exact_bounds(0, n, alpha)[1] <= limit < exact_bounds(0, n - 1, alpha)[1]
