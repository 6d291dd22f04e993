"""A new run against a baseline: the statistic against independent ones, its error rates in made-up worlds, and what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from made_run import EVIL, Plan, make_run
from scipy import stats as scipy_stats
from scripts import load_script

from ragft import manifest
from ragft.errors import InputError, MismatchError, MissingError
from ragft.regression import compare_runs, drop, joined, judged, worst_case
from ragft.regressionpage import regression_page
from ragft.scoretable import ScoreTable, table_of
from ragft.store import Run, read_json, read_jsonl_as, write_json, write_jsonl
from ragft.types import Gold, Question

ALPHA = 0.025


def table(scores, documents=None, tuning=None, retriever="bm25") -> ScoreTable:
    """One arm called `rag`."""
    values = np.atleast_2d(np.asarray(scores, dtype=float))
    names = documents or [f"d{n}" for n in range(values.shape[1])]
    return table_of({"rag": values}, names, retriever={"rag": retriever}, tuning={"rag": tuning})


def outcome(before: ScoreTable, now: ScoreTable, margin: float) -> str:
    both = joined(before, now)
    return judged(drop(both, "rag", ALPHA), worst_case(both, "rag", ALPHA), margin)


# ── the statistic ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_with_a_question_a_document_it_is_the_paired_t_interval():
    rng = np.random.default_rng(3)
    before, now = rng.random(60), rng.random(60)
    found = drop(joined(table(before), table(now)), "rag", ALPHA)
    oracle = scipy_stats.ttest_rel(now, before)
    interval = oracle.confidence_interval(0.95)
    assert found.estimate.mean == pytest.approx((now - before).mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.estimate.df == oracle.df


def leave_one_out(differences: list[float], documents: list[str]) -> tuple[float, float]:
    """Standard error and degrees of freedom of the mean, with one document left out in turn, written out."""
    mean = sum(differences) / len(differences)
    names = sorted(set(documents))
    total = 0.0
    for name in names:
        rest = [value for value, document in zip(differences, documents, strict=True) if document != name]
        total += (sum(rest) / len(rest) - mean) ** 2
    sizes = [documents.count(name) for name in names]
    return sqrt((len(names) - 1) / len(names) * total), len(documents) ** 2 / sum(size**2 for size in sizes) - 1


def test_questions_of_one_document_are_not_independent():
    rng = np.random.default_rng(5)
    documents = [f"d{n}" for n in range(20) for _ in range(1 + n % 5)]
    of_document = {name: rng.normal(scale=0.2) for name in dict.fromkeys(documents)}
    before = [float(rng.random() < 0.6) for _ in documents]
    now = [float(rng.random() < 0.5 + of_document[name]) for name in documents]
    found = drop(joined(table(before, documents), table(now, documents)), "rag", ALPHA)
    se, df = leave_one_out([b - a for a, b in zip(before, now, strict=True)], documents)
    half = scipy_stats.t.ppf(1 - ALPHA, df) * se
    mean = np.mean(now) - np.mean(before)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))


def test_training_seeds_of_both_runs_widen_the_interval():
    """Variances between the seeds of each run's adapters, by hand: an arm's own where it is larger than the pooled one."""
    rng = np.random.default_rng(8)
    documents = [f"d{n // 3}" for n in range(90)]
    before = (rng.random((3, 90)) < np.array([[0.5], [0.6], [0.7]])).astype(float)
    now = (rng.random((3, 90)) < 0.6).astype(float)
    tables = [table(before, documents, tuning="lora"), table(now, documents, tuning="lora")]
    named = [replace(one, arms=(replace(one.arms[0], adapters=name),)) for one, name in zip(tables, "ab", strict=True)]
    found = drop(joined(*named), "rag", ALPHA)
    own = [values.mean(axis=1).var(ddof=1) for values in (before, now)]
    pooled = sum(own) / 2
    seed_variance = sum(max(one, pooled) for one in own) / 3
    question_se, question_df = leave_one_out((now.mean(axis=0) - before.mean(axis=0)).tolist(), documents)
    df = (question_se**2 + seed_variance) ** 2 / (question_se**4 / question_df + seed_variance**2 / 2)  # 2: of the arm that stands for itself
    half = scipy_stats.t.ppf(1 - ALPHA, df) * sqrt(question_se**2 + seed_variance)
    mean = now.mean() - before.mean()
    assert own[0] > pooled > own[1]
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))


def test_the_same_weights_in_both_runs_leave_nothing_to_the_luck_of_training():
    """New documents or another retriever before unchanged adapters: the mean over seeds, question by question, as of an untuned arm."""
    rng = np.random.default_rng(9)
    documents = [f"d{n // 3}" for n in range(90)]
    before = (rng.random((3, 90)) < np.array([[0.4], [0.6], [0.8]])).astype(float)
    now = np.where(rng.random((3, 90)) < 0.1, 1 - before, before)
    tables = [table(values, documents, tuning="lora") for values in (before, now)]
    same, other = ([replace(t, arms=(replace(t.arms[0], adapters=name),)) for t, name in zip(tables, names, strict=True)] for names in ("aa", "ab"))
    found = drop(joined(*same), "rag", ALPHA)
    plain = drop(joined(table(before.mean(axis=0), documents), table(now.mean(axis=0), documents)), "rag", ALPHA)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high)) and found.estimate.seed_se == 0
    trained_anew = drop(joined(*other), "rag", ALPHA)
    assert trained_anew.high - trained_anew.low > 1.5 * (found.high - found.low)
    assert (
        outcome(*[replace(t, arms=(replace(t.arms[0], scores=t.arms[0].scores[:1], adapters="a"),)) for t in (tables[0], tables[0])], 0.05)
        == "not-worse"
    )


def test_the_order_of_the_questions_changes_nothing():
    rng = np.random.default_rng(2)
    documents = [f"d{n // 3}" for n in range(60)]
    before, now = table(rng.random(60), documents), table(rng.random(60), documents)
    order = rng.permutation(60)
    turned = replace(
        now, questions=tuple(now.questions[i] for i in order), documents=tuple(documents[i] for i in order),
        arms=(replace(now.arms[0], scores=now.arms[0].scores[:, order]),), applicable=now.applicable[order],
    )  # fmt: skip
    assert drop(joined(before, turned), "rag", ALPHA) == drop(joined(before, now), "rag", ALPHA)


@pytest.mark.parametrize(("drop_by", "forbidden"), [(0.10, "not-worse"), (0.10, "worse")])
def test_at_the_margin_either_sure_outcome_is_as_rare_as_stated(drop_by, forbidden):
    """The true drop is the margin: each of the two may be said in 2.5 % of worlds; 400 worlds say 5.5 % with a chance of 1 in 4,000."""
    rng = np.random.default_rng(11 if forbidden == "worse" else 12)
    documents, said = [f"d{n // 4}" for n in range(160)], 0
    for _ in range(400):
        level = np.repeat(rng.uniform(0.3, 0.9, 40), 4)
        shift = np.repeat(rng.uniform(-0.1, 0.1, 40), 4) - drop_by
        before, now = rng.random(160) < level, rng.random(160) < level + shift
        said += outcome(table(before, documents), table(now, documents), drop_by) == forbidden
    assert said / 400 < 0.055


def test_what_is_plain_is_found():
    rng = np.random.default_rng(4)
    right = (rng.random(300) < 0.7).astype(float)
    assert outcome(table(right), table(right), 0.03) == "not-worse"
    assert outcome(table(right), table(right * (rng.random(300) < 0.6)), 0.03) == "worse"
    assert outcome(table(right[:20]), table(right[:20]), 0.03) == "undecided", "twenty questions cannot show it"


def test_one_seed_says_nothing_of_how_trainings_differ():
    right = np.tile([1.0, 0.0], 50)
    before, now = table(right, tuning="lora"), table(right * 0, tuning="lora")
    assert drop(joined(before, now), "rag", ALPHA).low is None
    assert outcome(before, now, 0.03) == "undecided"


def test_failed_answers_are_no_reason_to_pass():
    """Where a few fail and all others are right, the rest alone would pass."""
    right, failing = np.ones(200), np.ones(200)
    failing[:8] = np.nan
    assert outcome(table(right), table(right), 0.03) == "not-worse"
    assert (
        judged(drop(joined(table(right), table(failing)), "rag", ALPHA), drop(joined(table(right), table(right)), "rag", ALPHA), 0.03) == "not-worse"
    )
    assert outcome(table(right), table(failing), 0.03) == "undecided"
    failing[:12] = np.nan
    with pytest.raises(
        InputError, match=r"no score of 0 % of the questions in the baseline run and of 6 % in the new run; with more than 5 % missing"
    ):
        outcome(table(right), table(failing), 0.03)


# ── two runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def finished_run(folder: Path, **changes) -> Run:
    run = make_run(folder, Plan(documents=30, **changes))
    manifest.finish(run)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Run]:
    """A baseline, one as good by another model, one that is far worse."""
    root = tmp_path_factory.mktemp("gate")
    made = {"baseline": finished_run(root / "baseline"), "same": finished_run(root / "same"), "bad": finished_run(root / "bad", skill={"rag": 1})}
    path = made["same"].folder / "manifest.json"
    other = read_json(path)
    write_json(path, {**other, "model": {**other["model"], "name": "another", "sha256": "c" * 64}, "versions": {"python": "3.12"}})
    return made


def gate(capsys, *words) -> tuple[int, dict, str]:
    capsys.readouterr()
    code = load_script("gate").main([str(word) for word in words])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def test_what_is_told_of_a_run_that_is_worse(runs):
    found = compare_runs(runs["baseline"], runs["bad"], "rag")
    means = [side.level.mean for side in (found.baseline, found.new)]
    assert found.outcome == "worse" and found.difference.estimate.mean == pytest.approx(means[1] - means[0])
    assert (found.margin, found.alpha, found.metric, found.questions, found.documents) == (0.03, 0.025, "match", 60, 30)
    assert found.because.endswith("points): surely worse by more than 3 points.") and "lower than the baseline" in found.because
    assert found.lost > 10 == len(found.most_lost) and found.most_lost[0].baseline == 1 and found.most_lost[0].new == 0
    assert (found.lost - found.gained) / 60 == pytest.approx(-found.difference.estimate.mean)
    assert found.detectable > 0.03 and found.changed == ()


def test_what_differs_is_named(runs):
    found = compare_runs(runs["baseline"], runs["same"], "rag", margin=0.05)
    assert found.outcome == "not-worse" and found.lost == found.gained == 0
    assert found.changed == ("model: tiny → another", "python: 3.11 → 3.12")
    again = compare_runs(runs["baseline"], Run(runs["baseline"].folder / "."), "rag", margin=0.05)
    assert again.changed == ("nothing: both are the same run",)


def test_the_arm_is_what_the_baseline_recommends(runs):
    recommended = read_json(runs["baseline"].folder / "decision.json")["recommend"]
    assert compare_runs(runs["baseline"], runs["same"]).arm == recommended


def test_tuned_arms_that_were_trained_anew_bring_the_variance_between_their_seeds(runs, tmp_path):
    found = compare_runs(runs["baseline"], runs["same"], "rag+lora")
    assert found.baseline.seeds == 3 and found.difference.estimate.seed_se == 0, "the same adapters"
    anew = finished_run(tmp_path / "anew")
    for path in anew.folder.glob("arms/rag+lora/*/fit.json"):
        path.write_text(path.read_text().replace('"sha256": "adapter', '"sha256": "another'))
    found = compare_runs(runs["baseline"], anew, "rag+lora")
    assert found.difference.estimate.seed_se > 0 and found.changed == ("adapters: trained anew",)


@pytest.mark.parametrize(
    ("new", "more", "code", "outcome"),
    [
        ("bad", [], 1, "worse"),
        ("bad", ["--undecided", "pass"], 1, "worse"),
        ("same", ["--margin", "0.05"], 0, "not-worse"),
        ("same", [], 5, "undecided"),
        ("same", ["--undecided", "pass"], 0, "undecided"),
        ("same", ["--margin", "0.05", "--alpha", "0.0001"], 5, "undecided"),
    ],
)
def test_three_outcomes_have_their_codes(runs, capsys, new, more, code, outcome):
    """Equal on 60 questions from 30 documents shows a drop of 3.4 points at most."""
    found = gate(capsys, runs["baseline"].folder, runs[new].folder, "--arm", "rag", *more)
    assert (found[0], found[1]["outcome"]) == (code, outcome)
    assert found[2].strip() == found[1]["because"]


def test_the_summary_is_appended(runs, capsys, tmp_path):
    summary = tmp_path / "of" / "job.md"
    for new in ("bad", "same"):
        gate(capsys, runs["baseline"].folder, runs[new].folder, "--arm", "rag", "--summary", summary)
    gate(capsys, runs["baseline"].folder, tmp_path / "none", "--summary", summary)
    text = summary.read_text()
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["## Worse than the baseline", "## Undecided: the new run may be worse than the baseline", "## Not compared with the baseline"]
    assert "| run |" in text and "model: tiny → another" in text and "If it is as good in truth, about" in text


# ── what cannot be compared ──────────────────────────────────────────────────────────────────────────────────────────


def asked_otherwise(run: Run, way: str) -> None:
    questions, golds = read_jsonl_as(Question, run.folder / "questions.jsonl"), read_jsonl_as(Gold, run.folder / "gold.jsonl")
    if way == "fewer":
        questions, golds = questions[:-2], golds[:-2]
    if way == "text":
        questions[3] = replace(questions[3], text="Something else?")
    if way == "answers":
        golds[3] = replace(golds[3], answers=("other",))
    write_jsonl(run.folder / "questions.jsonl", questions)
    write_jsonl(run.folder / "gold.jsonl", golds)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("fewer", "of 60 in .*baseline and 58 in .*new, 2 are asked in the baseline run only \\(such as 'q58'\\)"),
        ("text", "1 have another text under the same id \\(such as 'q03'\\)"),
    ],
)
def test_other_questions_are_refused(runs, tmp_path, capsys, way, message):
    new = finished_run(tmp_path / "new")
    asked_otherwise(new, way)
    with pytest.raises(MismatchError, match=message):
        compare_runs(runs["baseline"], new, "rag")
    code, found, err = gate(capsys, runs["baseline"].folder, new.folder)
    assert code == found["exit_code"] == 2 and "were not asked the same questions" in err


def test_other_reference_answers_are_said(runs, tmp_path):
    new = finished_run(tmp_path / "new")
    asked_otherwise(new, "answers")
    assert any(line.startswith("1 of 60 questions have other reference answers") for line in compare_runs(runs["baseline"], new, "rag").warnings)


def test_another_metric_is_refused_with_the_remedy(runs, tmp_path):
    new = finished_run(tmp_path / "new")
    path = new.folder / "study.yaml"
    path.write_text(path.read_text().replace("metric: match", "metric: token_f1"))
    with pytest.raises(MismatchError, match=r"scored by other metrics: .* by match, .* by token_f1\. .*--set metric=match"):
        compare_runs(runs["baseline"], new, "rag")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--arm", "raft"], "unknown arm 'raft'. Did you mean 'rag'? Known: base, lora, oracle, rag, rag+lora."),
        (["--margin", "3"], "the margin is a share from 0 to 1"),
        (["--margin", "nan"], "the margin is a share from 0 to 1"),
        (["--alpha", "0.5"], "alpha is a probability above 0 and below 0.5"),
    ],
)
def test_what_cannot_be_asked_is_no_outcome(runs, capsys, words, message):
    code, found, err = gate(capsys, runs["baseline"].folder, runs["same"].folder, *words)
    assert code == found["exit_code"] == 2 and message in found["error"] and len(err.strip().splitlines()) == 1


def test_a_run_that_is_not_finished_is_refused(runs, tmp_path, capsys):
    with pytest.raises(MissingError, match="has not come to its verdict"):
        compare_runs(runs["baseline"], make_run(tmp_path / "new", Plan(documents=30)), "rag")
    assert gate(capsys, tmp_path / "nowhere", runs["same"].folder)[0] == 2


def test_a_run_whose_answers_failed_is_no_pass(runs, tmp_path, capsys):
    new = finished_run(tmp_path / "new", dead="rag")
    code, found, _ = gate(capsys, runs["baseline"].folder, new.folder, "--arm", "rag", "--undecided", "pass")
    assert code == 2 and "of 100 % in the new run" in found["error"]


def test_texts_of_others_cannot_break_the_summary(tmp_path):
    before, now = finished_run(tmp_path / "a", text=EVIL), finished_run(tmp_path / "b", text=EVIL, skill={"rag": 1})
    page = regression_page(compare_runs(before, now, "rag"))
    assert "<img" not in page and "<script" not in page and "alert" in page
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (4, 5)
