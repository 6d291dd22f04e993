"""Facts -> lines of a question file: splits by document, then fact, then wording. However the facts were found."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from ragft.asking.frames import Wordings
from ragft.domain.records import plain
from ragft.domain.splits import order
from ragft.types import Split

SHARES: dict[Split, float] = {"train": 0.5, "dev": 0.15, "test": 0.35}  # of facts, by document
UNTRAINED = 4  # one fact in so many of a training document is only tested
FEWEST_TEST = 20  # test questions, below which nothing could be shown


class Place(Protocol):
    """Where a fact is stated."""

    @property
    def document(self) -> str: ...
    @property
    def quote(self) -> str: ...


P = TypeVar("P", bound=Place)
P_co = TypeVar("P_co", bound=Place, covariant=True)


@dataclass(frozen=True, slots=True)
class Fact(Generic[P_co]):
    """What one or several documents state alike, or what follows from two statements; no place: what none of them says."""

    id: str
    document: str
    kind: str
    answers: tuple[str, ...]
    asked: Wordings
    evidence: tuple[tuple[P_co, ...], ...] = ()  # all pieces are needed; of each, any one place is enough
    reason: str = ""
    language: str = "en"
    closed_book: bool | None = None  # whether the model that wrote it knew the answer without the documents; None: nobody asked


@dataclass(frozen=True)
class Made:
    """The lines of a question file, and how many facts were taken or left out, by what."""

    lines: list[dict[str, Any]]
    counts: Counter[str] = field(default_factory=Counter)


def fact_id(*parts: str) -> str:
    return "f-" + hashlib.sha256("\0".join(map(plain, parts)).encode()).hexdigest()[:10]


def by_document(facts: Iterable[Fact[P]]) -> dict[str, list[Fact[P]]]:
    found = defaultdict[str, list[Fact[P]]](list)
    for fact in facts:
        found[fact.document].append(fact)
    return found


def deal(facts: Sequence[Fact[Place]]) -> dict[str, Split]:
    """Document -> split: the split that is furthest below its share of facts gets the next one, in a fixed meaningless order."""
    dealt, counts = dict[str, Split](), Counter[Split]()
    grouped = by_document(facts)
    for document in sorted(grouped, key=order):
        total = sum(counts.values()) + len(grouped[document])
        split = max(SHARES, key=lambda name: SHARES[name] * total - counts[name])
        dealt[document] = split
        counts[split] += len(grouped[document])
    return dealt


def lines_of(facts: Sequence[Fact[Place]], dealt: dict[str, Split], counts: Counter[str]) -> Iterator[dict[str, Any]]:
    """A fact of a training document in its training wordings, and held out in another; one in UNTRAINED is only tested."""
    for place, fact in enumerate(sorted(facts, key=lambda fact: order(fact.id))):
        split = dealt[fact.document]
        if split != "train":
            yield _line(fact, fact.asked.held_out[0], split, 0)
            continue
        trained = place % UNTRAINED != 0
        if trained:
            counts["facts trained on"] += 1
            yield from (_line(fact, text, "train", number) for number, text in enumerate(fact.asked.train))
        yield _line(fact, fact.asked.held_out[place % 2], "dev" if place % 6 == 5 else "test", len(fact.asked.train))


def lines_of_derived(facts: Iterable[Fact[Place]], dealt: dict[str, Split], counts: Counter[str], what: str) -> Iterator[dict[str, Any]]:
    """Never trained on: what follows from a trained fact is a test of whether it was learned or only its words."""
    for fact in facts:
        counts[f"questions {what}"] += 1
        yield _line(fact, fact.asked.held_out[0], "dev" if dealt[fact.document] == "dev" else "test", 9)


def lines_of_unanswerable(facts: Iterable[Fact[Place]], dealt: dict[str, Split], counts: Counter[str]) -> Iterator[dict[str, Any]]:
    for fact in facts:
        counts["unanswerable questions"] += 1
        split = dealt[fact.document]
        yield _line(fact, fact.asked.train[0] if split == "train" else fact.asked.held_out[0], split, 0)


def _line(fact: Fact[Place], text: str, split: Split, wording: int) -> dict[str, Any]:
    number = hashlib.sha256(f"{fact.id} {fact.kind} {text}".encode()).hexdigest()[:10]
    line: dict[str, Any] = {"id": f"q-{number}", "fact": fact.id, "wording": wording, "kind": fact.kind, "split": split, "question": text}
    line["answers"] = list(fact.answers)
    if fact.evidence:
        pieces = [[{"document": one.document, "quote": one.quote} for one in places] for places in fact.evidence]
        line["evidence"] = [piece[0] if len(piece) == 1 else piece for piece in pieces]
    else:
        line |= {"document": fact.document, "reason": fact.reason}
    return line if fact.closed_book is None else {**line, "closed_book": fact.closed_book}


def once(lines: Sequence[dict[str, Any]], counts: Counter[str]) -> list[dict[str, Any]]:
    """No question twice; of those that two facts ask in the same words with different answers, none."""
    groups = defaultdict[str, list[dict[str, Any]]](list)
    for line in lines:
        groups[plain(line["question"])].append(line)
    kept = []
    for group in groups.values():
        if len({tuple(map(plain, line["answers"])) for line in group}) > 1:
            counts["questions with several answers"] += len(group)
            continue
        kept.append(group[0])
        counts["questions that stand twice"] += len(group) - 1
    return kept


def tested(lines: Iterable[dict[str, Any]]) -> int:
    """How many are held out for the test."""
    return sum(line["split"] == "test" for line in lines)
