"""An NLI model over stored answers: which pairs it is asked, what is kept, and that a model without the label is refused."""

from __future__ import annotations

import numpy as np
import pytest

from ragft import entail
from ragft.cli import main
from ragft.entail import NliModel, entail_run
from ragft.errors import InputError
from ragft.models import Model
from ragft.scoring import ENTAILMENT
from ragft.store import read_json, read_jsonl_as
from ragft.study import run, score_run
from ragft.types import Answer

LABELS = ("contradiction", "Entailment", "neutral")


def save_nli(tiny_embedder, folder, labels=LABELS):
    """A classifier with random weights, which reads what the tiny embedder reads."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    config = AutoConfig.from_pretrained(tiny_embedder, num_labels=len(labels), id2label=dict(enumerate(labels)), initializer_range=0.5)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_embedder).save_pretrained(folder)
    return folder


@pytest.fixture
def finished(tiny_study, tmp_path):
    arms = {name: tiny_study.arms[name] for name in ("base", "rag")}
    return run(tiny_study.model_copy(update={"arms": arms}), tmp_path / "runs").run


def test_the_probability_is_that_of_the_label_of_that_name(tiny_embedder, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = save_nli(tiny_embedder, tmp_path / "nli")
    pairs = [("The Kova stands 42 bar.", "What pressure? 42 bar"), ("It weighs 12 kg.", "What pressure? 42 bar")]
    reads, model = AutoTokenizer.from_pretrained(folder), AutoModelForSequenceClassification.from_pretrained(folder).eval()
    logits = np.array([model(**reads(*pair, return_tensors="pt")).logits[0].tolist() for pair in pairs])
    expected = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[:, 1]
    np.testing.assert_allclose(NliModel(folder)(pairs), expected, rtol=1e-4)


@pytest.mark.parametrize("labels", [("no", "yes"), ("entailment",)])
def test_a_model_without_the_label_is_refused(tiny_embedder, tmp_path, labels):
    with pytest.raises(InputError, match="one must be entailment"):
        NliModel(save_nli(tiny_embedder, tmp_path / "nli", labels))


def test_each_answer_counts_with_its_best_passage_and_is_judged_once(finished, monkeypatch, tmp_path):
    asked = []

    class Judge:
        def __init__(self, folder):
            pass

        def __call__(self, pairs):
            asked.extend(pairs)
            return np.array([len(premise) % 7 / 10 for premise, _ in pairs])

    monkeypatch.setattr(entail, "NliModel", Judge)
    entail_run(finished, Model("nli", tmp_path, "0" * 64, ""))
    answers = {answer.question: answer for answer in read_jsonl_as(Answer, finished.seed_folder("rag", 0) / "answers.jsonl")}
    said = {key: answer for key, answer in answers.items() if answer.outcome in ("ok", "truncated")}
    found = read_json(finished.seed_folder("rag", 0) / ENTAILMENT)["values"]
    assert found.keys() == said.keys() and found
    for key, value in found.items():
        assert value == max(len(f"{hit.chunk.heading}\n{hit.chunk.text}") % 7 / 10 for hit in said[key].hits)
    assert all(hypothesis.endswith(tuple(answer.text for answer in said.values())) for _, hypothesis in asked)
    number = len(asked)
    entail_run(finished, Model("nli", tmp_path, "0" * 64, ""))
    assert len(asked) == number, "by the same model, of the same answers"
    entail_run(finished, Model("nli", tmp_path, "1" * 64, ""))
    assert len(asked) == 2 * number
    score_run(finished)
    scores = {name: read_jsonl_as(dict, finished.seed_folder(name, 0) / "scores.jsonl") for name in ("base", "rag")}
    assert {row["question"]: row["entailment"] for row in scores["rag"] if row["entailment"] is not None} == found
    assert all(row["entailment"] is None for row in scores["base"]), "it was shown nothing"


def test_of_other_answers_it_says_nothing(finished, monkeypatch, tmp_path):
    monkeypatch.setattr(entail, "NliModel", lambda folder: lambda pairs: np.ones(len(pairs)))
    entail_run(finished, Model("nli", tmp_path, "0" * 64, ""))
    path = finished.seed_folder("rag", 0) / "answers.jsonl"
    path.write_text(path.read_text() + "\n")
    score_run(finished)
    assert all(row["entailment"] is None for row in read_jsonl_as(dict, finished.seed_folder("rag", 0) / "scores.jsonl"))


def test_the_command(finished, tiny_embedder, tmp_path, capsys):
    folder = save_nli(tiny_embedder, tmp_path / "nli")
    assert main(["score", str(finished.folder), "--nli", str(folder)]) == 0
    assert "entailment" in capsys.readouterr().out
    assert main(["score", str(finished.folder), "--nli", str(tmp_path / "nowhere")]) == 1
    assert "NLI model" in capsys.readouterr().err
