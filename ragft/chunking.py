"""Document -> Chunks of at most so many tokens, each remembering its Span. What cuts is a chunker (ragft.chunkers)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from ragft.chunkers import HEADING, by_tokens, headings
from ragft.errors import InputError
from ragft.text import CJK
from ragft.types import Chunk, Document, Evidence, Span

Chunker = Callable[[str, int, Callable[[str], int]], Sequence[str]]  # text, tokens, what counts them -> its pieces, in order
_WORD_START = re.compile(rf"(?<!\S)\S|[{CJK}]")


def chunk_documents(
    documents: Iterable[Document], size: int, overlap: int, count_tokens: Callable[[str], int], cut: Chunker = by_tokens
) -> tuple[Chunk, ...]:
    """Chunks of every document, in order. `size` and `overlap` are tokens by `count_tokens`; `cut` is a registered chunker.

    Documents are cut into pieces of `size - overlap` tokens, and each piece but a document's first is preceded by up to
    `overlap` tokens of whole words before it. Every character that is no white space is in a chunk. A heading is never a
    chunk of its own, which would win searches and tell nothing: it stays with the text below, beyond `size` if need be.

    Raises InputError when the overlap leaves no room for new text, or the chunker leaves text out.
    """
    if not 0 <= overlap < size:
        raise InputError(f"chunk_overlap ({overlap} tokens) must be at least 0 and less than chunk_tokens ({size}).")
    return tuple(
        chunk for document in documents for chunk in _chunks(document, cut(document.text, size - overlap, count_tokens), size, overlap, count_tokens)
    )


def _chunks(document: Document, pieces: Sequence[str], size: int, overlap: int, count_tokens: Callable[[str], int]) -> Iterator[Chunk]:
    path = _HeadingPath(document.title, headings(document.text))
    end, waiting = 0, -1
    for piece in filter(None, map(str.strip, pieces)):
        # pieces follow each other with nothing but white space between them, so the first place after the last one is theirs
        begin = document.text.find(piece, end)
        if begin < 0 or document.text[end:begin].strip():
            raise InputError(
                f"{document.id}: the chunker leaves text out, or returns some that does not follow: «{piece[:40]}». It must return all, in order."
            )
        start = waiting if waiting >= 0 else _reach_back(document.text, begin, overlap, count_tokens) if end and overlap else begin
        end = begin + len(piece)
        if _only_headings(piece) and document.text[end:].strip() and count_tokens(document.text[start:end]) <= size:
            waiting = start
            continue
        waiting = -1
        yield Chunk(
            f"{document.id}:{start}-{end}",
            Span(document.id, start, end),
            document.text[start:end],
            path.at(begin),
            bisect_right(document.pages, begin) or None,
        )


def _only_headings(piece: str) -> bool:
    """Whether there are only headings and code fences in it, which say nothing without the text below."""
    return all(HEADING.fullmatch(line) or line.startswith(("```", "~~~")) for line in piece.splitlines() if line.strip())


def _reach_back(text: str, begin: int, overlap: int, count_tokens: Callable[[str], int]) -> int:
    """Where the longest run of whole words of at most `overlap` tokens before `begin` starts; `begin` where none is short enough."""
    first = max(0, begin - 20 * overlap)  # no tokenizer has tokens of 20 characters on average
    best = begin
    for word in reversed(list(_WORD_START.finditer(text, first, begin))):
        if count_tokens(text[word.start() : begin]) > overlap:
            break
        best = word.start()
    return best


class _HeadingPath:
    """Title and the path of headings in force at a position, asked for in rising order; the title is not repeated."""

    def __init__(self, title: str, headings: Sequence[tuple[int, int, str]]):
        self._title, self._ahead, self._path = title, list(reversed(headings)), list[tuple[int, str]]()

    def at(self, position: int) -> str:
        while self._ahead and self._ahead[-1][0] <= position:
            _, level, text = self._ahead.pop()
            self._path = [(lv, t) for lv, t in self._path if lv < level] + [(level, text)]
        return " > ".join([self._title] + [text for _, text in self._path if text != self._title])


def relevant_chunks(chunks: Sequence[Chunk], evidence: Sequence[Evidence]) -> list[frozenset[str]]:
    """For each piece of evidence, the ids of those of these chunks that hold it (see `holds`)."""
    by_document: dict[str, list[Chunk]] = {span.document: [] for piece in evidence for span in piece.spans}
    for chunk in chunks:
        if chunk.span.document in by_document:
            by_document[chunk.span.document].append(chunk)
    return [frozenset(chunk.id for span in piece.spans for chunk in by_document[span.document] if holds(chunk, span)) for piece in evidence]


def holds(chunk: Chunk, span: Span) -> bool:
    """Whether the chunk has at least half of the quote's characters, or, of a quote longer than itself, is half made of it."""
    shared = overlap(chunk.span, span)
    # the white space at a cut, seldom more than two characters, is in neither chunk: halves of a quote may lack it
    return shared > 0 and min(span.end - span.start, chunk.span.end - chunk.span.start) <= 2 * shared + 2


def overlap(a: Span, b: Span) -> int:
    """Characters that both spans cover."""
    return max(0, min(a.end, b.end) - max(a.start, b.start)) if a.document == b.document else 0
