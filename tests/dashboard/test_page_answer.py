"""The pages "Verdict", "Arms" and "Where points are lost": what they show, where they lead, and what they say where something is missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from bs4 import BeautifulSoup

from ragft.ladderpage import read_losses
from ragft.report import write_report
from ragft.store import Run, read_json, write_json
from tests.dashboard.conftest import finish
from tests.dashboard.pages import html, opened
from tests.made_run import EVIL, Plan, make_run

NAME = "2026-01-31-run"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("answer")
    run = make_run(folder / NAME, Plan(text=EVIL, measured=True))
    write_report(run)
    finish(run.folder)
    return folder


def shown(runs: Path, module: str, **asked: str) -> BeautifulSoup:
    found = opened(runs, module, **asked)
    assert not found.exception
    made = BeautifulSoup(html(found), "html.parser")
    assert not made.find_all("script") and not made.find_all(attrs={"onerror": True})
    assert all(img["alt"] or "sign" in img["class"] for img in made.find_all("img"))
    return made


def links(made: BeautifulSoup) -> dict[str, str]:
    return {a.get_text(): a["href"] for a in made.find_all("a")}


def test_the_verdict_leads_to_the_other_pages(runs):
    found = links(shown(runs, "verdict"))
    assert found["Where points are lost"] == f"./losses?run={NAME}"
    assert found["Every question and answer"] == f"./questions?run={NAME}"
    assert found["Arms"] == f"./arms?run={NAME}&tab=Differences+and+2%C3%972"


def test_the_report_is_downloaded_or_said_to_be_missing(runs, tmp_path):
    assert [button.label for button in opened(runs, "verdict").get("download_button")] == ["Download the report"]
    shutil.copytree(runs / NAME, tmp_path / NAME)
    (tmp_path / NAME / "report.html").unlink()
    found = opened(tmp_path, "verdict")
    assert not found.get("download_button")
    assert "This run has no report yet: ragft report" in found.caption[0].value.replace("\\", "")


def test_points_lost_by_form_are_said_with_the_verdict(runs, tmp_path):
    shutil.copytree(runs / NAME, tmp_path / NAME)
    run = Run(tmp_path / NAME)
    lost = read_json(run.folder / "losses.json")
    assert "more than the metric allows" not in shown(tmp_path, "verdict").get_text()
    points = lost["losses"][2]["points"]
    points["form"], points["right"] = points["right"], 0.0
    write_json(run.folder / "losses.json", lost)
    assert "more than the metric allows" in shown(tmp_path, "verdict").get_text()
    assert read_losses(run, "another") == ()


def test_a_damaged_file_says_how_it_comes_back(runs, tmp_path):
    shutil.copytree(runs / NAME, tmp_path / NAME)
    (tmp_path / NAME / "losses.json").write_text("{")
    found = opened(tmp_path, "verdict")
    assert not found.exception
    assert "ragft report" in found.error[0].value


@pytest.mark.parametrize("asked", [{"tab": "Training"}, {"tab": "$gone"}, {}])
def test_arms_shows_everything(runs, asked):
    made = shown(runs, "arms", **asked)
    text = made.get_text(" ")
    for words in ("Differences from rag", "do they add up", "Which fine-tuning", "Training loss", "by seed", "Break-even with rag"):
        assert words in text, words
    captions = [one.get_text() for one in made.find_all("figcaption")]
    assert any("Score against cost" in one for one in captions)


def test_slices_lead_to_their_questions(runs):
    made = shown(runs, "losses")
    found = links(made)
    assert found["what search missed"] == f"./questions?run={NAME}&arm=rag&retrieval=miss"
    assert found["trained-fact"] == f"./questions?run={NAME}&stratum=trained-fact"
    assert found["missed"] == f"./questions?run={NAME}&retrieval=miss&arm=rag"
    assert "known" not in found, "the page cannot be asked for it"
    for words in ("Where points are lost", "By kind of question", "Retrieval"):
        assert words in made.get_text(" ")


def test_behind_the_link_of_a_slice_are_as_many_questions_as_it_counts(runs):
    page = shown(runs, "losses")
    for cell in (cell for cell in page.find_all("th") if cell.a and "questions?" in cell.a["href"]):
        asked = dict(parse_qsl(urlsplit(cell.a["href"]).query))
        counted = int(cell.small.get_text().removeprefix("n = "))
        listed = opened(runs, "questions", **asked).caption[0].value
        assert listed.startswith(f"{counted} of 20 questions"), (asked, listed)


def test_how_sure_the_verdict_is(runs, tmp_path):
    shutil.copytree(runs / NAME, tmp_path / NAME)
    decision = read_json(tmp_path / NAME / "decision.json")

    def sure(**changed) -> str:
        write_json(tmp_path / NAME / "decision.json", {**decision, **changed})
        return next(one for one in shown(tmp_path, "verdict").find_all("dt") if one.get_text() == "How sure").find_next("dd").get_text(" ")

    assert "% is the chance that rag+lora beats rag by more than the margin" in sure(verdict="adopt-both", recommend="rag+lora")
    assert "is what rag is expected to lie below the best arm" in sure(verdict="undecided", recommend="rag")
    assert sure(odds=[]).startswith("not known")


def test_a_run_without_evidence_says_so(tmp_path):
    finish(make_run(tmp_path / NAME, Plan(evidence=False, arms={"base": {}, "rag": {"retriever": "bm25"}})).folder)
    assert "no arm of this study is fine-tuned" in shown(tmp_path, "arms").get_text(" ")
    shown(tmp_path, "losses")
    shown(tmp_path, "whatif")
