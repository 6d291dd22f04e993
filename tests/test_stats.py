"""Small truths of the paired statistics: hand-computed, against other libraries, and by properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from ragft.ahead import Ahead, ahead_of, detectable, questions_needed, smallest_shown
from ragft.stats import (
    Estimate,
    SeedVariance,
    between_seeds,
    cautious,
    clustered_mean,
    contrast_values,
    estimate,
    holm,
    p_above,
    pool,
)

UNKNOWN = SeedVariance()


def paired(values, documents):
    return estimate(np.atleast_2d(np.asarray(values, dtype=float)), documents, False, UNKNOWN)


# ── one mean over clustered questions ────────────────────────────────────────────────────────────────────────────────


def test_mean_se_and_df_by_hand():
    # documents a (1, 1, 0) and b (1): mean 3/4; without a 1, without b 2/3
    found = clustered_mean(np.array([1.0, 1.0, 0.0, 1.0]), ["a", "a", "a", "b"])
    assert found.mean == 0.75
    assert found.df == 0  # 16/10 - 1 = 0.6: less than one degree of freedom is no interval
    assert found.question_se == pytest.approx(np.sqrt(1 / 2 * (0.25**2 + (2 / 3 - 0.75) ** 2)).clip(min=1 / 4))
    # three documents of 2, 1, 1 questions: df = 16/6 - 1
    found = clustered_mean(np.array([1.0, 0.0, 1.0, 0.0]), ["a", "a", "b", "c"])
    assert found.df == pytest.approx(16 / 6 - 1)
    # without a 1/2, without b 1/3, without c 2/3, mean 1/2: V = 2/3 (0 + 1/36 + 1/36); its root .192 is less than 1/4
    assert found.question_se == 1 / 4
    wide = clustered_mean(np.tile([1.0, 0.0, 1.0, 0.0], 9), list("aabc" * 9))
    assert wide.question_se == pytest.approx(np.sqrt(2 / 3 * (2 / 36)))
    assert (wide.n, wide.documents) == (36, 3)


@pytest.mark.parametrize("sizes", [(4, 4, 4), (1, 2, 9, 5), (1,) * 7])
def test_se_is_the_brute_force_jackknife(sizes):
    rng = np.random.default_rng(sum(sizes))
    documents = np.repeat([f"d{i}" for i in range(len(sizes))], sizes)
    values = rng.normal(size=len(documents))
    groups = len(sizes)
    left_out = np.array([values[documents != d].mean() for d in np.unique(documents)])
    by_hand = np.sqrt((groups - 1) / groups * ((left_out - values.mean()) ** 2).sum())
    assert clustered_mean(values, list(documents)).question_se == pytest.approx(max(by_hand, 1 / len(values)))


def test_means_weigh_questions_not_documents():
    assert clustered_mean(np.array([1.0, 1, 1, 1, 1, 1, 0, 0]), list("aaaaaabc")).mean == 0.75


def test_one_question_per_document_is_the_paired_t():
    rng = np.random.default_rng(3)
    a, b = rng.random((2, 40))
    found = paired(a - b, [f"d{i}" for i in range(40)])
    by_scipy = scipy_stats.ttest_rel(a, b)
    interval = by_scipy.confidence_interval(0.95)
    assert (found.mean, found.df) == (pytest.approx((a - b).mean()), 39)
    assert found.bounds(0.025) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert p_above(found, 0.0) == pytest.approx(scipy_stats.ttest_rel(a, b, alternative="greater").pvalue)
    assert p_above(found, 0.03) == pytest.approx(scipy_stats.ttest_1samp(a - b, 0.03, alternative="greater").pvalue)


def test_equal_scores_still_have_one_question_of_doubt():
    found = paired(np.zeros(50), [f"d{i % 10}" for i in range(50)])
    assert (found.mean, found.se) == (0.0, 1 / 50)
    low, high = found.bounds(0.025)
    assert (low, high) == (pytest.approx(-scipy_stats.t.isf(0.025, 9) / 50), pytest.approx(scipy_stats.t.isf(0.025, 9) / 50))


def test_no_interval_from_one_document_or_one_that_holds_most():
    for documents in (["d"] * 9, ["d"] * 19 + ["e"]):
        found = paired(np.arange(len(documents)) % 2, documents)
        assert found.bounds(0.025) == (None, None)
        assert p_above(found, 0.0) is None
        assert detectable(found.se, found.df, 0.025) is None


def test_no_scored_question_is_an_error():
    with pytest.raises(ValueError, match="no question is scored in every arm"):
        paired([np.nan, np.nan], ["a", "b"])


# ── seeds ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_contrast_pairs_seeds_in_order_and_sets_untuned_arms_beside_each():
    tuned, other, base = np.array([[1.0, 0], [0, 1], [1, 1]]), np.array([[0.0, 0], [1, 0]]), np.array([[1.0, 0]])
    assert contrast_values([(1, tuned), (-1, base)]).tolist() == [[0, 0], [-1, 1], [0, 1]]
    assert contrast_values([(1, tuned), (-1, other)]).tolist() == [[1, 0], [-1, 1]]  # two seeds are what both have


def test_variance_between_seeds_by_hand_on_questions_scored_for_all():
    values = np.array([[1.0, 0.0, np.nan, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    # means over questions 1, 2 and 4: 2/3, 1, 0; their mean 5/9
    found = between_seeds(values)
    assert (found.variance, found.df) == (pytest.approx(((1 / 9) ** 2 + (4 / 9) ** 2 + (5 / 9) ** 2) / 2), 2)
    assert between_seeds(values[:1]) == SeedVariance(0.0, 0)
    assert between_seeds(np.full((3, 2), np.nan)) == SeedVariance(0.0, 0)


def test_pooling_weighs_by_degrees_of_freedom():
    assert pool([SeedVariance(1.0, 2), SeedVariance(4.0, 1), SeedVariance(9.0, 0)]) == SeedVariance(2.0, 3)
    assert pool([]) == UNKNOWN


def test_an_unsteady_arm_keeps_its_own_variance():
    pooled = SeedVariance(2.0, 6)
    assert cautious(SeedVariance(5.0, 2), pooled) == SeedVariance(5.0, 2)
    assert cautious(SeedVariance(1.0, 2), pooled) == pooled
    assert cautious(UNKNOWN, pooled) == pooled


def test_both_parts_add_up_with_satterthwaites_df():
    values = 5 * np.array([[1.0, 0, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0]])  # 5: wide enough for the floor of 1/4 not to matter
    found = estimate(values, list("abcd"), True, SeedVariance(0.12, 6))
    questions, seeds = found.question_se**2, 0.12 / 3
    assert questions == pytest.approx(values.mean(axis=0).var(ddof=1) / 4)
    assert found.seed_se**2 == pytest.approx(seeds)
    assert found.se**2 == pytest.approx(questions + seeds)
    assert found.df == pytest.approx((questions + seeds) ** 2 / (questions**2 / 3 + seeds**2 / 6))
    assert (found.seeds, found.question_df, found.seed_df) == (3, 3, 6)


def test_a_tuned_arm_of_unknown_seed_variance_gets_no_interval():
    assert estimate(np.ones((1, 20)), [f"d{i}" for i in range(20)], True, UNKNOWN).bounds(0.025) == (None, None)


# ── several tests, plans ─────────────────────────────────────────────────────────────────────────────────────────────


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_detectable_adds_the_two_quantiles():
    assert detectable(0.02, 30, 0.025) == pytest.approx(0.02 * (scipy_stats.t.isf(0.025, 30) + scipy_stats.t.ppf(0.8, 30)))


def test_questions_needed_have_the_power_of_the_t_test_among_that_many_documents():
    """Of untuned arms it is the power of a t test, which is known exactly (noncentral t), to half a percent of the questions."""
    now = Estimate(0.05, 0.03, 0.0, 19, 200, 20, 1, question_df=19)
    total = questions_needed(now, 0.05, 0.025, seeds=1)

    def power(n):
        se, df = 0.03 * np.sqrt(200 / n), 20 * n / 200 - 1
        return scipy_stats.nct.sf(scipy_stats.t.isf(0.025, df), df, 0.05 / se)

    assert total is not None
    assert power(total) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("seed_se", "seed_df", "seeds", "distance"), [(0.02, 6, 3, 0.16), (0.02, 2, 3, 0.3), (0.01, 12, 5, 0.12), (0.0, 0, 1, 0.12)])
def test_questions_needed_realise_their_power_where_the_variances_are_as_estimated(seed_se, seed_df, seeds, distance):
    """Against draws of the interval itself: both variances estimated anew, the arm's own seeds or the pool's, whichever differ more."""
    rng, alpha = np.random.default_rng(0), 0.0125
    now = Estimate(0.1, 0.03, seed_se, 19, 200, 20, seeds, question_df=19, seed_df=seed_df)
    total = questions_needed(now, distance, alpha, seeds=seeds)
    question_df, draws = 20 * total / 200 - 1, 40_000
    question, seed = 0.03**2 * 200 / total, seed_se**2
    drawn = question * rng.chisquare(question_df, draws) / question_df
    df = np.full(draws, question_df)
    if seed:
        own_df, others = seeds - 1, seed_df - (seeds - 1)
        own = seed * rng.chisquare(own_df, draws) / own_df
        pooled = (own * own_df + (seed * rng.chisquare(others, draws) if others else 0.0)) / seed_df
        known = np.maximum(own, pooled)
        df = (drawn + known) ** 2 / (drawn**2 / question_df + known**2 / np.where(own > pooled, own_df, seed_df))
        drawn = drawn + known
    mean = rng.normal(distance, np.sqrt(question + seed), draws)
    assert (mean - scipy_stats.t.isf(alpha, df) * np.sqrt(drawn) > 0).mean() == pytest.approx(0.8, abs=0.015)


def test_the_smallest_gain_has_its_power_on_average_over_studies_whose_seeds_differ_by_luck():
    """Three seeds of one arm, whose variance is estimated by two degrees of freedom: the estimate taken for the truth promises too much."""
    rng, question_se, seed_se, alpha = np.random.default_rng(0), 0.01, 0.012, 0.025
    true = Ahead(question_se**2, 39, 3 * seed_se**2, 3, 1)
    averaged, naive = [], []
    for ratio in rng.chisquare(2, 80) / 2:
        now = Estimate(0.0, question_se, seed_se * np.sqrt(ratio), 3.0, 400, 40, 3, question_df=39, seed_df=2)
        averaged.append(true.power(smallest_shown(now, alpha), alpha))
        naive.append(true.power(ahead_of(now, 400, 3).shown(alpha), alpha))
    assert np.mean(averaged) == pytest.approx(0.8, abs=0.05) and np.mean(naive) < 0.75


def test_only_more_seeds_help_where_seeds_are_the_doubt():
    now = Estimate(0.05, 0.01, 0.03, 8, 400, 40, 3, question_df=39, seed_df=6)
    assert questions_needed(now, 0.05, 0.025, seeds=3) is None
    assert questions_needed(now, 0.05, 0.025, seeds=12) is not None


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

scores = st.lists(st.tuples(st.sampled_from("abcdef"), st.lists(st.sampled_from([0.0, 1.0]), min_size=3, max_size=3)), min_size=4, max_size=40)


def split(rows):
    return np.array([row[1] for row in rows]).T, [row[0] for row in rows]


@given(scores, st.randoms(use_true_random=False))
def test_the_order_of_questions_and_seeds_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    (values, documents), (other, others) = split(rows), split(shuffled)
    a, b = estimate(values, documents, True, SeedVariance(0.01, 4)), estimate(other[[2, 0, 1]], others, True, SeedVariance(0.01, 4))
    assert (a.mean, a.se, a.df) == (pytest.approx(b.mean), pytest.approx(b.se), pytest.approx(b.df))
    assert between_seeds(values).variance == pytest.approx(between_seeds(values[[1, 2, 0]]).variance)


@given(scores, st.floats(-1, 1))
def test_adding_a_constant_moves_the_mean_only(rows, constant):
    values, documents = split(rows)
    a, b = paired(values[0], documents), paired(values[0] + constant, documents)
    assert (b.mean, b.se, b.df) == (pytest.approx(a.mean + constant), pytest.approx(a.se), a.df)


@given(scores)
def test_a_minus_b_is_minus_b_minus_a(rows):
    values, documents = split(rows)
    a, b = paired(values[0] - values[1], documents), paired(values[1] - values[0], documents)
    low, high = a.bounds(0.01)
    if low is not None:
        assert b.bounds(0.01) == (pytest.approx(-high), pytest.approx(-low))


@given(scores)
@settings(max_examples=50)
def test_unscored_questions_change_nothing(rows):
    values, documents = split(rows)
    padded = np.hstack([values, np.array([[np.nan, 1.0], [1.0, 1.0], [1.0, np.nan]])])
    assert estimate(padded, [*documents, "a", "z"], False, UNKNOWN) == estimate(values, documents, False, UNKNOWN)
