"""The rescue rate: of which questions, by hand, and the interval against scipy's t."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from ragft.rescue import few_words, rescues
from ragft.risk import Risk, Risks


def rows(arm: str, scores: dict, recall: dict | None = None, seed: int = 0) -> list[dict]:
    """One row a question; a question's document is its first letter."""
    known = recall or {}
    return [
        {"arm": arm, "seed": seed, "question": key, "document": key[0], "match": score, "recall@k": known.get(key)} for key, score in scores.items()
    ]


RECALL = {"a1": 1.0, "a2": 0.0, "b1": 0.5, "b2": 0.0, "c1": 0.0, "u1": None}
RAG = rows("rag", dict.fromkeys(RECALL, 0.0), RECALL)
LORA = [
    *rows("lora", {"a1": 1.0, "a2": 1.0, "b1": 0.0, "b2": 1.0, "c1": 0.0, "u1": 1.0}, seed=0),
    *rows("lora", {"a1": 1.0, "a2": 0.0, "b1": 0.0, "b2": 1.0, "c1": 0.6, "u1": 1.0}, seed=1),
]


def test_the_share_of_missed_questions_that_are_right_by_hand():
    (found,) = rescues(pd.DataFrame(RAG + LORA), "match", "rag", ["lora"], None)
    assert (found.arm, found.n, found.left_out, found.withheld) == ("lora", 4, 0, None)
    assert found.value == pytest.approx((0.5 + 0 + 1 + 0.5) / 4)  # a2, b1, b2, c1; a graded 0.6 is right


def test_the_interval_is_that_of_documents_left_out_one_at_a_time():
    rng = np.random.default_rng(0)
    keys = [f"{chr(97 + d)}{q}" for d in range(12) for q in range(3)]
    values = rng.integers(0, 2, (3, len(keys))).astype(float)
    frame = pd.DataFrame(
        rows("rag", dict.fromkeys(keys, 0.0), dict.fromkeys(keys, 0.5))
        + [row for seed in range(3) for row in rows("lora", dict(zip(keys, values[seed], strict=True)), seed=seed)]
    )
    (found,) = rescues(frame, "match", "rag", ["lora"], None)
    by_document = values.mean(axis=0).reshape(12, 3).mean(axis=1)  # equal sizes: the t interval of the documents' means
    low, high = scipy_stats.t.interval(0.95, 11, by_document.mean(), scipy_stats.sem(by_document))
    assert (found.value, found.low, found.high) == pytest.approx((by_document.mean(), low, high))
    assert found.n == 36


def test_it_is_the_reference_s_retrieval_that_counts():
    other = rows("dense+lora", dict.fromkeys(RECALL, 1.0), dict.fromkeys(RECALL, 1.0))
    (found,) = rescues(pd.DataFrame(RAG + other), "match", "rag", ["dense+lora"], None)
    assert (found.n, found.value, found.high) == (4, 1.0, 1.0)
    (own,) = rescues(pd.DataFrame(RAG), "match", "rag", ["rag"], None)
    assert (own.n, own.value) == (4, 0.0)


def test_questions_without_a_score_are_left_out_and_counted():
    failed = [row | {"match": None} if (row["question"], row["seed"]) == ("b2", 1) else row for row in LORA]
    (found,) = rescues(pd.DataFrame(RAG + failed), "match", "rag", ["lora"], None)
    assert (found.n, found.left_out) == (3, 1) and found.value == pytest.approx(1 / 3)
    (dead,) = rescues(pd.DataFrame(RAG + [row | {"match": None} for row in LORA]), "match", "rag", ["lora"], None)
    assert (dead.n, dead.value, dead.low, dead.left_out) == (0, None, None, 4)


def test_without_retrieval_or_evidence_there_is_nothing_to_miss():
    assert rescues(pd.DataFrame(rows("rag", {"a1": 1.0}) + LORA), "match", "rag", ["lora"], None) == ()
    found_all = rows("rag", {"a1": 1.0}, {"a1": 1.0})
    (found,) = rescues(pd.DataFrame(found_all + LORA), "match", "rag", ["lora"], None)
    assert (found.n, found.value) == (0, None)
    assert few_words([found]).startswith("Search missed no evidence")


def withheld(metric: str = "match") -> Risks:
    return Risks((Risk("lora", 0, "withheld", 40, 10, 0.25, 0.1, 0.4, "rag", 0.0, 0.25, 0.1, 0.4, 0, ""),), metric)


def test_injected_misses_stand_beside_natural_ones():
    frame = pd.DataFrame(RAG + LORA)
    lora, rag = rescues(frame, "match", "rag", ["lora", "rag"], withheld())
    assert lora.withheld is not None and lora.withheld.n == 40 and rag.withheld is None
    assert few_words([lora, rag]) == ""
    (other,) = rescues(frame, "match", "rag", ["lora"], withheld("token_f1"))  # of another metric: not the same rate
    assert other.withheld is None


def test_where_misses_are_few_the_command_that_injects_them_is_named():
    (few,) = rescues(pd.DataFrame(RAG + LORA), "match", "rag", ["lora"], None)
    assert few_words([few]) == (
        "Search missed evidence of 4 scored questions only, so this says little: "
        "ragft risks STUDY injects misses, by taking the evidence out of the passages."
    )
    keys = [f"{chr(97 + n)}1" for n in range(10)]
    frame = pd.DataFrame(rows("rag", dict.fromkeys(keys, 0.0), dict.fromkeys(keys, 0.0)) + rows("lora", dict.fromkeys(keys, 0.0)))
    assert few_words(rescues(frame, "match", "rag", ["lora"], None)) == ""
    assert few_words([]) == ""
