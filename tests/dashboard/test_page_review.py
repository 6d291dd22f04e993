"""The page "Review": a key and a second one, kept where the command line keeps it, decided again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragft.review import read_review
from ragft.reviewsheet import review_rows
from ragft.store import Run, read_json
from tests.dashboard.conftest import finish
from tests.dashboard.pages import html, opened
from tests.made_run import EVIL, Plan, make_run


@pytest.fixture
def run(tmp_path) -> Run:
    made = make_run(tmp_path / "runs" / "2026-01-31-new", Plan())
    finish(made.folder)
    return made


def page_of(run: Run):
    return opened(run.folder.parent, "review")


def press(page, label: str):
    return next(button for button in page.button if button.label.startswith(label)).click().run()


def test_opens_on_the_first_that_is_not_judged(run):
    page = page_of(run)
    assert not page.exception
    first = review_rows(run, 20)[0]
    assert first.question in html(page)
    assert "20 judged: 0 of 20 drawn at random" in page.get("progress")[0].proto.text
    assert not (run.folder / "review.json").exists()


def test_one_key_alone_keeps_nothing(run):
    page = press(page_of(run), "Wrong")
    assert any(button.label == "Accept “Wrong”" for button in page.button)
    assert read_review(run) is None


def test_a_second_key_keeps_it_with_the_comment_and_goes_on(run):
    page = page_of(run)
    rows = review_rows(run, 20)
    page.text_input[0].set_value("it says 12").run()
    page = press(press(page, "Wrong"), "Accept")
    assert not page.exception
    kept = read_review(run).rows
    assert [(row.question, row.verdict, row.note) for row in kept] == [(rows[0].gold.id, "wrong", "it says 12")]
    assert rows[1].question in html(page)
    page = press(press(page, "Right"), "Accept")
    assert [row.verdict for row in read_review(run).rows] == ["wrong", "ok"]


def test_undo_takes_the_last_one_back(run):
    page = press(press(page_of(run), "Right"), "Accept")
    assert len(read_review(run).rows) == 1
    page = press(page, "Undo")
    assert read_review(run) is None
    assert review_rows(run, 20)[0].question in html(page)


def test_goes_on_where_it_was_left(run):
    press(press(page_of(run), "Right"), "Accept")
    page = page_of(run)
    assert review_rows(run, 20)[1].question in html(page)
    assert "1 of 20 judged" in page.get("progress")[0].proto.text


def test_decided_again_with_what_changed(run):
    page = page_of(run)
    assert not any(button.label == "Decide again" for button in page.button)
    for _ in range(4):
        page = press(press(page, "Wrong"), "Accept")
    before = read_json(run.folder / "decision.json")["warnings"]
    page = press(page, "Decide again")
    assert not page.exception
    after = read_json(run.folder / "decision.json")["warnings"]
    assert len(after) > len(before)
    assert "Wrong labels: 4 of 4 questions drawn at random" in html(page)
    assert "New in it" in html(page)
    assert (run.folder / "report.html").is_file()


def test_a_run_that_is_held_says_so(run):
    page = press(page_of(run), "Right")
    with run.locked():
        page = press(page, "Accept")
    assert not page.exception
    assert "another process" in page.error[0].value
    assert read_review(run) is None


def test_bundled_examples_stay_as_they_are(run, monkeypatch):
    monkeypatch.setattr("ragft.dashboard.runs.EXAMPLES", run.folder.parent.resolve())
    page = opened(run.folder.parent.parent / "none", "review")
    assert not page.exception
    assert "bundled example" in page.info[0].value
    assert {button.label for button in page.button} == {"Previous", "Next"}


def test_questions_changed_since_are_said(run):
    press(press(page_of(run), "Right"), "Accept")
    gold = run.folder / "gold.jsonl"
    gold.write_text(gold.read_text().replace('"0 bar"', '"1 bar"'))
    page = page_of(run)
    assert not page.exception
    assert "changed since they were reviewed" in page.error[0].value


def test_hostile_texts_are_shown_as_they_are(tmp_path):
    finish(make_run(tmp_path / "2026-01-31-evil", Plan(text=EVIL)).folder)
    page = opened(Path(tmp_path), "review")
    assert not page.exception
    assert "<script>" not in html(page)
