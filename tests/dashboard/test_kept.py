"""What the dashboard keeps of a run is read again when the run's files change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ragft.dashboard import kept
from ragft.store import Run, read_json, write_json
from tests.dashboard.conftest import finish
from tests.dashboard.pages import html, opened
from tests.made_run import Plan, make_run

PAGES = sorted(Path(kept.__file__).parent.glob("*.py"))
NAME = "2026-01-31-run"


@pytest.fixture
def run(tmp_path) -> Run:
    made = make_run(tmp_path / "runs" / NAME, Plan())
    finish(made.folder)
    return made


def changed(run: Run, file: str, **values) -> None:
    write_json(run.folder / file, {**read_json(run.folder / file), **values})


def test_another_verdict_is_seen_at_once(run):
    before = html(opened(run.folder.parent, "verdict"))
    changed(run, "decision.json", headline="Quite another one.")
    after = html(opened(run.folder.parent, "verdict"))
    assert "Quite another one." in after and "Quite another one." not in before
    assert "Quite another one." not in html(opened(run.folder.parent, "whatif")), "this page decides by itself"


def test_another_margin_is_seen_by_the_page_what_if(run):
    opened(run.folder.parent, "whatif")
    changed(run, "comparison.json", margin=0.31)
    found = opened(run.folder.parent, "whatif")
    assert next(one for one in found.get("select_slider") if one.key == f"whatif:{NAME}:margin").value == 31.0


def test_another_score_is_seen_by_every_page_of_answers(run):
    folder, scores = run.folder.parent, run.seed_folder("rag", 0) / "scores.jsonl"
    assert opened(folder, "questions", id="q00").dataframe[0].value.loc["q00", "rag"] == "✓"
    for page in ("arms", "losses", "review"):
        assert not opened(folder, page).exception
    lines = scores.read_text().splitlines()
    first = next(place for place, line in enumerate(lines) if '"q00"' in line)
    lines[first] = lines[first].replace('"match":1.0', '"match":0.0').replace('"match": 1.0', '"match": 0.0')
    scores.write_text("\n".join([*lines[first:], *lines[:first]]) + "\n")  # every line at another place
    for page in ("arms", "losses", "review", "questions"):
        found = opened(folder, page, **({"id": "q00"} if page == "questions" else {}))
        assert not found.exception and not found.error, page
    assert found.dataframe[0].value.loc["q00", "rag"] == "✗"


def test_a_function_is_called_once_a_state_of_the_files(run):
    calls = []

    @kept.kept()
    def number(of: Run, more: int) -> int:
        calls.append((of.folder, more))
        return len(calls)

    assert [number(run, 1), number(run, 1), number(run, 2)] == [1, 1, 2]
    changed(run, "decision.json", headline="New.")
    assert number(run, 1) == 3
    assert {folder for folder, _ in calls} == {run.folder}


def test_answers_are_told_from_verdicts(run):
    before = kept.answers_stamp(run), kept.results_stamp(run), kept.stamp(run)
    changed(run, "decision.json", headline="New.")
    after = kept.answers_stamp(run), kept.results_stamp(run), kept.stamp(run)
    assert (before[0] == after[0], before[1] == after[1], before[2] == after[2]) == (True, False, False)
    (run.seed_folder("rag", 0) / "scores.jsonl").write_text("")
    assert kept.answers_stamp(run) != after[0] and kept.stamp(run) != after[2]


@pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])
def test_nothing_kept_has_an_argument_that_streamlit_leaves_out(page):
    """An argument whose name begins with an underscore tells no two calls apart: what is kept would never be read again."""
    for function in ast.walk(ast.parse(page.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef) and any(
            "cache_" in ast.unparse(one) or "kept" in ast.unparse(one) for one in function.decorator_list
        ):
            assert not [given.arg for given in function.args.args if given.arg.startswith("_")], function.name
