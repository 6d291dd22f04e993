"""The power that is stated before a study, against drawn studies; and the clusters' numbers, which are kept between pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from ragft import stats
from ragft.ahead import Ahead, detectable
from ragft.stats import SeedVariance, cautious, estimate, pool, satterthwaite, t_quantile

ALPHA = 0.025 / 4
CASES = [
    Ahead(3e-4, 9, 0.0, 3, 2),
    Ahead(3e-4, 9, 1e-4, 3, 2),
    Ahead(8e-5, 39, 4e-4, 3, 2),
    Ahead(8e-5, 39, 4e-4, 5, 4),
    Ahead(8e-5, 39, 4e-4, 3, 1),
]


def drawn_studies(ahead, number=4000):
    """(number,) half widths, each from a drawn question variance and drawn seed variances of every adapter, by ragft's rules for one arm."""
    rng = np.random.default_rng(0)
    halves = []
    for _ in range(number):
        question = ahead.question_variance * rng.chisquare(ahead.question_df) / ahead.question_df
        df = ahead.seeds - 1
        arms = [SeedVariance(ahead.seed_variance * rng.chisquare(df) / df, df) for _ in range(ahead.trainings)]
        known = cautious(arms[0], pool(arms))
        seed = known.variance / ahead.seeds
        total_df = satterthwaite(question, ahead.question_df, seed, known.df) if seed else ahead.question_df
        halves.append(t_quantile(ALPHA, total_df) * np.sqrt(question + seed))
    return np.array(halves)


@pytest.mark.parametrize("ahead", CASES, ids=str)
def test_the_stated_power_is_that_of_drawn_studies(ahead):
    halves = drawn_studies(ahead)
    errors = np.random.default_rng(1).normal(0, ahead.se, len(halves))
    for power in (0.8, 0.5):
        assert (ahead.shown(ALPHA, power) + errors > halves).mean() == pytest.approx(power, abs=0.03)
    assert (np.abs(errors) + halves < ahead.equal_within(ALPHA)).mean() == pytest.approx(0.8, abs=0.03)


def test_without_seeds_it_is_the_power_of_the_t_test():
    for df in (4, 9, 39, 200):
        ahead = Ahead(1e-4, df, 0.0, 3, 2)
        exact = 1 - scipy_stats.nct.cdf(scipy_stats.t.isf(ALPHA, df), df, ahead.shown(ALPHA) / ahead.se)
        assert exact == pytest.approx(0.8, abs=0.01)


def test_satterthwaite_alone_promises_more_where_seeds_differ():
    ahead = CASES[2]
    df = satterthwaite(ahead.question_variance, ahead.question_df, ahead.seed_variance / ahead.seeds, 4)
    simple = detectable(ahead.se, df, ALPHA)
    assert ahead.shown(ALPHA) > 1.2 * simple


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 1e-2), st.floats(2, 200), st.floats(0, 1e-2), st.integers(2, 6), st.integers(1, 5))
def test_more_power_needs_a_larger_difference(question, df, seed, seeds, trainings):
    ahead = Ahead(question, df, seed, seeds, trainings)
    assert 0 < ahead.shown(ALPHA, 0.5) < ahead.shown(ALPHA, 0.8) < ahead.shown(ALPHA / 2, 0.8)
    assert ahead.equal_within(ALPHA) > ahead.shown(ALPHA, 0.5)


def test_more_seeds_and_more_trainings_need_less_where_seeds_differ():
    seeds = [Ahead(8e-5, 39, 4e-4, number, 2).shown(ALPHA) for number in (2, 3, 4, 6, 10)]
    trainings = [Ahead(8e-5, 39, 4e-4, 3, number).shown(ALPHA) for number in (1, 2, 4)]
    assert seeds == sorted(seeds, reverse=True) and trainings == sorted(trainings, reverse=True)


# ── clusters are numbered once ───────────────────────────────────────────────────────────────────────────────────────


def test_a_kept_numbering_changes_no_estimate():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(3, 90))
    documents = [f"d{i}" for i in rng.integers(0, 12, 90)]
    gaps = values.copy()
    gaps[1, rng.integers(0, 90, 9)] = np.nan
    for scores in (values, gaps):
        stats._numbered.cache_clear()
        fresh = estimate(scores, list(documents), True, SeedVariance(0.01, 4))
        again = estimate(scores, tuple(documents), True, SeedVariance(0.01, 4))
        assert fresh == again and stats._numbered.cache_info().hits > 0


def test_clusters_are_numbered_in_the_order_of_appearance():
    found = stats._numbered(("b", "a", "b", "c"))
    assert found.tolist() == [0, 1, 0, 2]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 5  # it is shared by all that ask
