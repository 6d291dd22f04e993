"""The page "Questions": what is found, how it stands in the address, one question with all that is known of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.dashboard.conftest import finish
from tests.dashboard.pages import html, opened
from tests.made_run import EVIL, Plan, make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, plan in (("2026-01-30-evil", Plan(text=EVIL, error="rag")), ("2026-01-31-new", Plan(error="rag"))):
        finish(make_run(folder / name, plan).folder)
    return folder


def found(page) -> list[str]:
    return list(page.dataframe[0].value.index) if page.dataframe and "question" in page.dataframe[0].value else []


def test_opens_on_all_questions_and_the_first(runs):
    page = opened(runs, "questions")
    assert not page.exception
    assert len(found(page)) == 20
    assert list(page.dataframe[0].value.columns) == ["rag", "base", "oracle", "lora", "rag+lora", "question", "kind", "document"]
    assert "id" not in page.query_params, "nobody chose it: after another search another one is the first"
    assert "What is value q00?" in html(page)
    assert any(code.value.endswith("id=q00") for code in page.code), "the link to it says which"
    assert "RuntimeError" in html(page)  # rag's first answer failed, and says why
    assert page.dataframe[0].value.loc["q00", "rag"] == "!"


def test_address_says_what_is_sought(runs):
    page = opened(runs, "questions", q="VALUE q0", mark="wrong", arm="rag", retrieval="miss")
    assert not page.exception
    keys = found(page)
    assert keys == ["q01", "q07"]
    assert set(page.dataframe[0].value["rag"]) == {"✗"}
    assert page.query_params["mark"] == "wrong"
    assert page.query_params["q"] == "VALUE q0"


def test_filters_are_changed_by_hand_and_stand_in_the_address(runs):
    page = opened(runs, "questions")
    next(box for box in page.selectbox if box.label == "What training covered").set_value("unanswerable").run()
    assert found(page) == ["q04", "q09", "q14", "q19"]
    assert page.query_params["stratum"] == "unanswerable"
    next(box for box in page.selectbox if box.label == "What training covered").set_value("").run()
    assert "stratum" not in page.query_params


def test_after_a_search_the_first_that_is_found_is_shown(runs):
    page = opened(runs, "questions")
    page.text_input[0].set_value("q07").run()
    assert found(page) == ["q07"] and "What is value q07?" in html(page)


def test_scores_and_times_stand_beside_the_answers(runs):
    made = BeautifulSoup(html(opened(runs, "questions", id="q07")), "html.parser")
    row = next(row for row in made.find_all("tr") if row.th and row.th.get_text() == "rag")
    cells = {cell["data-label"]: cell.get_text() for cell in row.find_all("td") if cell.get("data-label")}
    assert cells["score"] in ("0", "1") and cells["time"].endswith("s")


def test_a_link_to_one_question_and_the_steps_beside_it(runs):
    page = opened(runs, "questions", id="q07")
    assert "What is value q07?" in html(page)
    assert "<mark>" in html(page)  # the evidence within the passage
    assert "prompt q07 open" in html(page)
    page.button[1].click().run()
    assert page.query_params["id"] == "q08"
    page.button[0].click().run()
    page.button[0].click().run()
    assert page.query_params["id"] == "q06"
    assert "What is value q06?" in html(page)


def test_every_seed_of_a_trained_arm_answers(runs):
    body = html(opened(runs, "questions", id="q07"))
    for seed in range(3):
        assert f"rag+lora (seed {seed})" in body
    assert "rag (seed 0)" not in body  # not trained: one seed says it all


def test_wrong_values_in_the_address_are_left_out_with_a_warning(runs):
    page = opened(runs, "questions", mark="$best", id="*gone*")
    assert not page.exception
    assert [warning.value for warning in page.warning] == [
        "The link's mark is not here: \\$best. It is left out.",
        "The link's id is not here: \\*gone\\*. It is left out.",
    ]
    assert len(found(page)) == 20


def test_nothing_found_is_said(runs):
    page = opened(runs, "questions", q="no such words")
    assert not page.exception
    assert "No question passes" in page.info[0].value


def test_a_question_beside_the_filters_is_shown_all_the_same(runs):
    page = opened(runs, "questions", q="q1", id="q00")
    assert "What is value q00?" in html(page)
    assert any("not among those" in caption.value for caption in page.caption)


def test_hostile_texts_are_shown_as_they_are(runs):
    page = opened(runs, "questions", run="2026-01-30-evil", id="q00")
    assert not page.exception
    assert "<script>" not in html(page)
    assert "&lt;script&gt;" in html(page)


def test_scores_that_are_gone_are_said(tmp_path):
    run = make_run(tmp_path / "2026-01-31-new", Plan())
    finish(run.folder)
    (run.seed_folder("rag", 0) / "scores.jsonl").write_text("{}\n")
    page = opened(tmp_path, "questions")
    assert not page.exception
    assert "ragft score" in page.error[0].value
