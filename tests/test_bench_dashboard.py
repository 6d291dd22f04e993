"""The benchmark of the dashboard at a size that takes a moment: every page opens, and it says what it measured."""

from __future__ import annotations

import json

from scripts import load_script


def test_measures_what_it_says(capsys):
    assert load_script("bench_dashboard").main(["--runs", "2", "--questions", "20"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["questions"]) == (2, 20)
    assert all(found[name] > 0 for name in ("list_seconds", "verdict_seconds", "verdict_again_seconds", "whatif_seconds", "again_seconds"))
    assert found["share_of_limit"]["again_seconds"] == round(found["again_seconds"] / 0.3, 3)
