"""What a question set can be expected to show: against published numbers, an independent library and made-up studies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower

from ragft import planning
from ragft.planning import design_of, questions_needed
from ragft.stats import clustered_mean

ALONE = {"margin": 0.03, "alpha": 0.025, "challengers": 1, "trainings": 0, "seeds": 1}


def expected(names, **known):
    return planning.expected(design_of(names, **known))


def documents(number: int, each: int) -> list[str]:
    return [f"d{i}" for i in range(number) for _ in range(each)]


def test_the_example_of_the_specification():
    """300 questions, design effect 1.4: 8.6 points over the margin; 7.2 without clustering (normal quantiles: many documents)."""
    z = scipy_stats.norm.isf(0.025) + scipy_stats.norm.ppf(0.8)
    for each, points in ((9, 0.086), (1, 0.072)):
        found = expected(documents(6000, each), **ALONE)
        assert (found.gain - 0.03) * np.sqrt(6000 * each / 300) == pytest.approx(points, abs=0.001)
    assert found.gain - 0.03 == pytest.approx(z * np.sqrt(0.2 / 6000), rel=1e-3)


@pytest.mark.parametrize(("number", "margin"), [(686, 0.05), (1904, 0.03)])
def test_the_numbers_that_prove_equivalence(number, margin):
    """With 5 % on each side, as in the specification."""
    assert expected(documents(number, 1), **{**ALONE, "alpha": 0.05}).equivalence == pytest.approx(margin, rel=0.005)


@pytest.mark.parametrize("number", [20, 72, 300])
@pytest.mark.parametrize("challengers", [1, 4])
def test_the_gain_is_that_of_a_paired_t_test(number, challengers):
    """One question a document, nothing tuned: an independent library's power calculation."""
    effect = TTestPower().solve_power(nobs=number, alpha=0.025 / challengers, power=0.8, alternative="larger")
    found = expected(documents(number, 1), **{**ALONE, "challengers": challengers})
    assert found.gain - 0.03 == pytest.approx(effect * np.sqrt(0.2), rel=0.03)


def test_made_up_studies_find_the_gain_and_prove_equality_as_often_as_said():
    rng = np.random.default_rng(3)
    names = documents(30, 8)
    found = expected(names, **ALONE)
    shared, own = np.sqrt(0.2 * planning.CORRELATION), np.sqrt(0.2 * (1 - planning.CORRELATION))

    def study(truth):
        return clustered_mean(truth + rng.normal(0, shared, 30).repeat(8) + rng.normal(0, own, 240), names).bounds(0.025)

    assert np.mean([study(found.gain)[0] > 0.03 for _ in range(1500)]) == pytest.approx(0.8, abs=0.04)
    equal = [study(0.0) for _ in range(1500)]
    assert np.mean([-found.equivalence < low and high < found.equivalence for low, high in equal]) == pytest.approx(0.8, abs=0.04)


def test_more_documents_seeds_and_fewer_rivals_help():
    usual = {"margin": 0.03, "alpha": 0.025, "challengers": 4, "trainings": 2, "seeds": 3}
    middle = expected(documents(30, 3), **usual)
    assert expected(documents(90, 1), **usual).gain < middle.gain < expected(documents(15, 6), **usual).gain
    assert expected(documents(30, 3), **{**usual, "seeds": 5}).gain < middle.gain < expected(documents(30, 3), **{**usual, "seeds": 2}).gain
    assert expected(documents(30, 3), **{**usual, "challengers": 2}).gain < middle.gain
    assert expected(documents(30, 3), **{**usual, "margin": 0.1}).gain == pytest.approx(middle.gain + 0.07)
    assert expected(documents(30, 3), **{**usual, "margin": 0.1}).equivalence == middle.equivalence


@pytest.mark.parametrize(
    ("names", "changed"),
    [
        (["d"] * 60, {}),
        (["d"] * 50 + ["e"] * 10, {}),  # one document holds most questions: less than one degree of freedom
        (documents(30, 3), {"trainings": 2, "seeds": 1}),
        (["a"], {}),
        (["a", "b"], {}),  # one degree of freedom: far beyond 100 points
    ],
)
def test_nothing_can_be_shown(names, changed):
    found = expected(names, **{**ALONE, **changed})
    assert (found.gain, found.equivalence) == (None, None)


# ── what it takes ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("known", [ALONE, {"margin": 0.03, "alpha": 0.025, "challengers": 4, "trainings": 2, "seeds": 3}])
@pytest.mark.parametrize("goal", [{"gain": 0.12}, {"equivalence": 0.1}])
def test_so_many_questions_are_enough_and_fewer_are_not(known, goal):
    planned = design_of(documents(10, 6), **known)
    number = questions_needed(planned, **goal)
    assert number is not None
    (name, wanted), each = next(iter(goal.items())), 6
    enough, fewer = (getattr(expected(documents(round(share * number / each), each), **known), name) for share in (1.02, 0.97))
    assert enough <= wanted < fewer


def test_where_seeds_are_the_limit_no_number_of_questions_helps():
    usual = {"margin": 0.03, "alpha": 0.025, "challengers": 4, "trainings": 2}
    assert questions_needed(design_of(documents(30, 3), **usual, seeds=2), gain=0.04) is None
    assert questions_needed(design_of(documents(30, 3), **usual, seeds=1), gain=0.5) is None
    few, many = (questions_needed(design_of(documents(30, 3), **usual, seeds=seeds), gain=0.09) for seeds in (3, 10))
    assert many < (few or planning.MOST_QUESTIONS)
