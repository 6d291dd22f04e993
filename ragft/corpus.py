"""What a run was asked about: its documents as its index holds them, the questions on each, and a document's text with the evidence in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragft.diagnosis import marked
from ragft.domain.loaders import load_documents
from ragft.types import Chunk, Document, Gold, Span


@dataclass(frozen=True, slots=True)
class Listed:
    """A document of the run. `characters` reach to the end of its last chunk; both are 0 where no arm retrieves, so that there is no index."""

    id: str
    title: str  # as its chunks' headings begin
    characters: int
    chunks: int
    questions: int  # held-out ones that have evidence in it, or are about it


def documents(chunks: Iterable[Chunk], golds: Iterable[Gold]) -> list[Listed]:
    """Every document that was cut into chunks or is asked about, by its id."""
    by_document: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        by_document.setdefault(chunk.span.document, []).append(chunk)
    asked = Counter(name for gold in golds for name in {span.document for piece in gold.evidence for span in piece.spans} or {gold.document})
    found = []
    for key in sorted({*by_document, *asked} - {""}):
        own = by_document.get(key, [])
        title = own[0].heading.split(" > ")[0] if own else ""
        found.append(Listed(key, title, max((chunk.span.end for chunk in own), default=0), len(own), asked[key]))
    return found


def questions_table(golds: Iterable[Gold]) -> Mapping[str, Mapping[str, int]]:
    """kind -> stratum -> held-out questions."""
    found: dict[str, dict[str, int]] = {}
    for gold in golds:
        row = found.setdefault(gold.kind, {})
        row[gold.stratum] = row.get(gold.stratum, 0) + 1
    return dict(sorted(found.items()))


def corpus_of(domain: Path | str) -> dict[str, Document] | None:
    """The documents of the domain's folder by id; None where it is gone. Raises InputError where one cannot be read."""
    folder = Path(domain) / "corpus"
    return {document.id: document for document in load_documents(folder, skip_broken=True)[0]} if folder.is_dir() else None


def evidence_in(document: str, golds: Iterable[Gold]) -> dict[str, list[Span]]:
    """Question -> where in the document its evidence stands; of those that have some there."""
    found: dict[str, list[Span]] = {}
    for gold in golds:
        if spans := [span for piece in gold.evidence for span in piece.spans if span.document == document]:
            found[gold.id] = spans
    return found


def is_unchanged(document: Document, chunks: Sequence[Chunk]) -> bool:
    """Whether every chunk of the document still stands where it was cut, so that evidence is marked in the right places."""
    return all(document.text[chunk.span.start : chunk.span.end] == chunk.text for chunk in chunks)


def as_read(document: Document, spans: Iterable[Span]) -> list[tuple[str, bool]]:
    """The document's text in pieces, each with whether it is evidence."""
    return marked(document.text, Span(document.id, 0, len(document.text)), spans)
