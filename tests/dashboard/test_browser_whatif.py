"""The page "What if" in a real browser: by keyboard, over a shared link, and back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from ragft.costpage import MOST_LINES

RUN = "2026-01-31-measured"


def test_the_margin_by_keyboard(sheet):
    page = sheet.open("whatif", run=RUN)
    expect(page.get_by_text("Nothing is changed")).to_be_visible()
    before = page.locator('img[alt^="Score against cost"]').count()
    slider = page.get_by_role("slider", name="Margin")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("3 points → 8 points")).to_be_visible()
    page.wait_for_url("**margin=8*")
    assert page.locator('img[alt^="Score against cost"]').count() == before == 1
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_text("Nothing is changed")).to_be_visible()
    sheet.settle()
    assert "margin" not in page.url
    assert sheet.faults() == []


def test_a_link_shows_the_same_and_more_questions_move_the_chart(sheet):
    page = sheet.open("whatif", run=RUN, margin="20", questions_per_month="1000")
    expect(page.get_by_text("3 points → 20 points")).to_be_visible()
    chart = page.locator('img[alt^="Total over 12 months"]')
    alt = chart.get_attribute("alt")
    assert alt.count("from ") <= MOST_LINES
    page.get_by_role("slider", name="Questions a month").focus()
    page.keyboard.press("End")
    page.wait_for_url("**questions_per_month=100000000*")
    sheet.settle()
    assert chart.get_attribute("alt") != alt
    page.get_by_text("Copy these settings").click()
    expect(page.get_by_text("margin: 0.2")).to_be_visible()
    assert sheet.faults() == []


def test_a_need_and_a_kind_of_question(narrow):
    page = narrow.open("whatif", run=RUN)
    page.get_by_text("Needs", exact=True).click()
    page.get_by_role("switch", name="It must be able to cite passages").press("Space")  # not by the mouse: the box moves while the part opens
    page.wait_for_url("**citations=true*")
    narrow.settle()
    page.get_by_text("Kinds of question", exact=True).click()
    page.get_by_role("slider", name="Unanswerable questions").focus()
    page.keyboard.press("Home")
    page.wait_for_url("**mix-unanswerable=0*")
    narrow.settle()
    assert narrow.faults() == []


@pytest.mark.parametrize(("tab", "words"), [("Training", "Training loss"), ("Differences and 2×2", "How the odds lie")])
def test_a_link_opens_a_tab(sheet, tab, words):
    page = sheet.open("arms", run=RUN, tab=tab)
    expect(page.get_by_text(words).first).to_be_visible()


def test_the_verdict_leads_to_the_arms(sheet):
    page = sheet.open(run=RUN)
    page.get_by_role("link", name="Arms", exact=True).last.click()
    page.wait_for_url("**/arms?*")
    sheet.settle()
    expect(page.get_by_text("How the odds lie")).to_be_visible()
    assert f"run={RUN}" in page.url and sheet.faults() == []
