"""Documents -> the lines of questions.jsonl: statements, asked in several wordings, split, with what the documents do not say.

from ragft.asking.make import make_questions
made = make_questions(documents)          # made.lines, made.counts
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

from ragft.asking.frames import backwards, is_noun, key, subject, two_hops, wordings
from ragft.asking.lines import (
    FEWEST_TEST,
    Fact,
    Made,
    by_document,
    deal,
    fact_id,
    lines_of,
    lines_of_derived,
    lines_of_unanswerable,
    once,
    tested,
)
from ragft.asking.mine import Statement, mine
from ragft.domain.records import plain
from ragft.domain.splits import order
from ragft.errors import InputError
from ragft.text import words
from ragft.types import Document

PER_DOCUMENT = 16  # facts at most: a long table must not be most of the test
BACKWARDS = 3  # one fact in so many is also asked for from its value
SEPARATE = ("gap", "when", "by whom")  # forms that ask for something else in the same words: founded when, and by whom
UNANSWERABLE = 8  # one such question for so many facts


def make_questions(documents: Sequence[Document], per_document: int = PER_DOCUMENT) -> Made:
    """Questions with answers, evidence and splits; the same for the same documents. Raises InputError where the rules find too little."""
    counts = Counter[str]()
    stated = facts_by_rules(documents, counts)
    chosen = [fact for facts in by_document(stated).values() for fact in _spread(facts, per_document)]
    counts["facts over the limit of a document"] = len(stated) - len(chosen)
    dealt = deal(chosen)
    lines = list(lines_of(chosen, dealt, counts))
    lines += lines_of_derived(_backwards(chosen, stated), dealt, counts, "asked from the value")
    lines += lines_of_derived(_two_hops(chosen), dealt, counts, "of two documents")
    lines += lines_of_unanswerable(islice(unanswerable(chosen, documents), len(chosen) // UNANSWERABLE), dealt, counts)
    lines = once(lines, counts)
    if tested(lines) < FEWEST_TEST:
        raise InputError(
            f"the rules find {len(chosen)} facts in {len(documents)} documents, too few to compare anything by. They read tables, "
            '"key: value" lines, dates, amounts and names; write questions by hand, or import what users asked.'
        )
    return Made(lines, counts)


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def facts_by_rules(documents: Iterable[Document], counts: Counter[str]) -> list[Fact[Statement]]:
    """One fact for all statements of the same; none where documents, or two rows of one, say different things of it."""
    groups = defaultdict[tuple[str, ...], list[Statement]](list)
    for one in (found for document in documents for found in mine(document)):
        groups[plain(one.subject), plain(one.attribute), one.form if one.form in SEPARATE else ""].append(one)
    facts = []
    for group in groups.values():
        if len({plain(one.value) for one in group}) > 1:
            counts["facts with several answers in the corpus"] += 1
            continue
        first = group[0]
        places = tuple({(one.document, one.quote): one for one in group}.values())
        facts.append(
            Fact(
                fact_id(first.subject, first.attribute, *([first.form] if first.form in SEPARATE[1:] else [])),
                first.document,
                first.kind,
                (first.value,),
                wordings(first),
                (places,),
                language=first.language,
            )
        )
    counts["facts"] = len(facts)
    return facts


def _spread(facts: Sequence[Fact[Statement]], most: int) -> list[Fact[Statement]]:
    """At most so many of a document's facts, of each kind of statement in turn, in a fixed meaningless order."""
    by_form = defaultdict[str, list[Fact[Statement]]](list)
    for fact in sorted(facts, key=lambda fact: order(fact.id)):
        by_form[fact.evidence[0][0].form].append(fact)
    turns = sorted(((place, form, fact) for form, own in by_form.items() for place, fact in enumerate(own)), key=lambda turn: turn[:2])
    kept = {fact.id for *_, fact in turns[:most]}
    return [fact for fact in facts if fact.id in kept]


def _backwards(facts: Sequence[Fact[Statement]], stated: Sequence[Fact[Statement]]) -> list[Fact[Statement]]:
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


def _two_hops(facts: Sequence[Fact[Statement]]) -> Iterator[Fact[Statement]]:
    """What follows from a fact whose value another fact is about."""
    about = defaultdict[str, list[Fact[Statement]]](list)
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
                    fact_id(first.id, second.id), first.document, "two-document", second.answers, two_hops(one, two),
                    first.evidence + second.evidence,
                    language=first.language,
                )  # fmt: skip


def unanswerable(facts: Sequence[Fact[Statement]], documents: Sequence[Document]) -> Iterator[Fact[Statement]]:
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
        yield Fact(fact_id(about, name), one.document, "unanswerable", (), wordings(asked), (), reason, one.language)
