"""What is said of slices: fixed beforehand first, "only" where the rest is surely different, silence where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ragft.compare import compare, table_of
from ragft.slicewords import phrase, slice_words

N = 120
KINDS = np.array(["exact", "list", "reason", "place"])[np.arange(N) % 4]
SLOTS = {"retriever": {"rag": "bm25", "rag+lora": "bm25", "raft": "bm25"}, "tuning": {"rag+lora": "lora", "raft": "lora"}}


def found(gains, slices=(), margin=0.1, arm="rag+lora", seeds=3, kinds=KINDS):
    """rag is right on every other question; the arm on these and `gains[kind]` of the others, or less where negative."""
    rng = np.random.default_rng(5)
    rag = (np.arange(N) // 4 % 2).astype(float)
    tuned = np.tile(rag, (seeds, 1))
    for kind, gain in gains.items():
        free = np.flatnonzero((kind == KINDS) & (rag == (0 if gain > 0 else 1)))
        tuned[:, free[: round(abs(gain) * len(free))]] = float(gain > 0)
    tuned[np.arange(seeds), rng.integers(0, N, seeds)] = 1.0
    base = np.zeros((1, N))
    table = replace(table_of({"base": base, "rag": rag, arm: tuned}, [f"d{i // 2}" for i in range(N)], **SLOTS), kinds=tuple(kinds))
    return compare(table, metric="match", reference="rag", margin=margin, alpha=0.025, slices=slices)


def test_helps_only_there():
    told = slice_words(found({"exact": 1.0}, margin=0.2))
    assert told[0].startswith("Exploratory: fine-tuning helps only on questions of kind exact (30 questions): rag+lora scores 5")
    assert "higher than rag there (q below 0.001); on the other questions" in told[0]
    assert told[0].endswith("surely no gain of 20 points.")


def test_hurts_only_there():
    told = slice_words(found({"exact": -1.0}, margin=0.2))
    assert told[0].startswith("Exploratory: fine-tuning hurts only on questions of kind exact")
    assert "lower than rag there" in told[0] and told[0].endswith("surely no loss of 20 points.")


def test_not_only_where_the_rest_was_merely_not_shown():
    told = slice_words(found({"exact": 1.0}, margin=0.0))[0]
    assert told.startswith("Exploratory: fine-tuning helps on questions of kind exact") and "only" not in told
    assert told.endswith("which leaves open whether it helps there.")


def test_where_it_helps_everywhere_that_is_said():
    told = slice_words(found({"exact": 1.0, "list": 0.9, "reason": 0.8, "place": 0.7}))
    assert len(told) == 3 and all(line.endswith("so it helps there too.") and "only" not in line for line in told)


def test_what_was_fixed_comes_first_and_is_not_told_twice():
    told = slice_words(found({"exact": 1.0, "list": 0.8}, ["kind=exact", "kind=place"]))
    assert told[0].startswith("Fixed beforehand: fine-tuning helps on questions of kind exact (30 questions): rag+lora scores")
    assert ": surely more than the margin of 10 points)" in told[0]
    assert told[1].startswith("Exploratory: fine-tuning helps on questions of kind list")
    assert told[-1] == "Fixed beforehand, but no tuned arm is shown to differ from rag: questions of kind place."
    assert sum("kind exact" in line for line in told) == 1


def test_a_gain_that_may_be_less_than_the_margin_is_said_to_be():
    assert "perhaps less than the margin of 45 points)" in slice_words(found({"exact": 1.0}, ["kind=exact"], margin=0.45))[0]


def test_nothing_stands_out_in_one_sentence():
    told = slice_words(found({}))
    assert told == ("No slice stands out: in none is rag+lora shown to differ from rag, after correction for the number of looks.",)


def test_the_same_questions_under_two_names_are_told_once():
    comparison = found({"exact": 1.0})
    twice = replace(comparison, slices=(*comparison.slices, *(replace(row, slice="stratum") for row in comparison.slices if row.slice == "kind")))
    assert slice_words(twice) == slice_words(comparison)
    fixed = found({"exact": 1.0}, ["kind=exact"])
    again = tuple(replace(row, slice="stratum", q=0.0) for row in comparison.slices if row.value == "exact")
    assert slice_words(replace(fixed, slices=(*fixed.slices, *again))) == slice_words(fixed)


@pytest.mark.parametrize("given", [{"seeds": 1}, {"arm": "other"}])
def test_nothing_is_said_where_nothing_was_tested(given):
    """One seed gives no interval; an untuned arm is no fine-tuning."""
    assert slice_words(found({"exact": 1.0}, **given)) == ()


def test_a_slice_that_is_everything_is_none():
    comparison = found({"exact": 1.0}, kinds=["a"] * N)
    assert [row for row in comparison.slices if row.slice == "kind" and row.arm == "rag+lora" and row.elsewhere] == []
    assert slice_words(replace(comparison, slices=tuple(row for row in comparison.slices if row.slice == "kind"))) == ()


@pytest.mark.parametrize(
    ("slice_", "words"),
    [
        (("stratum", "trained-fact"), "facts trained in other words"),
        (("stratum", "mine"), "questions of stratum mine"),
        (("kind", "exact"), "questions of kind exact"),
        (("retrieval", "missed"), "questions whose evidence rag had missed"),
        (("base", "known"), "questions that the model alone has right"),
        (("writer", "unknown"), "questions whose writer did not know the answer without the documents"),
    ],
)
def test_phrases(slice_, words):
    assert phrase(found({}), *slice_) == words
