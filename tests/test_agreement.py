"""Small truths of a judge's statistics: by hand, against scipy, statsmodels and scikit-learn, by brute force, and in made-up worlds."""

from __future__ import annotations

from itertools import product
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from ragft.agreement import (
    ErrorRates,
    agreement,
    corrected,
    error_rates,
    judged_alike,
    rectified,
    sample_questions,
    share,
    with_seeds,
)
from ragft.stats import Estimate, clustered_mean

NAN = float("nan")


def graders(seed: int, n: int = 200, errs: float = 0.15):
    rng = np.random.default_rng(seed)
    one = (rng.random(n) < 0.4).astype(float)
    return one, np.where(rng.random(n) < errs, 1 - one, one)


def apart(n: int) -> list[str]:
    return [str(i) for i in range(n)]


# ── shares ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("count", "of"), [(0, 7), (7, 7), (3, 20), (1, 1), (40, 1000)])
def test_interval_of_a_share_is_clopper_and_pearsons(count, of):
    found = share(count, of)
    exact = binomtest(count, of).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert (found.low, found.high) == pytest.approx(proportion_confint(count, of, method="beta"))
    assert found.value == count / of


def test_a_share_of_nothing_has_no_value():
    assert (share(0, 0).value, share(0, 0).low, share(0, 0).high) == (None, None, None)


# ── agreement ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_kappa_by_hand():
    # both right 4, both wrong 3, one of each 2 and 1: agree 7/10; by chance .6 * .5 + .4 * .5 = .5
    one = np.array([1.0] * 6 + [0.0] * 4)
    other = np.array([1.0] * 4 + [0.0] * 2 + [1.0] + [0.0] * 3)
    found = agreement(one, other, apart(10))
    assert found.n == 10
    assert found.share == pytest.approx(0.7)
    assert found.kappa == pytest.approx((0.7 - 0.5) / 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_kappa_equals_two_libraries(seed):
    one, other = graders(seed)
    table = [[int(((one == i) & (other == j)).sum()) for j in (0, 1)] for i in (0, 1)]
    found, known = agreement(one, other, apart(200)), cohens_kappa(np.array(table))
    assert found.kappa == pytest.approx(known.kappa)
    assert found.kappa == pytest.approx(cohen_kappa_score(one, other))
    # its standard error is asymptotic and supposes independent answers; here each answer is a document of its own
    assert (found.kappa_high - found.kappa_low) / 2 == pytest.approx(1.97 * known.std_kappa, rel=0.05)


def test_share_of_agreement_is_the_clustered_mean():
    one, other = graders(7)
    documents = [str(i // 10) for i in range(200)]
    found, same = agreement(one, other, documents), clustered_mean((one == other).astype(float), documents)
    assert (found.low, found.high) == pytest.approx(same.bounds(0.025))


def test_answers_that_one_grader_left_out_do_not_count():
    found = agreement(np.array([1.0, NAN, 0.0, 1.0]), np.array([1.0, 1.0, NAN, 0.0]), apart(4))
    assert (found.n, found.share) == (2, 0.5)
    assert agreement(np.array([NAN]), np.array([1.0]), ["a"]) is None


def test_one_grade_only_has_no_kappa_and_one_document_no_interval():
    ones = agreement(np.ones(6), np.ones(6), apart(6))
    assert (ones.share, ones.kappa) == (1.0, None)
    one, other = graders(1, n=20)
    alone = agreement(one, other, ["a"] * 20)
    assert alone.kappa is not None
    assert (alone.low, alone.high, alone.kappa_low, alone.kappa_high) == (None, None, None, None)


def test_full_agreement_is_not_taken_for_certain():
    one, _ = graders(2, n=30)
    found = agreement(one, one, apart(30))
    assert found.kappa == 1.0
    assert found.kappa_low < 1 - 1 / 30
    assert found.low < 1 - 1 / 30


# ── error rates ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_error_rates_by_hand():
    judge = np.array([1.0, 1.0, 0.0, 0.0, NAN, 1.0])
    human = np.array([1.0, 0.0, 0.0, 1.0, 1.0, NAN])
    found = error_rates(judge, human)
    assert (found.false_positive.count, found.false_positive.of) == (1, 2)
    assert (found.false_negative.count, found.false_negative.of) == (1, 2)


def rates(*counts: tuple[int, int]) -> list[ErrorRates]:
    """Arms with these false positives of so many wrong answers, and no error on 30 right ones."""
    return [ErrorRates(share(count, of), share(0, 30)) for count, of in counts]


def test_two_arms_are_compared_by_fishers_test():
    found = judged_alike(rates((30, 100), (10, 90)))
    exact = fisher_exact([[30, 70], [10, 80]]).pvalue
    assert found.false_positive == pytest.approx(2 * exact)  # Holm: the smaller of two
    assert found.false_negative == 1.0


def test_more_arms_by_drawn_tables_come_to_the_exact_p():
    counts, sizes = (5, 1, 0), (8, 9, 7)

    def statistic(drawn):
        return sum((count - sum(counts) * size / sum(sizes)) ** 2 / size for count, size in zip(drawn, sizes, strict=True))

    tables = [t for t in product(*(range(size + 1) for size in sizes)) if sum(t) == sum(counts)]
    weight = {t: np.prod([comb(size, count) for count, size in zip(t, sizes, strict=True)]) for t in tables}
    exact = sum(w for t, w in weight.items() if statistic(t) >= statistic(counts) - 1e-9) / sum(weight.values())
    found = judged_alike(rates(*zip(counts, sizes, strict=True)))
    assert found.false_positive == pytest.approx(2 * exact, abs=2 * 4 * sqrt(exact / 9999))
    assert found == judged_alike(rates(*zip(counts, sizes, strict=True)))  # the same draws every time


def test_arms_without_such_answers_are_not_compared():
    assert judged_alike(rates((3, 10), (0, 0))).false_positive is None
    assert judged_alike([]) == judged_alike(rates((0, 0)))
    assert judged_alike(rates((0, 10), (0, 10), (0, 10))).false_positive == 1.0


def test_equal_judging_is_seldom_called_unequal():
    rng, called = np.random.default_rng(3), 0
    for _ in range(300):
        arms = [ErrorRates(share(int(rng.binomial(80, 0.1)), 80), share(int(rng.binomial(60, 0.1)), 60)) for _ in range(2)]
        found = judged_alike(arms)
        called += min(found.false_positive, found.false_negative) < 0.05
    assert called <= 300 * 0.05 + 3.5 * sqrt(300 * 0.05 * 0.95)


# ── correction ───────────────────────────────────────────────────────────────────────────────────────────────────────


def worlds(seed: int, n: int = 120, labelled: int = 40, documents: int = 12):
    """Graded differences in -1, 0, 1, the labels of some, and documents of unequal sizes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, 2, n).astype(float)
    judge = np.where(rng.random(n) < 0.3, rng.integers(-1, 2, n), truth).astype(float)
    human = np.full(n, NAN)
    human[rng.choice(n, labelled, replace=False)] = 0
    human = np.where(np.isnan(human), NAN, truth)
    return judge, human, [str(int(documents * u**2)) for u in rng.random(n)]


def by_definition(judge: np.ndarray, human: np.ndarray) -> tuple[float, float]:
    known = ~np.isnan(human)
    j, h = judge[known], human[known]
    weight = min(1.0, max(0.0, np.cov(h, j, bias=True)[0, 1] / j.var())) if j.var() else 0.0
    return weight * judge.mean() + (h - weight * j).mean(), weight


@pytest.mark.parametrize("seed", range(5))
def test_corrected_mean_and_its_jackknife_by_definition(seed):
    judge, human, documents = worlds(seed)
    found = corrected(judge, human, documents)
    mean, weight = by_definition(judge, human)
    assert (found.estimate.mean, found.weight) == pytest.approx((mean, weight))
    names = sorted(set(documents))
    keep = {name: np.array([d != name for d in documents]) for name in names}
    without = np.array([by_definition(judge[keep[name]], human[keep[name]])[0] for name in names])
    se = sqrt((len(names) - 1) / len(names) * ((without - mean) ** 2).sum())
    assert found.estimate.question_se == pytest.approx(max(se, 1 / 40))
    sizes = [sum(d == name and known for d, known in zip(documents, ~np.isnan(human), strict=True)) for name in names]
    assert found.estimate.df == pytest.approx(40**2 / sum(size**2 for size in sizes) - 1)
    assert (found.labelled, found.judge) == (40, pytest.approx(judge.mean()))
    assert found.documents == sum(size > 0 for size in sizes)


def test_with_every_question_labelled_the_judge_does_not_matter():
    judge, _, documents = worlds(1)
    human = np.random.default_rng(0).integers(-1, 2, 120).astype(float)
    found, plain = corrected(judge, human, documents).estimate, clustered_mean(human, documents)
    assert (found.mean, found.question_se, found.df, found.documents) == pytest.approx((plain.mean, plain.question_se, plain.df, plain.documents))


@given(st.integers(0, 10_000), st.floats(-0.5, 0.5))
@settings(max_examples=30, deadline=None)
def test_a_constant_in_the_judge_changes_nothing(seed, bias):
    judge, human, documents = worlds(seed)
    one, other = corrected(judge, human, documents).estimate, corrected(judge + bias, human, documents).estimate
    assert other.mean == pytest.approx(one.mean, abs=1e-9)
    assert other.question_se == pytest.approx(one.question_se, abs=1e-9)


def test_a_judge_who_knows_is_believed_and_one_who_knows_nothing_is_not():
    judge, human, documents = worlds(2)
    known = np.where(np.isnan(human), judge, human)
    assert corrected(known, human, documents).weight == pytest.approx(1.0)
    constant = corrected(np.ones(120), human, documents)
    assert constant.weight == 0.0
    assert constant.estimate.mean == pytest.approx(np.nanmean(human))


def test_questions_without_a_grade_are_left_out():
    judge, human, documents = worlds(3)
    judge[::7] = NAN
    keep = ~np.isnan(judge)
    assert corrected(judge, human, documents) == corrected(judge[keep], human[keep], [d for d, ok in zip(documents, keep, strict=True) if ok])


def test_no_labels_and_too_few_documents():
    judge, human, documents = worlds(4)
    with pytest.raises(ValueError, match="graded and labelled"):
        corrected(judge, np.full(120, NAN), documents)
    few = np.where(np.array(documents) == documents[int(np.flatnonzero(~np.isnan(human))[0])], human, NAN)
    assert corrected(judge, few, documents).estimate.bounds(0.025) == (None, None)


def test_rectified_values_have_the_corrected_mean_of_weight_one():
    rng = np.random.default_rng(5)
    judge, human = rng.integers(0, 2, (3, 50)).astype(float), np.full((3, 50), NAN)
    human[:, :20] = rng.integers(0, 2, (3, 20))
    judge[1, 49] = NAN
    found = rectified(judge, human)
    wanted = [judge[s, :49].mean() + (human[s, :20] - judge[s, :20]).mean() for s in range(3)]
    assert np.nanmean(found[:, :49], axis=1) == pytest.approx(wanted)
    assert np.isnan(found[1, 49])


def test_the_seed_part_is_added():
    judge, human, documents = worlds(6)
    plain = corrected(judge, human, documents)
    seeds = Estimate(0.0, 0.01, 0.02, 5.0, 120, 12, 3, question_df=9.0, seed_df=4.0)
    found = with_seeds(plain, seeds).estimate
    assert found.se == pytest.approx(sqrt(plain.estimate.question_se**2 + 0.02**2))
    assert min(4, plain.estimate.df) <= found.df <= plain.estimate.df + 4
    assert with_seeds(plain, Estimate(0.0, 0.01, 0.0, 0.0, 120, 12, 1)).estimate.df == 0  # one seed: no interval
    assert with_seeds(plain, clustered_mean(judge, documents)).estimate.df == plain.estimate.df  # not tuned: nothing to add


# ── sampling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sample_takes_from_every_document_its_share():
    documents = ["a"] * 40 + ["b"] * 20 + ["c"] * 20
    for seed in range(20):
        drawn = sample_questions(documents, 20, seed)
        assert len(set(drawn)) == 20
        counts = [sum(documents[i] == name for i in drawn) for name in "abc"]
        assert all(abs(count - wanted) <= 1 for count, wanted in zip(counts, (10, 5, 5), strict=True))
    assert sample_questions(documents, 20, 3) == sample_questions(documents, 20, 3)
    assert sorted(sample_questions(documents, 500, 0)) == list(range(80))
    assert sample_questions([], 5, 0) == []


def test_every_question_has_the_same_chance_and_the_order_is_random():
    documents = ["a"] * 3 + ["b"] * 7 + ["c"]
    drawn = [sample_questions(documents, 4, seed) for seed in range(4000)]
    each = np.bincount(np.ravel(drawn), minlength=11) / 4000
    assert each == pytest.approx(np.full(11, 4 / 11), abs=4 * sqrt(4 / 11 * 7 / 11 / 4000))
    firsts = np.bincount([order[0] for order in drawn], minlength=11) / 4000
    assert firsts == pytest.approx(np.full(11, 1 / 11), abs=4 * sqrt(1 / 11 * 10 / 11 / 4000))
