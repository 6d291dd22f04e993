"""The page "What if": another verdict from the same answers, in the address, to be copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from ragft.store import Run, write_json
from ragft.study import Decider
from tests.dashboard.conftest import finish
from tests.dashboard.pages import html, opened
from tests.made_run import EVIL, Plan, make_run

NAME = "2026-01-31-run"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whatif")
    finish(make_run(folder / NAME, Plan(text=EVIL, needs={"abstention_rate": 0.9})).folder)
    return folder


def page(runs: Path, **asked: str):
    found = opened(runs, "whatif", **asked)
    assert not found.exception
    return found


def widget(found, kind: str, name: str):
    return next(one for one in found.get(kind) if one.key == f"whatif:{NAME}:{name}")


def test_nothing_changed_is_the_runs_own_verdict(runs):
    found = page(runs)
    own = Decider.of(Run(runs / NAME))()
    assert "Nothing is changed" in html(found) and f"verdict: {own.verdict}" in html(found)
    assert set(found.query_params) == {"run"}
    assert found.button(key="whatif-reset").disabled
    assert html(found).count("<script") == 0 and "src=x" not in html(found).replace("&#34;", "")


def test_a_margin_decides_anew_and_stands_in_the_address(runs):
    found = page(runs)
    widget(found, "select_slider", "margin").set_value(30.0).run()
    expected = Decider.of(Run(runs / NAME))(margin=0.3)
    assert f"verdict: {expected.verdict}" in html(found) and "<b>3 points → 30 points</b>" in html(found)
    assert found.query_params["margin"] == "30"
    assert yaml.safe_load(found.code[0].value) == {"margin": 0.3}
    assert "ragft decide" in found.code[1].value


def test_limits_of_time_and_memory_have_sliders(runs, tmp_path):
    shutil.copytree(runs / NAME, tmp_path / NAME)
    for seconds, fit in enumerate(sorted((tmp_path / NAME).glob("arms/*/*/fit.json")), start=1):
        write_json(fit.with_name("latency.json"), {"seconds": [0.1 * seconds] * 40, "peak_bytes": 2**30})
    runs = tmp_path
    found = page(runs)
    assert widget(found, "select_slider", "peak_memory_gib").options[-1] == "no limit"
    wait = widget(found, "select_slider", "p95_latency_seconds")
    assert wait.value is None and wait.options[-1] == "no limit"
    least = wait.options[0]
    wait.set_value(float(least)).run()
    assert found.query_params["p95_latency_seconds"] == least
    assert yaml.safe_load(found.code[0].value)["needs"]["p95_latency_seconds"] == float(least)
    assert f"no limit → {least}" in html(found)
    assert widget(page(runs, p95_latency_seconds=least), "select_slider", "p95_latency_seconds").value == float(least)


def test_a_link_shows_what_was_seen_and_reset_takes_it_back(runs):
    found = page(runs, margin="12.5", questions_per_month="5000", citations="true", abstention_rate="5")
    assert widget(found, "select_slider", "margin").value == 12.5
    assert widget(found, "toggle", "citations").value is True
    assert widget(found, "number_input", "abstention_rate").value == 5
    settings = yaml.safe_load(found.code[0].value)
    assert settings["margin"] == 0.125 and settings["costs"] == {"questions_per_month": 5000.0}
    assert settings["needs"] == {"abstention_rate": 0.05, "citations": True}
    found.button(key="whatif-reset").click().run()
    assert not found.exception
    assert "Nothing is changed" in html(found)
    assert set(found.query_params) == {"run"}


def test_a_need_that_is_taken_away(runs):
    found = page(runs, abstention_rate="none")
    assert yaml.safe_load(found.code[0].value) == {"needs": {}}


@pytest.mark.parametrize("wrong", ["many", "nan", "-1", "1e99", "none", ""])
def test_a_wrong_address_is_said_and_ignored(runs, wrong):
    found = page(runs, margin=wrong, citations="perhaps")
    assert ["margin" in one.value and "citations" in one.value for one in found.warning] == [True]
    assert "Nothing is changed" in html(found)
    assert set(found.query_params) == {"run"}


def test_another_mix_of_questions(runs):
    found = page(runs)
    widget(found, "select_slider", "mix-unanswerable").set_value(90).run()
    expected = Decider.of(Run(runs / NAME))(mix={"trained-fact": 80.0, "unanswerable": 90})
    assert f"verdict: {expected.verdict}" in html(found)
    assert "no setting of a study" in html(found) and not found.code
    widget(found, "select_slider", "mix-unanswerable").set_value(0).run()
    widget(found, "select_slider", "mix-trained-fact").set_value(0).run()
    assert not found.exception
    assert "no kind of question is left" in found.error[0].value


def test_a_price_moves_the_charts(runs):
    before = html(page(runs))
    after = html(page(runs, questions_per_month="1000000"))
    assert before.count('<img class="chart"') == after.count('<img class="chart"') > 1
    assert "Total over 12 months by questions a month. EUR over 12 months. rag: from" in before
    assert before != after
