"""Marks and sieves, against a table made by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from ragft.sifting import Sieve, board, sift
from ragft.types import Gold

ROWS = [  # arm, question, outcome, score, recall
    ("rag", "q1", "ok", 1.0, 1.0),
    ("rag", "q2", "abstained", 0.0, 0.0),
    ("rag", "q3", "error", None, 0.5),
    ("lora", "q1", "ok", 0.49, None),
    ("lora", "q2", "abstained", 1.0, None),
    ("lora", "q3", "truncated", None, None),
]
TEXTS = {"q1": "How hot is it?", "q2": "Who made it?", "q3": "How COLD?"}


@pytest.fixture(scope="module")
def found():
    golds = [
        Gold("q1", ("Very hot",), (), "a.md", "test", "f1", 0, "exact", "trained-fact"),
        Gold("q2", (), (), "b.md", "test", "f2", 0, "who", "unanswerable"),
        Gold("q3", ("no",), (), "b.md", "test", "f3", 0, "exact", "untrained-fact"),
    ]
    return board(pd.DataFrame(ROWS, columns=["arm", "question", "outcome", "match", "recall@k"]), "match", golds, TEXTS)


def test_marks_and_retrieval(found):
    assert found.marks.to_dict() == {
        "rag": {"q1": "right", "q2": "refused", "q3": "error"},
        "lora": {"q1": "wrong", "q2": "right", "q3": ""},  # no score and no failure: the metric does not apply
    }
    assert found.retrieval.to_dict() == {"rag": {"q1": "hit", "q2": "miss", "q3": "miss"}, "lora": dict.fromkeys(TEXTS, "")}


@pytest.mark.parametrize(
    ("sieve", "expected"),
    [
        (Sieve(), ["q1", "q2", "q3"]),
        (Sieve(text="how  B.MD"), ["q3"]),
        (Sieve(text="very"), ["q1"]),
        (Sieve(text="q2"), ["q2"]),
        (Sieve(stratum="unanswerable"), ["q2"]),
        (Sieve(kind="exact"), ["q1", "q3"]),
        (Sieve(mark="right"), ["q1", "q2"]),
        (Sieve(mark="right", arm="lora"), ["q2"]),
        (Sieve(retrieval="miss"), ["q2", "q3"]),
        (Sieve(retrieval="miss", arm="lora"), []),
        (Sieve(mark="error", retrieval="miss", kind="exact", arm="rag"), ["q3"]),
    ],
)
def test_sieves(found, sieve, expected):
    assert sift(found, sieve) == expected


def test_a_number_that_is_not_there_is_no_score():
    golds = [Gold("q1", ("a",), (), "a.md", "test", "f", 0, "", "")]
    rows = pd.DataFrame([("rag", "q1", "ok", math.nan, math.nan)], columns=["arm", "question", "outcome", "match", "recall@k"])
    assert board(rows, "match", golds, TEXTS).marks.loc["q1", "rag"] == ""
