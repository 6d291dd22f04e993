"""questions.jsonl: one question a line, read and checked with file, line and remedy in every error.

    {"id": "q17", "fact": "f4", "wording": 2, "kind": "exact-value", "split": "test", "question": "…", "answers": ["42 bar"],
     "evidence": [{"document": "pumps/kova.md", "quote": "…"}]}

Only `question` and `answers` are required; an empty list of answers says that the corpus does not answer it.
`document` names the document a question belongs to where there is no evidence; `reason` says why it is unanswerable.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ragft.domain.loaders import read_jsonl
from ragft.errors import InputError, MissingError, unknown
from ragft.types import Document, Evidence, Span, Split

KEYS = ("id", "fact", "wording", "kind", "split", "question", "answers", "evidence", "document", "reason")


@dataclass(frozen=True, slots=True)
class Record:
    """One checked line of questions.jsonl; `line` counts from 1."""

    line: int
    id: str
    question: str
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    document: str  # "" = not given
    fact: str
    wording: int
    kind: str
    split: Split | None


def read_records(path: Path, documents: Mapping[str, Document]) -> list[Record]:
    """Every question of the file. Raises InputError at the first line that is wrong, MissingError without a file."""
    if not path.is_file():
        raise MissingError(f"{path}: no questions. Write one JSON object a line with \"question\" and \"answers\", or use: ragft import")
    records = [_record(path, line, raw, documents) for line, raw in read_jsonl(path)]
    if not records:
        raise InputError(f'{path}: no question in it. Write one JSON object a line: {{"question": "…", "answers": ["…"]}}')
    first: dict[str, int] = {}
    for record in records:
        if record.id in first:
            raise InputError(f"{path}:{record.line}: id '{record.id}' was used on line {first[record.id]}. Every question needs its own id.")
        first[record.id] = record.line
    return records


def _record(path: Path, line: int, raw: dict[str, Any], documents: Mapping[str, Document]) -> Record:
    where = f"{path}:{line}"
    for key in raw:
        if key not in KEYS:
            raise InputError(f"{where}: {unknown('key', key, KEYS)}")
    question, answers = raw.get("question"), raw.get("answers")
    if not isinstance(question, str) or not question.strip():
        raise InputError(f'{where}: a question needs "question" with a text in it.')
    if not isinstance(answers, list) or not all(isinstance(a, str) and a.strip() for a in answers):
        raise InputError(f'{where}: "answers" must be a list of texts, such as ["42 bar"]; [] for a question the corpus does not answer.')
    split = raw.get("split")
    if split is not None and split not in get_args(Split):
        raise InputError(f"{where}: {unknown('split', str(split), get_args(Split))}")
    document = raw.get("document") or ""
    if document and document not in documents:
        raise InputError(f"{where}: {unknown('document', document, documents)}")
    if not isinstance(raw.get("wording", 0), int):
        raise InputError(f'{where}: "wording" must be a whole number, such as 0.')
    pieces = raw.get("evidence") or []
    if not isinstance(pieces, list):
        raise InputError(f'{where}: "evidence" must be a list of {{"document": "…", "quote": "…"}}.')
    key = raw.get("id") or "q-" + hashlib.sha256(question.encode()).hexdigest()[:10]
    return Record(
        line=line,
        id=str(key),
        question=question.strip(),
        answers=tuple(answers),
        evidence=tuple(_evidence(where, piece, documents) for piece in pieces),
        document=document or (pieces[0]["document"] if pieces else ""),
        fact=str(raw.get("fact") or key),
        wording=raw.get("wording", 0),
        kind=str(raw.get("kind") or ("other" if answers else "unanswerable")),
        split=split,
    )


def _evidence(where: str, piece: Any, documents: Mapping[str, Document]) -> Evidence:
    if not isinstance(piece, dict) or not isinstance(piece.get("document"), str):
        raise InputError(f'{where}: a piece of evidence is {{"document": "…", "quote": "…"}}.')
    name, quote = piece["document"], piece.get("quote")
    if name not in documents:
        raise InputError(f"{where}: the evidence names a document that is not in the corpus: {unknown('document', name, documents)}")
    text = documents[name].text
    if not quote:
        return Evidence((Span(name, 0, len(text)),))
    spans = tuple(find_quote(name, text, quote))
    if not spans:
        raise InputError(f"{where}: the evidence is not in {name}: «{shorten(quote)}». Copy the quote from the document, letter for letter.")
    return Evidence(spans)


def find_quote(name: str, text: str, quote: str) -> Iterator[Span]:
    """Every place of the quote in the text; line breaks and runs of spaces count as one space."""
    pattern = r"\s+".join(re.escape(word) for word in quote.split())
    for match in re.finditer(pattern, text):
        yield Span(name, match.start(), match.end())


def shorten(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def plain(question: str) -> str:
    """The question without case, punctuation, accents or spacing: two questions that agree here are the same question."""
    text = unicodedata.normalize("NFKD", question.casefold())
    return "".join(c for c in text if c.isalnum())
