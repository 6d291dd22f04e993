"""The check of made questions counts what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripts import load_script

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    return load_script("check_made")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"subject": "Kova 7", "value": "42 bar", "documents": ["a.md", "b.md"]}, True),
        ({"subject": "Kova 7", "value": "at most 42 bar", "documents": ["b.md"]}, True),
        ({"subject": "Kova 7", "value": "43 bar", "documents": ["b.md"]}, False),
        ({"subject": "Vela", "value": "42 bar", "documents": ["b.md"]}, False),
        ({"subject": "Kova 7", "value": "42 bar", "documents": ["c.md"]}, False),
    ],
)
def test_the_same_fact(script, known, expected):
    places = [{"document": "b.md", "quote": "x"}, {"document": "d.md", "quote": "x"}]
    assert script.is_same({"question": "What is the pressure of the Kova 7?", "answers": ["42 bar"], "evidence": [places]}, known) is expected


def test_the_bundled_sample(script):
    found = script.check(ROOT / "data" / "tarnbeck")
    assert found["sample"] == 60 and all(0 < found[mark] <= 60 for mark in script.MARKS)
    assert 0 < found["of_them_in_the_ledger"] < found["made_facts"]
    assert found["still_made"] > 50, "a change of the rules may give a fact its other wording, and no more: else draw and read a new sample"
    assert sum("note" in row for row in map(json.loads, (ROOT / "data" / "tarnbeck" / "made-sample.jsonl").read_text().splitlines())) == len(
        found["notes"]
    )


def test_the_sample_is_drawn_at_random_and_the_same_every_time(script):
    drawn = script.draw(ROOT / "data" / "hollinbeck", 12)
    assert drawn == script.draw(ROOT / "data" / "hollinbeck", 12) and len({row["question"] for row in drawn}) == 12
    assert len({row["kind"] for row in drawn}) > 2
