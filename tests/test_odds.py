"""The second panel, against closed forms and scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from ragft.case import case_of
from ragft.compare import compare
from ragft.comparison import Joint
from ragft.cost import Measured, Metered, Prices
from ragft.needs import ArmFacts
from ragft.odds import DRAWS, odds
from ragft.quantities import Waits
from ragft.scoretable import table_of

SLOTS = {"retriever": {"rag": "bm25"}, "tuning": {"lora": "lora"}}


def case(joint: Joint | None = None, facts: dict[str, ArmFacts] | None = None):
    rng = np.random.default_rng(0)
    scores = {"rag": (rng.random((1, 200)) < 0.5).astype(float), "lora": (rng.random((3, 200)) < 0.6).astype(float)}
    found = compare(table_of(scores, [f"d{i // 5}" for i in range(200)], **SLOTS), metric="match", reference="rag", margin=0.03, alpha=0.025)
    about = facts or {"rag": ArmFacts("bm25", None), "lora": ArmFacts(None, "lora")}
    return case_of(found if joint is None else replace(found, joint=joint), about, {}, Prices())


def took(seconds: float, spread: float = 0.0) -> Metered:
    return Metered(Measured(0.0), Measured(seconds, spread**2, 30.0 if spread else float("inf")), 0.5)


def test_the_chances_are_those_of_the_t_distribution():
    made = case()
    rag, lora = odds(made)
    (difference,) = made.found.challengers
    value = difference.estimate
    assert (rag.gain, rag.same) == (None, None)
    assert lora.gain == pytest.approx(t.sf((0.03 - value.mean) / value.se, value.df))
    assert lora.gain == pytest.approx(1 - difference.p_above_margin)
    assert lora.same == pytest.approx(t.cdf((0.03 - value.mean) / value.se, value.df) - t.cdf((-0.03 - value.mean) / value.se, value.df))


@pytest.mark.parametrize("correlation", [0.0, 0.8, -0.5])
def test_the_expected_loss_is_that_of_two_normal_means(correlation):
    """E[max(0, D)] of a normal D has a closed form."""
    sd = np.array([0.04, 0.05])
    shared = correlation * sd[0] * sd[1]
    covariance = ((sd[0] ** 2, shared), (shared, sd[1] ** 2))
    rag, lora = odds(case(Joint(("rag", "lora"), (0.50, 0.53), covariance, 1e9, 200)))
    spread = np.sqrt(sd[0] ** 2 + sd[1] ** 2 - 2 * shared)
    z = 0.03 / spread
    expected = (spread * norm.pdf(z) + 0.03 * norm.cdf(z), spread * norm.pdf(z) - 0.03 * norm.sf(z))
    assert (rag.loss, lora.loss) == pytest.approx(expected, abs=4 * spread / np.sqrt(DRAWS))


def test_the_joint_covariance_is_that_of_the_documents_and_the_seeds():
    """The variance of the difference by the joint matrix is the one that the interval has."""
    found = case().found
    assert found.joint is not None
    covariance, (difference,) = np.array(found.joint.covariance), found.challengers
    step = np.array([-1.0, 1.0])
    assert float(step @ covariance @ step) == pytest.approx(difference.estimate.se**2)


def test_an_arm_that_is_worse_in_everything_is_dominated():
    waits = {"p95_latency_seconds": Waits((0.5, 0.6))}
    slower = {"p95_latency_seconds": Waits((0.9, 1.1))}
    joint = Joint(("rag", "lora"), (0.8, 0.5), ((1e-6, 0.0), (0.0, 1e-6)), 50.0, 200)
    found = odds(case(joint, {"rag": ArmFacts("bm25", None, took(0.1), waits), "lora": ArmFacts(None, "lora", took(0.5), slower)}))
    assert [one.front for one in found] == [1.0, 0.0]
    cheaper = odds(case(joint, {"rag": ArmFacts("bm25", None, took(0.5), waits), "lora": ArmFacts(None, "lora", took(0.1), slower)}))
    assert [one.front for one in cheaper] == [1.0, 1.0]
    even = odds(case(joint, {"rag": ArmFacts("bm25", None, took(0.5, 0.1), waits), "lora": ArmFacts(None, "lora", took(0.5, 0.1), slower)}))
    assert even[1].front == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(DRAWS))  # cheaper in every other draw


def test_what_is_not_known_of_every_arm_is_no_axis():
    joint = Joint(("rag", "lora"), (0.8, 0.5), ((1e-6, 0.0), (0.0, 1e-6)), 50.0, 200)
    found = odds(case(joint, {"rag": ArmFacts("bm25", None, took(0.5)), "lora": ArmFacts(None, "lora")}))
    assert [one.front for one in found] == [1.0, 0.0]


def test_a_cost_that_was_measured_once_is_no_axis_and_few_measurements_spread_as_t():
    """Equal scores, so that the cost alone decides who is dominated: by one that is known for certain, by t, and not at all."""
    joint = Joint(("rag", "lora"), (0.5, 0.5), ((0.0, 0.0), (0.0, 0.0)), 30.0, 100)
    fronts = []
    for df in (float("inf"), 3.0, 0.0):
        metered = Metered(Measured(0.0), Measured(0.1, 0.1**2 if df else 0.0, df), 0.5)
        facts = {"rag": ArmFacts("bm25", None, took(0.2)), "lora": ArmFacts(None, "lora", metered)}
        fronts.append(odds(case(joint, facts))[1].front)
    assert fronts[0] == pytest.approx(norm.cdf(1), abs=0.01) and fronts[1] == pytest.approx(t.cdf(1, 3), abs=0.01)
    assert fronts[2] == 1.0, "nothing tells them apart"


def test_without_a_covariance_nothing_is_said():
    joint = Joint(("rag", "lora"), (0.8, 0.5), ((0.0, 0.0), (0.0, 0.0)), 0.0, 200)
    assert [(one.loss, one.front) for one in odds(case(joint))] == [(None, None)] * 2
    assert odds(case_of(replace(case().found, joint=None), case().facts, {}, Prices())) == ()


def test_an_arm_without_weights_is_left_out():
    about = {"rag": ArmFacts("bm25", None), "lora": ArmFacts(None, "lora", untrained="could not be trained.")}
    assert [one.arm for one in odds(case(facts=about))] == ["rag"]


def test_the_same_again():
    assert odds(case()) == odds(case())
