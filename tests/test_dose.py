"""Dose-response: the line against numpy and statsmodels, which arms make one, and how often its interval holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from ragft.compare import compare
from ragft.dose import TIMES, bend_weights, dose_of, doses, line_weights, recipe_of, slope_weights
from ragft.scoretable import ArmScores, ScoreTable

DOCUMENTS = 24
EACH = 5


def arm(name, scores, dose=None, **slots):
    slots = {"retriever": None, "tuning": "lora", "format": "paraphrase", "adapters": name} | slots
    return ArmScores(name, np.atleast_2d(np.asarray(scores, dtype=float)), dose=dose, **slots)


def table_with(arms, documents=None):
    n = arms[0].scores.shape[1]
    documents = documents or [f"d{i // EACH}" for i in range(n)]
    blank = ("",) * n
    return ScoreTable(tuple(map(str, range(n))), tuple(documents), blank, blank, tuple(arms), np.full(n, np.nan), np.full(n, True))


def rag(scores):
    return arm("rag", scores, retriever="bm25", tuning=None, format=None, adapters="")


def drawn(rng, share, seeds=3, n=DOCUMENTS * EACH):
    return (rng.random((seeds, n)) < share).astype(float)


def study(sizes=(1.0, 4.0, 16.0), shares=(0.2, 0.3, 0.45), seed=1, seeds=3):
    rng = np.random.default_rng(seed)
    return [rag(drawn(rng, 0.5, 1)), *(arm(f"p{size:g}", drawn(rng, share, seeds), size) for size, share in zip(sizes, shares, strict=True))]


def found_in(arms, **change):
    table = table_with(arms)
    return doses(replace(table, **change), table.arm("rag"))


# ── the line ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sizes", [(1.0, 4.0), (1.0, 4.0, 16.0), (1.0, 2.0, 8.0, 16.0), (3.0, 5.0, 6.0)])
def test_slope_and_forecasts_are_those_of_numpys_least_squares(sizes):
    arms = study(sizes, np.linspace(0.2, 0.5, len(sizes)))
    (found,) = found_in(arms)
    means = [one.scores.mean() for one in arms[1:]]
    slope, intercept = np.polyfit(np.log2(sizes), means, 1)
    assert found.slope.mean == pytest.approx(slope)
    assert [level.mean for level in found.levels] == pytest.approx(means)
    for times, forecast in zip(TIMES, found.forecasts, strict=True):
        assert forecast.dose == times * max(sizes)
        assert forecast.estimate.mean == pytest.approx(intercept + slope * np.log2(times * max(sizes)))
    assert found.reference.mean == pytest.approx(arms[0].scores.mean())


@given(st.lists(st.integers(1, 200), min_size=3, max_size=6, unique=True), st.floats(-1, 1), st.floats(-1, 1), st.integers(1, 1000))
def test_weights_give_back_a_straight_line_exactly(sizes, intercept, slope, dose):
    line = [intercept + slope * np.log2(size) for size in sizes]
    assert np.dot(slope_weights(sizes), line) == pytest.approx(slope, abs=1e-6)
    assert np.dot(line_weights(sizes, dose), line) == pytest.approx(intercept + slope * np.log2(dose), abs=1e-4)
    assert np.dot(bend_weights(sizes), line) == pytest.approx(0, abs=1e-6)
    curve = np.log2(sizes) ** 2
    assert np.dot(bend_weights(sizes), curve) > 0


def test_each_dose_counts_the_same_however_many_arms_have_it():
    assert slope_weights([1, 1, 4]) == pytest.approx([-0.25, -0.25, 0.5])
    assert line_weights([1, 4, 4], 16) == pytest.approx([-1, 1, 1])


def test_the_bend_of_three_doses_by_hand():
    (found,) = found_in(study(shares=(0.2, 0.6, 0.6)))
    low, middle, high = (level.mean for level in found.levels)
    assert found.bend.mean == pytest.approx((low + high) / 2 - middle)
    assert found.bend_p == pytest.approx(2 * scipy_stats.t.sf(abs(found.bend.mean / found.bend.se), found.bend.df))
    assert found.bend_p < 0.05  # shares that rise early


def test_two_doses_have_no_bend():
    (found,) = found_in(study((1.0, 4.0), (0.2, 0.3)))
    assert (found.bend, found.bend_p) == (None, None)


def test_standard_error_of_the_slope_is_statsmodels_where_arms_are_not_tuned():
    """One question a document: the slope of each question's own line, by a regression on nothing but the mean."""
    arms = [replace(one, tuning=None, scores=one.scores[:1]) for one in study()]
    table = table_with(arms, documents=[f"d{i}" for i in range(DOCUMENTS * EACH)])
    (found,) = doses(table, table.arm("rag"))
    x = sm.add_constant(np.log2([1.0, 4.0, 16.0]))
    own = [sm.OLS(column, x).fit().params[1] for column in np.vstack([one.scores for one in arms[1:]]).T]
    mean = sm.OLS(own, np.ones(len(own))).fit()
    assert (found.slope.mean, found.slope.se) == (pytest.approx(mean.params[0]), pytest.approx(mean.bse[0]))
    assert (found.low, found.high) == pytest.approx(tuple(mean.conf_int(0.05)[0]))


def test_the_chance_to_overtake_is_that_of_the_paired_t():
    arms = [replace(one, tuning=None, scores=one.scores[:1]) for one in study()]
    table = table_with(arms, documents=[f"d{i}" for i in range(DOCUMENTS * EACH)])
    (found,) = doses(table, table.arm("rag"))
    weights = [-2 / 3, 1 / 3, 4 / 3]  # of 1, 4, 16 wordings at 64
    ahead = sum(w * one.scores[0] for w, one in zip(weights, arms[1:], strict=True)) - arms[0].scores[0]
    p = scipy_stats.ttest_1samp(ahead, 0.0, alternative="greater").pvalue
    assert found.forecasts[1].overtakes == pytest.approx(1 - p)
    assert 0.01 < found.forecasts[1].overtakes < 0.99


def test_the_seed_part_by_hand():
    """Each arm's own variance between seeds, or the pool's where that is larger, weighted and divided by the seeds."""
    arms = study()
    (found,) = found_in(arms)
    own = [one.scores.mean(axis=1).var(ddof=1) for one in arms[1:]]
    pooled = np.mean(own)
    assert found.slope.seed_se**2 == pytest.approx((max(own[0], pooled) + max(own[2], pooled)) / 16 / 3)


# ── which arms ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_single_dose_is_none():
    assert found_in(study((4.0,), (0.3,))) == []
    assert found_in([*study((4.0,), (0.3,)), arm("again", np.zeros((3, DOCUMENTS * EACH)), 4.0)]) == []


@pytest.mark.parametrize(
    "other", [{"tuning": "dora"}, {"retriever": "bm25"}, {"format": "mine"}, {"model": "another"}, {"k": 2}, {"recipe": "rank 64"}]
)
def test_arms_that_differ_in_more_than_the_dose_make_no_line(other):
    arms = study((1.0, 4.0), (0.2, 0.3))
    assert len(found_in(arms)) == 1
    assert found_in([*arms[:2], replace(arms[2], **other)]) == []


@pytest.mark.parametrize("other", [{"control": True}, {"retriever": "oracle"}, {"dose": None}, {"scores": np.full((3, DOCUMENTS * EACH), np.nan)}])
def test_what_could_not_be_deployed_or_has_no_dose_or_score_is_left_out(other):
    arms = study()
    (found,) = found_in([*arms[:3], replace(arms[3], **other)])
    assert found.arms == ("p1", "p4")


def test_two_groups_give_two_and_the_doses_are_sorted():
    arms = study((16.0, 1.0), (0.4, 0.2))
    with_rag = [replace(one, name=f"rag+{one.name}", retriever="bm25") for one in arms[1:]]
    found = found_in([*arms, *with_rag])
    assert [one.arms for one in found] == [("p1", "p16"), ("rag+p1", "rag+p16")]
    assert found[0].doses == (1.0, 16.0)


def test_all_of_it_rests_on_the_questions_scored_in_every_arm():
    arms = study()
    scores = arms[1].scores.copy()
    scores[1, :30] = np.nan
    reference = arms[0].scores.copy()
    reference[0, -10:] = np.nan
    (found,) = found_in([replace(arms[0], scores=reference), replace(arms[1], scores=scores), *arms[2:]])
    assert {found.slope.n, found.bend.n, *(f.estimate.n for f in found.forecasts)} == {DOCUMENTS * EACH - 40}
    means = [one.scores[:, 30:-10].mean() for one in arms[1:]]
    assert found.slope.mean == pytest.approx(np.polyfit([0, 2, 4], means, 1)[0])


def test_without_a_score_of_the_reference_nothing_is_said_of_overtaking():
    arms = study()
    (found,) = found_in([replace(arms[0], scores=np.full((1, DOCUMENTS * EACH), np.nan)), *arms[1:]])
    assert found.reference is None and {f.overtakes for f in found.forecasts} == {None}
    assert found.low is not None


def test_one_seed_gives_a_slope_and_no_interval():
    (found,) = found_in(study(seeds=1))
    assert (found.low, found.high, found.bend_p, found.forecasts[0].low, found.forecasts[0].overtakes) == (None,) * 5
    assert found.slope.mean != 0


def test_no_common_question_gives_none():
    arms = study((1.0, 4.0), (0.3, 0.3))
    first, second = (one.scores.copy() for one in arms[1:])
    first[:, ::2], second[:, 1::2] = np.nan, np.nan
    assert found_in([arms[0], replace(arms[1], scores=first), replace(arms[2], scores=second)]) == []


def test_a_reference_that_is_one_of_the_doses():
    arms = study()
    table = table_with(arms)
    (found,) = doses(table, table.arm("p16"))
    assert found.reference.mean == found.levels[2].mean
    assert found.forecasts[0].overtakes > 0.5  # the line rises


def test_compare_has_them():
    found = compare(table_with(study()), metric="match", reference="rag", margin=0.03, alpha=0.025)
    assert [one.doses for one in found.doses] == [(1.0, 4.0, 16.0)]


@pytest.mark.parametrize(
    ("given", "dose"),
    [
        ({"format": "paraphrase", "format_options": {"wordings": 16}}, 16.0),
        ({"format": "paraphrase", "format_options": {}}, 4.0),
        ({"format": "paraphrase"}, 4.0),
        ({"format": "qa", "format_options": {}}, None),
        ({"format": None}, None),
    ],
)
def test_the_dose_in_arm_json(given, dose):
    assert dose_of(given) == dose


def test_the_recipe_is_the_options_without_the_dose_and_in_any_order():
    one = {"format": "paraphrase", "format_options": {"wordings": 4}, "options": {"rank": 8, "alpha": 16}, "learning_rate": 0.1}
    other = {"format": "paraphrase", "format_options": {"wordings": 16}, "options": {"alpha": 16, "rank": 8}, "learning_rate": 0.2}
    assert recipe_of(one) == recipe_of(other) != recipe_of({**one, "options": {"rank": 16, "alpha": 16}})


# ── how often it holds ───────────────────────────────────────────────────────────────────────────────────────────────


def test_slope_and_forecast_are_covered_in_at_least_95_per_cent_of_worlds():
    """Accuracy exactly linear in log2(dose), documents and training seeds that differ: each interval misses in at most 5 %."""
    rng, worlds, sizes = np.random.default_rng(8), 200, (1.0, 4.0, 16.0)
    missed, false_bends = {"slope": 0, "forecast": 0}, 0
    for _ in range(worlds):
        arms = [rag(drawn(rng, 0.6, 1))]
        for size in sizes:
            share = 0.3 + 0.04 * np.log2(size)
            document = rng.normal(0, 0.08, DOCUMENTS)[np.arange(DOCUMENTS * EACH) // EACH]
            wanted = share + document + rng.normal(0, 0.02, (3, 1))
            arms.append(arm(f"p{size:g}", rng.random((3, DOCUMENTS * EACH)) < wanted, size))
        (found,) = found_in(arms)
        forecast = found.forecasts[0]
        missed["slope"] += not found.low <= 0.04 <= found.high
        missed["forecast"] += not forecast.low <= 0.3 + 0.04 * 5 <= forecast.high
        false_bends += found.bend_p < 0.05
    most = 0.05 + 3.5 * (0.05 * 0.95 / worlds) ** 0.5
    assert {key: count / worlds <= most for key, count in missed.items()} == {"slope": True, "forecast": True}
    assert false_bends / worlds <= most
