"""Citations by hand: of passages 1 and 2, whichever was cited."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ragft.metrics.citing import citation_precision, citation_recall, cites
from ragft.types import Answer, Chunk, Evidence, Gold, Hit, Span

TEXTS = ["The Kova 30 stands 42 bar.", "Mira Holt leads the service team."]
HITS = tuple(Hit(Chunk(f"c{n}", Span(f"d{n}", 0, len(text)), text, "Title"), n + 1, 1.0) for n, text in enumerate(TEXTS))


def answer(*cited: int, text="42 bar", outcome="ok") -> Answer:
    return Answer("q", text, outcome, HITS, "", None, 0, cited=cited)


def gold(*evidence: int) -> Gold:
    pieces = tuple(Evidence((Span(f"d{n}", 0, len(TEXTS[n])),)) for n in evidence)
    return Gold("q", ("42 bar",), pieces, "d0", "test", "f", 0, "value", "untrained-document", question="What pressure?")


@pytest.mark.parametrize(
    ("given", "known", "expected"),  # cites, precision, recall
    [
        (answer(1), gold(0), (1.0, 1.0, 1.0)),
        (answer(2), gold(0), (1.0, 0.0, 0.0)),
        (answer(1, 2), gold(0), (1.0, 0.5, 1.0)),
        (answer(1), gold(0, 1), (1.0, 1.0, 0.5)),
        (answer(0), gold(0), (0.0, 0.0, 0.0)),  # a number under which nothing was shown
        (answer(0, 1), gold(0), (1.0, 0.5, 1.0)),
        (answer(), gold(0), (0.0, None, 0.0)),
        (answer(1, 2), gold(), (1.0, 0.5, None)),  # by the answer's own words
        (answer(1, text="Mira Holt"), gold(), (1.0, 0.0, None)),
    ],
)
def test_what_was_cited(given, known, expected):
    assert (cites(given, known), citation_precision(given, known), citation_recall(given, known)) == expected


@pytest.mark.parametrize("given", [answer(1, outcome="error"), answer(1, outcome="abstained"), replace(answer(), cited=None)])
def test_where_nothing_is_said_or_nobody_asked_it_does_not_apply(given):
    assert [metric(given, gold(0)) for metric in (cites, citation_precision, citation_recall)] == [None] * 3
