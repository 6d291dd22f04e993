"""facts.jsonl: the ledger of a domain's facts, and whether the corpus agrees with it everywhere.

    {"fact": "f1", "subject": "Kova 30", "relation": "maximum pressure", "value": "42 bar", "documents": ["pumps/kova.md"], "frequency": 1}

`documents` are all that state the fact, `frequency` their number. The search for statements that the ledger does not
have is by words: a sentence or table row that names the subject, a word of the relation, and a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragft.domain.rows import read_jsonl
from ragft.errors import InputError
from ragft.text import contains, normalise, words
from ragft.types import Document, Gold

KEYS = {"fact", "subject", "relation", "value", "documents", "frequency"}
DERIVED = ("two-document", "comparison")  # kinds whose answer follows from several statements and may stand in none
STEM = 5  # "calibrated" and "calibration" are one word here
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
_SMALL = {"of", "the", "a", "an", "to", "in", "on", "for", "per", "and", "by", "at", "with", "its", "is", "after", "before", "from", "的", "和"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the ledger."""

    id: str
    subject: str
    relation: str
    value: str
    documents: tuple[str, ...]
    frequency: int


def read_ledger(path: Path) -> list[Fact]:
    """The ledger, or nothing where there is none. Raises InputError for a line that lacks a key or repeats an id."""
    facts: dict[str, Fact] = {}
    for line, raw in read_jsonl(path) if path.is_file() else ():
        if set(raw) != KEYS:
            raise InputError(f"{path}:{line}: a fact has the keys {', '.join(sorted(KEYS))}; found {', '.join(sorted(raw))}.")
        if raw["fact"] in facts:
            raise InputError(f"{path}:{line}: the fact '{raw['fact']}' stands twice. Keep one.")
        facts[raw["fact"]] = Fact(raw["fact"], raw["subject"], raw["relation"], raw["value"], tuple(raw["documents"]), raw["frequency"])
    return list(facts.values())


def ledger_problems(facts: Sequence[Fact], documents: Sequence[Document], gold: Sequence[Gold]) -> Iterator[str]:
    """What in the ledger, the questions and the corpus does not agree; one line each."""
    answers: dict[str, set[str]] = {}
    for g in gold:
        if g.answerable and g.kind != "reversed":
            answers.setdefault(g.fact, set()).update(g.answers)
    known = {fact.id for fact in facts}
    yield from (f"{name}: asked about, but not in the ledger" for name in sorted(answers.keys() - known) if known)
    derived = {g.fact for g in gold if g.kind in DERIVED}
    texts = {document.id: [(sentence, words(sentence)) for sentence in sentences(document.text)] for document in documents}
    for fact in facts:
        if fact.id not in answers:
            yield f"{fact.id}: in the ledger, but no question asks about it"
        if fact.frequency != len(fact.documents):
            yield f"{fact.id}: frequency {fact.frequency}, but {len(fact.documents)} documents"
        yield from (f"{fact.id}: no document '{name}'" for name in fact.documents if name not in texts)
        if fact.id not in derived:
            yield from _statements(fact, answers.get(fact.id, set()) | {fact.value}, texts)


def _statements(fact: Fact, values: set[str], texts: Mapping[str, list[tuple[str, list[str]]]]) -> Iterator[str]:
    """Documents that should state the fact and do not, or do and are not listed, or state another value."""
    wanted = [words(value) for value in values]
    if {" ".join(value) for value in wanted} & {"yes", "no", "是", "否"}:
        wanted = []  # the value is not in the text
    for name in fact.documents:
        whole = [word for _, said in texts.get(name, ()) for word in said]  # a PDF's lines end within sentences
        if wanted and name in texts and not any(contains(whole, value) for value in wanted):
            yield f"{fact.id}: {name} does not hold '{fact.value}'"
    subject, relation = words(fact.subject), stems(fact.relation)
    for name, found in texts.items():
        for sentence, said in found:
            if wanted and contains(said, subject) and relation & stems(sentence):
                stated = any(contains(said, value) for value in wanted)
                if stated and name not in fact.documents:
                    yield f"{fact.id}: {name} states it too: «{sentence.strip()}»"
                if not stated and len(relation & stems(sentence)) == len(relation) and quantities(sentence) & _like(fact.value):
                    yield f"{fact.id} ('{fact.value}'): {name} has another value: «{sentence.strip()}»"


def sentences(text: str) -> list[str]:
    """Sentences and table rows."""
    return [piece for piece in _SENTENCE_END.split(text) if piece and piece.strip()]


def stems(text: str) -> set[str]:
    """The beginnings of the words that say something."""
    return {word[:STEM] for word in words(text) if word not in _SMALL and not word[0].isdigit()}


def quantities(sentence: str) -> set[str]:
    """The units of the numbers in a sentence: "83 months" gives {"months"}; a bare number gives {""}."""
    return {found[1] for found in re.finditer(r"\d\s?([^\W\d]*)", normalise(sentence))}


def _like(value: str) -> set[str]:
    """The unit of a value; a value without a number or unit has none to compare."""
    return {unit for unit in quantities(value) if unit}
