"""A new study in a real browser: documents are uploaded; a tiny study is started, stopped, gone on with, left, found again at its verdict, and asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ragft.domain import load_domain
from ragft.settings import Study, save_study
from tests.dashboard.browser import NARROW, WIDE, Sheet, serving
from tests.tiny import write_domain

PATIENCE_MS = 180_000


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> Path:
    """A folder with a tiny study in works/, and nothing run yet; talking/ is one of longer answers."""
    folder = tmp_path_factory.mktemp("new")
    for name, arms, tokens in (("works", ["base", "rag", "lora"], 6), ("talking", ["base", "rag"], 300)):
        study = Study(
            domain=".", model=str(tiny_model), embedder=None, arms=arms, seeds=(0,), chunk_tokens=32, context_tokens=96, k=2,
            max_new_tokens=tokens, batch_size=4, train_tokens=1500, train_batch_size=4,
        )  # fmt: skip
        save_study(study, write_domain(folder / name) / "study.yaml")
    return folder


def run(place: Path, name: str) -> None:
    """Bring the study to its verdict, if no test did."""
    if not list((place / "runs").glob(f"*-{name}-*/decision.json")):
        subprocess.run([sys.executable, "-m", "ragft", "run", str(place / name), "--runs", str(place / "runs")], check=True, capture_output=True)


@pytest.fixture(scope="module")
def address(place):
    with serving(place / "runs") as found:
        yield found


@pytest.fixture
def fresh(browser, address):
    with browser.new_context(viewport=WIDE) as context:
        yield Sheet(context.new_page(), address)


def test_documents_are_uploaded_into_the_study_folder(fresh, place):
    page = fresh.open("newstudy")
    files = sorted((place / "works" / "corpus").rglob("*.*"))
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(files)
    page.get_by_role("textbox", name="Name of the study").first.fill("manuals")
    page.get_by_role("button", name="Make the study").first.click()
    page.get_by_text("This study has documents and no questions.").wait_for()
    assert "study=" in page.url
    assert sorted(path.name for path in (place / "studies" / "manuals" / "corpus").iterdir()) == sorted(path.name for path in files)
    page.get_by_role("button", name="Make questions from the documents").click()
    page.get_by_text("too few to compare anything by").wait_for()  # six short documents
    assert fresh.faults() == []


def test_a_study_is_started_stopped_gone_on_with_and_comes_to_its_verdict(fresh, place):
    page = fresh.open("newstudy")
    page.get_by_role("tab", name="A study that is here").click()
    page.get_by_role("textbox", name="Its study.yaml, or the folder that it is in").fill(str(place / "works"))
    page.get_by_role("button", name="Open it").click()
    page.get_by_role("heading", name="Settings").wait_for()
    assert load_domain(place / "works").documents
    page.get_by_role("button", name="Start the run").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("What was finished is kept").wait_for(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("progressbar").wait_for()
    page.goto("about:blank")  # it goes on without the page
    fresh.open("newstudy")
    link = page.get_by_role("link", name="Look at its verdict")
    link.wait_for(timeout=PATIENCE_MS)
    fresh.settle()
    page.get_by_text("What it says").first.click()
    page.get_by_text("Verdict:").first.wait_for()
    assert fresh.faults() == []
    link.click()
    page.wait_for_url("**/?run=*")
    fresh.settle()
    assert "verdict:" in page.inner_text('[data-testid="stMain"]').lower()
    assert len(list((place / "runs").glob("*-works-*/decision.json"))) == 1


def test_its_arms_are_asked(fresh, browser, address, place):
    run(place, "works")
    page = fresh.open("ask", run=next((place / "runs").glob("*-works-*/decision.json")).parent.name, ask="How heavy is the Kova 30?", arms="rag,lora")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("ready after").nth(1).wait_for(timeout=PATIENCE_MS)
    fresh.settle()
    assert page.get_by_role("heading", name="lora").count() == 1
    page.get_by_text("1. Kova 30").first.click()
    page.get_by_text("pumps/kova.md").first.wait_for()
    assert fresh.faults() == []
    with browser.new_context(viewport=NARROW) as context:
        narrow = Sheet(context.new_page(), address)
        for path in ("ask", "newstudy"):
            narrow.open(path)
            assert narrow.faults() == []


def test_an_answer_is_seen_as_it_grows_and_can_be_stopped(fresh, place):
    run(place, "talking")
    folder = next((place / "runs").glob("*-talking-*/decision.json")).parent
    page = fresh.open("ask", run=folder.name, ask="How heavy is the Kova 30?", arms="base,rag")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("▍").first.wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("(stopped)").first.wait_for()
    fresh.settle()
    assert page.get_by_text("ready after").count() < 2 and page.get_by_text("▍").count() == 0
    assert fresh.faults() == []
