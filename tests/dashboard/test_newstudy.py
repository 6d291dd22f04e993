"""The page "New study" without a browser: documents in, checks, settings, plan, start; every mistake is one line."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from ragft import jobs
from ragft.plan import Plan, Step, Work
from ragft.settings import save_study
from ragft.store import write_json
from tests.dashboard.pages import opened
from tests.made_run import EVIL
from tests.tiny import write_domain

ROWS = ["| model | pressure | weight |", "|---|---|---|"]


@pytest.fixture
def study(tiny_study, tmp_path) -> Path:
    """Of the small domain, in a folder of its own, as `ragft init` would leave it."""
    path = tmp_path / "works" / "study.yaml"
    save_study(tiny_study.model_copy(update={"arms": {name: tiny_study.arms[name] for name in ("base", "rag")}, "domain": "."}), path)
    return path


@pytest.fixture
def started(monkeypatch) -> list:
    """What would have been started."""
    calls: list = []
    monkeypatch.setattr("ragft.jobs.start", lambda *given: calls.append(given))
    return calls


def button(found, label: str):
    return next(one for one in found.button if one.label == label)


def widget(kind, label: str, turn: int = 0):
    return [one for one in kind if one.label == label][turn]


def job_of(runs: Path, name: str, progress: dict | None, **changed) -> jobs.Job:
    usual = {"study": f"/s/{name}/study.yaml", "runs": str(runs), "changes": (), "began": "2026-01-31T10:00:00+00:00", "pid": 0, "started": ""}
    job = jobs.Job(str(runs / jobs.FOLDER / f"2026-01-31-{name.encode().hex()[:20]}"), **{**usual, **changed})
    write_json(Path(job.folder) / jobs.JOB, job)
    if progress is not None:
        write_json(Path(job.folder) / jobs.PROGRESS, progress)
    return job


def test_nothing_chosen(tmp_path):
    found = opened(tmp_path / "runs", "newstudy")
    assert not found.exception
    assert [tab.label for tab in found.tabs] == ["Upload", "A folder on this machine", "A study that is here"]
    assert any(str(tmp_path / "studies").replace("_", "\\_") in caption.value for caption in found.caption)
    button(found, "Make the study").click().run()
    assert "Give the study a name" in found.error[0].value


def test_a_link_runs_no_plugin_of_its_study(tmp_path, study):
    (study.parent / "mine.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    study.write_text(study.read_text().replace("plugins: []", "plugins: [mine.py]"))
    assert "mine.py" in study.read_text()
    found = opened(tmp_path / "runs", "newstudy", study=str(study))
    assert "Python files of its own" in found.warning[0].value and "mine.py" in found.warning[0].value
    assert not found.exception and not (tmp_path / "ran").exists()
    button(found, "Open it, and run them").click().run()
    assert not found.exception and (tmp_path / "ran").exists()
    assert any(one.value == "Settings" for one in found.header)


def test_a_study_opened_by_hand_is_trusted(tmp_path, study):
    (study.parent / "mine.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    study.write_text(study.read_text().replace("plugins: []", "plugins: [mine.py]"))
    found = opened(tmp_path / "runs", "newstudy")
    widget(found.text_input, "Its study.yaml, or the folder that it is in").set_value(str(study))
    button(found, "Open it").click().run()
    assert not found.exception and (tmp_path / "ran").exists()


def test_a_folder_of_documents_whose_questions_are_made(tmp_path):
    (tmp_path / "docs").mkdir()
    for part in range(4):
        rows = [*ROWS, *(f"| Kova {n} | {n} bar | {n + 3} kg |" for n in range(20 + 10 * part, 30 + 10 * part))]
        (tmp_path / "docs" / f"limits-{part}.md").write_text(f"# Pumps {part}\n\n" + "\n".join(rows))
    found = opened(tmp_path / "runs", "newstudy")
    widget(found.text_input, "Folder with the documents").set_value(str(tmp_path / "docs"))
    widget(found.text_input, "Name of the study", 1).set_value("../limits")
    [one for one in found.button if one.label == "Make the study"][1].click().run()
    assert "letters, digits, dashes" in found.error[0].value
    widget(found.text_input, "Name of the study", 1).set_value("limits")
    [one for one in found.button if one.label == "Make the study"][1].click().run()
    assert not found.exception
    assert found.query_params["study"] == str(tmp_path / "studies" / "limits" / "study.yaml")
    assert "documents and no questions" in found.info[0].value
    button(found, "Make questions from the documents").click().run()
    assert not found.exception
    assert (tmp_path / "studies" / "limits" / "questions.jsonl").is_file()
    assert "questions to test" in found.success[0].value
    assert widget(found.multiselect, "Arms").value == ["base", "oracle", "rag", "lora", "rag+lora", "raft"]


def test_settings_become_the_command_and_the_run(study, tmp_path, started):
    runs = tmp_path / "runs"
    found = opened(runs, "newstudy", study=str(study))
    assert not found.exception
    widget(found.number_input, "Test questions at most").set_value(5)
    widget(found.multiselect, "Arms").set_value(["base", "rag", "lora"])
    button(found, "Start the run").click().run()
    assert not found.exception
    (path, to, lines), *_ = started
    assert (path, to) == (study, runs)
    assert [line.partition("=")[0] for line in lines] == ["arms", "limit"]
    assert yaml.safe_load(lines[0].partition("=")[2])["lora"] == {"tuning": "lora"}
    shown = next(one.value for one in found.code if one.value.startswith("ragft run"))
    assert shlex.split(shown) == ["ragft", "run", str(study), "--runs", str(runs), "--set", lines[0], "--set", lines[1]]


def test_mistakes_stop_before_anything_is_started(study, tmp_path, started):
    found = opened(tmp_path / "runs", "newstudy", study=str(study))
    widget(found.multiselect, "Arms").set_value(["base", "lora"]).run()
    assert "unknown arm (as reference) 'rag'" in found.error[0].value
    assert "Start the run" not in [one.label for one in found.button]
    found = opened(tmp_path / "runs", "newstudy", study=f"/nowhere/{EVIL}")
    assert not found.exception
    assert "no such study" in found.error[0].value and "<img" not in found.error[0].value
    button(found, "Another study").click().run()
    assert "study" not in found.query_params
    assert started == []


def test_a_hub_model_is_fetched_only_when_it_is_named(study, tmp_path):
    found = opened(tmp_path / "runs", "newstudy", study=str(study))
    assert [one.value for one in found.warning if "hub" in one.value] == []
    widget(found.selectbox, "Model").set_value("another one …").run()
    found.text_input[0].set_value("owner/model").run()
    assert "over the network" in found.warning[0].value
    assert any("model=owner/model" in one.value for one in found.code)


def test_plan_and_its_price(study, tmp_path, monkeypatch):
    work = Work((Step("index", 1, 2.0),), 100.0, 60.0, 160.0, 1.5, 0.02, "EUR")
    made = Plan("works", "rag", 0.03, 0.025, 6, {"train": 1, "dev": 1, "test": 9}, ("base", "rag"), 1, (0,), 0, 18, 0, (), ("add some",), work)
    monkeypatch.setattr("ragft.jobs.plan", lambda *given: made)
    found = opened(tmp_path / "runs", "newstudy", study=str(study))
    button(found, "Show the plan and its price").click().run()
    assert not found.exception
    assert {one.label: one.value for one in found.metric} == {"Time": "60 s to 3 min", "Price": "0.020 EUR", "Memory at most": "1.5 GiB"}
    assert any("add some" in one.value for one in found.code)


def test_checks_that_fail_are_shown(tmp_path, study):
    lines = [
        {"id": "a", "split": "train", "question": "How heavy is the Kova 30?", "answers": ["12 kg"], "document": "pumps/kova.md"},
        {"id": "b", "split": "test", "question": "How heavy is the Kova 30 now?", "answers": ["12 kg"], "document": "pumps/kova.md"},
    ]
    write_domain(study.parent, lines=lines)
    found = opened(tmp_path / "runs", "newstudy", study=str(study))
    assert not found.exception
    assert any("1 of" in one.value and "checks failed" in one.value for one in found.warning)
    assert any("LEAK" in one.value or "maybe" in one.value for one in found.code)


def test_jobs_are_found_again(tmp_path):
    runs = tmp_path / "runs"
    job_of(runs, "done", {"state": "finished", "run": str(runs / "2026-01-31-done-1")})
    job_of(runs, f"b{EVIL}", {"state": "failed", "why": EVIL})
    job_of(runs, "held", {"state": "running", "label": "index", "number": 2, "of": 9}, stopping=True)
    found = opened(runs, "newstudy")
    assert not found.exception
    said = " ".join(one.value for one in found.markdown)
    assert all(f"· {state} ·" in said for state in ("finished", "failed", "stopped"))
    assert "<img" not in said and "<img" not in found.error[0].value
    assert [one.label for one in found.button].count("Go on") == 2
    assert "Stop" not in [one.label for one in found.button]
