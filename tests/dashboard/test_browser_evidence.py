"""The pages of the evidence in a real browser: keys, choices in tables, links, and what stands in the address."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from ragft.review import read_review
from ragft.store import Run
from tests.dashboard.browser import WIDE, Sheet, serving
from tests.dashboard.conftest import finish
from tests.made_run import Plan, make_run

RUN = "2026-01-31-measured"


def asked(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def press(sheet: Sheet, key: str) -> None:
    sheet.page.keyboard.press(key)
    sheet.page.wait_for_timeout(200)  # the key's way to the server
    sheet.settle()


def said(sheet: Sheet, words: str) -> None:
    """Wait until the page says so, and the rest of it is drawn as well: a key that comes before its button is lost."""
    sheet.page.get_by_text(words).wait_for()
    sheet.settle()


def test_questions_by_keys_and_by_link(sheet):
    page = sheet.open("questions", run=RUN, id="q02")
    assert page.get_by_role("heading", name="What is value q02?").count() == 1
    press(sheet, "j")
    page.wait_for_url("**id=q03*")
    page.get_by_role("heading", name="What is value q03?").wait_for()
    press(sheet, "k")
    page.wait_for_url("**id=q02*")
    page.get_by_text("What oracle").first.click()
    assert page.locator("mark").first.is_visible()
    assert sheet.faults() == []


def test_a_filter_stands_in_the_address_and_comes_back_by_it(sheet):
    page = sheet.open("questions", run=RUN)
    page.get_by_role("combobox", name="Mark").click()
    page.get_by_role("option", name="wrong", exact=True).click()
    page.wait_for_url("**mark=wrong*")
    sheet.settle()
    said = page.get_by_text("questions. Marks are by").inner_text()
    page.goto(page.url)
    sheet.settle()
    assert page.get_by_text("questions. Marks are by").inner_text() == said
    assert not said.startswith("40 of 40")
    assert sheet.faults() == []


def test_search_keeps_its_keys_to_itself(sheet):
    page = sheet.open("questions", run=RUN, id="q05")
    page.get_by_role("textbox", name="Search").fill("")
    page.get_by_role("textbox", name="Search").press_sequentially("jk q07")
    page.get_by_role("textbox", name="Search").press("Enter")
    page.wait_for_url("**q=jk*")
    sheet.settle()
    assert asked(page)["id"] == ["q05"]


@pytest.fixture
def own(browser, tmp_path):
    """A page over a run of its own, which may be judged."""
    run = make_run(tmp_path / "runs" / "2026-01-31-own", Plan())
    finish(run.folder)
    with serving(run.folder.parent) as address, browser.new_context(viewport=WIDE) as context:
        yield Sheet(context.new_page(), address), run


def test_labels_are_judged_with_two_keys(own):
    sheet, run = own
    page = sheet.open("review")
    page.get_by_role("textbox", name="Comment").fill("axy: no verdict")  # typed keys are words
    page.get_by_role("textbox", name="Comment").press("Tab")
    sheet.settle()
    assert page.get_by_role("button", name="Accept").count() == 0
    page.locator("h1").click()
    press(sheet, "x")
    page.get_by_role("button", name="Accept “Wrong”").wait_for()
    press(sheet, "y")
    said(sheet, "1 of 20 judged")
    press(sheet, "a")
    page.get_by_role("button", name="Accept “Right”").wait_for()
    press(sheet, "y")
    said(sheet, "2 of 20 judged")
    assert [(row.verdict, row.note) for row in read_review(Run(run.folder)).rows] == [("wrong", "axy: no verdict"), ("ok", "")]
    press(sheet, "z")
    said(sheet, "1 of 20 judged")
    page.get_by_role("button", name="Decide again").click()
    page.get_by_text("Decided again.").wait_for()
    sheet.settle()
    assert sheet.faults() == []


def test_runs_that_asked_in_other_words_are_not_paired(sheet):
    page = sheet.open("compare", run="2026-01-29-plain", **{"with": "2026-01-30-hostile"})
    page.get_by_text("Not paired").wait_for()
    assert sheet.faults() == []


@pytest.fixture
def better_and_worse(browser, tmp_path):
    """A page over two runs of the same questions, of which the second has fewer right."""
    for name, right in (("2026-01-30-better", 7), ("2026-01-31-worse", 4)):
        finish(make_run(tmp_path / "runs" / name, Plan(skill={"rag+lora": right})).folder)
    with serving(tmp_path / "runs") as address, browser.new_context(viewport=WIDE) as context:
        yield Sheet(context.new_page(), address)


def test_two_runs_are_chosen_and_a_lost_question_is_followed(better_and_worse):
    page = better_and_worse.open("compare", run="2026-01-30-better", arm="rag+lora")
    page.get_by_role("combobox", name="Set beside it").click()
    page.get_by_role("option", name="2026-01-31-worse").click()
    page.wait_for_url("**with=2026-01-31-worse*")
    better_and_worse.settle()
    page.get_by_text("questions that lost most").click()
    lost = page.locator('a[href*="questions?run=2026-01-31-worse"]').first
    words = lost.inner_text()
    lost.click()
    page.wait_for_url("**/questions?*")
    better_and_worse.settle()
    assert page.get_by_role("heading", name=words).count() == 1
    assert asked(page)["arm"] == ["rag+lora"] and better_and_worse.faults() == []


def test_a_row_of_the_table_is_chosen(sheet):
    page = sheet.open("questions", run=RUN)
    page.get_by_test_id("stDataFrame").locator(".dvn-scroller").click(position={"x": 15, "y": 35 + 35 * 2 + 17})  # the third row's box
    page.wait_for_url("**id=q02*")
    sheet.settle()
    assert page.get_by_role("heading", name="What is value q02?").count() == 1
    assert sheet.faults() == []


def test_tabs_of_the_corpus(sheet):
    page = sheet.open("corpus", run=RUN)
    for tab, words in (("Leakage", "leakage gate"), ("Made from", "What this run was made from"), ("Planned before", "Planned before the run")):
        page.get_by_role("tab", name=tab).click()
        assert page.get_by_text(words).first.is_visible()
    assert sheet.faults() == []
