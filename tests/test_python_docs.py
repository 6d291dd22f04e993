"""docs/python.md and docs/plugins.md: their programs run, on a small domain and a tiny model, and say what the pages say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tiny import DOCUMENTS, question_lines

import ragft
from ragft import registry
from ragft.chunking import chunk_documents
from ragft.cli import main
from ragft.errors import RagftError
from ragft.registry import KINDS
from ragft.settings import Study, load_study
from ragft.types import Document

DOCS = Path(__file__).parents[1] / "docs"
pytestmark = pytest.mark.usefixtures("own_plugins")


def blocks(page: str, kind: str = "python") -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def small(tiny_model, monkeypatch, tmp_path):
    """Every study of the page with a tiny model, in a folder with documents and questions of its user."""
    monkeypatch.chdir(tmp_path)
    for name, text in DOCUMENTS.items():
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    write_table(tmp_path / "qa.csv")
    settings = {"model": str(tiny_model), "embedder": None, "seeds": (0, 1), "chunk_tokens": 32, "context_tokens": 96, "limit": 6}
    settings |= {"max_new_tokens": 6, "batch_size": 4, "train_tokens": 1500, "train_batch_size": 4}
    monkeypatch.setattr(ragft, "Study", lambda **given: Study(**{**given, **settings}), raising=False)
    monkeypatch.setattr(ragft, "load_study", lambda *given: load_study(*given).model_copy(update=settings), raising=False)
    return settings


def write_table(path: Path) -> None:
    """The tiny domain's questions as people keep them."""
    rows = []
    for line in question_lines():
        piece = (line.get("evidence") or [{}])[0]
        document = line.get("document") or piece["document"]
        cells = (line["question"], "|".join(line["answers"]), document, line["split"], piece.get("quote", ""), line.get("fact", ""))
        rows.append(",".join([*cells, str(line.get("wording", ""))]))
    path.write_text("question,answers,document,split,evidence,fact,wording\n" + "\n".join(rows), encoding="utf-8")


@pytest.mark.slow
def test_the_python_page_is_one_session(small, capsys, tmp_path):
    names: dict = {}
    for block in blocks("python.md"):
        exec(compile(block, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    for shown in re.findall(r"print\(.*\)  # ((?:Domain|questions row).*?)(?: …)?$", page, flags=re.MULTILINE):
        assert shown in said
    for written in ("arms.svg", "verdict.svg", "scores.csv", "mlflow.db", "my-adapter/README.md", "manuals/study.yaml", "tickets/study.yaml"):
        assert (tmp_path / written).is_file(), written
    assert names["result"].decision.verdict in said


def test_every_public_name_is_on_the_page():
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    needless = {"Comparison", "Decision", "Domain", "Exported", "Result", "Run", "Verdict", "Bar", "load_result"}  # what functions give
    assert [name for name in ragft.__all__ if name not in page and name not in needless] == []


def test_the_plugins_of_the_page_are_one_of_each_kind_and_work_in_a_study(small, tmp_path, capsys):
    """All of them in one file, named by a study.yaml, run by the command line."""
    (tmp_path / "page.py").write_text("\n\n".join(blocks("plugins.md")), encoding="utf-8")
    ragft.make_domain("manuals", "docs/", "qa.csv")
    study = {**small, "domain": "manuals", "plugins": ["page.py"], "metric": "gold_mentioned", "chunker": "lines", "seeds": [0], "reference": "rag"}
    study["arms"] = {
        "base": {},
        "rag": {"retriever": "longest at_least=20 + short-first depth=5"},
        "tuned": {"tuning": "attention-lora", "options": {"rank": 2}, "format": "shouted"},
        "repeated": None,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    assert main(["run", "study.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {arm["name"] for arm in found["comparison"]["arms"]} == {"base", "rag", "tuned", "repeated"}
    assert {entry.kind for entry in registry.outside()} == set(KINDS)


def test_the_study_of_the_plugins_page_finds_them(small, tmp_path, monkeypatch):
    """A file beside study.yaml, and a module that can be imported."""
    (settings,) = blocks("plugins.md", "yaml")
    (tmp_path / "my_metric.py").write_text(next(block for block in blocks("plugins.md") if "@metric" in block), encoding="utf-8")
    (tmp_path / "mycompany").mkdir()
    (tmp_path / "mycompany" / "rag.py").write_text(next(block for block in blocks("plugins.md") if "@retriever" in block), encoding="utf-8")
    (tmp_path / "study.yaml").write_text(f"domain: .\narms: {{rag: {{retriever: longest}}}}\n{settings}", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    study = load_study(tmp_path / "study.yaml")
    assert (study.metric, study.arms["rag"].retriever) == ("gold_mentioned", "longest")


def test_the_chunker_of_the_page_keeps_every_character():
    names: dict = {}
    exec(next(block for block in blocks("plugins.md") if "@chunker" in block), names)
    text = "# A title\n\nOne two three four five.\nSix\n"
    pieces = names["lines"](text, 3, lambda part: len(part.split()))
    assert "".join(pieces) == text and max(len(piece.split()) for piece in pieces) == 3
    assert chunk_documents([Document("d", text, "d")], 16, 0, lambda part: len(part.split()), names["lines"])


@pytest.mark.parametrize("page", ["python.md", "plugins.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / target).exists(), target


def test_a_mistake_of_the_page_is_what_it_says():
    with pytest.raises(RagftError):
        ragft.find_run("nowhere")
