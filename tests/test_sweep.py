"""One study over several values: each in a process of its own, a table at the end, and what fails does not stop the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_run import EVIL
from scripts import PIPELINES, load_script
from test_batch import call
from tiny import write_domain

from ragft.scripting import BUSY, DONE, MISTAKE, SOME_FAILED
from ragft.settings import save_study


@pytest.fixture
def study_file(tiny_study, tmp_path) -> Path:
    arms = {"rag": tiny_study.arms["rag"].model_copy(update={"retriever": "bm25"})}
    save_study(tiny_study.model_copy(update={"arms": arms}), tmp_path / "study.yaml")
    return tmp_path / "study.yaml"


@pytest.fixture(scope="module")
def script():
    return load_script("sweep")


def test_over_models_one_of_which_is_missing_and_again(script, study_file, tiny_model, tmp_path, monkeypatch, capsys):
    """Real processes: the failed one is said, the table is whole. The second call, in this one, asks nothing again."""
    words = [study_file, "--runs", tmp_path / "runs", "--limit", "4", "--doc", tmp_path / "table.md", "--models", tmp_path / "no model", tiny_model]
    code, found, err = call("sweep", *words)
    assert code == SOME_FAILED and found["failed"] == 1 and found["varied"] == "model"
    bad, good = found["rows"]
    assert (bad["value"], bad["status"], bad["exit_code"]) == (str(tmp_path / "no model"), "failed", MISTAKE)
    assert "no model" in bad["error"] and bad["run"] == ""
    assert (good["value"], good["status"], good["reference"], good["questions"]) == (str(tiny_model), "finished", "rag", 4)
    decision = json.loads((Path(good["run"]) / "decision.json").read_text())
    assert (good["verdict"], good["recommend"]) == (decision["verdict"], decision["recommend"])
    page = (tmp_path / "table.md").read_text()
    assert good["verdict"] in page and Path(good["run"]).name in page and "failed" in page
    assert "1 of 2: model" in err
    answers = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("answers.jsonl")}
    in_this_process(script, monkeypatch)
    assert rows_of(script, capsys, *words) == (SOME_FAILED, found["rows"])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("answers.jsonl")} == answers


def in_this_process(script, monkeypatch):
    """The studies run here, which saves starting Python for each."""

    def finished(given, changes):
        more = [word for change in [*given.changes, *changes] for word in ("--set", change)]
        limit = ["--limit", given.limit] if given.limit else []
        return call("run_study", given.study, "--runs", given.runs, *limit, *more)[:2]

    monkeypatch.setattr(script, "finished", finished)


def rows_of(script, capsys, *words) -> tuple[int, list[dict]]:
    capsys.readouterr()
    code = script.main([str(word) for word in words])
    return code, json.loads(capsys.readouterr().out)["rows"]


def test_over_values_of_a_setting_and_over_domains(script, study_file, tmp_path, monkeypatch, capsys):
    in_this_process(script, monkeypatch)
    common = [study_file, "--runs", tmp_path / "runs", "--limit", "4"]
    code, rows = rows_of(script, capsys, *common, "--vary", "arms.rag.k", "1", "2", "none", "1")
    assert code == SOME_FAILED and [(row["value"], row["status"]) for row in rows] == [("1", "finished"), ("2", "finished"), ("none", "failed")]
    assert len({row["run"] for row in rows[:2]}) == 2 and "arms.rag.k" in rows[2]["error"]
    other = write_domain(tmp_path / "it's: other")
    code, rows = rows_of(script, capsys, *common, "--domains", other, Path(os.path.relpath(other)))
    assert code == DONE and len({row["run"] for row in rows}) == 1
    assert "its-other" in Path(rows[0]["run"]).name or "other" in Path(rows[0]["run"]).name


def test_a_study_that_another_process_runs_is_said(script, study_file, tmp_path, monkeypatch, capsys):
    from ragft.settings import load_study
    from ragft.study import prepare

    in_this_process(script, monkeypatch)
    words = [study_file, "--runs", tmp_path / "runs", "--vary", "limit", "2", "3"]
    with prepare(load_study(study_file, ["limit=2"]), tmp_path / "runs").run.locked():
        code, rows = rows_of(script, capsys, *words)
    assert code == SOME_FAILED and [row["exit_code"] for row in rows] == [BUSY, DONE]
    code, rows = rows_of(script, capsys, *words)
    assert code == DONE and [row["status"] for row in rows] == ["finished", "finished"]


@pytest.mark.parametrize(
    ("code", "printed", "error"),
    [
        ("import os; os.kill(os.getpid(), 9)", -9, "ended by signal 9; perhaps the memory ran out"),
        ("print('torn {')", 0, "printed no result"),
        ("raise SystemExit(1)", 1, "printed no result"),
    ],
)
def test_a_process_that_dies_is_a_failed_study(script, study_file, tmp_path, monkeypatch, capsys, code, printed, error):
    (tmp_path / "dies.py").write_text(code)
    monkeypatch.setattr(script, "RUN_STUDY", tmp_path / "dies.py")
    exit_code, (row,) = rows_of(script, capsys, study_file, "--vary", "k", "1")
    assert exit_code == SOME_FAILED and (row["status"], row["exit_code"]) == ("failed", printed) and error in row["error"]


def test_names_and_errors_cannot_break_the_table(script):
    rows = [script.Row(EVIL, "failed", 1, error=EVIL), script.Row(f"a{EVIL}", "finished", 0, verdict="keep-rag", recommend=EVIL, run=f"runs/{EVIL}")]
    page = script.page(f"model{EVIL}", "match", rows)
    assert "<img" not in page and "<script" not in page
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == 4 and len({line.replace("\\|", "").count("|") for line in table}) == 1


def test_values_are_given(study_file, tmp_path):
    assert call("sweep", study_file, "--vary", "k")[:2] == (
        MISTAKE,
        {"error": "--vary k: give its values too, such as --vary k 1 2 4", "exit_code": 1},
    )
    with pytest.raises(SystemExit) as end:
        call("sweep", study_file)
    assert end.value.code == 2


def test_ended_by_a_scheduler_it_leaves_no_study_running(study_file, tmp_path):
    """SIGTERM reaches the sweep alone, as from a scheduler; the study's own process must not go on without it."""
    note = tmp_path / "pid"
    sleeper = tmp_path / "sleeper.py"
    sleeper.write_text(f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n")
    starter = tmp_path / "starter.py"
    starter.write_text(
        f"import sys\nsys.path.insert(0, {str(PIPELINES)!r})\nimport sweep\nfrom pathlib import Path\n"
        f"sweep.RUN_STUDY = Path({str(sleeper)!r})\nsys.exit(sweep.main([{str(study_file)!r}, '--vary', 'k', '1']))\n"
    )
    process = subprocess.Popen([sys.executable, str(starter)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.time() + 60
    while not (note.is_file() and note.read_text()) and time.time() < until and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 143 and json.loads(out)["exit_code"] == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
