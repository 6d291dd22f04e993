"""Runs in a line each, and what differs between them."""

from __future__ import annotations

import pytest

from ragft.abreast import arms_chart, differing, made_from, summary
from ragft.comparison import Comparison
from ragft.errors import MissingError
from ragft.store import read_json, read_record, write_json
from tests.made_run import Plan, make_run


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    plans = [Plan(), Plan(needs={"false_answer_rate": 0.9}, seeds=(0, 1), documents=12)]
    return [make_run(root / f"run-{number}", plan).folder for number, plan in enumerate(plans)]


def test_a_run_in_a_line(folders):
    found, decision = summary(folders[0]), read_json(folders[0] / "decision.json")
    row = read_record(Comparison, folders[0] / "comparison.json").row(decision["recommend"])
    assert (found.verdict, found.recommend) == (decision["verdict"], decision["recommend"])
    assert (found.score, found.low, found.high) == (row.estimate.mean, row.low, row.high)
    assert (found.model, found.domain, found.questions, found.metric) == ("tiny", "works", 20, "match")


def test_a_run_that_did_not_come_to_a_verdict(tmp_path, folders):
    write_json(tmp_path / "manifest.json", read_json(folders[0] / "manifest.json"))
    with pytest.raises(MissingError, match=r"decision\.json"):
        summary(tmp_path)


def test_only_settings_that_differ(folders):
    found = differing(folders)
    assert found["seeds"] == ["0, 1, 2", "0, 1"]
    assert found["needs.false_answer_rate"] == ["–", "0.9"]
    assert found.keys() <= {"seeds", "needs", "needs.false_answer_rate", "domain"}
    assert differing([folders[0], folders[0]]) == {}


def test_what_runs_were_made_from(folders):
    assert made_from(folders) == {"data.documents": ["10", "12"], "data.questions.test": ["20", "24"]}


def test_every_arm_of_every_run_is_drawn(folders):
    found = {label: read_record(Comparison, folder / "comparison.json") for label, folder in zip("AB", folders, strict=True)}
    chart = arms_chart(found)
    assert [name for name in ("base", "rag", "rag+lora") for label in "AB" if f"{name} · {label}" not in chart] == []
    assert chart.index("rag · A") < chart.index("rag · B") < chart.index("lora · A")
