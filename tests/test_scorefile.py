"""Tables of scores: what is read, every mistake with its file and line, and the way from a run to a table and back."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_run import EVIL, Plan, make_run

from ragft.compare import compare
from ragft.cost import Prices, arm_cost
from ragft.errors import InputError, MissingError
from ragft.facts import arm_facts
from ragft.scorefile import decide_scores, read_scores, write_scores
from ragft.scorerows import COLUMNS, NUMBERS, OF_ARM, OF_QUESTION, OF_ROW, REQUIRED
from ragft.scoring import score_table
from ragft.store import read_json, write_json
from ragft.study import compare_run, decide_run, load_result, read_study

DOCS = (Path(__file__).parents[1] / "docs" / "scores.md").read_text(encoding="utf-8")
PLAIN = "arm,question,document,score\nrag,q1,a.md,1\nrag,q2,a.md,0\nlora,q1,a.md,0.5\nlora,q2,a.md,\n"


def read(folder, text, name="scores.csv", **options):
    (folder / name).write_text(text, encoding="utf-8")
    return read_scores([folder / name], **options)


def same(one, other):
    """Whether two score tables are equal, arrays included (NaN is equal to NaN)."""
    np.testing.assert_array_equal(one.hit, other.hit)
    np.testing.assert_array_equal(one.applicable, other.applicable)
    for mine, theirs in zip(one.arms, other.arms, strict=True):
        np.testing.assert_array_equal(mine.scores, theirs.scores)
        assert replace(mine, scores=None) == replace(theirs, scores=None)
    return (one.questions, one.documents, one.strata, one.kinds) == (other.questions, other.documents, other.strata, other.kinds)


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_small_table_by_hand(tmp_path):
    found = read(tmp_path, PLAIN)
    assert found.table.questions == ("q1", "q2")
    assert found.table.documents == ("a.md", "a.md")
    rag, lora = found.table.arms
    np.testing.assert_array_equal(rag.scores, [[1.0, 0.0]])
    np.testing.assert_array_equal(lora.scores, [[0.5, np.nan]])  # empty is unscored, not 0
    assert (rag.retriever, rag.tuning, lora.retriever, lora.tuning) == ("auto", None, None, "lora")
    assert (found.reference, found.metric, found.warnings) == ("rag", "score", ())
    assert np.isnan(found.table.hit).all()


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("arm,question,document,score", " Arm ,Question,DOCUMENT,Score"),
        PLAIN.replace("q1", ' "q1"'.strip()),
        PLAIN.replace(",1\n", ",true\n").replace("q2,a.md,\n", "q2,a.md,NaN\n"),
    ],
    ids=["byte-order mark", "semicolons", "tabs", "windows lines", "capitals", "quotes", "words"],
)
def test_spellings_of_the_same_table(tmp_path, text):
    assert same(read(tmp_path, text).table, read(tmp_path, PLAIN, "other.csv").table)


def test_json_lines_hold_the_same_as_the_csv(tmp_path):
    rows = [
        {"arm": "rag", "question": "q1", "document": "a.md", "score": 1},
        {"arm": "rag", "question": "q2", "document": "a.md", "score": False},
        {"arm": "lora", "question": "q1", "document": "a.md", "score": 0.5},
        {"arm": "lora", "question": "q2", "document": "a.md", "score": None},
    ]
    assert same(read(tmp_path, "\n".join(map(json.dumps, rows)), "s.jsonl").table, read(tmp_path, PLAIN).table)
    del rows[3]["score"]  # a key that a line lacks is an empty cell
    assert same(read(tmp_path, "\n".join(map(json.dumps, rows)), "s.jsonl").table, read(tmp_path, PLAIN).table)


def test_files_add_up_and_seeds_are_in_numerical_order(tmp_path):
    (tmp_path / "a.csv").write_text("arm,question,seed,score\nrag,q1,,1\nlora,q1,10,0.1\nlora,q1,2,0.2\n")
    (tmp_path / "b.csv").write_text("arm,question,seed,score\nlora,q1,1,0.3\n")
    lora = read_scores([tmp_path / "a.csv", tmp_path / "b.csv"]).table.arm("lora")
    np.testing.assert_array_equal(lora.scores, [[0.3], [0.2], [0.1]])


def test_a_file_that_holds_one_arm_is_named_outside(tmp_path):
    (tmp_path / "a.csv").write_text("question,score\nq1,1\n")
    (tmp_path / "b=c.csv").write_text("arm,question,score\nlora,q1,1\n")
    found = read_scores([f"mine:bm25:={tmp_path}/a.csv", str(tmp_path / "b=c.csv")])  # a path that is there is no name
    assert [(arm.name, arm.retriever, arm.tuning) for arm in found.table.arms] == [("mine", "bm25", None), ("lora", None, "lora")]


def test_questions_and_seeds_that_an_arm_lacks_are_unscored_and_said(tmp_path):
    text = "arm,question,document,seed,score\nrag,q1,d,0,1\nrag,q2,d,0,1\nlora,q1,d,0,1\nlora,q2,d,0,1\nlora,q2,d,1,0\n"
    found = read(tmp_path, text)
    np.testing.assert_array_equal(found.table.arm("lora").scores, [[1, 1], [np.nan, 0]])
    assert found.warnings == ("lora: 1 of 4 scores are not in the files; they count as unscored.",)
    row = compare(found.table, metric="m", reference="rag", margin=0.03, alpha=0.025).row("lora")
    assert (row.missing, row.worst, row.best) == (0.25, 0.5, 0.75)


def test_a_failed_answer_is_unscored_whatever_its_score_says(tmp_path):
    found = read(tmp_path, "arm,question,document,score,outcome\nrag,q1,d,0,error\nrag,q2,d,0,truncated\n")
    np.testing.assert_array_equal(found.table.arms[0].scores, [[np.nan, 0.0]])


def test_a_question_that_failed_everywhere_is_missing_and_one_that_the_metric_does_not_apply_to_is_not(tmp_path):
    """Empty is failed; empty with an outcome that is no error is what a metric says that does not apply, unless it does to another arm's answer."""
    rows = [("q1", "1", "ok"), ("q2", "", "error"), ("q3", "", ""), ("q4", "", "ok"), ("q5", "", "ok")]
    text = "arm,question,document,score,outcome\n" + "".join(f"rag,{q},d,{score},{outcome}\n" for q, score, outcome in rows)
    found = read(tmp_path, text + "base,q5,d,1,ok\n" + "".join(f"base,q{n},d,,error\n" for n in (2, 4)))
    assert found.table.applicable.tolist() == [True, True, True, False, True]


def test_without_documents_every_question_stands_alone_and_that_is_said(tmp_path):
    found = read(tmp_path, "arm,question,score\nrag,q1,1\nrag,q2,0\n")
    assert found.table.documents == ("q1", "q2")
    assert "intervals are then too narrow" in found.warnings[0]


def test_unknown_columns_are_ignored_and_said(tmp_path):
    found = read(tmp_path, "arm,question,documnt,score,remark\nrag,q1,a,1,x\n")
    assert "unknown columns were ignored: 'documnt' (did you mean 'document'?), 'remark'." in found.warnings[0]


def test_every_column_reaches_its_place(tmp_path):
    row = {
        "arm": "mine", "question": "q", "score": "1", "document": "d", "stratum": "unanswerable", "kind": "value", "retriever": "dense",
        "tuning": "dora", "format": "raft", "model": "m", "k": "4", "adapters": "a1", "control": "yes", "dose": "4", "recipe": "r", "system": "s", "untrained": "", "update_seconds": "40",
        "seed": "3", "outcome": "ok", "hit": "1", "abstained": "0", "false_answer": "1", "index_seconds": "60", "training_seconds": "3540", "setup_gib": "3", "answer_gib": "1.5",
        "training_tokens": "5000", "seconds": "0.5", "batch": "b", "alone_seconds": "2.5", "prompt_tokens": "100", "completion_tokens": "9",
    }  # fmt: skip
    assert list(row) == list(COLUMNS)
    found = read(tmp_path, f"{','.join(row)}\n{','.join(row.values())}\n", reference="mine")
    arm, facts = found.table.arms[0], found.facts["mine"]
    assert (arm.dose, arm.recipe, arm.system) == (4.0, "r", "s")
    assert (arm.retriever, arm.tuning, arm.format, arm.model, arm.k, arm.adapters, arm.control) == ("dense", "dora", "raft", "m", 4, "a1", True)
    assert (found.table.strata, found.table.kinds, found.table.hit.tolist()) == (("unanswerable",), ("value",), [1.0])
    assert (facts.retriever, facts.tuning) == ("dense", "dora")
    assert {need: quantity.value for need, quantity in facts.measured.items()} == {  # no abstention rate: the documents answer none of them
        "p95_latency_seconds": 2.5, "peak_memory_gib": 1.5, "false_answer_rate": 1.0,
    }  # fmt: skip
    took = facts.metered
    assert took is not None and took.update_seconds is not None
    assert (took.setup_seconds.mean, took.question_seconds.mean, took.update_seconds.mean) == (3600.0, 0.5, 40.0)
    assert (took.setup_gib, took.answer_gib, took.training_tokens, took.prompt_tokens, took.completion_tokens) == (3.0, 1.5, 5000.0, 100.0, 9.0)
    assert arm_cost(took, Prices(machine_per_hour=2)).setup == 2.0


def test_hit_is_the_references_under_its_first_seed(tmp_path):
    rows = ["rag,q1,1,0,0", "rag,q1,0,1,0", "dense,q1,0,0,0"]
    text = "arm,question,seed,hit,score,retriever,tuning\n" + "".join(f"{row},bm25,\n" for row in rows)
    assert read(tmp_path, text).table.hit.tolist() == [1.0]
    assert read(tmp_path, text, reference="dense").table.hit.tolist() == [0.0]


def test_costs_need_set_up_and_seconds(tmp_path):
    text = "arm,question,seed,score,training_seconds,seconds\nrag,q1,0,1,{0},{1}\nrag,q1,1,1,30,{1}\n"
    assert read(tmp_path, text.format("10", "0.5")).facts["rag"].metered.setup_seconds.mean == 20.0
    assert read(tmp_path, text.format("", "0.5")).facts["rag"].metered is None
    assert read(tmp_path, text.format("10", "")).facts["rag"].metered is None


def test_rates_by_hand(tmp_path):
    rows = ["q1,1,0,", "q2,0,1,", "q3,0,1,", "q4,1,,0", "q5,0,,1"]  # two of three answerable ones declined, one of two others answered
    found = read(tmp_path, "arm,question,score,abstained,false_answer\n" + "".join(f"rag,{row}\n" for row in rows))
    assert found.facts["rag"].value("abstention_rate") == pytest.approx(2 / 3)
    assert found.facts["rag"].value("false_answer_rate") == 0.5
    rows = ["q1,1,0,", "q2,1,1,unanswerable"]  # declining is right where the stratum says that there is no answer
    found = read(tmp_path, "arm,question,score,abstained,stratum\n" + "".join(f"rag,{row}\n" for row in rows))
    assert (found.facts["rag"].value("abstention_rate"), found.facts["rag"].value("false_answer_rate")) == (0.0, None)


def test_a_control_is_known_by_its_format_or_its_column(tmp_path):
    text = "arm,question,score,retriever,tuning,format,control\nrag,q,1,bm25,,,\na,q,1,,lora,shuffled,\nb,q,1,,lora,qa,\nc,q,1,,lora,qa,1\n"
    assert [arm.control for arm in read(tmp_path, text).table.arms] == [False, True, False, True]


# ── the reference ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arms", "asked", "found"),
    [
        ({"a": ("bm25", ""), "b": ("", "lora"), "oracle": ("oracle", "")}, None, "a"),
        ({"a": ("bm25", ""), "rag": ("dense", "")}, None, "rag"),
        ({"a": ("bm25", ""), "rag": ("dense", "")}, "a", "a"),
        ({"a": ("bm25", ""), "b": ("dense", "")}, None, "several arms could be the reference, the RAG of today: a, b. Name one."),
        ({"rag": ("", ""), "b": ("oracle", "")}, None, "no arm has a retriever and no tuning"),
        ({"rag": ("bm25", "")}, "rga", "Did you mean 'rag'"),
    ],
)
def test_the_reference_is_the_only_plain_rag_or_is_asked_for(tmp_path, arms, asked, found):
    text = "arm,retriever,tuning,question,score\n" + "".join(f"{name},{retriever},{tuning},q,1\n" for name, (retriever, tuning) in arms.items())
    if found in arms:
        assert read(tmp_path, text, reference=asked).reference == found
    else:
        with pytest.raises(InputError, match=found):
            read(tmp_path, text, reference=asked)


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no scores are in it"),
        ("arm,question,score\n", "no scores are in it"),
        ("arm,question,scores\nrag,q,1\n", ":1: the column 'score' is missing. Is it 'scores'?"),
        ("arm,Arm,question,score\nrag,rag,q,1\n", ":1: a column is there twice"),
        ("arm,question,score\nrag,q,1\nrag,,1\n", ":3: 'question' is empty"),
        ("arm,question,score\nrag,q,1.5\n", ":2: score '1.5' is not a number from 0 to 1.*Scale it"),
        ("arm,question,score\nrag,q,-0.1\n", ":2: score '-0.1'"),
        ("arm,question,score\nrag,q,inf\n", ":2: score 'inf'"),
        ("arm,question,score\nrag,q,good\n", ":2: score 'good' is not a number"),
        ('arm;question;score\nrag;q;"0,5"\n', ":2: score '0,5'.*Write it with a point"),
        ("arm,question,score,seed\nrag,q,1,a\n", ":2: seed 'a' is not a whole number from 0"),
        ("arm,question,score,seed\nrag,q,1,0.5\n", ":2: seed '0.5'"),
        ("arm,question,score,k\nrag,q,1,0\n", ":2: k '0' is not a whole number from 1"),
        ("arm,question,score,hit\nrag,q,1,0.5\n", ":2: hit '0.5' is not a whole number from 0 to 1"),
        ("arm,question,score,seconds\nrag,q,1,-1\n", ":2: seconds '-1'"),
        ("arm,question,score\nrag,q,1\nrag,q,0\n", ":3: a second score of question 'q' by rag with seed 0; the first is in .*:2"),
        ("arm,question,score,seed\nrag,q,1,\nrag,q,0,0\n", ":3: a second score"),
        ("arm,question,score,document\nrag,q,1,a\nlora,q,1,b\n", ":3: question 'q' has the document 'b' here and 'a' in .*:2"),
        ("arm,question,score,document\nrag,q,1,a\nrag,p,1,\n", "question 'p' has no document, and others have"),
        ("arm,question,score,retriever,tuning\nrag,q,1,bm25,\nrag,p,1,dense,\n", ":3: arm 'rag' has the retriever 'dense' here and 'bm25'"),
        ("arm,question,score,seed,training_seconds\nrag,q,1,0,2\nrag,p,1,0,\n", ":3: arm 'rag' seed '0' has the training_seconds '' here and '2.0'"),
        ("arm,question,score\nmine,q,1\n", "arm 'mine' is not known. Say it with the columns retriever and tuning"),
        ("arm,question,score,tuning\nlora,q,1,lora\n", ":1: it has the column 'tuning' and not 'retriever'"),
        ("arm,question,score\nrag,q\n", ":2: this row has not as many cells"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(tmp_path, text, said):
    with pytest.raises(InputError, match=rf"(?s)scores\.csv.*{said}|^{said}") as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_mistakes_in_json_lines(tmp_path):
    for line, said in (('{"arm": "rag", "question": "q", "score": [1]}', "'score' is a list"), ("[]", "expected an object"), ("{", "broken JSON")):
        with pytest.raises(InputError, match=rf"s\.jsonl:1: .*{said}"):
            read(tmp_path, line, "s.jsonl")


def test_mistakes_in_the_names_of_files(tmp_path):
    (tmp_path / "s.csv").write_text(PLAIN)
    (tmp_path / "s.xlsx").write_text(PLAIN)
    for paths, error, said in (
        ([], InputError, "no file or frame of scores was given"),
        ([tmp_path / "none.csv"], MissingError, "no such file"),
        ([tmp_path], MissingError, "a folder; give the files in it"),
        ([tmp_path / "s.xlsx"], InputError, "unknown kind of file"),
        ([f"a:b={tmp_path}/s.csv"], InputError, "write a file of scores as PATH, ARM=PATH"),
        ([f"rag={tmp_path}/s.csv"], InputError, "it has the column 'arm' itself"),
        ([f"rag={tmp_path}/none.csv"], MissingError, "none.csv: no such file"),
        ([tmp_path / "s.csv", tmp_path / "s.csv"], InputError, "a second score"),
    ):
        with pytest.raises(error, match=said):
            read_scores(paths)
    with pytest.raises(InputError, match="scorer 'match': it chooses among the scores of a log"):
        read_scores([tmp_path / "s.csv"], scorer="match")


@pytest.mark.parametrize("options", [{"margin": 3}, {"margin": -0.01}, {"alpha": 0.5}, {"alpha": 0}, {"needs": {"speed": 1}}])
def test_settings_are_checked(tmp_path, options):
    (tmp_path / "s.csv").write_text(PLAIN)
    with pytest.raises(InputError):
        decide_scores([tmp_path / "s.csv"], **options)


# ── a run's scores ───────────────────────────────────────────────────────────────────────────────────────────────────

PLANS = {
    "plain": Plan(),
    "adopted": Plan(documents=40, unanswerable=False, skill={"rag": 4, "rag+lora": 9, "lora": 5}),
    "failed": Plan(error="rag", skill={"rag": 3}),
    "no evidence": Plan(evidence=False),
    "needs": Plan(needs={"citations": True, "abstention_rate": 0.3, "false_answer_rate": 0.5}),
    "markup": Plan(text=f"{EVIL}, \"quoted\"; =1+1 '✓'"),
    "a control": Plan(arms={"rag": {"retriever": "bm25"}, "lora": {"tuning": "lora"}, "no": {"tuning": "lora", "format": "shuffled"}}),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_runs_scores_written_and_read_are_the_same_scores_and_verdict(tmp_path, name):
    run = make_run(tmp_path / "run", PLANS[name])
    study, inside = read_study(run), load_result(run)
    write_scores(run, tmp_path / "s.csv", study.metric)
    scores = read_scores([tmp_path / "s.csv"])
    assert same(scores.table, score_table(run, study.metric, study.reference))
    assert scores.facts == arm_facts(run, study.metric)
    assert (scores.reference, scores.warnings) == ("rag", ())
    settings = {"margin": study.margin, "alpha": study.alpha, "needs": study.needs, "prices": study.costs}
    found, decision = decide_scores([tmp_path / "s.csv"], metric_name=study.metric, model=inside.decision.model, **settings)
    assert found == inside.comparison
    assert decision == inside.decision


def test_the_verdicts_of_those_runs_differ(tmp_path):
    """So that the test above does not compare one blocked verdict with itself."""
    found = {name: load_result(make_run(tmp_path / name, PLANS[name])).decision.verdict for name in ("plain", "adopted")}
    assert found["adopted"] == "adopt-both" != found["plain"]


def test_what_else_a_verdict_rests_on_is_in_the_table(tmp_path):
    """Latencies measured alone, a training that came apart, and evidence of which half was found."""
    run = make_run(tmp_path / "run", Plan())
    scores = run.seed_folder("rag", 0) / "scores.jsonl"
    scores.write_text(scores.read_text().replace('"recall@k": 1.0', '"recall@k": 0.5', 1))
    compare_run(run)
    for name in ("rag", "rag+lora"):
        for seed in run.seeds(name):
            write_json(run.seed_folder(name, seed) / "latency.json", {"seconds": [0.1, 0.2, 0.3 + seed], "peak_bytes": 2**30})
    fit = read_json(run.seed_folder("lora", 1) / "fit.json")
    fit["adapter"]["fit"]["failed"] = "training came apart at step 3"
    write_json(run.seed_folder("lora", 1) / "fit.json", fit)
    inside = decide_run(run)
    assert "lora" in inside.excluded
    write_scores(run, tmp_path / "s.csv", "match")
    assert same(read_scores([tmp_path / "s.csv"]).table, score_table(run, "match", "rag"))
    assert read_scores([tmp_path / "s.csv"]).facts == arm_facts(run, "match")
    assert decide_scores([tmp_path / "s.csv"], metric_name="match", model="tiny")[1] == inside


def test_only_scores_are_written(tmp_path):
    run = make_run(tmp_path / "run", Plan())
    with pytest.raises(InputError, match="metric 'seconds' describes answers"):
        write_scores(run, tmp_path / "s.csv", "seconds")
    with pytest.raises(InputError, match="Did you mean 'match'"):
        write_scores(run, tmp_path / "s.csv", "mach")


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

SCORE = st.one_of(st.none(), st.floats(0, 1), st.integers(0, 1))
NAME = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=8).map(str.strip).filter(bool)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_table_is_read_as_it_was_written(tmp_path_factory, data):
    """Names of any characters, scores of all digits, rows in any order, in both formats; the oracle is a plain dictionary."""
    arms, questions = (data.draw(st.lists(NAME, min_size=1, max_size=3, unique=True)) for _ in range(2))
    truth = {(arm, seed, question): data.draw(SCORE) for arm in arms for seed in (0, 1) for question in questions}
    rows = [
        {"arm": arm, "seed": seed, "question": question, "score": score, "retriever": "r", "tuning": ""}
        for (arm, seed, question), score in data.draw(st.permutations(list(truth.items())))
    ]
    folder, out = tmp_path_factory.mktemp("table"), io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    found = [
        read(folder, out.getvalue(), reference=arms[0]),
        read(folder, "\n".join(map(json.dumps, rows)), "s.jsonl", reference=arms[0]),
    ]
    for scores in found:
        assert {arm.name for arm in scores.table.arms} == set(arms)
        for (arm, seed, question), score in truth.items():
            cell = scores.table.arm(arm).scores[seed, scores.table.questions.index(question)]
            assert np.isnan(cell) if score is None else cell == score


def test_a_large_table_is_read_whole(tmp_path):
    rng = np.random.default_rng(0)
    rights = rng.integers(0, 2, (12, 3, 500))
    rows = [f"a{a},{s},q{q},d{q // 20},bm25,{'lora' if a else ''},{rights[a, s, q]}\n" for a in range(12) for s in range(3) for q in range(500)]
    table = read(tmp_path, "arm,seed,question,document,retriever,tuning,score\n" + "".join(rows)).table
    np.testing.assert_array_equal(np.array([arm.scores for arm in table.arms]), rights)


def test_loads_no_torch():
    code = "import sys, ragft.scorefile, ragft.scorelogs; print([m for m in ('torch', 'transformers', 'peft', 'zstandard') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ── docs/scores.md ───────────────────────────────────────────────────────────────────────────────────────────────────

BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOCS, flags=re.DOTALL)


def test_the_documented_columns_are_the_columns():
    section = DOCS.split("## The table")[1].split("\n## ")[0]
    described = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    assert described == list(COLUMNS)
    assert set(NUMBERS) <= set(COLUMNS)
    assert set(COLUMNS) == {*REQUIRED, *OF_QUESTION, *OF_ARM, *OF_ROW}


def test_the_documented_table_gives_the_documented_output(tmp_path, monkeypatch):
    """The example's program writes its table; what the page shows is what the verdict prints."""
    from ragft.views import decision_text

    monkeypatch.chdir(tmp_path)
    programs = [block for kind, block in BLOCKS if kind == "python"]
    names: dict = {}
    for program in programs:
        exec(compile(program, "docs/scores.md", "exec"), names)
    head = next(block for kind, block in BLOCKS if kind == "csv")
    assert Path("scores.csv").read_text(encoding="utf-8").startswith(head)
    printed = next(block for kind, block in BLOCKS if kind == "text")
    assert decision_text(names["decision"]) + "\n" == printed
