"""What became of each answer, which questions are shown, and what the intervals say in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ragft import diagnosis
from ragft.compare import Difference, Interaction, compare, table_of
from ragft.cost import BreakEven
from ragft.diagnosis import PARTS, choose_examples, marked, part_of
from ragft.stats import Estimate
from ragft.types import Gold, Span


@pytest.mark.parametrize(
    ("outcome", "score", "recall", "answerable", "part"),
    [
        ("ok", 1.0, 1.0, True, "right"),
        ("truncated", 1.0, None, True, "right"),
        ("abstained", 1.0, None, False, "right"),
        ("abstained", 0.0, 1.0, True, "refused"),
        ("ok", 0.0, 1.0, True, "misread"),
        ("ok", 0.0, 0.5, True, "missed"),
        ("truncated", 0.0, 0.0, True, "missed"),
        ("ok", 0.0, None, True, "wrong"),
        ("ok", 0.0, float("nan"), True, "wrong"),
        ("ok", 0.0, None, False, "invented"),
        ("error", None, None, True, "failed"),
        ("error", float("nan"), 1.0, False, "failed"),
        ("ok", 0.6, 1.0, True, "right"),  # a graded metric
        ("ok", 0.4, 1.0, True, "misread"),
    ],
)
def test_each_answer_is_one_part(outcome, score, recall, answerable, part):
    assert part_of({"outcome": outcome, "match": score, "recall@k": recall}, "match", answerable) == part


def test_losses_add_up_to_all_answers_of_all_seeds():
    rows = [{"arm": "lora", "seed": s, "question": q, "outcome": "ok", "match": float(q == "a"), "recall@k": None} for s in (0, 1, 2) for q in "abc"]
    (found,) = diagnosis.losses(pd.DataFrame(rows), "match", {"a": True, "b": True, "c": False})
    assert found.counts == {"right": 3, "refused": 0, "wordy": 0, "misread": 0, "missed": 0, "wrong": 3, "invented": 3, "failed": 0}
    assert (found.answers, found.seeds) == (9, 3)
    assert sum(found.shares[part.key] for part in PARTS) == pytest.approx(1)


def test_an_answer_that_only_says_too_much_is_told_apart():
    row = {"outcome": "truncated", "match": 0.0, "recall@k": 1.0, "holds": True}
    assert part_of(row, "match", True) == "wordy"
    assert part_of({**row, "match": 1.0}, "match", True) == "right"
    assert part_of({**row, "outcome": "abstained"}, "match", True) == "refused"
    assert part_of(row, "match", False) == "invented"


@pytest.mark.parametrize(
    ("text", "references", "found"),
    [
        ("The limit is £31.50 per person, with receipts.", ["31.50"], True),
        ("The limit is £31.50 per person, with receipts.", ["£31.50"], True),
        ("14.2 bar", ["4.2"], False),
        ("it is 42 or so bar", ["42 bar"], False),
        ("No, it does not.", ["no"], False),
        ("", ["x"], False),
        ("x", [], False),
        ("x", ["…"], False),
        ("水压是五巴", ["五巴"], True),
    ],
)
def test_holds(text, references, found):
    assert diagnosis.holds(text, references) is found


def test_the_cost_of_the_length_rule_in_words():
    counts = {part.key: 0 for part in PARTS}
    brief, wordy = diagnosis.Losses("lora", 4, 1, counts | {"right": 4}), diagnosis.Losses("rag", 4, 1, counts | {"right": 1, "wordy": 1, "wrong": 2})
    assert diagnosis.form_words([brief]) == ""
    said = diagnosis.form_words([brief, wordy])
    assert "rag 25 % (with them it would have 50 % right)" in said and "lora" not in said


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
    ("low", "high", "both", "start"),
    [
        (0.01, 0.2, 0.9, "They help each other"),
        (-0.2, -0.01, 0.4, "They get in each other's way"),
        (-0.2, -0.01, 0.6, "They overlap"),
        (-0.02, 0.02, 0.6, "They add up"),
        (-0.2, 0.01, 0.6, "Undecided: the interval contains 0"),
        (None, None, 0.6, "Undecided, no interval (one seed)"),
    ],
)
def test_the_interaction_in_words(low, high, both, start):
    found = Interaction("base", "rag", "lora", "both", estimate(), low, high)
    assert diagnosis._interaction_words(found, 0.5, both, 0.03).startswith(start)


def test_break_even_in_words():
    assert "at any number" in diagnosis.break_even_words(BreakEven("lora", "rag", None, "always"), 100)
    assert "not cheaper" in diagnosis.break_even_words(BreakEven("lora", "rag", 1e12, "above"), 100)
    assert "not cheaper" in diagnosis.break_even_words(BreakEven("lora", "rag", None, "never"), 100)
    above, below = BreakEven("lora", "rag", 50.0, "above"), BreakEven("lora", "rag", 50.0, "below")
    assert "above 50 questions" in diagnosis.break_even_words(above, 100)
    assert [diagnosis.break_even_words(even, 100).endswith("the cheaper one.") for even in (above, below)] == [True, False]


# ── the ladder ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rag", "oracle", "said"),
    [
        ([1, 0] * 6, [1, 1] * 6, "the most that better retrieval alone could bring"),
        ([1, 0] * 6, [0, 1] * 6, "whether better retrieval would bring anything cannot be told"),
        ([1, 0] * 600, [1, 0] * 600, "better retrieval alone would bring nothing that matters"),
    ],
)
def test_what_the_gold_passages_say_of_retrieval_is_no_more_than_the_interval_does(rag, oracle, said):
    table = table_of(
        {"rag": np.array(rag), "oracle": np.array(oracle)}, [f"d{i}" for i in range(len(rag))], retriever={"rag": "bm25", "oracle": "oracle"}
    )
    found = compare(table, metric="match", reference="rag", margin=0.03, alpha=0.025)
    assert any(said in sentence for sentence in diagnosis.ladder(found, None))
