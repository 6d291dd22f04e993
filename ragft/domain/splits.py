"""Which questions are for training, for choosing settings (dev) and held out (test), and what "held out" means for each.

Splitting is by document, so that no passage serves both training and test. Facts with several wordings are the
exception the comparison needs: a knowledge arm can only be tested on facts it was trained on, so the fact is shared
and the *wording* is held out (2309.14316). Every test question therefore carries its stratum.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragft.types import Gold, Split

STRATA = {
    "trained-fact": "the fact is in the training questions, under other wordings",
    "untrained-fact": "another fact of a document that training questions ask about",
    "untrained-document": "no training question asks about this document",
    "unanswerable": "the corpus does not answer it; the right answer is to say so",
}
TRAIN_SHARE, DEV_SHARE = 0.40, 0.15  # the rest is test: what decides is how many questions are held out


@dataclass(frozen=True, slots=True)
class Item:
    """What a split needs to know of one question."""

    id: str
    fact: str
    document: str
    answerable: bool


def order(key: str) -> str:
    """A fixed, meaningless order: sorting by it shuffles the same way on every machine."""
    return hashlib.sha256(key.encode()).hexdigest()


def make_splits(items: Sequence[Item]) -> dict[str, Split]:
    """Question id -> split, for a question file that gives none.

    Documents are dealt to train, dev and test in a fixed shuffled order until each has its share of questions. Where a
    fact of a train document has several wordings, the last is held out: two in three for test, one in three for dev.
    """
    by_document: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_document[item.document].append(item)
    splits: dict[str, Split] = {}
    counts = {"train": 0, "dev": 0, "test": 0}
    shares = {"train": TRAIN_SHARE, "dev": DEV_SHARE, "test": 1 - TRAIN_SHARE - DEV_SHARE}
    for document in sorted(by_document, key=order):
        # the split that is furthest below its share gets the next document
        split = max(shares, key=lambda s: (shares[s] * (sum(counts.values()) + len(by_document[document])) - counts[s], s))
        counts[split] += len(by_document[document])
        for item in by_document[document]:
            splits[item.id] = split  # type: ignore[assignment]  # shares' keys are the splits
    wordings: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if splits[item.id] == "train" and item.answerable:
            wordings[item.fact].append(item)
    repeated = sorted((fact for fact, found in wordings.items() if len(found) > 1), key=order)
    for number, fact in enumerate(repeated):
        splits[wordings[fact][-1].id] = "dev" if number % 3 == 2 else "test"
    return splits


def settle(stored: Mapping[str, Split], items: Sequence[Item]) -> dict[str, Split]:
    """The splits of all items: as stored where they are, and made for new ones. A new question about a document that
    has stored questions joins the most of them, so that later questions neither move earlier ones nor divide a document."""
    made, homes = make_splits(items), defaultdict(list)
    for item in items:
        if item.id in stored:
            homes[item.document].append(stored[item.id])

    def new(item: Item) -> Split:
        home = homes.get(item.document)
        return max(("train", "dev", "test"), key=home.count) if home else made[item.id]

    return {item.id: stored.get(item.id) or new(item) for item in items}


def stratum(answerable: bool, fact: str, document: str, trained_facts: set[str], trained_documents: set[str]) -> str:
    """The stratum of a question (see STRATA); for training questions it says what they are themselves."""
    if not answerable:
        return "unanswerable"
    if fact in trained_facts:
        return "trained-fact"
    return "untrained-fact" if document in trained_documents else "untrained-document"


def limit(golds: Sequence[Gold], number: int) -> list[Gold]:
    """`number` of these questions, spread over all documents: one of each document in turn, new facts before further wordings.

    The choice depends on ids only and is the first part of a fixed order, so a larger limit extends a smaller one.
    The result keeps the order of `golds`.
    """
    by_document: dict[str, list[Gold]] = defaultdict(list)
    seen: dict[str, int] = defaultdict(int)
    for gold in sorted(golds, key=lambda g: order(g.id)):
        by_document[gold.document].append(gold)
    ranked: list[tuple[int, int, str, Gold]] = []
    for document, found in by_document.items():
        turns = []
        for gold in found:
            turns.append((seen[gold.fact], gold))
            seen[gold.fact] += 1
        turns.sort(key=lambda turn: turn[0])  # stable: keeps the shuffled order within a wording count
        ranked += [(repeat, place, order(document), gold) for place, (repeat, gold) in enumerate(turns)]
    chosen = {gold.id for *_, gold in sorted(ranked, key=lambda row: row[:3])[:number]}
    return [gold for gold in golds if gold.id in chosen]
