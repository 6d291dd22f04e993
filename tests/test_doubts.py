"""Wrong labels and the verdict: its slug stays, its headline says what they could do, and undecided claims nothing."""

from __future__ import annotations

import pytest
from test_decide import MADE, THREE, right, study, verdict_of

from ragft.comparison import Comparison
from ragft.doubts import CAPPED
from ragft.labelrate import LabelDoubt, Move
from ragft.rules import VERDICTS

MANY = "9 wrong labels, the most that the review leaves possible,"


def doubt(found: Comparison, down: float, up: float = 0.0, most: str = MANY) -> LabelDoubt:
    return LabelDoubt(("What was found.",), most, {(d.arm, d.minus): Move(down, up) for d in (*found.challengers, *found.against_base)})


@pytest.fixture(scope="module")
def adopted() -> Comparison:
    return study(base=right(2), oracle=right(9), rag=right(6), lora=right(3, 3, 3), rag_lora=right(8, 8, 8))


def spare(found: Comparison) -> float:
    """What can be taken from the lead before it is not surely above the margin."""
    return next(d.low for d in found.challengers if d.arm == "rag+lora") - found.margin


def test_a_lead_that_wrong_labels_could_eat_caps_the_headline_and_keeps_the_verdict(adopted):
    decision = verdict_of(adopted, doubt=doubt(adopted, spare(adopted) + 0.001))
    assert (decision.verdict, decision.recommend) == ("adopt-both", "rag+lora")
    assert decision.headline == f"{VERDICTS['adopt-both']} {CAPPED}"
    said = next(line for line in decision.warnings if line.startswith("Wrong labels alone could overturn the verdict"))
    points = f"{100 * (spare(adopted) + 0.001):.1f}".removesuffix(".0")
    assert f"{MANY} could in the worst case take {points} points from rag+lora minus rag, and it would be undecided (rag)" in said
    assert "What was found." in decision.warnings


def test_a_lead_beyond_what_wrong_labels_could_do_stands(adopted):
    decision = verdict_of(adopted, doubt=doubt(adopted, spare(adopted) - 0.001))
    assert decision.headline == VERDICTS["adopt-both"]
    assert decision.warnings[:2] == ("What was found.", f"Even {MANY} could not change the verdict.")


def test_a_verdict_that_nothing_is_gained_can_be_overturned_upward():
    found = study(base=right(2), rag=right(6), lora=right(3, 3, 3), rag_lora=THREE)
    assert verdict_of(found).verdict == "keep-rag"
    room = found.margin - max(d.high for d in found.challengers if d.arm != "base")
    capped, kept = (verdict_of(found, doubt=doubt(found, 0.0, room + more)) for more in (0.001, -0.001))
    assert (capped.verdict, kept.verdict) == ("keep-rag", "keep-rag")
    assert capped.headline.endswith(CAPPED) and not kept.headline.endswith(CAPPED)
    assert any("could in the worst case move a difference by" in line for line in capped.warnings)


def test_undecided_claims_nothing_that_could_be_overturned():
    found = study(base=right(2), rag=right(6), rag_lora=right(5, 7, 9))
    decision = verdict_of(found, doubt=doubt(found, 2.0, 2.0))
    assert (decision.verdict, decision.headline) == ("undecided", VERDICTS["undecided"])
    assert decision.warnings[0] == "What was found." and not any("overturn" in line or "Even" in line for line in decision.warnings)


def test_where_no_label_can_be_wrong_nothing_more_is_said(adopted):
    plain = verdict_of(adopted)
    decision = verdict_of(adopted, doubt=doubt(adopted, 0.0, most=""))
    assert decision.warnings == ("What was found.", *plain.warnings) and decision.headline == plain.headline


@pytest.mark.parametrize(("verdict", "recommend", "arms", "about", "needs", "words"), MADE, ids=lambda value: value if isinstance(value, str) else "")
def test_labels_that_move_nothing_change_no_verdict(verdict, recommend, arms, about, needs, words):
    found = study(**arms)
    decision = verdict_of(found, about, needs=needs, doubt=doubt(found, 0.0))
    assert (decision.verdict, decision.recommend) == (verdict, recommend) and CAPPED not in decision.headline
