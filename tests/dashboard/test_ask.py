"""The page "Ask" without a browser: what can be asked, what it says, and the answers of a tiny model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from markupsafe import escape

from ragft.settings import Study
from ragft.store import Run, read_jsonl_as
from ragft.study import run
from ragft.types import Answer
from tests.dashboard.pages import html, opened
from tests.made_run import EVIL, Plan, make_run
from tests.tiny import write_domain


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model) -> Run:
    folder = tmp_path_factory.mktemp("ask")
    study = Study(
        domain=str(write_domain(folder / "works")), model=str(tiny_model), embedder=None, arms=["base", "oracle", "rag"], chunk_tokens=32,
        context_tokens=96, k=2, max_new_tokens=6, batch_size=4,
    )  # fmt: skip
    return run(study, folder / "runs").run


def pressed(found, label: str):
    return next(button for button in found.button if button.label == label).click()


def test_arms_answer_side_by_side(finished):
    found = opened(finished.folder.parent, "ask", ask="How much leave do employees have?", arms="base,rag,gone")
    assert not found.exception
    assert found.multiselect[0].value == ["base", "rag"]
    assert "parameters" in html(found)
    pressed(found, "Ask").run()
    assert not found.exception
    stored = {arm: read_jsonl_as(Answer, finished.seed_folder(arm, 0) / "answers.jsonl") for arm in ("base", "rag")}
    assert [title.value for title in found.subheader] == ["base", "rag"]
    assert "reference answer: <b>27 days</b>" in html(found)
    for arm in stored:
        answer = next(one for one in stored[arm] if one.question == "f7-0")
        assert str(escape(answer.text)) in html(found)
    assert found.query_params["arms"] == "base,rag"
    assert any("ready after" in caption.value for caption in found.caption)
    assert any("policies/leave" in caption.value for caption in found.caption), "a passage names its document"


def test_hostile_question_and_a_question_of_the_run(finished):
    found = opened(finished.folder.parent, "ask")
    pressed(found, "Take a question of the run").run()
    assert found.text_area[0].value == "Up to which pressure does the Kova 30 work?"
    found.text_area[0].set_value(f"How? {EVIL}")
    found.multiselect[0].set_value(["rag", "oracle"])
    pressed(found, "Ask").run()
    assert not found.exception
    assert "<script" not in html(found)
    assert any("gold passages" in error.value for error in found.error)


def test_nothing_to_ask(finished):
    found = opened(finished.folder.parent, "ask")
    pressed(found, "Ask").run()
    assert [warning.value for warning in found.warning] == ["Write a question first."]


def test_without_weights_it_says_why(tmp_path: Path):
    made = make_run(tmp_path / "runs" / "2026-01-31-made", Plan(text=EVIL)).folder / "manifest.json"
    made.write_text(made.read_text().replace('"running"', '"finished"'))
    found = opened(tmp_path / "runs", "ask")
    assert not found.exception
    assert "No arm of this run can be asked" in found.info[0].value
    assert html(found).count("Or give a folder with safetensors weights") == 5
    assert "<script" not in html(found)


def test_an_index_that_is_gone(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / finished.folder.name, ignore=shutil.ignore_patterns("artifacts"))
    found = opened(tmp_path, "ask")
    assert not found.exception
    assert found.multiselect[0].options == ["base"]
    assert [expander.label for expander in found.expander] == ["2 of 3 arms cannot be asked"]
