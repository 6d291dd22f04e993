"""The page "Corpus and leakage": documents with their evidence, also where their folder is gone; leaks side by side; where the run came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragft.gate import Gate, Pair
from ragft.leakage import Leak
from ragft.store import Run, write_json, write_jsonl
from ragft.types import Chunk, Span
from tests.dashboard.conftest import finish
from tests.dashboard.pages import html, opened
from tests.made_run import EVIL, Plan, make_run

TEXT = "The  0 bar is it. And more of it."


def made(folder: Path, plan: Plan) -> Run:
    """A made run with an index whose document d00 has two chunks."""
    run = make_run(folder / "2026-01-31-new", plan)
    name = f"d00{plan.text}.md"
    pieces = [(0, 17), (18, len(TEXT))]
    chunks = [Chunk(f"{name}:{a}", Span(name, a, b), TEXT[a:b], f"Valves{plan.text} > Limits") for a, b in pieces]
    write_jsonl(run.folder / "artifacts/index-1/chunks.jsonl", chunks)
    finish(run.folder)
    return run


@pytest.fixture
def run(tmp_path) -> Run:
    return made(tmp_path, Plan())


def page_of(run: Run, **asked: str):
    return opened(run.folder.parent, "corpus", **asked)


def domain_of(run: Run) -> Path:
    return run.folder / "nowhere"  # where make_run says that the domain is


def test_documents_with_their_sizes(run):
    page = page_of(run)
    assert not page.exception
    table = page.dataframe[0].value
    first = table[table["document"] == "d00.md"].iloc[0]
    assert (first["title"], first["characters"], first["chunks"], first["questions"]) == ("Valves", len(TEXT), 2, 2)
    assert len(table) == 10
    assert "Choose a document" in page.caption[1].value


def test_where_the_folder_is_gone_the_index_is_read(run):
    page = page_of(run, document="d00.md")
    assert not page.exception
    assert "is not there any more" in page.info[0].value
    assert "<mark> 0 bar i</mark>" in html(page)  # evidence at 4 to 12
    assert f"questions?run={run.folder.name}&amp;id=q00" in html(page)


def test_where_it_is_there_the_document_is_read(run):
    write(run, TEXT)
    page = page_of(run, document="d00.md")
    assert not page.info
    assert "<mark> 0 bar i</mark>s it. And more of it." in html(page)


def write(run: Run, text: str) -> None:
    folder = domain_of(run) / "corpus"
    folder.mkdir(parents=True)
    (folder / "d00.md").write_text(text)


def test_a_document_that_was_changed_is_not_marked_in_the_wrong_places(run):
    write(run, f"New. {TEXT}")
    page = page_of(run, document="d00.md")
    assert "another version of this document" in page.info[0].value
    assert "New." not in html(page)


def test_a_document_that_is_not_there_any_more(run):
    write(run, TEXT)
    page = page_of(run, document="d01.md")
    assert not page.exception
    assert "does not hold this document" in page.info[0].value


def test_a_wrong_document_in_the_address(run):
    page = page_of(run, document="$gone")
    assert [warning.value for warning in page.warning] == ["The link's document is not here: \\$gone. It is left out."]


def test_questions_by_kind_and_what_training_covered(run):
    table = page_of(run).dataframe[1].value
    assert table.to_dict("records") == [{"kind": "value", "trained-fact": 16, "unanswerable": 4, "all": 20}]


def test_a_run_without_a_gate_says_so(run):
    assert "before there was a leakage gate" in html(page_of(run))


def test_leaks_side_by_side_with_the_waiver(run):
    leak = Leak("q00", "test", "t07", ("near copy",), 0.9)
    pair = Pair(leak, "What is value 0?", f"Please: what is value 0?{EVIL}", "0 bar", "0 bar")
    write_json(run.folder / "leaks.json", Gate("i", 16, (pair,), True, f"on purpose{EVIL}"))
    page = page_of(run)
    assert not page.exception
    body = html(page)
    for words in ("What is value 0?", "Please: what is value 0?", "t07", "near copy", "! leak", "on purpose", "words and meanings"):
        assert words in body
    assert "<script>" not in body


def test_where_the_run_came_from(run):
    body = html(page_of(run))
    assert "What this run was made from" in body
    assert "study.yaml, with every default" in body
    assert "Planned before the run" in body


def test_hostile_texts_are_shown_as_they_are(tmp_path):
    run = made(tmp_path, Plan(text=EVIL))
    page = page_of(run, document=f"d00{EVIL}.md")
    assert not page.exception
    assert not page.warning
    assert "<script>" not in html(page)


def test_without_an_index_there_are_no_chunks(tmp_path):
    run = make_run(tmp_path / "2026-01-31-new", Plan())
    finish(run.folder)
    page = page_of(run, document="d00.md")
    assert not page.exception
    assert "holds no index" in page.caption[0].value
    assert list(page.dataframe[0].value.columns) == ["document", "questions"]  # no 0 where a size is not known
    assert "holds no chunks of it" in page.info[0].value
