"""The frame: which run is shown, what stands in the address, what is said where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.dashboard.pages import html, opened
from tests.made_run import EVIL, Plan, make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, plan in (("2026-01-30-old", Plan()), ("2026-01-31-new", Plan(text=EVIL))):
        manifest = make_run(folder / name, plan).folder / "manifest.json"
        text = manifest.read_text().replace('"running"', '"finished"').replace("2026-01-31T", f"{name[:10]}T")
        manifest.write_text(text)
    return folder


def test_newest_run_is_shown(runs):
    found = opened(runs)
    assert not found.exception
    assert found.sidebar.selectbox[0].value == "2026-01-31-new"
    assert found.query_params["run"] == "2026-01-31-new"
    assert "verdict:" in html(found)


def test_a_link_names_its_run(runs):
    found = opened(runs, run="2026-01-30-old")
    assert found.sidebar.selectbox[0].value == "2026-01-30-old"
    assert found.query_params["run"] == "2026-01-30-old"


def test_a_link_to_a_run_that_is_gone(runs):
    found = opened(runs, run="$gone*")
    assert [warning.value for warning in found.warning] == ["The run that this link names is not here: \\$gone\\*. Shown is the newest."]
    assert found.query_params["run"] == "2026-01-31-new"


def test_no_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("ragft.dashboard.runs.EXAMPLES", tmp_path / "none")
    found = opened(tmp_path)
    assert not found.exception
    assert "No finished run in" in found.info[0].value


def test_bundled_example(tmp_path):
    found = opened(tmp_path)  # a folder without runs, as in a fresh checkout
    assert not found.exception
    assert found.sidebar.selectbox[0].value.endswith("-tarnbeck-full-c6f834bf8eda")
    assert "verdict: adopt-both" in html(found)
    assert "This is the bundled example" in html(found) and "start a study" in html(found)


def test_a_run_of_ones_own_is_no_example(runs):
    assert "bundled example" not in html(opened(runs))


def test_runs_without_a_verdict_are_said(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("ragft.dashboard.runs.EXAMPLES", tmp_path / "none")
    for name in ("2026-01-28-broken", "2026-01-29-stopped"):
        shutil.copytree(runs / "2026-01-30-old", tmp_path / name)
    (tmp_path / "2026-01-28-broken" / "decision.json").write_text("{")
    manifest = tmp_path / "2026-01-29-stopped" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"finished"', '"running"', 1))
    found = opened(tmp_path)
    assert "No finished run in" in found.info[0].value
    assert found.expander[0].label == "2 runs without a verdict"
    said = found.expander[0].markdown[0].value.replace("\\", "")
    assert "2026-01-28-broken: broken (a file of it cannot be read)" in said
    assert "2026-01-29-stopped: stopped (the same command goes on with it)" in said
    shutil.copytree(runs / "2026-01-30-old", tmp_path / "2026-01-30-old")
    assert opened(tmp_path, "compare").expander[0].label == "2 runs without a verdict"
