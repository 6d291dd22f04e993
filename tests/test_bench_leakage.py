"""The benchmark of the gate plants what it says, and counts what was found of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_script

from ragft.domain import load_domain

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bench():
    return load_script("bench_leakage")


def test_what_is_planted(bench):
    domain = load_domain(ROOT / "data" / "hollinbeck")
    leaking, planted = bench.copied(domain, 0.2)
    new = leaking.gold.keys() - domain.gold.keys()
    assert {leaking.gold[key].split for key in new} == {"train"} and len(new) == len(planted) > 0
    leaking, planted = bench.undeclared(domain, 0.2)
    trained = {gold.fact for gold in domain.gold.values() if gold.split == "train"}
    assert planted and all(leaking.gold[key].fact not in trained and domain.gold[key].fact in trained for key in planted)


def test_the_table(bench):
    rows = bench.measured(load_domain(ROOT / "data" / "hollinbeck"), {"words": None})
    (row,) = rows
    assert row["false alarms"] == 0 and row["near copy"][-1] == (4, 4)
    found, of = row["by people"][-1]
    assert 0 < found <= of
    assert bench.table(rows).splitlines()[2].startswith("| hollinbeck | words | 59 | 0 |")
