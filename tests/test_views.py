"""What the command line prints of a finished run: coverage where answers failed, and the kinds of question."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from made_run import Plan, make_run

from ragft import views
from ragft.compare import compare, table_of
from ragft.study import Result, load_result


@pytest.fixture(scope="module")
def failed(tmp_path_factory) -> Result:
    """The first of rag's twenty answers failed."""
    return load_result(make_run(tmp_path_factory.mktemp("failed"), Plan(error="rag")))


def test_the_table_says_what_failed_answers_could_change(failed):
    row = failed.comparison.row("rag")
    assert (row.missing, row.best - row.worst) == (pytest.approx(0.05), pytest.approx(0.05))
    line = next(line for line in views.arms_text(failed).splitlines() if line.startswith("rag: "))
    assert (
        line
        == f"rag: 5 % of its answers failed: it would score {100 * row.worst:g} % if all of them were wrong, {100 * row.best:g} % if all were right."
    )


def test_nothing_is_said_where_nothing_failed(tmp_path):
    assert "failed" not in views.arms_text(load_result(make_run(tmp_path, Plan())))


def test_the_table_of_kinds_holds_the_means_of_the_scores(failed):
    text = views.arms_text(failed)
    head = next(line for line in text.splitlines() if line.startswith("match %, by kind"))
    assert re.split(r"  +", head)[1:] == ["questions", *(row.name for row in failed.comparison.arms)]
    scores = failed.scores
    for stratum, words in (("trained-fact", "facts trained in other words"), ("unanswerable", "unanswerable questions")):
        cells = re.split(r"  +", next(line for line in text.splitlines() if line.startswith(words)))
        part = scores[scores["stratum"] == stratum]
        assert cells[1] == str(part["question"].nunique())
        assert cells[2:] == [f"{100 * part[part['arm'] == row.name]['match'].mean():.1f}" for row in failed.comparison.arms]
    assert "The verdict pools these kinds of question as they stand." in text


def test_one_kind_of_question_needs_no_table(tmp_path):
    assert "by kind" not in views.arms_text(load_result(make_run(tmp_path, Plan(unanswerable=False))))


def test_a_gain_beyond_a_hundred_points_is_none(failed):
    hopeless = replace(failed, comparison=replace(failed.comparison, detectable=1.2))
    assert "Smallest gain found with 80 % power: none, however large." in views.arms_text(hopeless)


def test_a_pair_stands_once_in_the_comparison():
    scores = {"rag": np.array([1, 0] * 10), "base": np.array([0, 0] * 10)}
    found = compare(
        table_of(scores, [f"d{i}" for i in range(20)], retriever={"rag": "bm25"}), metric="match", reference="rag", margin=0.03, alpha=0.025
    )
    text = views.comparison_text(found)
    assert text.count("base") == 1 and "−50.0" in text
