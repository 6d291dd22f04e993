"""The page "Compare runs": every run in a table, some abreast, paired by question or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragft.regression import compare_runs
from ragft.store import Run
from tests.dashboard.conftest import finish
from tests.dashboard.pages import html, opened
from tests.made_run import EVIL, Plan, make_run

OLD, NEW, OTHER, HOSTILE = "2026-01-30-old", "2026-01-31-new", "2026-01-29-other", "2026-01-28-evil"
PLANS = {OLD: Plan(), NEW: Plan(skill={"rag": 2}, needs={"false_answer_rate": 0.9}), OTHER: Plan(documents=20), HOSTILE: Plan(text=EVIL)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, plan in PLANS.items():
        finish(make_run(folder / name, plan).folder)
    return folder


def page_of(runs: Path, **asked):
    return opened(runs, "compare", **asked)


def test_all_runs_in_a_table(runs):
    page = page_of(runs)
    assert not page.exception
    table = page.dataframe[0].value
    own = table[table["run"].isin(PLANS)]
    assert list(own["run"]) == [NEW, OLD, OTHER, HOSTILE]
    assert list(own["questions"]) == [20, 20, 40, 20]
    assert "Choose one run or more" in page.info[0].value


def test_two_runs_abreast(runs):
    page = page_of(runs, **{"run": OLD, "with": NEW, "arm": "rag"})
    assert not page.exception
    body = html(page)
    assert "rag · A" not in page.caption[0].value
    assert "Score of each arm in each run" in body
    assert "needs.false_answer_rate" in body  # a setting that differs
    assert "arms.rag.retriever" not in body  # one that does not
    assert page.query_params["with"] == NEW


def test_an_arm_of_both_is_paired_as_the_library_does_it(runs):
    page = page_of(runs, **{"run": OLD, "with": NEW, "arm": "rag"})
    found = compare_runs(Run(runs / OLD), Run(runs / NEW), "rag")
    assert found.difference.estimate.mean < -0.2
    body = html(page)
    assert f"{100 * found.difference.estimate.mean:.1f}".replace("-", "−") in body
    assert f"{found.lost} lost" in body
    assert f"questions?run={NEW}&amp;id=" in body


def test_other_questions_are_not_paired_and_the_reason_is_said(runs):
    page = page_of(runs, **{"run": OLD, "with": OTHER})
    assert not page.exception
    assert any("Not paired: " in warning.value and "not asked the same questions" in warning.value for warning in page.warning)
    assert "Settings that differ" in [head.value for head in page.subheader]


def test_a_run_that_is_gone_is_left_out(runs):
    page = page_of(runs, **{"with": "$gone"})
    assert not page.exception
    assert "\\$gone" in page.warning[0].value


def test_chosen_by_hand_and_kept_in_the_address(runs):
    page = page_of(runs, run=OLD)
    page.multiselect[0].set_value([NEW, OTHER]).run()
    assert not page.exception
    assert page.query_params["with"] == [NEW, OTHER]
    assert "Two runs at a time" in " ".join(caption.value for caption in page.caption)


def test_a_run_that_cannot_be_read_is_said(tmp_path):
    for name in (OLD, NEW):
        finish(make_run(tmp_path / name, Plan()).folder)
    (tmp_path / OLD / "comparison.json").unlink()
    page = page_of(tmp_path)
    assert not page.exception
    assert "A run cannot be read" in page.warning[0].value
    assert OLD not in list(page.dataframe[0].value["run"])


def test_hostile_texts_are_shown_as_they_are(runs):
    page = page_of(runs, **{"run": OLD, "with": HOSTILE})
    assert not page.exception
    assert "<script>" not in html(page)
