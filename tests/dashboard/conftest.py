"""Fixtures of the tests in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dashboard.browser import CHROMIUM, NARROW, WIDE, Sheet, serving
from tests.made_run import DEFAULT, EVIL, Plan, make_run

RUNS = {
    "2026-01-29-plain": Plan(),
    "2026-01-30-hostile": Plan(text=EVIL, measured=True, arms={**DEFAULT, f"z{EVIL}": {"tuning": "lora"}}),
    "2026-01-31-measured": Plan(measured=True, documents=20, needs={"false_answer_rate": 0.9}),
}


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory):
    """The address of a dashboard over RUNS; the newest is "2026-01-31-measured"."""
    folder = tmp_path_factory.mktemp("served") / "runs"
    for name, plan in RUNS.items():
        finish(make_run(folder / name, plan).folder)
    with serving(folder) as address:
        yield address


def finish(folder: Path) -> None:
    """A made run as one that ended, on the day that its name says."""
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"running"', '"finished"').replace("2026-01-31T", f"{folder.name[:10]}T"))


@pytest.fixture(scope="module")  # not the session's: while Playwright is open, nothing else in the process can run an asyncio loop
def browser():
    """Headless Chromium; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def sheet(browser, served):
    """A page as wide as a laptop."""
    with browser.new_context(viewport=WIDE) as context:
        yield Sheet(context.new_page(), served)


@pytest.fixture
def narrow(browser, served):
    """A page as wide as a phone, in the dark."""
    with browser.new_context(viewport=NARROW, color_scheme="dark") as context:
        yield Sheet(context.new_page(), served)
