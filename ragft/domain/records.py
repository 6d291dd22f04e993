"""questions.jsonl: one question a line, read and checked with file, line and remedy in every error.

    {"id": "q17", "fact": "f4", "wording": 2, "kind": "exact-value", "split": "test", "question": "…", "answers": ["42 bar"],
     "evidence": [{"document": "pumps/kova.md", "quote": "…"}]}

Only `question` and `answers` are required; an empty list of answers says that the corpus does not answer it. All pieces of
evidence are needed to answer; where a piece stands in several places, a list of them says that any one is enough.
`document` names the document a question belongs to where there is no evidence; `reason` says why it is unanswerable; `closed_book`
(true or false) whether the model that wrote the question knew the answer without the documents.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, get_args

from ragft.domain.rows import read_jsonl
from ragft.errors import InputError, MissingError, unknown
from ragft.text import words
from ragft.types import Document, Evidence, Span, Split

KEYS = ("id", "fact", "wording", "kind", "split", "question", "answers", "evidence", "document", "reason", "closed_book")
SPLITS: tuple[str, ...] = get_args(Split)


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
    reason: str  # why it is unanswerable; "" = not given
    closed_book: bool | None  # whether its writer knew the answer without the documents; None = not given


def read_records(path: Path, documents: Mapping[str, Document]) -> list[Record]:
    """Every question of the file. Raises InputError at the first line that is wrong, MissingError without a file."""
    if not path.is_file():
        raise MissingError(f'{path}: no questions. Write one JSON object a line with "question" and "answers", or use: ragft import')
    quotes = Quotes(documents)
    records = [make_record(f"{path}:{line}", line, raw, quotes) for line, raw in read_jsonl(path)]
    if not records:
        raise InputError(f'{path}: no question in it. Write one JSON object a line: {{"question": "…", "answers": ["…"]}}')
    check_records(path, records)
    return records


def check_records(path: Path, records: Iterable[Record]) -> None:
    """Raises InputError for an id used twice, and for a question that stands twice with answers that have nothing in common."""
    by_id: dict[str, Record] = {}
    by_question: dict[str, Record] = {}
    for record in records:
        other = by_question.setdefault(plain(record.question), record)
        if other is not record and not agree(record.answers, other.answers):
            raise InputError(
                f"{path}:{record.line}: this question stands on line {other.line} with another answer: «{shorten(record.question)}». "
                "Keep one, give both lines all right answers, or reword one."
            )
        other = by_id.setdefault(record.id, record)
        if other is not record:
            what = f"id '{record.id}' was used" if plain(record.question) != plain(other.question) else "this question stands already"
            raise InputError(f"{path}:{record.line}: {what} on line {other.line}. Every question needs its own id.")


def agree(answers: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two lists of answers to one question have an answer in common, or are both empty."""
    return bool({plain(a) for a in answers} & {plain(a) for a in others}) or not (answers or others)


def make_record(where: str, line: int, raw: dict[str, Any], quotes: Quotes) -> Record:
    """The checked record of one object. Raises InputError that begins with `where`, a file and a line or entry."""
    for key in raw:
        if key not in KEYS:
            raise InputError(f"{where}: {unknown('key', key, KEYS)}")
    question, answers = raw.get("question"), raw.get("answers")
    if not isinstance(question, str) or not question.strip():
        raise InputError(f'{where}: a question needs "question" with a text in it.')
    if not isinstance(answers, list) or not all(isinstance(a, str) and a.strip() for a in answers):
        raise InputError(f'{where}: "answers" must be a list of texts, such as ["42 bar"]; [] for a question the corpus does not answer.')
    split = raw.get("split")
    if split is not None and split not in SPLITS:
        raise InputError(f"{where}: {unknown('split', str(split), SPLITS)}")
    for key in ("id", "fact", "kind", "reason"):
        if not isinstance(raw.get(key, ""), str | int | None):
            raise InputError(f'{where}: "{key}" must be a text, such as "q17".')
    if type(raw.get("wording", 0)) is not int:
        raise InputError(f'{where}: "wording" must be a whole number, such as 0.')
    if not isinstance(raw.get("closed_book"), bool | None):
        raise InputError(f'{where}: "closed_book" must be true or false.')
    pieces = raw.get("evidence") or []
    if not isinstance(pieces, list):
        raise InputError(f'{where}: "evidence" must be a list of {{"document": "…", "quote": "…"}}.')
    evidence = tuple(_evidence(where, piece, quotes) for piece in pieces)
    if evidence and not answers:
        raise InputError(f'{where}: evidence for a question without answers. Give its answers, or name its document with "document" only.')
    key = _text(raw.get("id")) or "q-" + hashlib.sha256(question.encode()).hexdigest()[:10]
    return Record(
        line=line,
        id=key,
        question=question.strip(),
        answers=tuple(answer.strip() for answer in answers),
        evidence=evidence,
        document=quotes.document(where, raw["document"]).id if raw.get("document") else evidence[0].spans[0].document if evidence else "",
        fact=_text(raw.get("fact")) or key,
        wording=raw.get("wording", 0),
        kind=_text(raw.get("kind")) or ("other" if answers else "unanswerable"),
        split=split,
        reason=_text(raw.get("reason")),
        closed_book=raw.get("closed_book"),
    )


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value).strip()


def _evidence(where: str, piece: Any, quotes: Quotes) -> Evidence:
    """One piece: a quote, or a list of quotes any one of which is enough."""
    places = piece if isinstance(piece, list) and piece else [piece]
    return Evidence(tuple(span for place in places for span in _spans(where, place, quotes)))


def _spans(where: str, piece: Any, quotes: Quotes) -> tuple[Span, ...]:
    if not isinstance(piece, dict):
        raise InputError(f'{where}: a piece of evidence is {{"document": "…", "quote": "…"}}, or a list of such if any one is enough.')
    for key in piece:
        if key not in ("document", "quote"):
            raise InputError(f"{where}: {unknown('key of a piece of evidence', key, ('document', 'quote'))}")
    document, quote = quotes.document(f"{where}: evidence", piece.get("document")), piece.get("quote") or ""
    if not isinstance(quote, str):
        raise InputError(f'{where}: the "quote" of a piece of evidence must be a text from the document.')
    if not quote.strip():
        return (Span(document.id, 0, len(document.text)),)
    spans = quotes.find(document.id, quote)
    if not spans:
        raise InputError(
            f"{where}: the evidence is not in {document.id}: «{shorten(quote.strip())}». Copy the quote from the document, letter for letter."
        )
    return spans


class Quotes:
    """Finds quotes in documents; line breaks and runs of spaces count as one space."""

    def __init__(self, documents: Mapping[str, Document]):
        self._documents = documents
        self._flat: dict[str, tuple[str, list[int], list[int]]] = {}

    def document(self, where: str, name: Any) -> Document:
        """The document of that name. Raises InputError with the nearest name."""
        if not isinstance(name, str):
            raise InputError(f'{where}: "document" must be the name of a document, such as {next(iter(self._documents))!r}.')
        found = self._documents.get(unicodedata.normalize("NFC", name))
        if found is None:
            near = difflib.get_close_matches(name, self._documents, n=1, cutoff=0.5)
            hint = f"Did you mean '{near[0]}'?" if near else f"The corpus has {', '.join(sorted(self._documents)[:3])} …"
            raise InputError(f"{where}: no document '{name}' in the corpus. {hint}")
        return found

    def find(self, name: str, quote: str) -> tuple[Span, ...]:
        """Every place of the quote in that document."""
        flat, flat_starts, starts = self._flattened(name)
        wanted = " ".join(quote.split())

        def place(position: int) -> int:
            word = bisect_right(flat_starts, position) - 1
            return starts[word] + position - flat_starts[word]

        spans, found = [], flat.find(wanted)
        while found >= 0 and wanted:
            end = found + len(wanted)
            spans.append(Span(name, place(found), place(end - 1) + 1))
            found = flat.find(wanted, end)
        return tuple(spans)

    def _flattened(self, name: str) -> tuple[str, list[int], list[int]]:
        """The text with single spaces, and for each of its words where it starts there and in the document."""
        if name not in self._flat:
            found = [(m.start(), m[0]) for m in re.finditer(r"\S+", self._documents[name].text)]
            lengths = [len(word) + 1 for _, word in found]
            self._flat[name] = " ".join(word for _, word in found), [0, *accumulate(lengths)][:-1], [start for start, _ in found]
        return self._flat[name]


def shorten(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


@lru_cache(maxsize=100_000)  # loading asks for each question several times
def plain(question: str) -> str:
    """The question without case, accents, spacing and punctuation, but for what tells 4.2 from 42 and C++ from C#:
    two questions that agree here are the same question."""
    text = _ACCENTS.sub("", unicodedata.normalize("NFD", question))
    return " ".join(words(text)) or text.strip()


_ACCENTS = re.compile("[\u0300-\u036f]")
