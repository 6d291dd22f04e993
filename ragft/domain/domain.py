"""Domain: documents, questions and gold, kept apart, with one fingerprint over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ragft.domain import splits
from ragft.domain.loaders import load_documents
from ragft.domain.records import Record, plain, read_records, shorten
from ragft.errors import InputError
from ragft.store import read_json, write_json
from ragft.text import language_of, words
from ragft.types import Document, Gold, Question, Split


@dataclass(frozen=True)
class Domain:
    """A corpus and the questions about it. `notes` are things a reader of the results should know."""

    name: str
    documents: tuple[Document, ...]
    questions: dict[str, Question]
    gold: dict[str, Gold]
    sha256: str
    notes: tuple[str, ...] = field(default=())

    def split(self, name: Split) -> list[tuple[Question, Gold]]:
        """The questions of one split with their gold, in file order."""
        return [(self.questions[g.id], g) for g in self.gold.values() if g.split == name]

    def limited(self, number: int | None) -> Domain:
        """This domain with at most `number` test questions, spread over all documents; training is untouched."""
        test = [gold for gold in self.gold.values() if gold.split == "test"]
        if number is None or number >= len(test):
            return self
        kept = {gold.id for gold in splits.limit(test, number)}
        gold = {key: g for key, g in self.gold.items() if g.split != "test" or key in kept}
        return replace(self, gold=gold, questions={key: self.questions[key] for key in gold})

    @cached_property
    def language(self) -> str:
        """The language of the questions, for the prompt: "zh" or "en" (which stands for every other)."""
        return language_of(" ".join(q.text for q in self.questions.values()))

    @cached_property
    def trains_tested_facts(self) -> bool:
        """Whether any held-out question asks for a fact that training questions ask for in other words."""
        return any(g.stratum == "trained-fact" for g in self.gold.values() if g.split == "test")


def load_domain(folder: Path | str) -> Domain:
    """Read and check `folder`/corpus and `folder`/questions.jsonl.

    Where the questions give no split, one is made by document and stored in `folder`/splits.json, so that later
    questions do not move earlier ones. Raises InputError or MissingError with file, line and remedy.
    """
    folder = Path(folder)
    documents, notes = load_documents(folder / "corpus")
    by_id = {document.id: document for document in documents}
    path = folder / "questions.jsonl"
    records = read_records(path, by_id)
    clusters, guessed = _clusters(records, documents)
    if guessed:
        notes += (
            f"{guessed} of {len(records)} questions name no document; each is grouped with its best-matching document. "
            'The intervals rest on that guess: give "document" or "evidence" to replace it.',
        )
    assigned = _splits(folder, records, clusters)
    _check_splits(path, records, assigned)
    train = [r for r in records if assigned[r.id] == "train" and r.answers]
    facts, trained = {r.fact for r in train}, {clusters[r.id] for r in train}
    gold = {
        r.id: Gold(
            id=r.id,
            answers=r.answers,
            evidence=r.evidence,
            document=clusters[r.id],
            split=assigned[r.id],
            fact=r.fact,
            wording=r.wording,
            kind=r.kind,
            stratum=splits.stratum(bool(r.answers), r.fact, clusters[r.id], facts, trained),
        )
        for r in records
    }
    questions = {r.id: Question(r.id, r.question) for r in records}
    return Domain(folder.resolve().name, documents, questions, gold, _fingerprint(documents, questions, gold), notes)


def _clusters(records: Sequence[Record], documents: Sequence[Document]) -> tuple[dict[str, str], int]:
    """Question id -> document, and how many had to be guessed by word overlap."""
    clusters = {r.id: r.document for r in records if r.document}
    missing = [r for r in records if not r.document]
    if missing:
        bags = [(d.id, set(words(d.text))) for d in documents]
        rarity: dict[str, int] = {}
        for _, bag in bags:
            for word in bag:
                rarity[word] = rarity.get(word, 0) + 1
        for record in missing:
            asked = set(words(" ".join((record.question, *record.answers))))
            clusters[record.id] = max(bags, key=lambda b: (sum(1 / rarity[w] for w in asked & b[1]), b[0]))[0]
    return clusters, len(missing)


def _splits(folder: Path, records: Sequence[Record], clusters: dict[str, str]) -> dict[str, Split]:
    given = {r.id: r.split for r in records if r.split}
    if len(given) == len(records):
        return given  # type: ignore[return-value]  # every value is a Split here
    if given:
        bare = next(r for r in records if not r.split)
        raise InputError(f'{folder / "questions.jsonl"}:{bare.line}: no "split" here, but other lines have one. Give it on every line or on none.')
    path = folder / "splits.json"
    stored: dict[str, Split] = read_json(path) if path.is_file() else {}
    made = splits.make_splits([splits.Item(r.id, r.fact, clusters[r.id], bool(r.answers)) for r in records])
    settled = {r.id: stored.get(r.id, made[r.id]) for r in records}
    if settled != stored:
        write_json(path, settled)
    return settled


def _check_splits(path: Path, records: Sequence[Record], assigned: dict[str, Split]) -> None:
    if "test" not in assigned.values():
        raise InputError(f'{path}: no question is in the "test" split, so nothing can be compared. Mark some with "split": "test".')
    seen: dict[str, Record] = {}
    for record in records:
        other = seen.setdefault(plain(record.question), record)
        if assigned[other.id] != assigned[record.id]:
            raise InputError(
                f"{path}:{record.line}: this question is in the {assigned[record.id]} split and, on line {other.line}, in the "
                f"{assigned[other.id]} split: «{shorten(record.question)}». Keep it in one of them, or reword it."
            )


def _fingerprint(documents: Sequence[Document], questions: dict[str, Question], gold: dict[str, Gold]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(json.dumps([document.id, document.title, document.text]).encode())
    for key, question in questions.items():
        g = gold[key]
        spans = [[[s.document, s.start, s.end] for s in e.spans] for e in g.evidence]
        digest.update(json.dumps([key, question.text, g.answers, spans, g.document, g.split, g.fact, g.wording, g.kind]).encode())
    return digest.hexdigest()
