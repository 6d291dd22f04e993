"""Documents -> the lines of questions.jsonl: statements, asked in several wordings, split, with what the documents do not say.

from ragft.asking.make import make_questions
made = make_questions(documents)          # made.lines, made.counts
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from ragft.asking.frames import Wordings, backwards, is_noun, key, subject, two_hops, wordings
from ragft.asking.mine import Statement, mine
from ragft.domain.records import plain
from ragft.domain.splits import order
from ragft.errors import InputError
from ragft.text import words
from ragft.types import Document, Split

PER_DOCUMENT = 16  # facts at most: a long table must not be most of the test
SHARES: dict[Split, float] = {"train": 0.5, "dev": 0.15, "test": 0.35}  # of facts, by document
UNTRAINED = 4  # one fact in so many of a training document is only tested
BACKWARDS = 3  # one fact in so many is also asked for from its value
UNANSWERABLE = 8  # one such question for so many facts
FEWEST_TEST = 20  # test questions, below which nothing could be shown


@dataclass(frozen=True, slots=True)
class Fact:
    """What one or several documents state alike, or what follows from two statements; no statement: what none of them says."""

    id: str
    document: str
    kind: str
    answers: tuple[str, ...]
    asked: Wordings
    evidence: tuple[tuple[Statement, ...], ...] = ()  # all pieces are needed; of each, any one place is enough
    reason: str = ""
    language: str = "en"


@dataclass(frozen=True)
class Made:
    """The lines of a question file, and how many facts were taken or left out, by what."""

    lines: list[dict[str, Any]]
    counts: Counter[str] = field(default_factory=Counter)


def make_questions(documents: Sequence[Document], per_document: int = PER_DOCUMENT) -> Made:
    """Questions with answers, evidence and splits; the same for the same documents. Raises InputError where the rules find too little."""
    counts = Counter[str]()
    stated = _agreed([found for document in documents for found in mine(document)], counts)
    chosen = [fact for facts in _by_document(stated).values() for fact in _spread(facts, per_document)]
    counts["facts over the limit of a document"] = len(stated) - len(chosen)
    dealt = _deal(chosen)
    lines = list(_lines(chosen, dealt, counts))
    lines += _of_derived(_backwards(chosen, stated), dealt, counts, "asked from the value")
    lines += _of_derived(_two_hops(chosen), dealt, counts, "of two documents")
    lines += _of_unanswerable(_unanswerable(chosen, documents, len(chosen) // UNANSWERABLE), dealt, counts)
    lines = _once(lines, counts)
    if sum(line["split"] == "test" for line in lines) < FEWEST_TEST:
        raise InputError(
            f"the rules find {len(chosen)} facts in {len(documents)} documents, too few to compare anything by. They read tables, "
            '"key: value" lines, dates, amounts and names; write questions by hand, or import what users asked.'
        )
    return Made(lines, counts)


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _agreed(found: Sequence[Statement], counts: Counter[str]) -> list[Fact]:
    """One fact for all statements of the same; none where documents, or two rows of one, say different things of it."""
    groups = defaultdict[tuple[str, ...], list[Statement]](list)
    for one in found:
        groups[plain(one.subject), plain(one.attribute), one.form if one.form == "gap" else ""].append(one)
    facts = []
    for group in groups.values():
        if len({plain(one.value) for one in group}) > 1:
            counts["facts with several answers in the corpus"] += 1
            continue
        first = group[0]
        places = tuple({(one.document, one.quote): one for one in group}.values())
        facts.append(
            Fact(_id(first.subject, first.attribute), first.document, first.kind, (first.value,), wordings(first), (places,), language=first.language)
        )
    counts["facts"] = len(facts)
    return facts


def _id(*parts: str) -> str:
    return "f-" + hashlib.sha256("\0".join(map(plain, parts)).encode()).hexdigest()[:10]


def _by_document(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found = defaultdict[str, list[Fact]](list)
    for fact in facts:
        found[fact.document].append(fact)
    return found


def _spread(facts: Sequence[Fact], most: int) -> list[Fact]:
    """At most so many of a document's facts, of each kind of statement in turn, in a fixed meaningless order."""
    by_form = defaultdict[str, list[Fact]](list)
    for fact in sorted(facts, key=lambda fact: order(fact.id)):
        by_form[fact.evidence[0][0].form].append(fact)
    turns = sorted(((place, form, fact) for form, own in by_form.items() for place, fact in enumerate(own)), key=lambda turn: turn[:2])
    kept = {fact.id for *_, fact in turns[:most]}
    return [fact for fact in facts if fact.id in kept]


def _backwards(facts: Sequence[Fact], stated: Sequence[Fact]) -> list[Fact]:
    """Some attributes asked for from the value, where only one thing has it, under whatever name, and is named."""
    holders = Counter(plain(fact.answers[0]) for fact in stated)
    found = []
    for fact in sorted(facts, key=lambda fact: order(fact.id)):
        one = fact.evidence[0][0]
        unique = holders[plain(one.value)] == 1
        named = one.form == "attribute" and is_noun(one.attribute) and not one.within
        if named and unique and len(one.value) > 3 and fact.kind in ("code", "name", "date", "exact-value"):
            found.append(replace(fact, kind="reversed", answers=(one.subject,), asked=backwards(one)))
    return found[: len(facts) // BACKWARDS]


def _two_hops(facts: Sequence[Fact]) -> Iterator[Fact]:
    """What follows from a fact whose value another fact is about."""
    about = defaultdict[str, list[Fact]](list)
    for fact in facts:
        about[plain(fact.evidence[0][0].subject)].append(fact)
    for first in facts:
        one = first.evidence[0][0]
        for second in about[plain(one.value)] if one.form == "attribute" else ():
            two = second.evidence[0][0]
            if (
                two.form == "attribute"
                and is_noun(one.attribute)
                and is_noun(two.attribute)
                and second.answers != first.answers
                and plain(two.value) != plain(one.subject)
            ):
                yield Fact(
                    _id(first.id, second.id), first.document, "two-document", second.answers, two_hops(one, two), first.evidence + second.evidence,
                    language=first.language,
                )  # fmt: skip


def _unanswerable(facts: Sequence[Fact], documents: Sequence[Document], number: int) -> list[Fact]:
    """Attributes that the corpus gives for other things, asked of a thing for which no document that names it has the words.

    First those of like things, of which the corpus gives another attribute too: nobody else would be asked so.
    """
    stated = [fact.evidence[0][0] for fact in facts if fact.evidence[0][0].form == "attribute" and not fact.evidence[0][0].within]
    having, given_of = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)  # things by attribute, attributes by thing
    for one in stated:
        having[plain(one.attribute)].add(plain(one.subject))
        given_of[plain(one.subject)].add(plain(one.attribute))
    attributes, subjects = {plain(one.attribute): one for one in stated}, {plain(one.subject): one for one in stated}
    texts = [set(words(document.text)) for document in documents]
    found = list[Fact]()

    def unlike(pair: tuple[str, str]) -> bool:
        return not any(given_of[pair[0]] & given_of[thing] for thing in having[pair[1]])

    for about, name in sorted(product(subjects, attributes), key=lambda pair: (unlike(pair), order(" ".join(pair)))):
        one, other = subjects[about], attributes[name]
        if about in having[name] or one.language != other.language:
            continue
        holders = [text for text in texts if set(words(one.subject)) <= text]
        if any(set(words(other.attribute)) <= text for text in holders):
            continue
        asked = replace(one, attribute=other.attribute)
        reason = (
            f'"{key(other.attribute, other.language)}" is given for other things, such as {subject(other)}, and for {subject(one)} in no document.'
        )
        found.append(Fact(_id(about, name), one.document, "unanswerable", (), wordings(asked), (), reason, one.language))
        if len(found) == number:
            break
    return found


# ── splits and lines ─────────────────────────────────────────────────────────────────────────────────────────────────


def _deal(facts: Sequence[Fact]) -> dict[str, Split]:
    """Document -> split: the split that is furthest below its share of facts gets the next one, in a fixed meaningless order."""
    dealt, counts = dict[str, Split](), Counter[Split]()
    grouped = _by_document(facts)
    for document in sorted(grouped, key=order):
        total = sum(counts.values()) + len(grouped[document])
        split = max(SHARES, key=lambda name: SHARES[name] * total - counts[name])
        dealt[document] = split
        counts[split] += len(grouped[document])
    return dealt


def _lines(facts: Sequence[Fact], dealt: dict[str, Split], counts: Counter[str]) -> Iterator[dict[str, Any]]:
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


def _of_derived(facts: Iterable[Fact], dealt: dict[str, Split], counts: Counter[str], what: str) -> Iterator[dict[str, Any]]:
    """Never trained on: what follows from a trained fact is a test of whether it was learned or only its words."""
    for fact in facts:
        counts[f"questions {what}"] += 1
        yield _line(fact, fact.asked.held_out[0], "dev" if dealt[fact.document] == "dev" else "test", 9)


def _of_unanswerable(facts: Sequence[Fact], dealt: dict[str, Split], counts: Counter[str]) -> Iterator[dict[str, Any]]:
    for fact in facts:
        counts["unanswerable questions"] += 1
        split = dealt[fact.document]
        yield _line(fact, fact.asked.train[0] if split == "train" else fact.asked.held_out[0], split, 0)


def _line(fact: Fact, text: str, split: Split, wording: int) -> dict[str, Any]:
    number = hashlib.sha256(f"{fact.id} {fact.kind} {text}".encode()).hexdigest()[:10]
    line: dict[str, Any] = {"id": f"q-{number}", "fact": fact.id, "wording": wording, "kind": fact.kind, "split": split, "question": text}
    line["answers"] = list(fact.answers)
    if fact.evidence:
        pieces = [[{"document": one.document, "quote": one.quote} for one in places] for places in fact.evidence]
        line["evidence"] = [piece[0] if len(piece) == 1 else piece for piece in pieces]
    else:
        line |= {"document": fact.document, "reason": fact.reason}
    return line


def _once(lines: Sequence[dict[str, Any]], counts: Counter[str]) -> list[dict[str, Any]]:
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
