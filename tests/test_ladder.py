"""The error ladder: the first cause that fits, parts that add up exactly, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft import ladder
from ragft.compare import compare, table_of
from ragft.ladder import CAUSES, PARTS, Losses, losses, marks, rungs, with_texts
from ragft.types import Gold

ASKED, UNASKED = Gold("q", ("4.2 bar",), (), "d", "test", "f", 0, "", ""), Gold("u", (), (), "d", "test", "f", 0, "", "unanswerable")
NAN = float("nan")


def row(outcome="ok", score=0.0, recall=1.0, question="q", holds=False, prior=False, arm="rag", seed=0):
    return {
        "arm": arm,
        "seed": seed,
        "question": question,
        "outcome": outcome,
        "match": score,
        "recall@k": recall,
        "holds": holds,
        "prior": prior,
    }


def rung(**given) -> str:
    (found,) = rungs(pd.DataFrame([row(**given)]), "match", [ASKED, UNASKED])
    return str(found)


# ── which part ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcome", "recall", "question", "holds", "prior", "part"),
    [
        # passages were given: each cause with all that come after it in the stated order
        ("abstained", 0.0, "q", True, True, "missed"),
        ("abstained", 0.5, "q", True, True, "partial"),
        ("abstained", 1.0, "q", True, True, "form"),
        ("abstained", 1.0, "q", False, True, "refused"),
        ("truncated", 1.0, "q", False, True, "prior"),
        ("ok", 1.0, "q", False, False, "misread"),
        # no passages, or the evidence is not known
        ("abstained", NAN, "q", True, True, "form"),
        ("abstained", None, "q", False, True, "refused"),
        ("ok", NAN, "q", False, True, "wrong"),  # nothing was shown that a prior could override
        ("ok", None, "q", False, False, "wrong"),
        # unanswerable
        ("ok", NAN, "u", True, True, "invented"),
        ("truncated", None, "u", False, False, "invented"),
    ],
)
def test_the_first_cause_that_fits(outcome, recall, question, holds, prior, part):
    assert rung(outcome=outcome, recall=recall, question=question, holds=holds, prior=prior) == part


@pytest.mark.parametrize("question", ["q", "u"])
@pytest.mark.parametrize("recall", [0.0, 1.0, None])
def test_an_answer_without_a_score_failed_before_anything_else(question, recall):
    for outcome, score in (("error", None), ("ok", NAN), ("abstained", None)):
        assert rung(outcome=outcome, score=score, question=question, recall=recall, holds=True, prior=True) == "failed"


def test_the_order_of_the_parts_is_the_order_of_priority():
    keys = [part.key for part in PARTS]
    assert keys == ["right", "failed", "missed", "partial", "form", "refused", "prior", "misread", "wrong", "invented"]
    assert set(CAUSES) == set(keys) - {"right"}
    assert len({part.colour for part in PARTS}) == len(PARTS)


def first_cause(outcome, score, recall, answerable, holds, prior):
    """The stated order as plain ifs: what `rungs` is checked against."""
    if outcome == "error" or score is None:
        return "failed"
    if not answerable:
        return "invented"
    if recall is None:
        return "form" if holds else "refused" if outcome == "abstained" else "wrong"
    if recall < 1:
        return "partial" if recall else "missed"
    if holds:
        return "form"
    if outcome == "abstained":
        return "refused"
    return "prior" if prior else "misread"


graded = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0, 1 / 3, 0.1]), st.floats(0, 1))
answers = st.tuples(
    st.sampled_from(["ok", "abstained", "truncated", "error"]),
    graded,
    st.one_of(st.none(), st.floats(0, 1)),
    st.sampled_from(["q", "u"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["rag", "lora"]),
)


def total(found: Losses) -> Fraction:
    """The parts added up without any rounding."""
    return sum(map(Fraction, found.points.values()), Fraction(0))


def frame_of(drawn) -> pd.DataFrame:
    return pd.DataFrame([row(o, s, r, q, h, p, arm) for o, s, r, q, h, p, arm in drawn])


@given(st.lists(answers, min_size=1, max_size=60))
def test_every_lost_point_is_in_its_part_and_all_add_up(drawn):
    for found in losses(frame_of(drawn), "match", [ASKED, UNASKED]):
        own = [one for one in drawn if one[-1] == found.arm]
        exact = {part.key: Fraction(0) for part in PARTS}
        for outcome, score, recall, question, holds, prior, _ in own:
            scored = Fraction(score or 0.0)
            exact["right"] += scored
            exact[first_cause(outcome, score, recall, question == "q", holds, prior)] += 1 - scored
        assert sum(exact.values()) == found.answers == len(own)
        for key, points in exact.items():
            assert abs(Fraction(found.points[key]) - points) <= Fraction(1, 10**12)
        assert abs(total(found) - found.answers) <= Fraction(1, 10**12)
        assert min(found.points.values()) >= 0


@given(st.lists(answers, min_size=1, max_size=60))
def test_parts_of_scores_of_0_and_1_are_whole_and_add_up_exactly(drawn):
    binary = [(o, None if s is None else float(s >= 0.5), *rest) for o, s, *rest in drawn]
    for found in losses(frame_of(binary), "match", [ASKED, UNASKED]):
        assert all(points == int(points) for points in found.points.values())
        assert sum(found.points.values()) == found.answers


def test_many_graded_answers_add_up_too():
    scores = np.random.default_rng(0).uniform(size=100_000)
    frame = pd.DataFrame(
        {"arm": "rag", "seed": 0, "question": "q", "outcome": "ok", "match": scores, "recall@k": 1.0, "holds": False, "prior": False}
    )
    (found,) = losses(frame, "match", [ASKED])
    assert abs(total(found) - 100_000) <= Fraction(1, 10**7)  # 1e-12 of all
    assert abs(Fraction(found.points["misread"]) - sum((1 - Fraction(score) for score in scores.tolist()), Fraction(0))) <= Fraction(1, 10**11)


def test_seeds_are_counted_together():
    rows = [row(score=float(key == "q"), question=key, recall=None, arm="lora", seed=seed) for seed in (0, 1, 2) for key in "qu"]
    (found,) = losses(pd.DataFrame(rows), "match", [ASKED, UNASKED])
    assert (found.arm, found.answers, found.seeds) == ("lora", 6, 3)
    assert {key: points for key, points in found.points.items() if points} == {"right": 3, "invented": 3}
    assert (found.lost, found.share("invented"), found.biggest()) == (0.5, 0.5, ["invented"])


def test_a_graded_answer_is_right_from_a_half_on_and_loses_the_rest():
    frame = pd.DataFrame([row(score=0.6), row(score=0.4, arm="lora"), row(score=0.0, recall=0.0, seed=1)])
    assert marks(frame, "match", {"rag": 0, "lora": 0}, [ASKED]) == {"q": {"rag": "right", "lora": "misread"}}
    rag, _ = losses(frame, "match", [ASKED])
    assert rag.points["misread"] == pytest.approx(0.4) and rag.points["missed"] == 1
    assert marks(frame, "match", {"rag": 1, "lora": 0}, [ASKED])["q"]["rag"] == "missed"


# ── what only the texts tell ─────────────────────────────────────────────────────────────────────────────────────────


def priors(base_text: str, text: str, base_score: float | None = 0.0, base: str | None = "base", outcome: str = "ok") -> list[bool]:
    frame = pd.DataFrame([row(outcome, base_score, None, arm="base"), row(arm="rag")]).drop(columns=["holds", "prior"])
    texts = {("base", 0): {"q": base_text}, ("rag", 0): {"q": text}}
    return list(with_texts(frame, texts, [ASKED], "match", base)["prior"])


def test_the_prior_is_the_base_s_own_wrong_answer_whatever_its_case_and_marks():
    assert priors("About 57 bar", "about 57 BAR.") == [True, True]
    assert priors("57 bar", "57 bar or so") == [True, False]
    assert priors("4.2 bar", "4.2 bar", base_score=1.0) == [False, False]  # then it is right
    assert priors("57 bar", "57 bar", base_score=0.5) == [True, True]  # half of its words are right, and the other half is lost by it
    assert priors("", "", outcome="abstained") == [False, False]
    assert priors("", "", base_score=None, outcome="error") == [False, False]
    assert priors("57 bar", "57 bar", base=None) == [False, False]


def test_texts_mark_what_holds_an_answer():
    frame = pd.DataFrame([row(), row(question="u")]).drop(columns=["holds", "prior"])
    texts = {("rag", 0): {"q": "Somewhere it reads 4.2 bar, I think.", "u": "4.2 bar"}}
    assert list(with_texts(frame, texts, [ASKED, UNASKED], "match", None)["holds"]) == [True, False]


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
def test_what_holds_an_answer(text, references, found):
    frame = pd.DataFrame([row()]).drop(columns=["holds", "prior"])
    assert list(with_texts(frame, {("rag", 0): {"q": text}}, [replace(ASKED, answers=tuple(references))], "match", None)["holds"]) == [found]


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def lost(arm: str = "rag", answers: int = 200, **points) -> Losses:
    made = {part.key: 0.0 for part in PARTS} | points
    return Losses(arm, answers, 1, made | {"right": answers - sum(points.values())})


def test_the_biggest_losses_are_named_with_what_mends_them():
    said = ladder.told(lost(missed=60, misread=24, refused=20, form=9), retrieves=True)
    assert said.startswith("Of the 56.5 points that rag loses: 30 points because none of the evidence was among the passages (better retrieval: ")
    assert said.index("30 points") < said.index("12 points because it answered wrongly though") < said.index("10 points because it declined")
    assert "says more" not in said and "4.5" not in said
    assert ladder.told(lost(), retrieves=True) == "rag loses no points."


def test_without_passages_other_things_mend():
    one = lost("base", wrong=10, refused=5)
    assert ladder.told(one, retrieves=False).count("passages, or training on these facts") == 2
    assert "passages, or training" not in ladder.told(one, retrieves=True)


def test_the_biggest_are_in_order_and_none_is_empty():
    found = lost(missed=3, form=8, refused=8, prior=1, misread=2)
    assert found.biggest(9) == ["form", "refused", "missed", "misread", "prior"]
    assert all(found.points[a] >= found.points[b] for a, b in pairwise(found.biggest(9)))


def test_the_cost_of_the_length_rule_in_words():
    brief, wordy = lost("lora", 4), lost("rag", 4, form=1, wrong=2)
    assert ladder.form_words([brief]) == ""
    said = ladder.form_words([brief, wordy])
    assert "rag 25 % (with them it would score 50 %)" in said and "lora" not in said
    assert ladder.form_words([brief, wordy], 0.24) == said and ladder.form_words([brief, wordy], 0.25) == ""


@pytest.mark.parametrize(
    ("rag", "oracle", "said"),
    [
        ([1, 0] * 6, [1, 1] * 6, "the most that better retrieval of so many passages could bring"),
        ([1, 0] * 6, [0, 1] * 6, "whether better retrieval would bring anything cannot be told"),
        ([1, 0] * 600, [1, 0] * 600, "better retrieval alone would bring nothing that matters"),
    ],
)
def test_what_the_gold_passages_say_of_retrieval_is_no_more_than_the_interval_does(rag, oracle, said):
    table = table_of(
        {"rag": np.array(rag), "oracle": np.array(oracle)}, [f"d{i}" for i in range(len(rag))], retriever={"rag": "bm25", "oracle": "oracle"}
    )
    found = compare(table, metric="match", reference="rag", margin=0.03, alpha=0.025)
    assert any(said in sentence for sentence in ladder.steps(found, None, []))


def test_from_closed_book_over_rag_to_oracle_in_words():
    scores = {"base": [1, 0, 0, 0] * 5, "rag": [1, 1, 0, 0] * 5, "oracle": [1, 1, 1, 0] * 5}
    retrievers = {"base": None, "rag": "bm25", "oracle": "oracle"}
    table = table_of({name: np.array(values) for name, values in scores.items()}, [f"d{i}" for i in range(20)], retriever=retrievers)
    found = compare(table, metric="match", reference="rag", margin=0.03, alpha=0.025)
    alone, with_rag, with_gold, rest = ladder.steps(found, "base", [lost("oracle", 20, misread=4, invented=1)])
    assert alone == "On its own (base), the model scores 25 %."
    assert with_rag == "With rag it scores 50 %: 25 points more."
    assert with_gold.startswith("With the gold passages (oracle) it scores 75 %: 25 points more (")
    assert rest.startswith("What is lost even with the gold passages, 25 points, no retrieval can bring: 20 points because it answered wrongly")


def test_gold_passages_that_did_not_fit_are_no_limit_of_retrieval():
    scores = {"rag": [1, 1, 0, 0] * 5, "oracle": [1, 1, 1, 0] * 5}
    table = table_of(
        {name: np.array(values) for name, values in scores.items()}, [f"d{i}" for i in range(20)], retriever={"rag": "bm25", "oracle": "oracle"}
    )
    found = compare(table, metric="match", reference="rag", margin=0.03, alpha=0.025)
    rest = ladder.steps(found, None, [lost("oracle", 20, partial=1, misread=4)])[-1]
    assert rest.startswith("What is lost even with the gold passages, 25 points: 20 points because it answered wrongly")
    assert rest.endswith("A larger k may bring the 5 points whose evidence did not fit; the rest no retrieval can.")
