"""The trials of one search: proposed from what ended, pruned, repeated after a kill. No model."""

from __future__ import annotations

from contextlib import nullcontext
from math import log
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.pruners import NopPruner, WilcoxonPruner
from optuna.trial import TrialState

from ragft.errors import DivergedError
from ragft.trials import CURVE, DRAWS, FAILED, MISSING, PACE, TIE, Pace, Pruned, Task, best, carry_out, opened, propose, row

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
RATE = FloatDistribution(1e-4, 1e-1, log=True)
GRID = tuple({"size": size, "k": k} for size in (16, 32) for k in (1, 2, 3))


def rates(attempt, pruner=None) -> Task:
    return Task("rate", False, {"x": RATE}, ({"x": 1e-2}, {"x": 1e-3}), (), pruner or NopPruner(), attempt)


def grid(attempt, pruner=None) -> Task:
    space = {"size": CategoricalDistribution((16, 32)), "k": CategoricalDistribution((1, 2, 3))}
    return Task("grid", True, space, GRID[:1], GRID, pruner or NopPruner(), attempt)


def distance(settings, trial, progress) -> float:
    """The best rate is 2e-3."""
    return abs(log(settings["x"] / 2e-3))


def run(task: Task, path: Path, budget: int):
    numbers = []

    def watch(number: int):
        numbers.append(number)
        return nullcontext(lambda done, total: None)

    with opened(path) as storage:
        return carry_out(task, storage, budget, watch), numbers


def seen(trials) -> list:
    return [(t.params, t.value, t.state) for t in trials]


def test_the_first_settings_are_the_given_ones_and_then_numbers_that_can_be_written_down(tmp_path):
    done, numbers = run(rates(distance), tmp_path / "t.db", 8)
    tried = [t.params["x"] for t in done]
    assert tried[:2] == [1e-2, 1e-3]
    assert len(set(tried)) == 8 and all(1e-4 <= x <= 1e-1 and x == float(f"{x:.2g}") for x in tried)
    assert numbers == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_a_failed_trial_and_not_tried_for_ever(tmp_path, value):
    done, _ = run(rates(lambda settings, trial, progress: value if settings["x"] == 1e-3 else 1.0), tmp_path / "t.db", 3)
    assert [t.state for t in done].count(TrialState.FAIL) == 1 and len(done) == 3
    assert done[1].user_attrs[FAILED] == f"its value is {value}."


def test_what_a_trial_notes_of_failed_answers_is_reported(tmp_path):
    def attempt(settings, trial, progress):
        trial.set_user_attr(MISSING, settings["k"])
        return 0.5

    done, _ = run(grid(attempt), tmp_path / "t.db", 3)
    assert [row(n, t).missing for n, t in enumerate(done)] == [t.params["k"] for t in done]


def test_no_setting_is_tried_twice_and_all_of_a_grid_end_the_search(tmp_path):
    done, _ = run(grid(lambda settings, trial, progress: settings["k"]), tmp_path / "t.db", 50)
    assert sorted((t.params["size"], t.params["k"]) for t in done) == sorted((one["size"], one["k"]) for one in GRID)
    assert done[0].params == GRID[0]


def test_only_settings_of_the_list_are_proposed(tmp_path):
    """A space is a product; what may be tried is a part of it."""
    allowed = tuple(one for one in GRID if one["size"] * one["k"] <= 48)
    task = Task(**{**vars(grid(lambda settings, trial, progress: 0.0)), "settings": allowed})
    done, _ = run(task, tmp_path / "t.db", 50)
    assert len(done) == len(allowed) < len(GRID) and all(t.params in allowed for t in done)


@pytest.mark.parametrize("cut_at", [1, 2, 3, 5])
def test_cut_off_anywhere_it_goes_on_as_if_it_had_not_been(tmp_path, cut_at):
    calm, _ = run(rates(distance), tmp_path / "calm.db", 6)
    asked = []

    def cut_off(settings, trial, progress) -> float:
        asked.append(settings)
        if len(asked) == cut_at:
            raise KeyboardInterrupt  # the trial is left as a kill leaves it: running
        return distance(settings, trial, progress)

    with pytest.raises(KeyboardInterrupt):
        run(rates(cut_off), tmp_path / "cut.db", 6)
    again, numbers = run(rates(distance), tmp_path / "cut.db", 6)
    assert seen(again) == seen(calm)
    assert numbers[0] == cut_at  # the one that was cut off is tried again, those before it are not


def test_a_cut_off_trial_is_not_of_the_budget_but_stays_in_the_storage(tmp_path):
    def cut_off(settings, trial, progress) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(rates(cut_off), tmp_path / "t.db", 3)
    done, _ = run(rates(distance), tmp_path / "t.db", 3)
    assert len(done) == 3 and done[0].number == 1  # number 0 is the one that was cut off


def test_a_finished_search_tries_nothing_more(tmp_path):
    first, _ = run(rates(distance), tmp_path / "t.db", 3)
    again, numbers = run(rates(lambda *_: pytest.fail("tried again")), tmp_path / "t.db", 3)
    assert seen(again) == seen(first) and numbers == []


def test_a_diverged_trial_counts_and_is_never_the_best(tmp_path):
    def attempt(settings, trial, progress) -> float:
        if settings["x"] > 5e-3:
            raise DivergedError("training came apart at step 3")
        return 10.0

    task = rates(attempt)
    done, _ = run(task, tmp_path / "t.db", 4)
    assert len(done) == 4 and done[0].state == TrialState.FAIL
    assert row(1, done[0]).state == "failed" and row(1, done[0]).value is None
    chosen = best(task, done)
    assert chosen is not None and chosen.params == {"x": 1e-3}
    assert best(task, done[:1]) is None


def test_another_error_is_no_failed_trial(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(rates(lambda *_: 1 / 0), tmp_path / "t.db", 4)
    done, _ = run(rates(distance), tmp_path / "t.db", 1)
    assert done[0].state == TrialState.COMPLETE


def test_a_curve_that_cannot_come_down_to_the_best_is_ended_and_has_no_value(tmp_path):
    """Each curve falls by its own pace a step; the first ends at 2. By hand: value - 1.5 x pace x steps left against 2."""
    curves = iter(
        [[6.0, 5.0, 4.0, 3.0, 2.0], [9.0, 7.5, 6.0, 4.5, 3.0], [9.0, 8.0, 7.0, 6.0, 5.0], [9.0, 9.5, 1.0, 1.0, 1.0], [5.0, 4.5, 4.1, 3.8, 3.6]]
    )

    def attempt(settings, trial, progress) -> float:
        curve = next(curves)
        for step, value in enumerate(curve, start=1):
            trial.report(value, step)
            if step < 5 and trial.should_prune():
                raise Pruned
        return curve[-1]

    done, _ = run(rates(attempt, Pace(5)), tmp_path / "t.db", 5)
    rows = [row(number, trial) for number, trial in enumerate(done, start=1)]
    assert PACE == 1.5
    assert [(one.state, one.value, len(one.curve)) for one in rows] == [
        ("complete", 2.0, 5),
        ("pruned", None, 4),  # 6 - 1.5 x 1.5 x 2 = 1.5 goes on; 4.5 - 1.5 x 1.5 x 1 = 2.25 does not
        ("pruned", None, 2),  # 8 - 1.5 x 1 x 3 = 3.5
        ("pruned", None, 2),  # it rises
        ("pruned", None, 2),  # 4.5 - 1.5 x 0.5 x 3 = 2.25
    ]


def test_a_trial_that_is_worse_on_the_same_questions_is_ended(tmp_path):
    """k = 1 answers every question, k = 3 none: after the startup questions there is no doubt. Questions come in another order."""

    def attempt(settings, trial, progress) -> float:
        right = {1: 1.0, 2: 0.9, 3: 0.0}[settings["k"]]
        curve = []
        for done, place in enumerate(range(40) if settings["k"] == 1 else reversed(range(40)), start=1):
            trial.report(float(place < 40 * right), place)
            curve.append((done, right))
            trial.set_user_attr(CURVE, curve)
            if trial.should_prune():
                raise Pruned
        return right

    done, _ = run(grid(attempt, WilcoxonPruner(p_threshold=0.05, n_startup_steps=10)), tmp_path / "t.db", 6)
    rows = {(t.params["size"], t.params["k"]): row(0, t) for t in done}
    assert {rows[size, 3].state for size in (16, 32)} == {"pruned"}
    assert len(rows[16, 3].curve) == 10  # as soon as it may be
    assert rows[16, 2].state == "complete"  # 4 of 40 are no proof


def test_equals_are_ranked_by_what_was_noted_then_by_order(tmp_path):
    def attempt(settings, trial, progress) -> float:
        trial.set_user_attr(TIE, float(settings["k"] >= 2))
        return 0.5

    task = grid(attempt)
    done, _ = run(task, tmp_path / "t.db", 6)
    chosen = best(task, done)
    assert chosen is not None and chosen.params["k"] >= 2
    assert chosen.number == min(t.number for t in done if t.params["k"] >= 2)


def test_proposals_depend_on_what_the_trials_gave(tmp_path):
    """Else it would be a list, and no search: after twelve trials the draws lie near the best."""
    done, _ = run(rates(distance), tmp_path / "t.db", 12)
    other, _ = run(rates(lambda settings, trial, progress: -distance(settings, trial, progress)), tmp_path / "u.db", 12)
    assert [t.params for t in done] != [t.params for t in other]
    assert propose(rates(distance), done) == propose(rates(distance), done)
    assert len(GRID) < DRAWS
