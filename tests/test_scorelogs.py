"""Logs of Inspect and lm-evaluation-harness, written here in the shapes of those tools, as rows of a table of scores."""

from __future__ import annotations

import json
import re
import zipfile
from math import isnan, nan
from pathlib import Path

import pytest
import zstandard

from ragft.errors import InputError, MismatchError
from ragft.scorefile import decide_scores, read_scores
from ragft.scorelogs import ZSTANDARD, read_harness, read_inspect

DOCS = (Path(__file__).parents[1] / "docs" / "scores.md").read_text(encoding="utf-8")


def sample(key, value="C", epoch=1, **more):
    """A sample as inspect_ai 0.3 writes it, with the fields that are always there."""
    scores = {"match": {"value": value, "answer": "42 bar", "explanation": "42 bar", "history": []}}
    fixed = {"input": f"What is {key}?", "target": "42 bar", "messages": [], "output": {"model": "m", "choices": []}, "store": {}, "events": []}
    usage = {"model_usage": {"openai/gpt": {"input_tokens": 100, "output_tokens": 5, "total_tokens": 105}}, "total_time": 1.5, "working_time": 1.2}
    return {"id": key, "epoch": epoch, **fixed, "scores": scores, "metadata": {}, **usage, "attachments": {}, **more}


def eval_log(samples, status="success", **spec):
    fixed = {"run_id": "r", "created": "2026-01-02T10:00:00+00:00", "task": "kova", "task_id": "t", "task_args": {}, "model": "openai/gpt"}
    dataset = {"name": "kova", "samples": len(samples), "sample_ids": [s["id"] for s in samples]}
    scores = [{"name": "match", "scorer": "match", "params": {}, "metrics": {"accuracy": {"name": "accuracy", "value": 0.5}}}]
    results = {"total_samples": len(samples), "completed_samples": len(samples), "scores": scores}
    rest = {"plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}]}, "results": results, "stats": {}}
    return {"version": 2, "status": status, "eval": {**fixed, "dataset": dataset, "config": {"epochs": 1}, **spec}, **rest, "samples": samples}


def write_json(path, log):
    path.write_text(json.dumps(log, indent=2), encoding="utf-8")
    return path


def write_eval(path, log, header="header.json", zstd=False):
    """The same log as an archive, as inspect_ai's recorder writes it; `zstd` as it does since 2026, a long member in two frames."""
    samples = log.pop("samples")
    members = {"_journal/start.json": {"version": 2, "eval": log["eval"], "plan": log["plan"]}}
    members |= {f"samples/{s['id']}_epoch_{s['epoch']}.json": s for s in samples}
    members["summaries.json"] = [{"id": s["id"], "epoch": s["epoch"]} for s in samples]
    members |= {"header.json": log} if header == "header.json" else {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if zstd else zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            text = json.dumps(value).encode()
            packed = zstandard.compress(text[:50]) + zstandard.compress(text[50:])
            archive.writestr(name, packed if zstd else text)
    if zstd:  # Python's zipfile cannot write the method before 3.14: name it in the local and the central headers
        raw = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
            at = raw.find(signature)
            while at >= 0:
                raw[at + offset : at + offset + 2] = ZSTANDARD.to_bytes(2, "little")
                at = raw.find(signature, at + 4)
        path.write_bytes(raw)
    return path


def harness(number, right, **more):
    """A line of samples_<task>_<date>.jsonl as lm_eval 0.4.9 writes it."""
    arguments = {"gen_args_0": {"arg_0": f"Q{number}", "arg_1": {"until": ["\n"]}}}
    hashes = {"doc_hash": "d", "prompt_hash": "p", "target_hash": "t"}
    doc = {"question": f"What is {number}?", "document": f"d{number // 2}.md"}
    answers = {"resps": [["42"]], "filtered_resps": ["42"], "filter": "none", "metrics": ["exact_match"]}
    return {"doc_id": number, "doc": doc, "target": "42", "arguments": arguments, **answers, **hashes, "exact_match": right, **more}


def lines_of(*samples):
    return list(enumerate(samples, start=1))


def write_lines(path, samples):
    path.write_text("".join(json.dumps(s) + "\n" for s in samples), encoding="utf-8")
    return path


# ── Inspect ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "score"),
    [("C", 1.0), ("I", 0.0), ("P", 0.5), ("N", 0.0), (1, 1.0), (0.25, 0.25), (True, 1.0), (False, 0.0), ("yes", 1.0), ("No", 0.0), ("0.5", 0.5)],
)
def test_values_are_read_as_inspect_reads_them(tmp_path, value, score):
    log = read_inspect(write_json(tmp_path / "rag.json", eval_log([sample("q1", value)])))
    assert log.rows[0]["score"] == score
    assert log.scorer == "match"


@pytest.mark.parametrize("value", [nan, "NaN", None])
def test_what_the_scorer_left_unscored_stays_unscored(tmp_path, value):
    log = read_inspect(write_json(tmp_path / "rag.json", eval_log([sample("q1", value), sample("q2")])))
    assert isnan(log.rows[0]["score"])
    assert log.rows[1]["score"] == 1.0


@pytest.mark.parametrize("value", [[1, 0], "maybe"])
def test_a_value_that_is_no_score_is_an_error_and_not_zero(tmp_path, value):
    """inspect_ai itself warns and takes 0."""
    path = write_json(tmp_path / "rag.json", eval_log([sample("q1", value)]))
    with pytest.raises(InputError, match=r"rag\.json, question 'q1': the score .* is no number"):
        read_inspect(path)


@pytest.mark.parametrize("more", [{"error": {"message": "timeout", "traceback": "", "traceback_ansi": ""}}, {"invalidation": {"author": "me"}}])
def test_a_sample_that_failed_is_unscored_whatever_its_score_says(tmp_path, more):
    log = read_inspect(write_json(tmp_path / "rag.json", eval_log([sample("q1", **more), sample("q2", scores=None), sample("q3")])))
    assert [isnan(row["score"]) for row in log.rows] == [True, True, False]


def test_epochs_are_averaged_and_one_that_failed_leaves_the_question_unscored(tmp_path):
    broken = {"error": {"message": "timeout"}}
    samples = [sample("a", "C"), sample("b", "C"), sample("a", "I", 2), sample("b", "C", 2, **broken)]
    log = read_inspect(write_json(tmp_path / "rag.json", eval_log(samples)))
    assert [row["question"] for row in log.rows] == ["a", "b"]
    assert log.rows[0]["score"] == 0.5
    assert isnan(log.rows[1]["score"])
    assert log.rows[1]["outcome"] == "error"


def test_an_epoch_that_is_there_twice_is_an_error(tmp_path):
    with pytest.raises(InputError, match="question 'a': an epoch of it is in the log twice"):
        read_inspect(write_json(tmp_path / "rag.json", eval_log([sample("a"), sample("a", "I")])))


def test_arm_and_slots_come_from_arguments_metadata_or_the_files_name(tmp_path):
    path = tmp_path / "lora.json"
    assert read_inspect(write_json(path, eval_log([sample("q")]))).rows[0]["arm"] == "lora"
    said = {"arm": "mine", "retriever": "bm25", "tuning": "dora", "seed": 2}
    row = read_inspect(write_json(path, eval_log([sample("q")], metadata=said))).rows[0]
    assert {key: row[key] for key in said} == said
    row = read_inspect(write_json(path, eval_log([sample("q")], metadata=said, task_args={"arm": "other", "seed": 7}))).rows[0]
    assert (row["arm"], row["seed"]) == ("other", 2)  # a task's own seed shuffles its samples; it is not that of a training


def test_metadata_of_another_shape_is_left_alone(tmp_path):
    path = tmp_path / "bm25.json"
    row = read_inspect(write_json(path, eval_log([sample("q")], metadata=["a", "b"], task_args=["c"]))).rows[0]
    assert row["arm"] == "bm25"


def test_metadata_that_was_edited_later_counts(tmp_path):
    log = {**eval_log([sample("q")], metadata={"arm": "a"}), "metadata": {"arm": "b"}}
    assert read_inspect(write_json(tmp_path / "x.json", log)).rows[0]["arm"] == "b"


def test_a_samples_metadata_says_what_its_question_is_about(tmp_path):
    about = {"document": "d.md", "kind": "exact-value", "stratum": "trained-fact", "hit": True}
    row = read_inspect(write_json(tmp_path / "rag.json", eval_log([sample("q", metadata={**about, "difficulty": 3})]))).rows[0]
    assert {key: row[key] for key in about} == about
    assert "difficulty" not in row


def test_several_scorers_need_a_choice(tmp_path):
    scores = {"match": {"value": "C"}, "judge": {"value": {"facts": 0.25, "style": 1}}}
    path = write_json(tmp_path / "rag.json", eval_log([sample("q", scores=scores)]))
    with pytest.raises(InputError, match=r"Choose one with --scorer: match, judge/facts, judge/style\."):
        read_inspect(path)
    assert read_inspect(path, "judge/facts").rows[0]["score"] == 0.25
    with pytest.raises(InputError, match=r"unknown scorer 'mach'\. Did you mean 'match'"):
        read_inspect(path, "mach")


@pytest.mark.parametrize("zstd", [False, True])
def test_an_archive_reads_as_the_json_of_the_same_log(tmp_path, zstd):
    samples = [sample("q1", "I", metadata={"document": "d.md"}), sample(2), sample("q1", "C", 2), sample(2, epoch=2)]
    one = read_inspect(write_json(tmp_path / "rag.json", eval_log(samples)))
    assert read_inspect(write_eval(tmp_path / "rag.eval", eval_log(samples), zstd=zstd)) == one


def test_an_eval_that_did_not_finish_is_read_and_said(tmp_path):
    log = read_inspect(write_eval(tmp_path / "rag.eval", eval_log([sample("q1")]), header=""))
    assert len(log.rows) == 1
    assert "status is 'started'" in log.warnings[0]
    assert "status is 'error'" in read_inspect(write_json(tmp_path / "rag.json", eval_log([sample("q1")], "error"))).warnings[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not an Inspect log"),
        ('{"eval": {}}', "no sample is in it"),
        ("{", "broken JSON"),
        ('{"eval": {}, "samples": [{"id": 1}]}', "no sample has a score"),
        ('{"eval": {}, "samples": [{"scores": {"m": {"value": 1}}}]}', "a sample has no id"),
    ],
)
def test_what_is_no_log_is_said_with_the_file(tmp_path, text, said):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"x\.json.*{said}"):
        read_inspect(path)


@pytest.mark.parametrize("zstd", [False, True])
def test_a_damaged_archive_is_one_line(tmp_path, zstd):
    path = write_eval(tmp_path / "rag.eval", eval_log([sample("q1")]), zstd=zstd)
    raw = bytearray(path.read_bytes())
    start = raw.find(b"header.json") + len("header.json")
    raw[start : start + 20] = b"\xff" * 20
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"rag\.eval: a damaged \.eval log"):
        read_inspect(path)
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match="damaged"):
        read_inspect(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "x")
    with pytest.raises(InputError, match=r"no header\.json"):
        read_inspect(path)


# ── lm-evaluation-harness ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_of_samples_is_read(tmp_path):
    log = read_harness(tmp_path / "s.jsonl", lines_of(harness(0, 1.0), harness(1, 0.0)))
    assert [(row["question"], row["score"], row["document"], row["line"]) for row in log.rows] == [(0, 1.0, "d0.md", 1), (1, 0.0, "d0.md", 2)]
    assert log.scorer == "exact_match,none"


def test_several_filters_or_metrics_need_a_choice(tmp_path):
    """gsm8k has two filters, so every question is there twice."""
    path = tmp_path / "s.jsonl"
    lines = lines_of(harness(0, 1.0, filter="strict-match"), harness(0, 0.0, filter="flexible-extract"))
    with pytest.raises(InputError, match=r"--scorer: exact_match,strict-match, exact_match,flexible-extract\."):
        read_harness(path, lines)
    assert [row["score"] for row in read_harness(path, lines, "exact_match,flexible-extract").rows] == [0.0]
    with pytest.raises(InputError, match="unknown scorer 'exact_match'"):
        read_harness(path, lines, "exact_match")  # of which filter?
    two = lines_of(harness(0, 1.0, metrics=["acc", "acc_norm"], acc=1.0, acc_norm=0.0))
    assert [row["score"] for row in read_harness(path, two, "acc_norm").rows] == [0.0]


def test_files_without_a_list_of_metrics_are_read(tmp_path):
    old = {key: value for key, value in harness(3, 1.0).items() if key not in ("metrics", "filter")}
    assert read_harness(tmp_path / "s.jsonl", lines_of(old)).scorer == "exact_match,none"


def test_a_metric_of_the_whole_task_is_no_score(tmp_path):
    bleu = harness(0, 1.0, metrics=["bleu"], bleu=["42", "41"])
    with pytest.raises(InputError, match=r"s\.jsonl:1: 'bleu' has no number for one sample"):
        read_harness(tmp_path / "s.jsonl", lines_of(bleu))
    with pytest.raises(InputError, match=r"s\.jsonl:2: no sample of lm-evaluation-harness"):
        read_harness(tmp_path / "s.jsonl", [*lines_of(bleu), (2, {"arm": "rag"})])


# ── logs as a study ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_logs_are_named_on_the_command_line(tmp_path):
    for name in ("a", "b", "c"):
        write_lines(tmp_path / f"{name}.jsonl", [harness(i, float(i % 2)) for i in range(6)])
    found = read_scores([f"rag={tmp_path}/a.jsonl", f"mine@0:bm25:dora={tmp_path}/b.jsonl", f"mine@1:bm25:dora={tmp_path}/c.jsonl"])
    assert found.metric == "exact_match,none"
    assert found.reference == "rag"
    mine = found.table.arm("mine")
    assert (mine.retriever, mine.tuning, mine.scores.shape) == ("bm25", "dora", (2, 6))
    assert found.table.documents == ("d0.md", "d0.md", "d1.md", "d1.md", "d2.md", "d2.md")


def test_a_log_that_names_no_arm_or_an_unknown_one_says_how_to_name_it(tmp_path):
    path = write_lines(tmp_path / "samples_kova_2026.jsonl", [harness(0, 1.0)])
    with pytest.raises(InputError, match=f"does not say which arm it is. Name it: ARM={path}"):
        read_scores([str(path)])
    with pytest.raises(InputError, match=f"arm 'mine' is not known. Say it with mine:RETRIEVER:TUNING={path}"):
        read_scores([f"mine={path}"])
    log = write_json(tmp_path / "2026-01-02_kova_x.json", eval_log([sample("q")]))
    with pytest.raises(InputError, match=f"Say it with ARM:RETRIEVER:TUNING={log}"):
        read_scores([log])


def test_the_name_before_a_log_outweighs_what_the_log_says(tmp_path):
    path = write_json(tmp_path / "x.json", eval_log([sample("q")], metadata={"arm": "other", "seed": 3, "tuning": "lora"}))
    arm = read_scores([f"rag:dense:={path}"]).table.arms[0]
    assert (arm.name, arm.retriever, arm.tuning) == ("rag", "dense", None)


def test_arms_that_were_asked_different_questions_are_not_paired(tmp_path):
    write_lines(tmp_path / "a.jsonl", [harness(0, 1.0)])
    write_lines(tmp_path / "b.jsonl", [harness(0, 1.0, target="another")])
    with pytest.raises(MismatchError, match=r"b\.jsonl:1: question '0' should be answered another, in .*a\.jsonl:1 42"):
        read_scores([f"rag={tmp_path}/a.jsonl", f"lora={tmp_path}/b.jsonl"])


def test_arms_scored_by_different_scorers_are_not_paired(tmp_path):
    write_lines(tmp_path / "a.jsonl", [harness(0, 1.0)])
    write_lines(tmp_path / "b.jsonl", [harness(0, 1.0, filter="strict")])
    with pytest.raises(MismatchError, match="different scorers"):
        read_scores([f"rag={tmp_path}/a.jsonl", f"lora={tmp_path}/b.jsonl"])


def test_the_same_scores_give_the_same_verdict_from_both_logs_and_a_table(tmp_path):
    """Twenty documents of five questions; three seeds of a tuned arm that is right where rag is not."""
    arms = {"base": [1], "rag": [2], "rag+lora": [4, 5, 4]}
    scores = {(arm, seed): [float(i % 5 < right) for i in range(100)] for arm, rights in arms.items() for seed, right in enumerate(rights)}
    logs, lines, table = [], [], ["arm,seed,question,document,score"]
    for (arm, seed), values in scores.items():
        samples = [sample(i, int(v), metadata={"document": f"d{i // 5}"}) for i, v in enumerate(values)]
        log = eval_log(samples, metadata={"arm": arm, "seed": seed})
        logs.append(write_eval(tmp_path / f"{arm}{seed}.eval", log, zstd=seed == 1))
        rows = [harness(i, v, doc={"document": f"d{i // 5}"}) for i, v in enumerate(values)]
        lines.append(f"{arm}@{seed}={write_lines(tmp_path / f'{arm}{seed}.jsonl', rows)}")
        table += [f"{arm},{seed},{i},d{i // 5},{v}" for i, v in enumerate(values)]
    (tmp_path / "scores.csv").write_text("\n".join(table))
    found = [decide_scores(paths, metric_name="m") for paths in (logs, lines, [tmp_path / "scores.csv"])]
    assert found[0] == found[1] == found[2]
    assert found[0][1].verdict == "adopt-both"


def test_the_documented_commands_name_files_as_they_are_read(tmp_path, monkeypatch):
    """Every `--scores` of docs/scores.md, with logs written as the `inspect eval` lines before them say."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    evals = [dict(re.findall(r"--metadata (\w+)=(\w+)", line)) for line in DOCS.splitlines() if line.startswith("inspect eval ")]
    for name, metadata in zip("ab", evals, strict=True):
        write_eval(tmp_path / "logs" / f"{name}.eval", eval_log([sample("q")], metadata=metadata))
    write_eval(tmp_path / "logs" / "d.eval", eval_log([sample("q")]))
    for name in "abc":
        write_lines(tmp_path / "logs" / f"{name}.jsonl", [harness(0, 1.0)])
    (tmp_path / "scores.csv").write_text("arm,question,score\nrag,q,1\n")
    found = [read_scores(re.findall(r"--scores (\S+)", line)).table.arms for line in DOCS.splitlines() if line.startswith("ragft decide ")]
    slots = [[(arm.name, arm.retriever, arm.tuning, len(arm.scores)) for arm in arms] for arms in found]
    assert slots == [
        [("rag", "auto", None, 1)],
        [("rag", "bm25", None, 1), ("mine", None, "lora", 1)],
        [("rag", "auto", None, 1), ("lora", None, "lora", 2)],
    ]
    mine, plain = read_scores(re.findall(r"`(\w+@?\d?:\w*:\w*=logs/\w\.jsonl)`", DOCS), reference="mine").table.arms[0], "plain:bm25:=logs/d.eval"
    assert (mine.name, mine.retriever, mine.tuning) == ("mine", "bm25", "dora")
    assert f"`{plain}`" in DOCS
    assert read_scores([plain]).reference == "plain"
