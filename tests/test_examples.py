"""The examples are short, do what they say, and run from study.yaml by the command line."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from tiny import DOCUMENTS

from ragft import plugged, registry
from ragft.cli import main
from ragft.domain import load_domain
from ragft.plugins import Answer, Chunk, Gold, Question, RetrieverParts, Span, SystemParts
from ragft.scoring import scores_frame
from ragft.store import find_run

EXAMPLES = Path(__file__).parents[1] / "examples"
PLUGINS = sorted(EXAMPLES.glob("custom_*.py"))
pytestmark = pytest.mark.usefixtures("own_plugins")


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.stem)
def test_an_example_has_under_thirty_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 30


def make(kind: str, name: str, file: str):
    plugged.load(str(EXAMPLES / file))
    return registry.lookup(kind, name).make


@pytest.mark.parametrize(
    ("answer", "golds", "value"),
    [
        ("It is 42 bar.", ("42 bar",), 1.0),
        ("It is 42 bar, or 43.", ("42 bar",), 0.0),
        ("1,200 hours", ("1200 hours",), 1.0),
        ("4.2", ("42",), 0.0),
        ("none", ("42 bar",), 0.0),
        ("Mira Holt", ("Mira Holt",), None),
    ],
)
def test_the_metric_by_hand(answer, golds, value):
    gold = Gold("q", golds, (), "d.md", "test", "f", 0, "value", "trained-fact")
    assert make("metric", "numbers_right", "custom_metric.py")(Answer("q", answer, "ok", None, "", None, 0), gold) == value


def test_the_retriever_reads_misspelt_questions():
    chunks = [Chunk(name, Span(name, 0, len(text)), text, "") for name, text in DOCUMENTS.items()]
    found = make("retriever", "trigrams", "custom_retriever.py")(RetrieverParts(chunks)).search(
        [Question("q", "maximun presure of the Kowa 30"), Question("r", "the waranty"), Question("s", "%")], 2
    )
    assert [hits[0].chunk.id for hits in found[:2]] == ["pumps/kova.md", "faq.html"]
    assert found[2] == ()


def test_the_arm_looks_the_answer_up(domain_folder):
    found = make("system", "best-sentence", "custom_arm.py")(SystemParts(folder=domain_folder))
    assert found.reply([Question("q", "Who leads the service team?")])[0].text == "Mira Holt leads the service team."
    assert found.key() == load_domain(domain_folder).sha256


def test_the_corpus_is_a_domain_that_can_be_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["custom_corpus.py", str(tmp_path / "my-tickets")])
    runpy.run_path(str(EXAMPLES / "custom_corpus.py"), run_name="__main__")
    assert "my-tickets" in capsys.readouterr().out
    domain = load_domain(tmp_path / "my-tickets")
    assert [document.id for document in domain.documents] == ["T-101.txt", "T-102.txt"]
    assert [len(gold.evidence) for gold in domain.gold.values()] == [1, 1, 0]


def test_all_plugins_in_one_study_from_the_command_line(domain_folder, tiny_model, tmp_path, capsys):
    small = {"domain": domain_folder, "model": tiny_model, "embedder": "", "seeds": "[0]", "chunk_tokens": 32, "context_tokens": 96}
    small |= {"max_new_tokens": 6, "batch_size": 4, "train_tokens": 1500, "train_batch_size": 4, "metric": "numbers_right"}
    changes = [word for name, value in small.items() for word in ("--set", f"{name}={value}")]
    assert main(["run", str(EXAMPLES / "study.yaml"), "--runs", str(tmp_path), "--json", *changes]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["decision"]["metric"] == "numbers_right"
    run = find_run(said["run"])
    frame = scores_frame(run)
    assert set(frame["arm"]) == {"base", "rag", "trigrams", "rag+lokr", "lookup"}
    assert frame.loc[frame["arm"] == "lookup", "match"].mean() > 0, "half of the facts stand in a sentence with the question's words"
    assert any((run.folder / "artifacts").glob("adapter-*"))
