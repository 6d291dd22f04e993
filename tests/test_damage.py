"""Runs that were stopped or damaged: the quick stages say file, line and remedy, and go on where they can."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_run import Plan, make_run

from ragft import cli, scoring
from ragft.errors import InputError, MissingError
from ragft.store import Run, read_json, read_jsonl_as, read_record, write_json
from ragft.study import compare_run
from ragft.types import Gold
from ragft.views import runs_json, runs_text


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "2026-01-01-works-abc", Plan()).folder


@pytest.fixture
def run(whole, tmp_path) -> Run:
    """A copy to damage."""
    return Run(Path(shutil.copytree(whole, tmp_path / "runs" / whole.name)))


def said(capsys, *words: object) -> tuple[int, list[str]]:
    code = cli.main([str(word) for word in words])
    return code, capsys.readouterr().err.strip().splitlines()


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30] + "é".encode()[:1])


@pytest.mark.parametrize("stage", ["compare", "decide", "report", "show"])
@pytest.mark.parametrize("damage", [Path.unlink, tear, lambda path: path.write_text("")], ids=["missing", "torn", "empty"])
def test_damaged_scores_are_one_line_with_the_remedy(run, capsys, stage, damage):
    path = run.seed_folder("lora", 1) / "scores.jsonl"
    damage(path)
    code, lines = said(capsys, stage, run.folder)
    assert code == 1 and len(lines) == 1
    assert str(path) in lines[0] and f"ragft score {run.folder}" in lines[0]
    assert said(capsys, "score", run.folder)[0] == 0
    assert said(capsys, stage, run.folder) == (0, [])


@pytest.mark.parametrize("stage", ["score", "compare", "report", "show"])
@pytest.mark.parametrize("damage", [Path.unlink, tear], ids=["missing", "torn"])
def test_damaged_gold_is_one_line(run, capsys, stage, damage):
    damage(run.folder / "gold.jsonl")
    code, lines = said(capsys, stage, run.folder)
    assert code == 1 and len(lines) == 1
    assert "gold.jsonl" in lines[0] and "un the study again" in lines[0]


def test_scores_of_other_questions_are_one_line(run, capsys):
    path = run.folder / "gold.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    code, lines = said(capsys, "show", run.folder)
    assert code == 1 and "answered other questions than the run's held-out set" in lines[0]


def test_metric_that_came_after_the_scores(run, monkeypatch):
    from ragft import registry

    registry.entries("metric")
    made = registry.Entry("metric", "late", lambda answer, gold: 1.0, "", {"of": "answer", "score": True})
    monkeypatch.setitem(registry._entries["metric"], "late", made)
    assert scoring.scores_frame(run)["late"].isna().all()
    with pytest.raises(InputError, match=rf"not scored by 'late' yet. Score them with: ragft score {run.folder}"):
        scoring.score_table(run, "late", "rag")
    scoring.score_run(run)
    assert (scoring.scores_frame(run)["late"] == 1.0).all()
    assert scoring.score_table(run, "late", "rag").arms


def test_torn_line_is_named_with_its_number(run):
    path = run.folder / "gold.jsonl"
    number = len(path.read_text().splitlines())
    tear(path)
    with pytest.raises(InputError, match=rf"gold\.jsonl:{number}: .*Delete the file and run the study again"):
        read_jsonl_as(Gold, path)
    with pytest.raises(MissingError, match="no such file"):
        read_jsonl_as(Gold, run.folder / "nothing.jsonl")


def test_answers_that_lack_questions_are_said(run, capsys):
    path = run.seed_folder("rag", 0) / "answers.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    code, lines = said(capsys, "score", run.folder)
    assert code == 1 and f"{path}: no answer to 2 questions" in lines[0] and "Run the study again" in lines[0]


def test_run_without_a_finished_arm(run, capsys):
    for done in run.folder.rglob("done.json"):
        done.unlink()
    frame = scoring.scores_frame(run)
    assert len(frame) == 0 and {"arm", "seed", "question", "outcome", "match", "recall@k"} <= set(frame.columns)
    for stage in ("score", "compare"):
        code, lines = said(capsys, stage, run.folder)
        assert code == 1 and len(lines) == 1 and "Finish the run first: ragft run" in lines[0]


def test_seed_in_progress_is_left_out_of_the_pairs(run):
    folder = run.seed_folder("lora", 1)
    (folder / "done.json").unlink()
    (folder / "scores.jsonl").unlink()
    (folder / "fit.json").unlink()
    found = compare_run(run)
    assert {len(row.seed_means) for row in found.arms if row.name == "lora"} == {2}


def test_folder_that_is_no_seed_is_not_taken_for_one(run):
    shutil.copytree(run.seed_folder("lora", 1), run.folder / "arms" / "lora" / "seed-1 (copy)")
    assert run.seeds("lora") == [0, 1, 2]


@pytest.mark.parametrize(("name", "stage"), [("comparison.json", "compare"), ("decision.json", "decide")])
def test_missing_or_foreign_results_name_the_stage_that_writes_them(run, capsys, name, stage):
    path = run.folder / name
    write_json(path, {"of": "another version"})
    with pytest.raises(InputError, match=rf"not what this version of ragft writes\. Write it again with: ragft {stage} {run.folder}"):
        from ragft.compare import Comparison

        read_record(Comparison, path)
    path.unlink()
    code, lines = said(capsys, "show", run.folder)  # decide would compare again
    assert code == 1 and len(lines) == 1
    assert f"{path}: no such file. Write it again with: ragft {stage} {run.folder}" in lines[0]


def test_broken_manifest_is_marked_and_the_others_are_listed(run, capsys):
    runs = run.folder.parent
    for name, text in (("torn", '{"began": "2026'), ("empty", "{}"), ("list", "[]")):
        (runs / name).mkdir()
        (runs / name / "manifest.json").write_text(text)
    manifest = run.folder / "manifest.json"
    write_json(manifest, {**read_json(manifest), "status": "finished"})
    rows = runs_json(runs)
    assert [row["status"] for row in rows] == ["finished", "broken", "broken", "broken"]
    assert rows[0]["verdict"] and str(runs / "torn") in runs_text(rows, runs)
    assert said(capsys, "ls", "--runs", runs) == (0, [])
    assert said(capsys, "ls", "--runs", runs, "--json") == (0, [])


def test_run_that_died_is_stopped_and_one_at_work_is_running(run):
    manifest = run.folder / "manifest.json"
    write_json(manifest, {**read_json(manifest), "status": "running"})
    assert not run.busy and [row["status"] for row in runs_json(run.folder.parent)] == ["stopped"]
    code = (
        f"from pathlib import Path; from ragft.store import Run\nwith Run(Path({str(run.folder)!r})).locked():\n print('held', flush=True); input()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline().strip() == "held"
    assert run.busy and [row["status"] for row in runs_json(run.folder.parent)] == ["running"]
    process.communicate("\n")
    assert [row["status"] for row in runs_json(run.folder.parent)] == ["stopped"]
