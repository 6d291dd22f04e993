"""Which questions are shown, and what the intervals say in words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ragft import diagnosis
from ragft.compare import Difference, Interaction
from ragft.diagnosis import choose_examples, marked
from ragft.stats import Estimate
from ragft.types import Gold, Span


def gold(key: str, answerable: bool = True) -> Gold:
    return Gold(key, ("x",) if answerable else (), (), "d", "test", key, 0, "", "")


def test_examples_follow_the_rule_whatever_the_order():
    golds = [gold(f"r{i}") for i in range(4)] + [gold(f"t{i}") for i in range(4)] + [gold("n0"), gold("n1"), gold("u0", False), gold("u1", False)]
    kinds = {"r": ("right", "wrong"), "t": ("wrong", "right"), "n": ("wrong", "wrong"), "u": ("right", "invented")}
    marks = {g.id: dict(zip(("rag", "lora"), kinds[g.id[0]], strict=True)) for g in golds}
    chosen = choose_examples(marks, golds, "rag", "lora")
    assert [c.question[0] for c in chosen] == list("rrttnu")
    assert choose_examples(marks, golds[::-1], "rag", "lora") == chosen
    assert [c.why for c in chosen][::2] == ["rag is right, lora is not", "lora is right, rag is not", "no arm is right"]


def test_examples_are_filled_up_and_never_repeated():
    golds = [gold(f"r{i}") for i in range(9)]
    marks = {g.id: {"rag": "right", "lora": "wrong"} for g in golds}
    chosen = choose_examples(marks, golds, "rag", "lora")
    assert len(chosen) == len({c.question for c in chosen}) == 6
    assert [c.why for c in chosen] == ["rag is right, lora is not"] * 2 + ["the arms disagree"] * 4
    assert len(choose_examples(marks, golds[:3], "rag", None)) == 3


@pytest.mark.parametrize(
    ("evidence", "pieces"),
    [
        ([], [("0123456789", False)]),
        ([(12, 15)], [("01", False), ("234", True), ("56789", False)]),
        ([(0, 12), (18, 99)], [("01", True), ("234567", False), ("89", True)]),
        ([(12, 15), (13, 17)], [("01", False), ("23456", True), ("789", False)]),
        ([(0, 99)], [("0123456789", True)]),
    ],
)
def test_marked_splits_at_the_evidence(evidence, pieces):
    assert marked("0123456789", Span("d", 10, 20), [Span("d", a, b) for a, b in evidence]) == pieces


def test_evidence_of_another_document_is_not_marked():
    assert marked("abc", Span("d", 0, 3), [Span("e", 0, 3)]) == [("abc", False)]


def estimate(documents: int = 20, question_df: float = 9.0) -> Estimate:
    return Estimate(mean=0.0, question_se=0.1, seed_se=0.0, df=0.0, n=40, documents=documents, seeds=1, question_df=question_df)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.04, 0.10, "better by more than the margin"),
        (0.01, 0.10, "better, but perhaps by less than the margin"),
        (-0.02, 0.02, "no difference that matters"),
        (-0.02, 0.10, "not worse by more than the margin; possibly better"),
        (-0.10, 0.02, "not better by more than the margin; possibly worse"),
        (-0.10, -0.01, "worse, but perhaps by less than the margin"),
        (-0.10, -0.04, "worse by more than the margin"),
        (-0.10, 0.10, "open: better and worse by more than the margin are both possible"),
        (None, None, "no interval (one seed): the difference may be chance"),
    ],
)
def test_an_interval_in_words(low, high, says):
    assert diagnosis.meaning(Difference("a", "rag", estimate(), low, high, None, None), 0.03) == says


def test_why_there_is_no_interval():
    assert diagnosis.no_interval(estimate()) == "no interval (one seed)"
    assert diagnosis.no_interval(estimate(documents=1, question_df=0)) == "no interval (one document)"
    assert diagnosis.no_interval(estimate(documents=2, question_df=0)) == "no interval (too few documents)"


@pytest.mark.parametrize(
    ("low", "high", "against_rag", "start"),
    [
        (0.01, 0.2, 0.1, "They help each other"),
        (-0.2, -0.01, -0.01, "They get in each other's way (harmful)"),  # both together are surely below RAG alone
        (-0.2, -0.01, 0.01, "They overlap (redundant)"),
        (-0.02, 0.02, 0.1, "They add up (additive)"),
        (-0.2, 0.01, 0.1, "Undecided: the interval contains 0"),
        (None, None, 0.1, "Undecided, no interval (one seed)"),
    ],
)
def test_the_interaction_in_words(low, high, against_rag, start):
    found = Interaction("base", "rag", "lora", "both", estimate(), low, high)
    both = Difference("both", "rag", estimate(), -0.3, against_rag, None, None)
    comparison = SimpleNamespace(challengers=(both,), margin=0.03)
    assert diagnosis._interaction_words(comparison, found).startswith(start)
