"""Which arms are not dominated, by hand."""

from __future__ import annotations

from dataclasses import replace

from ragft.compare import compare
from ragft.cost import Measured, Metered, Prices
from ragft.costpage import front_view
from ragft.frontier import places
from ragft.needs import ArmFacts
from ragft.quantities import Fixed
from tests.test_flips import SETTINGS, table

PRICES = Prices(machine_per_hour=3.6, questions_per_month=1000, months=1, updates_per_month=0)  # a second costs 0.001


def facts(**took: tuple[float, float | None]) -> dict[str, ArmFacts]:
    """Seconds a question, and the waiting time."""
    return {
        name: ArmFacts(None, None, Metered(Measured(0.0), Measured(seconds), 0.5), {} if wait is None else {"p95_latency_seconds": Fixed(wait)})
        for name, (seconds, wait) in took.items()
    }


def found():
    return compare(table(rag=(0.6, 0.6), raft=(0.9, 0.9), lora=(0.2, 0.2), base=(0.1, 0.1)), **SETTINGS)


def test_an_arm_is_dominated_by_one_that_is_better_in_all():
    made = places(found(), facts(rag=(1, 1), raft=(2, 1), lora=(3, 1), base=(0.5, 1)), PRICES)
    assert {one.arm: one.front for one in made} == {"rag": True, "raft": True, "lora": False, "base": True}
    assert {one.arm: round(one.cost, 9) for one in made} == {"rag": 1.0, "raft": 2.0, "lora": 3.0, "base": 0.5}


def test_waiting_less_is_enough_to_stand_on_the_front():
    made = places(found(), facts(rag=(1, 1), raft=(2, 1), lora=(3, 0.1), base=(0.5, 1)), PRICES)
    assert all(one.front for one in made)


def test_a_figure_that_is_not_known_of_every_arm_counts_for_none():
    made = places(found(), facts(rag=(1, 1), raft=(2, 1), lora=(3, 0.1), base=(0.5, None)), PRICES)
    assert not {one.arm: one.front for one in made}["lora"]
    assert [key for key, _, _ in front_view(made, "match", PRICES)["charts"]] == ["cost"]


def test_equal_arms_do_not_dominate_each_other():
    one = found()
    same = replace(one, arms=tuple(replace(row, estimate=one.arms[0].estimate) for row in one.arms))
    made = places(same, facts(rag=(1, 1), raft=(1, 1), lora=(1, 1), base=(1, 1)), PRICES)
    assert all(place.front for place in made)


def test_an_arm_without_weights_is_left_out():
    about = facts(rag=(1, 1), raft=(2, 1), lora=(3, 1), base=(0.5, 1))
    about["raft"] = replace(about["raft"], untrained="its training came apart")
    assert "raft" not in [one.arm for one in places(found(), about, PRICES)]


def test_nothing_is_drawn_over_prices_of_nothing():
    made = places(found(), facts(rag=(1, 1), raft=(2, 1), lora=(3, 1), base=(0.5, 1)), PRICES.model_copy(update={"machine_per_hour": 0.0}))
    charts = front_view(made, "match", PRICES)["charts"]
    assert [key for key, _, _ in charts] == ["wait"]
    assert "raft: 9" in charts[0][2] and "dominated" in charts[0][2]
