"""The job that compares all methods, on a model of two layers: from a study to the guide's page, and again without new work."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from tiny import write_domain

from ragft.guide import read_guide
from ragft.robustness import read_robustness
from ragft.store import Run

JOB = Path(__file__).parents[1] / "pipelines" / "compare_peft.py"


@pytest.fixture
def job():
    spec = importlib.util.spec_from_file_location("compare_peft", JOB)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_from_a_study_to_the_page(job, domain_folder, tiny_model, tmp_path, monkeypatch, capsys):
    settings = {
        "domain": ".", "model": str(tiny_model), "embedder": None, "seeds": [0, 1], "arms": ["base", "oracle", "rag", "lora"], "chunk_tokens": 32,
        "context_tokens": 96, "k": 2, "max_new_tokens": 6, "batch_size": 4, "train_batch_size": 4,
    }  # fmt: skip
    (domain_folder / "study.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML too
    second, page = write_domain(tmp_path / "second"), tmp_path / "docs" / "peft.md"
    command = [str(domain_folder), "--runs", str(tmp_path / "runs"), "--methods", "prompt,lora", "--train-tokens", "1200", "--trial-tokens", "500"]
    command += ["--trials", "2", "--limit", "8", "--second", str(second), "--doc", str(page)]
    monkeypatch.setattr(sys, "argv", ["compare_peft", *command])
    assert job.main() == 0
    first = json.loads(capsys.readouterr().out)
    run = Run(Path(first["run"]))
    guide = read_guide(run)
    assert [row.arm for row in guide.rows] == ["prompt", "rag+prompt", "lora", "rag+lora", "lora shuffled", "lora other-documents"]
    assert first["advice"]["prompt-weights"] == "refuted" and set(first["not_told_apart"]) == {"alone", "with passages"}
    assert {row.variant for row in read_robustness(run.folder).rows} == {"typos", "distractors", "second domain"}
    assert guide.searches and all(row.latency and row.shift and row.searched for row in guide.rows)
    assert page.is_file() and len(list((tmp_path / "docs" / "peft").glob("*.svg"))) == 6
    answered = {path: path.stat().st_mtime_ns for path in run.folder.rglob("answers.jsonl")}
    assert job.main() == 0
    assert json.loads(capsys.readouterr().out) == first
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("answers.jsonl")} == answered  # nothing is asked again


def test_data_without_evidence_or_dev_questions_can_be_compared(job, domain_folder, tiny_model, tmp_path):
    """No oracle arm where nothing says which passages are gold; no search where it is not wanted."""
    lines = [json.loads(line) for line in (domain_folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line.pop("evidence", None)
    (domain_folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (domain_folder / "study.yaml").write_text(json.dumps({"domain": ".", "model": str(tiny_model), "embedder": None}), encoding="utf-8")
    asked = {"methods": "ia3", "limit": 8, "train_tokens": 500, "trials": 0, "trial_tokens": 300, "general": None, "second": None}
    study = job.study_of_methods(argparse.Namespace(study=domain_folder, **asked))
    assert list(study.arms) == ["base", "rag", "ia3", "rag+ia3"] and study.search is None


def test_a_mistake_is_one_line(job, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare_peft", str(tmp_path / "none")])
    assert job.main() == 1
    assert capsys.readouterr().err.startswith("compare_peft: ")
