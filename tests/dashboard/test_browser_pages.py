"""Every page in a real browser: it opens without a fault, wide and light, narrow and dark, over the bundled example and over a run full of hostile text."""

from __future__ import annotations

import pytest

from ragft.dashboard.app import PAGES
from ragft.dashboard.runs import EXAMPLES

EXAMPLE = next(EXAMPLES.glob("*/manifest.json")).parent.name
EVERY = [(path, title) for part in PAGES.values() for _, title, path, _ in part]

DARKNESS = """() => getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor.match(/\\d+/g).slice(0, 3)
    .reduce((sum, part) => sum + Number(part), 0) / 3"""


@pytest.mark.parametrize(("path", "title"), EVERY, ids=[title for _, title in EVERY])
def test_page_opens_wide_on_the_bundled_example(sheet, path, title):
    page = sheet.open(path, run=EXAMPLE)
    assert page.title().startswith(title)
    assert f"run={EXAMPLE}" in page.url
    assert sheet.faults() == []


@pytest.mark.parametrize(("path", "title"), EVERY, ids=[title for _, title in EVERY])
def test_page_opens_narrow_and_hostile(narrow, path, title):
    page = narrow.open(path, run="2026-01-30-hostile")
    assert page.title().startswith(title)
    assert page.evaluate(DARKNESS) < 100, "the page is not dark"
    assert narrow.faults() == []
    assert page.locator("script:has-text('alert(2)'), img[src='x']").count() == 0


def test_navigation_leads_to_every_page(sheet):
    page = sheet.open(run="2026-01-29-plain")
    for path, title in EVERY:
        page.get_by_role("link", name=title, exact=True).click()
        page.wait_for_url(f"**/{path}?*")
        sheet.settle()
        assert page.locator("h1").count() == 1
        assert "run=2026-01-29-plain" in page.url
    assert sheet.faults() == []


def test_runs_are_chosen_by_hand(sheet):
    page = sheet.open()
    assert "run=2026-01-31-measured" in page.url
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name="plain").click()
    page.wait_for_url("**run=2026-01-29-plain*")
    sheet.settle()
    assert page.get_by_role("combobox", name="Run").get_attribute("value").endswith("plain")
    assert page.get_by_text("2026-01-29-plain", exact=True).is_visible()
    assert sheet.faults() == []
