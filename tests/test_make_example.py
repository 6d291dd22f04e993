"""pipelines/make_example.py: a copy without weights, with the same verdict."""

from __future__ import annotations

import json

import pytest

from ragft.errors import InputError
from ragft.settings import load_study, save_study
from ragft.store import Run
from ragft.study import load_result, replay
from tests.made_run import Plan, make_run
from tests.scripts import load_script

SCRIPT = load_script("make_example")


@pytest.fixture
def run(tmp_path):
    made = make_run(tmp_path / "runs" / "2026-01-31-works", Plan(files=True))
    text = (made.folder / "manifest.json").read_text().replace('"running"', '"finished"')
    (made.folder / "manifest.json").write_text(text)
    study = load_study(made.folder)
    save_study(study.model_copy(update={"general": str(tmp_path / "general")}), made.folder / "study.yaml")
    return made


def test_copy_has_the_verdict_and_no_weights(run, tmp_path):
    found = SCRIPT.make(run.folder, tmp_path / "example")
    copy = Run(tmp_path / "example" / "2026-01-31-works")
    assert found["folder"] == str(copy.folder)
    assert load_result(copy).decision == load_result(run).decision
    assert replay(copy)
    assert (run.folder / "artifacts").is_dir() and not (copy.folder / "artifacts").exists()
    assert str(tmp_path) not in "".join(path.read_text() for path in copy.folder.rglob("*") if path.is_file())


def test_an_example_is_not_overwritten(run, tmp_path):
    SCRIPT.make(run.folder, tmp_path / "example")
    with pytest.raises(InputError, match="exists"):
        SCRIPT.make(run.folder, tmp_path / "example")


def test_script_says_what_is_wrong(tmp_path, capsys):
    assert SCRIPT.main([str(tmp_path), str(tmp_path / "example")]) == 1
    assert "not a run" in capsys.readouterr().err


def test_script_prints_json(run, tmp_path, capsys):
    assert SCRIPT.main([str(run.folder), str(tmp_path / "example")]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == load_result(run).decision.verdict
