"""What a study can show and what it takes, before it runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from ragft import pace
from ragft.cli import main
from ragft.pace import probe
from ragft.plan import Part, Plan, Step, Work, make_plan, read_plan
from ragft.planning import design_of, expected
from ragft.plantext import plan_text
from ragft.progress import Silent
from ragft.settings import ArmSettings, Search, save_study
from ragft.stages import plan_units
from ragft.study import prepare, run
from ragft.tuning import forecast as forecasts
from ragft.types import FitReport, Forecast


@pytest.fixture
def context(tiny_study, tmp_path):
    return prepare(tiny_study.model_copy(update={"search": Search(trials=2), "train_tokens": 2000}), tmp_path / "runs")


def test_it_counts_what_a_run_will_do(context):
    plan, units = make_plan(context), [unit.label for unit in plan_units(context)]
    test = len(context.domain.split("test"))
    assert plan.questions["test"] == test and plan.documents == len(context.domain.documents)
    assert plan.trainings == sum(label.startswith("train ") for label in units)
    assert plan.answers == test * sum(label.startswith("answer ") for label in units)
    assert plan.trials == 2 * (1 + 2)  # retrieval, and two kinds of adapter
    assert (plan.arms, plan.challengers) == (("base", "oracle", "rag", "lora", "rag+lora", "raft"), 4)


def test_its_figures_are_those_of_the_planning(context):
    golds = [gold for _, gold in context.domain.split("test")]
    known = {"margin": 0.03, "alpha": 0.025, "challengers": 4, "trainings": 2, "seeds": 2}
    whole = make_plan(context).parts[0]
    assert (whole.gain, whole.equivalence) == (expected(design_of([g.document for g in golds], **known)).gain, None) or whole.gain is None
    for part in make_plan(context).parts[1:]:
        chosen = [g.document for g in golds if getattr(g, part.slice) == part.value]
        assert (part.questions, part.documents) == (len(chosen), len(set(chosen)))
        assert part.gain == expected(design_of(chosen, **known)).gain


def test_slices_that_are_fixed_share_the_error_as_in_the_comparison(context):
    golds = [gold for _, gold in context.domain.split("test")]
    stratum = golds[0].stratum
    few = next(kind for kind in {g.kind for g in golds} if kind)
    names = (f"stratum={stratum}", f"kind={few}", "retrieval=missed", "base=known")
    plan = make_plan(replace(context, study=context.study.model_copy(update={"slices": names})))
    tests = 3 * 4 + 3  # slices by what the model alone knows are not tested on it
    fixed = {f"{part.slice}={part.value}": part for part in plan.parts if part.fixed}
    assert list(fixed) == list(names[:2]) and plan.unknown == names[2:]
    for name, part in fixed.items():
        dimension, value = name.split("=")
        chosen = [g.document for g in golds if getattr(g, dimension) == value]
        known = {"margin": 0.03, "alpha": 0.025, "challengers": tests, "trainings": 2, "seeds": 2}
        assert (part.questions, part.gain) == (len(chosen), expected(design_of(chosen, **known)).gain)
    said = plan_text(plan)
    assert "(fixed)" in said and "only the answers will tell which questions they hold: retrieval=missed, base=known." in said
    assert "(fixed)" not in plan_text(make_plan(context))


def test_an_arm_of_fewer_seeds_makes_the_plan_modest(tiny_study, tmp_path):
    arms = {**tiny_study.arms, "lora": ArmSettings(tuning="lora", seeds=(0,))}
    alone = prepare(tiny_study.model_copy(update={"arms": arms}), tmp_path / "runs")
    assert make_plan(alone).parts[0].gain is None


def words(plan: Plan, what: str) -> str:
    return next(line for line in plan.add if what in line)


def test_what_to_add_is_enough_and_never_less_than_there_is(context):
    plan = make_plan(context)
    said = words(plan, "To show a true gain of 6 points over rag")
    number, seeds = (int(text.replace(",", "")) for text in re.search(r"about ([\d,]+) questions with (\d+) seeds", said).groups())
    documents = [gold.document for _, gold in context.domain.split("test")]
    many = documents * (number // len(documents) + 1)
    spread = [f"{document} {copy // len(documents)}" for copy, document in enumerate(many)]
    planned = design_of(spread, margin=0.03, alpha=0.025, challengers=4, trainings=2, seeds=seeds)
    assert expected(planned).gain <= 0.06
    assert "on documents like these" in said and f"(now {len(documents)}" in said


def test_a_run_keeps_its_plan(tiny_study, tmp_path):
    result = run(tiny_study.model_copy(update={"arms": {name: tiny_study.arms[name] for name in ("base", "rag")}}), tmp_path)
    plan = read_plan(result.run.folder)
    assert plan is not None and plan.work is None and plan.answers == 2 * result.comparison.questions
    assert "Planned before the run" in (result.run.folder / "report.html").read_text()
    (result.run.folder / "plan.json").unlink()
    assert read_plan(result.run.folder) is None


# ── what it takes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_work_is_what_was_tried_so_often(context, monkeypatch):
    """By figures that are given: an index of 5 s, 0.1 and 0.3 s a question, 60 s a training."""
    monkeypatch.setattr(pace, "_index", lambda context, folder: (FitReport(5.0, 0), None, 0.5))
    monkeypatch.setattr(pace, "_answering", lambda context, parts: (0.1, 0.3, 3 * 2**30))
    kinds = {"lora qa": Forecast(60.0, 2 * 2**30), "lora raft": Forecast(100.0, 4 * 2**30)}
    monkeypatch.setattr(pace, "_trainings", lambda *arguments: (kinds, []))
    work, test = probe(context, Silent()), len(context.domain.split("test"))
    steps = {step.what: (step.times, pytest.approx(step.seconds)) for step in work.steps}
    dev = len(context.domain.sample("dev", 48))
    assert steps == {
        "search of retrieval: a trial": (2, 10 + dev * 0.3),
        "search of lora qa: a trial": (2, 15.0),  # a quarter of the tokens
        "search of lora raft: a trial": (2, 25.0),
        "index": (1, 10.0),
        "train lora qa": (2, 60.0),
        "train lora raft": (2, 100.0),
        f"answer {test} questions without passages": (1 + 2, test * 0.1),
        f"answer {test} questions with passages": (1 + 1 + 2 + 2, test * 0.3),
        "measure an adapter, or the model alone": (5, 2.4),
    }
    assert work.seconds == pytest.approx(sum(times * seconds.expected for times, seconds in steps.values()))
    assert (work.peak_gib, work.cost) == (4.0, pytest.approx(work.seconds * 0.10 / 3600))
    assert work.notes[0] == "The index was tried on 50 % of the documents."
    assert work.notes[1].startswith("An hour of the machine is taken to cost 0.10 EUR, which is a placeholder") and len(work.notes) == 2


def test_the_probe_tries_the_real_parts_and_leaves_the_run_alone(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(forecasts, "SAMPLE_SECONDS", 0.1)
    context = prepare(tiny_study, tmp_path / "runs")
    work = probe(context, Silent())
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())
    assert all(step.seconds > 0 for step in work.steps) and work.peak_gib > 0
    assert {"index", "train lora qa", "train lora raft"} <= {step.what for step in work.steps}


def test_kinds_that_the_time_does_not_suffice_for_are_like_the_others(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(pace, "PROBE_SECONDS", 0.0)
    work = probe(prepare(tiny_study, tmp_path / "runs"), Silent())
    seconds = {step.what: step.seconds for step in work.steps}
    assert seconds["train lora qa"] == seconds["train lora raft"]
    assert "1 of 2 kinds of adapter were tried" in work.notes[0]


def test_some_documents_stand_for_all(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(pace, "PROBE_CHARACTERS", 300)
    context = prepare(tiny_study, tmp_path / "runs")
    whole = sum(len(document.text) for document in context.domain.documents)
    fit, parts, share = pace._index(context, tmp_path)
    assert share < 1 and {chunk.span.document for chunk in parts.chunks} < {document.id for document in context.domain.documents}
    assert sum(len(d.text) for d in context.domain.documents if d.id in {c.span.document for c in parts.chunks}) == pytest.approx(share * whole)
    assert fit.seconds > 0


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

MADE = Plan(
    "works", "rag", 0.03, 0.025, 40, {"train": 9, "dev": 3, "test": 60}, ("base", "rag", "lora"), 2, (0, 1, 2), 3, 300, 0,
    (Part("", "", 60, 30, 0.155, None), Part("stratum", "unanswerable", 12, 12, None, None)), ("Ask more.",),
)  # fmt: skip


def test_a_plan_as_text():
    text = plan_text(MADE)
    for said in (
        "40 documents; questions: 9 train, 3 dev, 60 test",
        "3 trainings, 300 answers.",
        "15.5 points",
        "unanswerable questions",
        "- Ask more.",
    ):
        assert said in text
    assert re.search(r"unanswerable questions +12 +12 +none +none", text)
    work = Work((Step("index", 1, 8.0), Step("train lora qa", 3, 60.0)), 188.0, 112.8, 300.8, 2.5, 0.0052, "EUR", ("A note.",))
    text = plan_text(replace(MADE, work=work))
    assert "In all about 3 min on this machine (2 min to 5 min), 2.5 GiB of memory at most" in text and text.endswith("A note.")


def test_the_command(tiny_study, tmp_path, monkeypatch, capsys):
    path = tmp_path / "study.yaml"
    save_study(tiny_study, path)
    monkeypatch.setattr("ragft.pace.probe", lambda context, watcher: Work((), 60.0, 36.0, 96.0, 1.0, 0.01, "EUR"))
    assert main(["plan", str(path), "--runs", str(tmp_path / "runs"), "--json", "--set", "margin=0.1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["margin"], found["work"]["seconds"]) == (0.1, 60.0)
