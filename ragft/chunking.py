"""Document -> Chunks of at most so many tokens, each remembering its Span. LangChain's splitter does the cutting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ragft.errors import InputError
from ragft.types import Chunk, Document, Evidence, Span

# Tried in order: before a heading, at a blank line, at a line end, after a sentence (English, Chinese), at a space, anywhere.
SEPARATORS = [r"\n(?=#{1,6} )", r"\n\n+", r"\n", r"(?<=[.!?])\s", r"(?<=[。！？；])", r"\s", ""]
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$", re.MULTILINE)


def chunk_documents(documents: Sequence[Document], size: int, overlap: int, count_tokens: Callable[[str], int]) -> tuple[Chunk, ...]:
    """Chunks of every document, in order. `size` and `overlap` are tokens by `count_tokens`.

    Raises InputError when the overlap leaves no room for new text.
    """
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    if not 0 <= overlap < size:
        raise InputError(f"chunk_overlap ({overlap} tokens) must be at least 0 and less than chunk_tokens ({size}).")
    splitter = RecursiveCharacterTextSplitter(
        separators=SEPARATORS, is_separator_regex=True, keep_separator=True, chunk_size=size, chunk_overlap=overlap, length_function=count_tokens
    )
    return tuple(chunk for document in documents for chunk in _chunks(document, splitter.split_text(document.text)))


def _chunks(document: Document, pieces: Sequence[str]) -> Iterator[Chunk]:
    headings = [(m.start(), len(m[1]), m[2]) for m in _HEADING.finditer(document.text)]
    previous = Span(document.id, -1, 0)
    for piece in pieces:
        # pieces come in order, and each brings something new: the first place that starts and ends later is the right one
        start = document.text.find(piece, previous.start + 1)
        while 0 <= start and start + len(piece) <= previous.end:
            start = document.text.find(piece, start + 1)
        if start < 0:
            raise AssertionError(f"{document.id}: the splitter returned text that is not in the document")
        previous = Span(document.id, start, start + len(piece))
        yield Chunk(f"{document.id}:{start}-{previous.end}", previous, piece, _heading_at(document.title, headings, start))


def _heading_at(title: str, headings: Sequence[tuple[int, int, str]], position: int) -> str:
    """Title and the path of headings in force at that position, without repeating the title."""
    path: list[tuple[int, str]] = []
    for start, level, text in headings:
        if start > position:
            break
        path = [(lv, t) for lv, t in path if lv < level] + [(level, text)]
    return " > ".join([title] + [text for _, text in path if text != title])


def relevant_chunks(chunks: Sequence[Chunk], evidence: Sequence[Evidence]) -> list[frozenset[str]]:
    """For each piece of evidence, the ids of those of these chunks that hold it (see `holds`)."""
    by_document: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        by_document.setdefault(chunk.span.document, []).append(chunk)
    return [
        frozenset(chunk.id for span in piece.spans for chunk in by_document.get(span.document, ()) if holds(chunk, span)) for piece in evidence
    ]


def holds(chunk: Chunk, span: Span) -> bool:
    """Whether the chunk has at least half of the quote's characters, or, of a quote longer than itself, is half made of it."""
    shorter = min(span.end - span.start, chunk.span.end - chunk.span.start)
    return 0 < shorter <= 2 * overlap(chunk.span, span)


def overlap(a: Span, b: Span) -> int:
    """Characters that both spans cover."""
    return max(0, min(a.end, b.end) - max(a.start, b.start)) if a.document == b.document else 0

