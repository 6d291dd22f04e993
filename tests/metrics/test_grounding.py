"""Sufficiency and groundedness by hand."""

from __future__ import annotations

import pytest

from ragft.metrics.grounding import groundedness, sufficiency
from ragft.types import Answer, Chunk, Evidence, Gold, Hit, Span

TEXTS = ["The Kova 30 stands 42 bar.", "Mira Holt leads the service team."]
DOCUMENTS = {"d0": "Kova\n" + TEXTS[0], "d1": TEXTS[1]}


def answer(text: str, *shown: int, outcome="ok", none=False) -> Answer:
    hits = tuple(Hit(Chunk(f"c{n}", Span(f"d{n}", 0, len(TEXTS[n])), TEXTS[n], "Title"), rank, 1.0) for rank, n in enumerate(shown, start=1))
    return Answer("q", text, outcome, None if none else hits, "", None, 0)


def gold(*answers: str, evidence: tuple[int, ...] = (), question="What pressure?") -> Gold:
    pieces = tuple(Evidence((Span(f"d{n}", 0, len(TEXTS[n])),)) for n in evidence)
    return Gold("q", answers, pieces, "d0", "test", "f", 0, "value", "untrained-document", question=question)


@pytest.mark.parametrize(
    ("known", "shown", "expected"),
    [
        (gold("42 bar", evidence=(0, 1)), (0, 1), 1.0),
        (gold("42 bar", evidence=(0, 1)), (0,), 0.0),  # half of it is not enough
        (gold("42 bar", evidence=(1,)), (0,), 0.0),  # the words alone are not, where the evidence is known
        (gold("42 bar"), (1, 0), 1.0),
        (gold("2 bar"), (0,), 0.0),
        (gold("Title"), (0,), 1.0),  # the heading is shown, too
        (gold("yes"), (0,), None),
        (gold("no", "42 bar"), (0,), 1.0),
        (gold("42 bar"), (), 0.0),
        (gold(), (0,), None),
    ],
)
def test_sufficient_passages(known, shown, expected):
    assert sufficiency(answer("x", *shown), known) == expected


def test_of_chinese_pairs_of_characters_count():
    shown = Hit(Chunk("c", Span("d", 0, 9), "阀门在四十二巴时打开。", "阀门"), 1, 1.0)
    for said, expected in (("四十二巴", 1.0), ("二十四巴", 0.0), ("巴", 0.0), ("时", 0.0)):
        given = Answer("q", said, "ok", (shown,), "", None, 0)
        assert groundedness(given, gold("四十二巴", question="什么压力？"), {}) == pytest.approx(expected, abs=0.34)
    turned = groundedness(Answer("q", "二十四巴", "ok", (shown,), "", None, 0), gold("四十二巴", question="？"), {})
    assert turned == 0


def test_what_a_system_says_that_it_read_is_what_counts():
    logged = Answer("q", "42 bar", "ok", None, "", None, 0, contexts=("The valve opens at 42 bar.",))
    assert groundedness(logged, gold("42 bar"), {"d0": "nothing of it"}) == 1.0


def test_sufficiency_does_not_apply_without_passages_or_an_answer():
    assert sufficiency(answer("x", none=True), gold("42 bar")) is None
    assert sufficiency(answer("x", 0, outcome="error"), gold("42 bar")) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer("42 bar", 0), 1.0),
        (answer("42 bar", 1), 0.0),
        (answer("The pressure is 42 bar", 0), 3 / 4),  # pressure is the question's own word; `is` stands nowhere
        (answer("42 bar and Mira", 0, 1), 3 / 4),
        (answer("42 bar"), None),  # nothing was found: no text to be grounded in
        (answer("Kova stands 30 bar", none=True), 1.0),  # against the gold document
        (answer("Mira Holt", none=True), 0.0),
        (answer("What pressure", 0), None),
        (answer("I don't know.", 0, outcome="abstained"), None),
        (answer("42", 0, outcome="error"), None),
    ],
)
def test_grounded_words(given, expected):
    found = groundedness(given, gold("42 bar"), DOCUMENTS)
    assert found == (None if expected is None else pytest.approx(expected))


def test_without_the_documents_an_arm_that_saw_none_is_not_judged():
    assert groundedness(answer("42 bar", none=True), gold("42 bar"), {}) is None
