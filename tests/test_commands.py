"""The commands around a run: what they print, and mistakes in one line. What they do is tested where it is done."""

from __future__ import annotations

import json

import pytest
from made_run import Plan, make_run

from ragft import commands
from ragft.cli import main
from ragft.drilled import Drill, DrillRow, Share
from ragft.followtext import drill_text, risks_text
from ragft.risk import Risk, Risks
from ragft.store import Run
from ragft.validation import Cell, Finding


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "run", Plan(documents=20))


def error_of(capsys, *arguments: str) -> str:
    assert main(list(arguments)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "decide takes a run's folder, or scores"),
        (["RUN", "--scores", "s.csv"], "decide takes a run's folder, or scores"),
        (["--scores", "s.csv", "--replay"], "--replay goes with a run"),
        (["RUN", "--margin", "0.1"], "--margin goes with --scores. Of a run, change study.yaml"),
        (["--scores", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_mistakes_in_decide_are_one_line(run, capsys, arguments, said):
    assert said in error_of(capsys, "decide", *(str(run.folder) if word == "RUN" else word for word in arguments))


def test_a_table_of_a_run_gets_the_verdict_of_the_run(run, capsys, tmp_path):
    assert main(["score", str(run.folder), "--table", str(tmp_path / "s.csv")]) == 0
    assert main(["decide", str(run.folder), "--json"]) == 0
    inside = json.loads(capsys.readouterr().out.split("\n{", 1)[1].join(["{", ""]))
    assert main(["decide", "--scores", str(tmp_path / "s.csv"), "--json"]) == 0
    outside = json.loads(capsys.readouterr().out)["decision"]
    assert {key: value for key, value in outside.items() if key not in ("metric", "model")} == {
        key: value for key, value in inside.items() if key not in ("metric", "model")
    }
    assert main(["decide", "--scores", str(tmp_path / "s.csv"), "--margin", "0.2", "--alpha", "0.01", "--reference", "rag"]) == 0
    assert "margin 20 points, alpha 0.01" in capsys.readouterr().out


def test_a_judge_that_is_not_there_is_one_line(run, capsys, tmp_path):
    assert "judge 'nobody'" in error_of(capsys, "judge", str(run.folder), "--judge", "nobody")
    assert main(["judge", str(run.folder), "--label-sheet", str(tmp_path / "labels.csv"), "--number", "5"]) == 0
    out = capsys.readouterr().out
    assert "answers to 5 questions" in out and (tmp_path / "labels.csv").is_file()
    assert "exists, and may hold labels" in error_of(capsys, "judge", str(run.folder), "--label-sheet", str(tmp_path / "labels.csv"))


@pytest.mark.parametrize("command", [["drill", "STUDY", "--to", "nowhere"], ["risks", "STUDY"]])
def test_what_follows_a_run_needs_the_run(tiny_study, tmp_path, capsys, command):
    path = tmp_path / "study.yaml"
    from ragft.settings import save_study

    save_study(tiny_study, path)
    line = error_of(capsys, *(str(path) if word == "STUDY" else word for word in command), "--runs", str(tmp_path / "runs"))
    assert "has not been run to its end with these settings. First: ragft run" in line


def finding(ok: bool) -> Finding:
    return Finding("tie", "Rarely wrong", ok, "2.0 %", "at most 2.5 %", "wrong", (Cell({"documents": "40"}, 1000, 0.02 if ok else 0.2, most=0.04),))


@pytest.mark.parametrize("ok", [True, False])
def test_validate_fails_where_a_finding_does(monkeypatch, capsys, tmp_path, ok):
    asked = []
    monkeypatch.setattr("ragft.validate.validate", lambda *arguments: asked.append(arguments[:3]) or (finding(ok),))
    page = tmp_path / "validation.md"
    assert main(["validate", "--quick", "--worlds", "300", "--doc", str(page)]) == (0 if ok else 1)
    assert asked == [(True, 300, 0)]
    assert ("1 of 1 findings hold." if ok else "0 of 1") in capsys.readouterr().out
    assert f"ragft validate --quick --worlds 300 --doc {page}" in page.read_text()
    assert main(["validate", "--json"]) == (0 if ok else 1)
    assert json.loads(capsys.readouterr().out)[0]["ok"] is ok


def test_a_drill_as_text():
    shares = {"adopted": Share(5, 10, 0.2, 0.8), "stale": Share(1, 10, 0.0, 0.4), "learned": None, "outlived": None, "kept": None, "unchanged": None}
    row = DrillRow("rag", "re-indexed", 0, 6.0, None, failures=0, **shares)
    counts = dict.fromkeys(("changed", "added", "withdrawn", "unchanged"), 10)
    said = drill_text(Drill("a", "b", "match", "rag", counts, counts, 0, (row,), ()))
    assert "re-indexed" in said and "6.0 s" in said and "50 % of 10" in said and "10 % of 10" in said


def test_risks_as_text():
    row = Risk("rag", 0, "injection: obeyed", 40, 4, 0.1, 0.03, 0.24, "", None, None, None, None, 0, "")
    said = risks_text(Risks((row,), "match"))
    assert said.startswith("Obeys an order in a passage. Tried:") and "4 of 40" in said and "3 to 24" in said


def test_every_command_has_a_help_text():
    for command in (commands.decide, commands.drill, commands.risks, commands.judge, commands.validate):
        assert main([command.__name__, "--help"]) == 0
