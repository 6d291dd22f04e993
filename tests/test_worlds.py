"""Made-up worlds have the truth they were asked for: gains, seeds, shared adapters and every part of the variance."""

from __future__ import annotations

from dataclasses import replace
from math import exp, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from ragft import worlds as made
from ragft.worlds import BASE_GAIN, TUNED, Design, Parts, everyone, normal_worlds, sizes, worlds


def means(tables):
    """arm -> (worlds, seeds) mean scores."""
    found = list(tables)
    return {arm.name: np.array([table.arm(arm.name).scores.mean(axis=1) for table in found]) for arm in found[0].arms}


def within(values, truth, errors=4.0):
    """Whether the mean of independent values is no more than so many of its standard errors from the truth."""
    return abs(values.mean() - truth) <= errors * values.std(ddof=1) / sqrt(len(values))


@given(st.integers(1, 120), st.integers(1, 30))
def test_sizes(documents, questions):
    equal, unequal = sizes(documents, questions, False), sizes(documents, questions, True)
    assert (equal == questions).all() and len(equal) == len(unequal) == documents
    assert unequal.min() >= 1 and (np.diff(unequal) <= 0).all()
    assert unequal.sum() == pytest.approx(documents * questions, abs=documents)  # each is rounded
    if documents >= 10 and questions >= 10:
        assert unequal[0] > 2.5 * questions


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("design", [Design(60, 5, seed_points=3.0), Design(40, 8, unequal=True, arm_document_sd=1.0, one_wild=True)], ids=str)
def test_the_true_gain_is_the_one_asked_for(design, graded):
    gains = {"lora": 0.03, "rag+lora": 0.0, "raft": 0.15}
    found = means(worlds(replace(design, graded=graded), 1500, gains, seed=1))
    for arm, gain in {**gains, "base": BASE_GAIN}.items():
        assert within(found[arm].mean(axis=1) - found["rag"][:, 0], gain), arm
    assert within(found["rag"][:, 0], 0.5)


def test_a_level_is_the_integral_of_the_logistic_curve():
    """Against another quadrature, over the normal density."""
    level = made._level(0.5, 0.02, 0.1)
    sd = sqrt(made.DOCUMENT_SD**2 + made.QUESTION_SD**2 + made.ARM_QUESTION_SD**2 + 0.25 + level.seed_sd**2 + made.SEED_DOCUMENT_SD**2)

    def weighted(z):
        return exp(-z * z / 2) / sqrt(2 * pi) / (1 + exp(-(level.mean + sd * z)))

    assert quad(weighted, -12, 12, epsabs=1e-12)[0] == pytest.approx(0.6, abs=1e-7)


def test_seeds_differ_by_the_points_asked_for():
    """Many documents and graded scores: what is left between seeds is the seeds' own."""
    for points in (1.0, 3.0):
        found = means(worlds(Design(400, 1, seed_points=points, graded=True), 400, everyone(0.0)))
        sd = np.sqrt(found["raft"].var(axis=1, ddof=1).mean())
        assert 100 * sd == pytest.approx(points, rel=0.1)
    wild = means(worlds(Design(400, 1, seed_points=3.0, graded=True, one_wild=True), 50, everyone(0.0)))
    assert 5 * wild["lora"].std(axis=1).mean() < wild["raft"].std(axis=1).mean()


def test_lora_is_the_same_adapters_with_and_without_passages():
    found = means(worlds(Design(200, 1, seed_points=3.0, graded=True), 200, everyone(0.0)))
    centred = {arm: (values - values.mean(axis=1, keepdims=True)).ravel() for arm, values in found.items() if arm in TUNED}
    assert np.corrcoef(centred["lora"], centred["rag+lora"])[0, 1] > 0.9
    assert abs(np.corrcoef(centred["lora"], centred["raft"])[0, 1]) < 0.2


def test_the_tables_are_what_a_study_of_these_arms_measures():
    design = Design(4, 3)
    table = next(worlds(design, 1, everyone(0.03)))
    assert [arm.name for arm in table.arms] == ["base", "rag", *TUNED]
    assert [(arm.retriever, arm.tuning, arm.format, len(arm.scores)) for arm in table.arms] == [
        (None, None, None, 1),
        ("bm25", None, None, 1),
        (None, "lora", None, 3),
        ("bm25", "lora", None, 3),
        ("bm25", "lora", "raft", 3),
    ]
    assert table.documents == tuple(f"document {i}" for i in (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3))
    assert all(np.isin(arm.scores, (0, 1)).all() for arm in table.arms)
    graded = next(worlds(replace(design, graded=True), 1, everyone(0.03)))
    assert all(((arm.scores > 0) & (arm.scores < 1)).all() for arm in graded.arms)
    assert "base" not in [arm.name for arm in next(worlds(replace(design, base=False), 1, everyone(0.0))).arms]


def test_the_same_seed_gives_the_same_worlds_and_another_design_others():
    def first(design, gain=0.03, seed=0):
        return next(worlds(design, 2, everyone(gain), seed)).arm("rag").scores

    design = Design(40)
    assert (first(design) == first(design)).all()
    for other in (first(design, seed=1), first(design, gain=0.0), first(replace(design, seed_points=1.0))):
        assert (first(design) != other).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 7))
def test_so_many_worlds_as_asked_for(number):
    assert len(list(worlds(Design(30, 300), number, everyone(0.0)))) == number  # a batch holds two of them
    assert len(list(normal_worlds(Parts(30, 300), number, {}))) == number


# ── normal scores ────────────────────────────────────────────────────────────────────────────────────────────────────

PARTS = [Parts(10), Parts(20, unequal=True, seed_sd=0.02), Parts(30, 3, seeds=5, seed_sd=0.01, arm_document_sd=0.0)]


@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_the_true_standard_error_and_gain(parts):
    number = 3000
    found = means(normal_worlds(parts, number, {"raft": 0.07}))
    difference = found["raft"].mean(axis=1) - found["rag"][:, 0]
    assert within(difference, 0.07) and within(found["lora"].mean(axis=1) - found["rag"][:, 0], 0.0)
    assert difference.std(ddof=1) == pytest.approx(parts.se, rel=4 / sqrt(2 * number))
    own = found["raft"].var(axis=1, ddof=1).mean()
    assert own == pytest.approx(parts.seed_sd**2, rel=0.15)


def test_scores_stay_between_0_and_1():
    tables = list(normal_worlds(Parts(40, seed_sd=0.03), 50, {"raft": 0.1}))
    assert all(arm.scores.min() > 0 and arm.scores.max() < 1 for table in tables for arm in table.arms)


def test_the_parts_of_the_variance_by_hand():
    parts = Parts(2, 8, seeds=4, arm_document_sd=0.1, arm_question_sd=0.2, seed_sd=0.02)
    assert parts.question_variance == pytest.approx(2 * (0.01 / 2 + 0.04 / 16))
    assert parts.seed_variance == pytest.approx(0.0004 / 4)
    assert parts.question_df == 1
    assert parts.se == pytest.approx(sqrt(parts.question_variance + parts.seed_variance))
