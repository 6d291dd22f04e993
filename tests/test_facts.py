"""What a run's arms took and do, read from its folder."""

from __future__ import annotations

import numpy as np
import pytest
from made_run import DEFAULT, Plan, make_run

from ragft.cost import Measured
from ragft.drilled import Drill, DrillRow, Share
from ragft.facts import arm_facts
from ragft.measures import measures_path
from ragft.quantities import Mean, Rate, Waits
from ragft.risk import Risk, Risks
from ragft.store import Run, read_json, write_json


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(tmp_path / "run", Plan(measured=True))


def set_fit(run: Run, arm: str, seed: int, part: str, **values) -> None:
    path = run.seed_folder(arm, seed) / "fit.json"
    found = read_json(path)
    found[part]["fit"] |= values
    write_json(path, found)


def test_what_an_arm_took_by_hand(run):
    """An index that was built three times, three trainings, answers in batches of eight."""
    for arm in ("rag", "rag+lora"):
        for seed in run.seeds(arm):
            set_fit(run, arm, seed, "index", seconds=3.0, again=[2.0, 4.0])
    for seed, seconds in enumerate((60.0, 66.0, 72.0)):
        set_fit(run, "rag+lora", seed, "adapter", seconds=seconds)
    facts = arm_facts(run, "match")
    rag, both = facts["rag"].metered, facts["rag+lora"].metered
    assert rag is not None and both is not None
    assert rag.setup_seconds == Measured(3.0, 1 / 3, 2.0) == rag.index_seconds
    assert (both.setup_seconds.mean, both.setup_seconds.variance) == (69.0, pytest.approx(36 / 3 + 1 / 3))
    assert both.setup_seconds.df == pytest.approx((12 + 1 / 3) ** 2 / (144 / 2 + 1 / 9 / 2))
    assert rag.question_seconds.mean == pytest.approx(0.51) and rag.question_seconds.df > 0  # retrieval included
    assert (rag.prompt_tokens, rag.completion_tokens, rag.training_tokens) == (300.0, 4.0, 0.0)
    assert (both.training_tokens, both.setup_gib) == (2900.0, 2 * 10**9 / 2**30)
    base = facts["base"].metered
    assert base is not None and base.setup_seconds == Measured(0.0)  # nothing to build, and that is sure


def test_rates_are_over_the_questions_that_they_are_about(run):
    facts = arm_facts(run, "match")["rag"]
    false, declined = facts.measured["false_answer_rate"], facts.measured["abstention_rate"]
    assert isinstance(false, Rate) and isinstance(declined, Rate)
    assert (false.n, declined.n) == (4, 16)  # of twenty questions every fifth is unanswerable
    assert facts.value("forgetting") is None, "nobody trained it"


def test_waiting_and_memory_are_of_questions_asked_alone(run):
    assert arm_facts(run, "match")["rag"].value("p95_latency_seconds") is None
    write_json(run.seed_folder("rag", 0) / "latency.json", {"seconds": [0.1, 0.2, 0.3], "peak_bytes": 3 * 2**30})
    write_json(run.seed_folder("base", 0) / "latency.json", {"seconds": [0.1]})  # by an earlier version: no memory
    facts = arm_facts(run, "match")
    assert facts["rag"].measured["p95_latency_seconds"] == Waits((0.1, 0.2, 0.3))
    assert (facts["rag"].value("peak_memory_gib"), facts["base"].value("peak_memory_gib")) == (3.0, None)
    assert facts["rag"].metered.answer_gib == 3.0


def test_forgetting_counts_what_was_right_and_is_wrong_now(run):
    """Of four questions the base has two right; the seeds lose one, none and two of them, and what they gain elsewhere does not count."""
    assert "forgetting" not in arm_facts(run, "match")["lora"].measured, "measured by an earlier version: the questions are not told apart"
    marks = {"base": (1, 1, 0, 0), "adapter-lora-qa-0": (0, 1, 1, 1), "adapter-lora-qa-1": (1, 1, 1, 0), "adapter-lora-qa-2": (0, 0, 1, 1)}
    for name, right in marks.items():
        path = measures_path(run.folder, name)
        found = read_json(path)
        found["general"]["right"] = [bool(mark) for mark in right]
        write_json(path, found)
    assert arm_facts(run, "match")["lora"].measured["forgetting"] == Rate((2 / 3 + 1 / 3) / 4, 4)


def test_a_drill_tells_the_stale_rate_and_the_update(run):
    set_fit(run, "rag", 0, "index", seconds=3.0, again=[2.0, 4.0])
    kept = {"adopted": None, "learned": None, "outlived": None, "kept": None, "unchanged": None, "failures": 0}
    row = DrillRow("rag", "re-indexed", 0, 6.0, None, stale=Share(3, 12, None, None), **kept)
    write_json(run.folder / "drill.json", Drill("a", "b", "match", "rag", {}, {}, 0, (row,), ()))
    facts = arm_facts(run, "match")
    assert facts["rag"].measured["stale_rate"] == Rate(0.25, 12)
    assert facts["lora"].value("stale_rate") is None
    update = facts["rag"].metered.update_seconds
    assert update is not None and (update.mean, update.df) == (6.0, 2.0)
    assert update.variance == pytest.approx(1.0 * 4)  # twice as long, and in proportion as unsure as one set-up


def test_risks_become_needs(run):
    def row(what, **known):
        values = {"n": 40, "k": None, "value": None, "low": None, "high": None, "against": "", "beside": None}
        rest = {"change": None, "change_low": None, "change_high": None, "left_out": 0, "note": ""}
        return Risk("raft", 0, what, **{**values, **rest, **known})

    rows = (
        row("injection: obeyed", k=4, value=0.1),
        row("conflict: planted answer", k=10, value=0.25),
        row("membership", value=0.6, se=0.03, df=20.0),
        row("distractors", k=20, value=0.5, change=-0.125, change_se=0.04, change_df=15.0),
    )
    write_json(run.folder / "risks.json", Risks(tuple(Risk(**{**{f: getattr(r, f) for f in r.__slots__}, "arm": "rag"}) for r in rows), "match"))
    found = arm_facts(run, "match")["rag"].measured
    assert found["injection_rate"] == Rate(0.1, 40) and found["conflict_rate"] == Rate(0.25, 40)
    assert found["membership_auc"] == Mean(0.6, 0.03, 20.0) and found["distractor_loss"] == Mean(0.125, 0.04, 15.0)
    assert "extraction_rate" not in found


def test_an_arm_whose_every_answer_failed_has_no_cost(tmp_path):
    run = make_run(tmp_path / "run", Plan(arms=dict(DEFAULT), dead="lora"))
    facts = arm_facts(run, "match")["lora"]
    assert facts.metered is None and facts.measured == {}


def test_an_arm_that_came_apart_took_nothing_that_counts(run):
    set_fit(run, "lora", 1, "adapter", failed="training came apart at step 3")
    facts = arm_facts(run, "match")["lora"]
    assert facts.metered is None and facts.untrained == "could not be trained. Seed 1: training came apart at step 3"
    assert not np.isnan(arm_facts(run, "match")["rag"].metered.question_seconds.mean)
