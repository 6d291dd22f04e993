"""How a document's text is cut into pieces, before each becomes a chunk with its place: by tokens, sentences or headings.

LangChain's splitter does the cutting. A chunker is one registered function:

    from ragft.registry import chunker

    @chunker("paragraphs", "one paragraph a chunk")
    def paragraphs(text, size, count_tokens):
        return text.split("\\n\\n")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from ragft.registry import chunker

Count = Callable[[str], int]
HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?(?:^\1|\Z)", re.MULTILINE | re.DOTALL)  # `# a comment` in code is no heading
# Tried in order: after a sentence (English, Chinese), after a Chinese comma, at a space, anywhere.
SENTENCES = [r"(?<=[.!?])\s", r"(?<=[。！？；])", r"(?<=[，、：])", r"\s", ""]
# Before that: before a heading, at a blank line, at a line end.
SEPARATORS = [r"\n(?=#{1,6} )", r"\n\n+", r"\n", *SENTENCES]


def headings(text: str) -> list[tuple[int, int, str]]:
    """Of each heading where it begins, its level and its words."""
    fences = [found.span() for found in FENCE.finditer(text)]
    return [(m.start(), len(m[1]), m[2]) for m in HEADING.finditer(text) if not any(start <= m.start() < end for start, end in fences)]


@chunker("tokens", "as many tokens as fit, cut where the text is most apart: before headings, between paragraphs, lines, sentences, words")
def by_tokens(text: str, size: int, count_tokens: Count) -> list[str]:
    return _split(text, SEPARATORS, size, count_tokens)


@chunker("sentences", "as many whole sentences as fit, across paragraphs")
def by_sentences(text: str, size: int, count_tokens: Count) -> list[str]:
    return _split(text, SENTENCES, size, count_tokens)


@chunker("headings", "a section each, from one heading to the next; one too long is cut as by tokens")
def by_headings(text: str, size: int, count_tokens: Count) -> list[str]:
    starts = [0, *(start for start, _, _ in headings(text) if start), len(text)]
    return [piece for start, end in pairwise(starts) for piece in by_tokens(text[start:end], size, count_tokens)]


def _split(text: str, separators: Sequence[str], size: int, count_tokens: Count) -> list[str]:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    # LangChain's own overlap is not used: it returns texts, and where an overlapping text repeats, its place is lost
    splitter = RecursiveCharacterTextSplitter(
        separators=list(separators), is_separator_regex=True, keep_separator=True, chunk_size=size, chunk_overlap=0, length_function=count_tokens
    )
    return splitter.split_text(text)
