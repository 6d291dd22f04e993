"""What a written question must be, by rules: quoted, answered by its quote, standing alone, not giving itself away, and found.

They would rather leave a good question out than let a doubtful one in. Each has a name, under which what it leaves out is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ragft.build import make_retriever
from ragft.chunking import holds, overlap
from ragft.domain.records import Quotes
from ragft.leakage import FUNCTION_WORDS
from ragft.metrics.answer import YES_NO, match
from ragft.metrics.refusal import is_abstention
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.text import contains, search_terms, words
from ragft.types import Answer, Chunk, Document, Gold, Question, Span
from ragft.written.schema import Triple

FOUND = 10  # passages among which a question must find its own: few, and what is hard to find would be missing from the test
OTHERS = 4  # passages in which another answer is looked for
TELLING = 0.2  # a word that stands in more of the documents does not say what a question is about

NO_QUOTE = "the quote is not in the document"
BARE_QUOTE = "the quote says no more than the answer"
NOT_QUOTED = "the answer is not in the quote"
GIVEN_AWAY = "the answer is in the question"
DEPENDENT = "the question does not stand alone"
NOT_FOUND = f"the passage is not among the first {FOUND} that BM25 finds"

_NOUNS = r"(?:documents?|passages?|texts?|excerpts?|articles?|paragraphs?|contexts?|snippets?)"
_AT_THE_TEXT = re.compile(
    rf"\b(?:the|this|these|that|said) (?:\w+ )?{_NOUNS}\b|\b(?:this|these)\b|\b(?:above|below|aforementioned|following)-?(?:mentioned| {_NOUNS})\b|"
    rf"\b(?:mentioned|described|listed|given|shown|stated|provided) (?:above|below|here)\b|\bthe following\b|\bthe author\b(?! of\b)|"
    r"(?<![基日])本文|[该此这][文段篇]|[该此本这](?:份|个|篇|段)?(?:文档|文件|文章|段落|文本|资料|材料|内容)|"
    r"以上(?:文|内容|段落|资料|材料|信息)|上述|前述|上文|下文|文中|原文|如上",
    re.I,
)
# What stands for something named before: allowed only behind what it can stand for
_PRONOUN = re.compile(
    r"\b(?:it|its|they|their|theirs|them|he|him|his|she|her|hers|those)\b|(?<![其吉])[它他她]|(?<!应)该|(?<![因彼从如为至])此(?![外后前时])", re.I
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question of a passage, with every place of its quote in the document."""

    asked: Triple
    chunk: Chunk
    spans: tuple[Span, ...]
    language: str


class Corpus:
    """Documents and their passages, as the checks ask about them."""

    def __init__(self, documents: Sequence[Document], chunks: Sequence[Chunk]):
        self._quotes = Quotes({document.id: document for document in documents})
        self._terms = {document.id: frozenset(search_terms(f"{document.title}\n{document.text}")) for document in documents}
        self._holders = Counter(term for terms in self._terms.values() for term in terms)
        self._chunks = tuple(chunks)

    @cached_property
    def _bm25(self) -> Retriever:
        return make_retriever("bm25", RetrieverParts(self._chunks))

    def places(self, quote: str) -> dict[str, tuple[Span, ...]]:
        """The documents in which the quote stands, white space aside, and where."""
        return {name: spans for name in self._terms if (spans := self._quotes.find(name, quote))}

    def find(self, document: str, quote: str) -> tuple[Span, ...]:
        return self._quotes.find(document, quote)

    def search(self, question: str, k: int) -> list[Chunk]:
        (hits,) = self._bm25.search([Question("", question)], k)
        return [hit.chunk for hit in hits]

    def others(self, question: str, spans: Sequence[Span]) -> list[Chunk]:
        """The passages that are best for the question beside those that hold anything of the quote."""
        near = self.search(question, OTHERS + len(spans) * 2)
        return [chunk for chunk in near if not any(overlap(chunk.span, span) for span in spans)][:OTHERS]

    def tells(self, document: str, text: str) -> bool:
        """Whether a word of the text stands in the document and in few others, so that it says what is meant."""
        own = self._terms[document]
        most = max(1, TELLING * len(self._terms))
        return any(term in own and term not in FUNCTION_WORDS and self._holders[term] <= most for term in search_terms(text))


def why_not(corpus: Corpus, one: Candidate) -> str:
    """The first rule that a question breaks; "" for none."""
    question, answer, quote = one.asked.question, one.asked.answer, one.asked.quote
    if not one.spans:
        return NO_QUOTE
    if words(quote) == words(answer):
        return BARE_QUOTE
    if not is_yes_no(answer) and not _stands_in(answer, quote):
        return NOT_QUOTED
    if reason := wrong_wording(corpus, one, question):
        return reason
    if not any(holds(chunk, span) for chunk in corpus.search(question, FOUND) for span in one.spans):
        return NOT_FOUND
    return ""


def wrong_wording(corpus: Corpus, one: Candidate, text: str) -> str:
    """What is wrong with a wording of the question, whoever words it; "" for nothing."""
    if not is_yes_no(one.asked.answer) and _stands_in(one.asked.answer, text):
        return GIVEN_AWAY
    return "" if stands_alone(corpus, one.chunk.span.document, text) else DEPENDENT


def stands_alone(corpus: Corpus, document: str, question: str) -> bool:
    """Whether the question says what it is about: it does not point at a text, names something of the document, and does so before any pronoun."""
    if _AT_THE_TEXT.search(question):
        return False
    pronoun = _PRONOUN.search(question)
    return corpus.tells(document, question[: pronoun.start()] if pronoun else question)


def is_yes_no(answer: str) -> bool:
    """Whether it answers a question for yes or no."""
    return "".join(words(answer)) in YES_NO


def _stands_in(answer: str, text: str) -> bool:
    return contains(words(text), words(answer)) if words(answer) else answer in text


def is_right(said: str, asked: str, answer: str) -> bool:
    """Whether an answer is right by the metric that the arms are scored by."""
    declined = is_abstention(said)
    graded = Answer("", said, "abstained" if declined else "ok", None, "", None, 0)
    return match(graded, Gold("", (answer,), (), "", "test", "", 0, "", "", question=asked)) == 1.0


def is_other(said: str, asked: str, answer: str) -> bool:
    """Whether it answers, and differently."""
    return not is_abstention(said) and not is_right(said, asked, answer)
