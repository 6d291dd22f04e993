"""What a run's arms took and do, read from its folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_run import DEFAULT, Plan, make_run
from scipy.stats import t

from ragft.cost import Measured
from ragft.drilled import Drill, DrillRow, Share
from ragft.facts import arm_facts
from ragft.measures import measures_path
from ragft.needs import check_needs
from ragft.quantities import Fixed, Mean, Rate, Waits
from ragft.risk import Risk, Risks
from ragft.store import Run, read_json, write_json, write_jsonl


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


def test_forgetting_is_what_the_base_had_right_and_the_tuned_model_has_not(run):
    """What is learned elsewhere makes up for nothing: of four questions the base has two right; seeds lose one, two and none of the two."""
    set_right(run, "base", (True, True, False, False))
    for seed, right in enumerate([(False, True, True, True), (False, False, True, True), (True, True, False, False)]):
        set_right(run, f"adapter-lora-qa-{seed}", right)
    found = arm_facts(run, "match")["lora"].measured["forgetting"]
    assert found == Rate(pytest.approx((1 + 2 + 0) / 3 / 2), 2)
    set_right(run, "base", (False,) * 4)
    facts = arm_facts(run, "match")["lora"]
    assert "forgetting" not in facts.measured and "nothing to forget" in facts.why_not["forgetting"]


def set_right(run: Run, name: str, right: tuple[bool, ...]) -> None:
    path = measures_path(run.folder, name)
    found = read_json(path)
    found["general"] |= {"right": right, "questions": len(right), "questions_right": sum(right) / max(1, len(right))}
    write_json(path, found)


@pytest.mark.parametrize("name", ["base", "adapter-lora-qa-1"])
def test_forgetting_cannot_be_told_from_shares_alone(run, name):
    """Measures of an earlier version do not say which questions were right, and so the need is open with what to do."""
    path = measures_path(run.folder, name)
    found = read_json(path)
    del found["general"]["right"]
    write_json(path, found)
    facts = arm_facts(run, "match")["lora"]
    assert "forgetting" not in facts.measured
    (tested,) = check_needs(facts, {"forgetting": 0.5}, 0.025)
    assert (tested.state, tested.why) == (
        "open",
        "the need forgetting was not measured: an earlier version kept the share of general questions only; run the study again",
    )


def test_answers_of_earlier_versions_are_one_batch_a_seed(run):
    """They do not say which questions went together; taken one by one, the seconds would pass for surer than they are."""
    for seed in run.seeds("lora"):
        path = run.seed_folder("lora", seed) / "scores.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path, [{key: value + seed if key == "seconds" else value for key, value in row.items() if key != "batch"} for row in rows])
    found = arm_facts(run, "match")["lora"].metered
    assert found is not None and found.question_seconds.df == 2.0, "three batches"


def test_a_drill_tells_the_stale_rate_and_the_update(run):
    set_fit(run, "rag", 0, "index", seconds=3.0, again=[2.0, 4.0])
    kept = {"adopted": None, "learned": None, "outlived": None, "kept": None, "unchanged": None, "failures": 0}
    rows = (
        DrillRow("rag", "as it was", 0, None, None, stale=Share(9, 12, None, None), **kept),
        DrillRow("rag", "re-indexed", 0, 6.0, None, stale=Share(3, 12, None, None, 0.2, 5.0), **kept),
        DrillRow("base", "as it was", 0, None, None, stale=Share(6, 12, None, None), **kept),
        DrillRow("rag+lora", "re-trained", 0, 6.0, 9.0, stale=None, **kept, failed="it came apart"),
    )
    write_json(run.folder / "drill.json", Drill("a", "b", "match", "rag", {}, {}, 0, rows, ()))
    facts = arm_facts(run, "match")
    assert facts["rag"].measured["stale_rate"] == Rate(0.25, 12, 0.2, 5.0), "with its part by document"
    assert facts["rag"].measured["stale_rate"].bounds(0.025)[1] == pytest.approx(0.25 + 0.2 * t.ppf(0.975, 5))
    assert facts["base"].measured["stale_rate"] == Rate(0.5, 12), "nothing in it can be renewed; of an earlier version"
    assert facts["rag+lora"].why_not["stale_rate"] == "it could not be trained again: it came apart"
    other = arm_facts(run, "token_f1")["rag"]
    assert "stale_rate" not in other.measured and other.metered.update_seconds is not None
    (tested,) = check_needs(other, {"stale_rate": 0.1}, 0.025)
    assert tested.why == "the need stale_rate was not measured: measured by match, the verdict is by token_f1: measure it again"
    assert facts["lora"].value("stale_rate") is None
    update = facts["rag"].metered.update_seconds
    assert update is not None and (update.mean, update.df) == (6.0, 2.0)
    assert update.variance == pytest.approx(1.0 * 4)  # twice as long, and in proportion as unsure as one set-up


def row(what, arm="rag", **known):
    values = {"n": 40, "k": None, "value": None, "low": None, "high": None, "against": "", "beside": None}
    rest = {"change": None, "change_low": None, "change_high": None, "left_out": 0, "note": ""}
    return Risk(arm, 0, what, **{**values, **rest, **known})


def test_risks_become_needs(run):
    rows = (
        row("injection: obeyed", k=4, value=0.1, se=0.3, df=9.0),
        row("conflict: planted answer", k=10, value=0.25),
        row("membership", value=0.6, se=0.03, df=20.0),
        row("distractors", k=20, value=0.5, change=-0.125, change_se=0.04, change_df=15.0),
    )
    write_json(run.folder / "risks.json", Risks(rows, "match"))
    found = arm_facts(run, "match")["rag"].measured
    assert found["injection_rate"] == Rate(0.1, 40, 0.3, 9.0) and found["conflict_rate"] == Rate(0.25, 40)
    assert found["membership_auc"] == Mean(0.6, 0.03, 20.0) and found["distractor_loss"] == Mean(0.125, 0.04, 15.0)
    assert "extraction_rate" not in found
    other = arm_facts(run, "token_f1")["rag"]
    assert other.measured.keys() == found.keys() - {"distractor_loss"}, "the others are not judged by the metric"
    assert other.why_not["distractor_loss"] == "measured by match, the verdict is by token_f1: measure it again"


def test_who_was_trained_on_no_running_text_gives_none_away(run):
    """Risks then have a row of its answers, and never one of text."""
    rows = (row("extraction: answers", "lora", k=9, value=9 / 40), row("extraction: text", "rag+lora", k=2, value=0.05))
    write_json(run.folder / "risks.json", Risks(rows, "match"))
    facts = arm_facts(run, "match")
    assert facts["lora"].measured["extraction_rate"] == Fixed(0.0) and facts["rag+lora"].measured["extraction_rate"] == Rate(0.05, 40)
    states = {name: check_needs(facts[name], {"extraction_rate": 0.0}, 0.025)[0].state for name in ("base", "lora", "rag+lora")}
    assert states == {"base": "met", "lora": "met", "rag+lora": "missed"}


def test_it_is_said_why_a_risk_is_not_known(run):
    """To measure it again would give the same; but an arm without any row is still to be measured."""
    rows = (row("false answers", k=1, value=1 / 40), row("membership", "lora", n=0, note="nothing alike is left that it never saw"))
    write_json(run.folder / "risks.json", Risks((*rows, row("injection: obeyed", "oracle", n=0, k=0, note="9 answers failed")), "match"))
    facts, needs = arm_facts(run, "match"), {"conflict_rate": 0.1, "injection_rate": 0.1, "membership_auc": 0.6}
    said = {
        arm: [one.why.removeprefix("the need ") for one in check_needs(facts[arm], needs, 0.025)] for arm in ("rag", "lora", "oracle", "rag+lora")
    }
    assert said["rag"] == [
        "conflict_rate was not measured: no passage that it was shown holds an answer that can be exchanged for another",
        "injection_rate was not measured: it was shown no passage to hide an order in",
        "",
    ]
    assert said["lora"] == ["", "", "membership_auc was not measured: nothing alike is left that it never saw"]
    assert said["oracle"][1] == "injection_rate was not measured: 9 answers failed"
    assert all("ragft risks STUDY" in why for why in said["rag+lora"])


def test_an_arm_whose_every_answer_failed_has_no_cost(tmp_path):
    run = make_run(tmp_path / "run", Plan(arms=dict(DEFAULT), dead="lora"))
    facts = arm_facts(run, "match")["lora"]
    assert facts.metered is None and facts.measured == {}


def test_an_arm_that_came_apart_took_nothing_that_counts(run):
    set_fit(run, "lora", 1, "adapter", failed="training came apart at step 3")
    facts = arm_facts(run, "match")["lora"]
    assert facts.metered is None and facts.untrained == "could not be trained. Seed 1: training came apart at step 3"
    assert not np.isnan(arm_facts(run, "match")["rag"].metered.question_seconds.mean)
