"""Each rule with questions that it leaves out and questions that it lets through, in English and Chinese."""

from __future__ import annotations

import pytest

from ragft.chunking import chunk_documents
from ragft.types import Document
from ragft.written.checks import (
    BARE_QUOTE,
    DEPENDENT,
    GIVEN_AWAY,
    NO_QUOTE,
    NOT_FOUND,
    NOT_QUOTED,
    Candidate,
    Corpus,
    is_other,
    is_right,
    why_not,
)
from ragft.written.estimate import rough_tokens
from ragft.written.schema import Triple

SHEET = Document(
    "kova.md",
    "# Kova 7\n\nThe Kova 7 pump weighs 12.5 kg and\nruns at 42 bar. It may be used outdoors. The Kova 7 costs 90 EUR, or 95 EUR.\n",
    "Kova 7",
)
CHINESE = Document("lx.md", "# LX-40 型揉捻机\n\nLX-40 型揉捻机重310公斤，转速为每分钟45转。不可以在室外使用。\n", "LX-40 型揉捻机")
REST = [
    Document(f"d{n}.md", f"# Ombrey {n}\n\nThe Ombrey {n} pump weighs {n} kg. 该机重{n}公斤，可以在室外使用。\n", f"Ombrey {n}")
    for n in range(30, 50)
]
DOCUMENTS = [SHEET, CHINESE, *REST]
QUOTE, QUOTE_ZH = "The Kova 7 pump weighs 12.5 kg and runs at 42 bar.", "LX-40 型揉捻机重310公斤，转速为每分钟45转。"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(DOCUMENTS, chunk_documents(DOCUMENTS, 200, 0, rough_tokens))


def candidate(corpus: Corpus, question: str, answer: str, quote: str, document: Document = SHEET) -> Candidate:
    (chunk,) = chunk_documents([document], 200, 0, rough_tokens)
    return Candidate(Triple(question=question, answer=answer, quote=quote), chunk, corpus.find(document.id, quote), "en")


@pytest.mark.parametrize(
    ("question", "answer", "quote", "document"),
    [
        ("What does the Kova 7 weigh?", "12.5 kg", QUOTE, SHEET),  # the line break in the document is no matter
        ("May the Kova 7 be used outdoors?", "yes", "It may be used outdoors.", SHEET),  # yes stands in no quote
        ("What does the Kova 7 weigh, and at what pressure does it run?", "12.5 kg and runs at 42 bar", QUOTE, SHEET),  # "it" is the Kova 7
        ("LX-40 型揉捻机有多重？", "310公斤", QUOTE_ZH, CHINESE),
        ("LX-40 型揉捻机应该以多少转速运行？", "每分钟45转", QUOTE_ZH, CHINESE),  # 应该 points at nothing
        ("LX-40 型揉捻机可以在室外使用吗？", "不可以", "不可以在室外使用。", CHINESE),
    ],
)
def test_what_is_let_through(corpus, question, answer, quote, document):
    assert why_not(corpus, candidate(corpus, question, answer, quote, document)) == ""


@pytest.mark.parametrize(
    ("question", "answer", "quote", "document", "reason"),
    [
        ("What does the Kova 7 weigh?", "12.5 kg", "The Kova 7 pump has a weight of 12.5 kg.", SHEET, NO_QUOTE),
        ("LX-40 型揉捻机有多重？", "310公斤", "LX-40 型揉捻机的重量是310公斤。", CHINESE, NO_QUOTE),
        ("What does the Kova 7 weigh?", "12.5 kg", "12.5 kg", SHEET, BARE_QUOTE),
        ("What does the Kova 7 weigh?", "2.5 kg", QUOTE, SHEET, NOT_QUOTED),  # 2.5 is not in 12.5
        ("LX-40 型揉捻机有多重？", "31公斤", QUOTE_ZH, CHINESE, NOT_QUOTED),
        ("Does the Kova 7 pump of 12.5 kg weigh much?", "12.5 kg", QUOTE, SHEET, GIVEN_AWAY),
        ("重310公斤的 LX-40 型揉捻机有多重？", "310公斤", QUOTE_ZH, CHINESE, GIVEN_AWAY),
        ("What does the pump weigh?", "12.5 kg", QUOTE, SHEET, DEPENDENT),  # of all pumps
        ("What does it weigh, the Kova 7?", "12.5 kg", QUOTE, SHEET, DEPENDENT),
        ("What does this Kova 7 weigh?", "12.5 kg", QUOTE, SHEET, DEPENDENT),
        ("What does the Kova 7 weigh according to the passage?", "12.5 kg", QUOTE, SHEET, DEPENDENT),
        ("At what pressure does the Kova 7 described above run?", "42 bar", QUOTE, SHEET, DEPENDENT),
        ("该 LX-40 型揉捻机有多重？", "310公斤", QUOTE_ZH, CHINESE, DEPENDENT),
        ("根据上述内容，LX-40 型揉捻机有多重？", "310公斤", QUOTE_ZH, CHINESE, DEPENDENT),
        ("该文中 LX-40 型揉捻机有多重？", "310公斤", QUOTE_ZH, CHINESE, DEPENDENT),
        ("它有多重？", "310公斤", QUOTE_ZH, CHINESE, DEPENDENT),
    ],
)
def test_what_is_left_out(corpus, question, answer, quote, document, reason):
    assert why_not(corpus, candidate(corpus, question, answer, quote, document)) == reason


def test_a_question_must_find_its_passage():
    """Ten documents that repeat the question's words stand before the one that holds the quote; fewer do not matter."""
    own = Document("own.md", "Grelm weighs nine stone. " + "Nothing else is known of this very old machine. " * 8, "Own")
    for others, reason in ((9, ""), (12, NOT_FOUND)):
        documents = [own, *(Document(f"x{n}.md", "How much does Grelm weigh, how much? Grelm!", f"X{n}") for n in range(others)), *REST * 3]
        documents = [Document(f"{n}-{d.id}", d.text, d.title) for n, d in enumerate(documents)]
        corpus = Corpus(documents, chunk_documents(documents, 300, 0, rough_tokens))
        (chunk,) = chunk_documents(documents[:1], 300, 0, rough_tokens)
        asked = Triple(question="How much does Grelm weigh?", answer="nine stone", quote="Grelm weighs nine stone.")
        assert why_not(corpus, Candidate(asked, chunk, corpus.find("0-own.md", asked.quote), "en")) == reason


def test_other_passages_hold_nothing_of_the_quote(corpus):
    found = corpus.others("What does the Kova 7 pump weigh?", corpus.find("kova.md", QUOTE))
    assert len(found) == 4 and all(chunk.span.document != "kova.md" for chunk in found)
    assert corpus.search("What does the Kova 7 pump weigh?", 1)[0].span.document == "kova.md", "it would have been the first"


@pytest.mark.parametrize(
    ("said", "right", "other"),
    [("12.5 kg", True, False), ("It weighs 12.5 kg.", True, False), ("13 kg", False, True), ("I don't know.", False, False), ("", False, False)],
)
def test_answers(said, right, other):
    assert is_right(said, "What does it weigh?", "12.5 kg") is right
    assert is_other(said, "What does it weigh?", "12.5 kg") is other
