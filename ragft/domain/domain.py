"""Domain: documents, questions and gold, kept apart, with one fingerprint over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ragft import notebook
from ragft.domain import splits
from ragft.domain.loaders import load_documents
from ragft.domain.records import SPLITS, Record, plain, read_records, shorten
from ragft.errors import InputError
from ragft.store import read_json, write_json
from ragft.text import language_of, search_terms, words
from ragft.types import Document, Gold, Question, Split


@dataclass(frozen=True)
class Sealed:
    """What is left of test questions in a domain without them: enough to keep training away from them, too little to ask them."""

    held_out: frozenset[str]
    tested_documents: frozenset[str]
    language: str
    trains_tested_facts: bool


@dataclass(frozen=True, repr=False)
class Domain:
    """A corpus and the questions about it. `notes` are things a reader of the results should know."""

    name: str
    documents: tuple[Document, ...]
    questions: dict[str, Question]
    gold: dict[str, Gold]
    sha256: str
    notes: tuple[str, ...] = field(default=())
    sealed: Sealed | None = None  # where the test questions were taken out

    def __repr__(self) -> str:
        return f"Domain({self.name!r}: {len(self.documents)} documents, {len(self.questions)} questions)"

    def _repr_html_(self) -> str:
        return notebook.domain(self)

    def split(self, name: Split) -> list[tuple[Question, Gold]]:
        """The questions of one split with their gold, in file order."""
        return [(self.questions[g.id], g) for g in self.gold.values() if g.split == name]

    def sample(self, name: Split, number: int) -> list[tuple[Question, Gold]]:
        """At most `number` questions of one split, spread over all documents."""
        kept = {gold.id for gold in splits.limit([gold for _, gold in self.split(name)], number)}
        return [(question, gold) for question, gold in self.split(name) if gold.id in kept]

    def limited(self, number: int | None, split: Split = "test") -> Domain:
        """This domain with at most `number` questions of one split, spread over all documents; the others are untouched."""
        if number is None or number >= len(self.split(split)):
            return self
        kept = {gold.id for _, gold in self.sample(split, number)}
        gold = {key: g for key, g in self.gold.items() if g.split != split or key in kept}
        return replace(self, gold=gold, questions={key: self.questions[key] for key in gold})

    def without_test(self) -> Domain:
        """This domain without its test questions, for whoever chooses settings. Training from it is the same."""
        sealed = Sealed(self.held_out, self.tested_documents, self.language, self.trains_tested_facts)
        gold = {key: g for key, g in self.gold.items() if g.split != "test"}
        return replace(self, gold=gold, questions={key: self.questions[key] for key in gold}, sealed=sealed)

    def holds_out(self, text: str) -> bool:
        """Whether the text is a dev or test question, but for case and punctuation: training must not see it."""
        return _words_sha256(text) in self.held_out

    @cached_property
    def held_out(self) -> frozenset[str]:
        """A hash of the words of each dev and test question."""
        own = frozenset(_words_sha256(question.text) for question, _ in [*self.split("dev"), *self.split("test")])
        return own | self.sealed.held_out if self.sealed else own

    @cached_property
    def tested_documents(self) -> frozenset[str]:
        """The documents that test questions ask about."""
        if self.sealed:
            return self.sealed.tested_documents
        golds = [gold for _, gold in self.split("test")]
        evidence = {span.document for gold in golds for piece in gold.evidence for span in piece.spans}
        return frozenset({gold.document for gold in golds} | evidence)

    @cached_property
    def language(self) -> str:
        """The language of the questions, for the prompt: "zh" or "en" (which stands for every other)."""
        return self.sealed.language if self.sealed else language_of(" ".join(q.text for q in self.questions.values()))

    @cached_property
    def trains_tested_facts(self) -> bool:
        """Whether any held-out question asks for a fact that training questions ask for in other words."""
        if self.sealed:
            return self.sealed.trains_tested_facts
        return any(g.stratum == "trained-fact" for g in self.gold.values() if g.split == "test")


def _words_sha256(text: str) -> str:
    return hashlib.sha256(" ".join(words(text)).encode()).hexdigest()


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
    repeats = [r for r, first in zip(records, first_asked(records), strict=True) if first is not r]
    if repeats:
        notes += (f"{len(repeats)} questions stand more than once and count each time, the first on line {repeats[0].line} of {path.name}.",)
    assigned = _splits(folder, records, clusters)
    check_splits(path, records, assigned)
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
            reason=r.reason,
            closed_book=r.closed_book,
            question=r.question,
            stratum=splits.stratum(bool(r.answers), r.fact, clusters[r.id], facts, trained),
        )
        for r in records
    }
    questions = {r.id: Question(r.id, r.question) for r in records}
    return Domain(folder.resolve().name, documents, questions, gold, _fingerprint(documents, questions, gold), notes)


def first_asked(records: Sequence[Record]) -> list[Record]:
    """For each record, the first one that asks the same question: most often itself."""
    seen: dict[str, Record] = {}
    return [seen.setdefault(plain(record.question), record) for record in records]


def _clusters(records: Sequence[Record], documents: Sequence[Document]) -> tuple[dict[str, str], int]:
    """Question id -> document, and how many had to be guessed: the document that shares the rarest words."""
    clusters = {r.id: r.document for r in records if r.document}
    missing = [r for r in records if not r.document]
    if missing:
        import numpy as np

        holders: dict[str, list[int]] = {}
        for number, document in enumerate(documents):
            for word in set(search_terms(document.text)):
                holders.setdefault(word, []).append(number)
        postings = {word: np.array(numbers) for word, numbers in holders.items()}
        for record in missing:
            shared = np.zeros(len(documents))
            for word in sorted(set(search_terms(" ".join((record.question, *record.answers)))) & postings.keys()):
                shared[postings[word]] += 1 / len(postings[word])  # in a fixed order: sums must not depend on hashing
            clusters[record.id] = documents[int(shared.argmax())].id
    return clusters, len(missing)


def _splits(folder: Path, records: Sequence[Record], clusters: dict[str, str]) -> dict[str, Split]:
    given: dict[str, Split] = {r.id: r.split for r in records if r.split}
    if len(given) == len(records):
        return given
    if given:
        bare = next(r for r in records if not r.split)
        raise InputError(f'{folder / "questions.jsonl"}:{bare.line}: no "split" here, but other lines have one. Give it on every line or on none.')
    path = folder / "splits.json"
    stored = _stored_splits(path)
    settled = splits.settle(stored, [splits.Item(r.id, r.fact, clusters[r.id], bool(r.answers)) for r in records])
    for record, first in zip(records, first_asked(records), strict=True):
        settled[record.id] = settled[first.id]
    if settled != stored:
        try:
            write_json(path, settled)
        except OSError as error:
            raise InputError(f'{path}: the splits cannot be stored ({error.strerror}). Give "split" on every line of questions.jsonl.') from error
    return settled


def _stored_splits(path: Path) -> dict[str, Split]:
    stored = read_json(path) if path.is_file() else {}
    if not isinstance(stored, dict) or not all(value in SPLITS for value in stored.values()):
        raise InputError(f"{path}: not a table of question ids and splits ({', '.join(SPLITS)}). Delete it to have the splits made again.")
    return stored


def check_splits(path: Path, records: Sequence[Record], assigned: Mapping[str, Split]) -> None:
    """Raises InputError where nothing is held out, or the same question is in two splits."""
    if "test" not in assigned.values():
        raise InputError(f'{path}: no question is in the "test" split, so nothing can be compared. Mark some with "split": "test".')
    for record, other in zip(records, first_asked(records), strict=True):
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
