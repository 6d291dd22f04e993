"""`ragft check DOMAIN`: is this domain fit to judge models by? The checks of its text; those that ask a model are in probe.py.

A domain says what it promises in DOMAIN/expected.yaml (every key optional); without that file only the checks that hold
for any domain can fail. A check that a number describes and nothing demands is shown and passes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from ragft.domain import Domain
from ragft.domain.ledger import DERIVED, ledger_problems, read_ledger
from ragft.domain.records import agree
from ragft.errors import InputError
from ragft.strict import Strict
from ragft.text import cjk_share, contains, words
from ragft.types import Document, Gold, Question

RUN = {"en": 10, "zh": 20}  # words or characters that two documents may not share in a row
NEAR = 0.7  # share of character 5-grams from which a held-out wording counts as one from training
IN_QUOTE = ("yes-no", "reversed", "list", *DERIVED)  # kinds whose answer need not stand in one quote


class Expected(Strict):
    """What a domain promises: expected.yaml."""

    documents: int = 0  # at least
    words: tuple[int, int] = (0, 10**9)  # of a document; characters in Chinese
    long: tuple[str, ...] = ()  # documents that may be longer
    alike: tuple[tuple[str, str], ...] = ()  # near-duplicates on purpose
    trained_facts: int = 0  # with three wordings or more
    test: dict[str, int] = Field(default_factory=dict)  # stratum -> questions, at least
    dev: dict[str, int] = Field(default_factory=dict)
    test_kinds: dict[str, int] = Field(default_factory=dict)
    reasons: dict[str, int] = Field(default_factory=dict)  # of unanswerable test questions
    closed_book_at_most: float = 1.0
    bm25_recall_at_5: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, what is wanted ("" = nothing is), and every place that is wrong."""

    name: str
    ok: bool
    found: str
    wanted: str = ""
    problems: tuple[str, ...] = ()


def read_expected(folder: Path) -> Expected:
    """The domain's promises. Raises InputError for a key that is not known or a value of the wrong kind."""
    path = folder / "expected.yaml"
    if not path.is_file():
        return Expected()
    try:
        return Expected.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as error:
        raise InputError(f"{path}: broken YAML ({str(error).splitlines()[0]}).") from error
    except ValidationError as error:
        problem = error.errors()[0]
        cause = problem.get("ctx", {}).get("error")  # an unknown key says so itself
        raise InputError(f"{path}: {cause or '.'.join(map(str, problem['loc'])) + ': ' + problem['msg']}") from error


def audit(domain: Domain, folder: Path, expected: Expected) -> list[Finding]:
    """The checks that need no model. Verbatim quotes, ids and one split a question were checked when the domain was loaded."""
    gold = list(domain.gold.values())
    return [
        _documents(domain.documents, expected),
        _lengths(domain.documents, expected),
        _shared_runs(domain.documents, expected, RUN[domain.language]),
        _answers_in_quotes(domain),
        _wordings(domain),
        _ledger(folder, domain, gold),
        *_numbers(gold, expected),
    ]


def at_least(name: str, found: int, wanted: int) -> Finding:
    return Finding(name, found >= wanted, f"{found:,}", f"at least {wanted:,}" if wanted else "")


# ── the corpus ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _documents(documents: Sequence[Document], expected: Expected) -> Finding:
    kinds = Counter(Path(document.id.split("#")[0]).suffix[1:] for document in documents)
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    wanted = f"at least {expected.documents}" if expected.documents else ""
    return Finding("documents", len(documents) >= expected.documents, f"{len(documents)} ({said})", wanted)


def length(document: Document) -> int:
    """Words of a document between spaces; of a Chinese one, characters that are no white space."""
    if cjk_share(document.text) > 1 / 3:
        return len(re.sub(r"\s", "", document.text))
    return sum(bool(re.search(r"\w", word)) for word in document.text.split())


def _lengths(documents: Sequence[Document], expected: Expected) -> Finding:
    lengths = {document.id: length(document) for document in documents}
    low, high = expected.words
    wrong = [f"{name}: {n}" for name, n in lengths.items() if n < low or (n > high and name not in expected.long)]
    short = [n for name, n in lengths.items() if name not in expected.long]
    found = f"{min(short)} to {max(short)}" + "".join(f", {name} {lengths[name]:,}" for name in expected.long if name in lengths)
    return Finding("words a document", not wrong, f"{found}; {sum(lengths.values()):,} in all", f"{low} to {high}" if low else "", tuple(wrong))


def _shared_runs(documents: Sequence[Document], expected: Expected, run: int) -> Finding:
    runs = {}
    for document in documents:
        said = words(document.text)
        runs[document.id] = {tuple(said[i : i + run]) for i in range(len(said) - run + 1)}
    allowed = {frozenset(pair) for pair in expected.alike}
    shared = ((a, b, runs[a] & runs[b]) for a, b in combinations(runs, 2) if frozenset((a, b)) not in allowed)
    wrong = [f"{a} and {b}: «{' '.join(min(both))}»" for a, b, both in shared if both]
    name, found = f"pairs that share {run} words in a row", str(len(wrong))
    if not expected.documents:  # a user's documents may repeat each other
        return Finding(name, True, found)
    return Finding(name, not wrong, found, f"none but {len(allowed)} on purpose", tuple(wrong))


# ── the questions ────────────────────────────────────────────────────────────────────────────────────────────────────


def _answers_in_quotes(domain: Domain) -> Finding:
    """An answer that stands in none of its quotes does not follow from them, unless its kind needs a step of thought."""
    texts = {document.id: document.text for document in domain.documents}

    def stands(gold: Gold) -> bool:
        quotes = [words(texts[span.document][span.start : span.end]) for piece in gold.evidence for span in piece.spans]
        return any(contains(quote, words(answer)) for quote in quotes for answer in gold.answers)

    asked = [g for g in domain.gold.values() if g.answerable and g.evidence and g.kind not in IN_QUOTE]
    problems = [f"{g.id}: no answer in its evidence: {g.answers[0]}" for g in asked if not stands(g)]
    found = f"{len(asked) - len(problems)} of {len(asked)}"
    if any(g.kind == "other" for g in asked):  # questions whose kind is not known may need a step of thought
        return Finding("answers that stand in their evidence", True, found)
    return Finding("answers that stand in their evidence", not problems, found, "all", tuple(problems))


def _wordings(domain: Domain) -> Finding:
    """No held-out question has the same answer as a training question and nearly its letters too."""
    train = [(question, gold, grams(question.text)) for question, gold in domain.split("train")]
    held_out = domain.split("dev") + domain.split("test")
    problems = tuple(_near(held_out, train))
    return Finding("held-out questions nearly as in training", not problems, f"{len(problems)} of {len(held_out)}", "none", problems)


def _near(held_out: Sequence[tuple[Question, Gold]], train: Sequence[tuple[Question, Gold, set[str]]]) -> Iterator[str]:
    for question, gold in held_out:
        mine = grams(question.text)
        for other, known, theirs in train:
            if agree(gold.answers, known.answers) and len(mine & theirs) >= NEAR * len(mine | theirs):
                yield f"{question.id} is nearly {other.id}: «{question.text}»"


def grams(text: str, n: int = 5) -> set[str]:
    """Character n-grams of the words of a text (words alone give false duplicates on short questions)."""
    said = " ".join(words(text))
    return {said[i : i + n] for i in range(max(1, len(said) - n + 1))}


def _ledger(folder: Path, domain: Domain, gold: Sequence[Gold]) -> Finding:
    facts = read_ledger(folder / "facts.jsonl")
    often = Counter(min(fact.frequency, 3) for fact in facts)
    found = f"{len(facts)} facts: {often[1]} stated once, {often[2]} twice, {often[3]} more often" if facts else "no facts.jsonl"
    problems = tuple(ledger_problems(facts, domain.documents, gold)) if facts else ()
    return Finding("ledger, questions and corpus agree", not problems, found, "no problem", problems)


def _numbers(gold: Sequence[Gold], expected: Expected) -> Iterator[Finding]:
    wordings: dict[str, set[int]] = {}
    for g in gold:
        wordings.setdefault(g.fact, set()).add(g.wording)
    trained = {g.fact for g in gold if g.split == "train" and g.answerable}
    yield at_least("trained facts with three wordings", sum(len(wordings[fact]) >= 3 for fact in trained), expected.trained_facts)
    for split, promised in (("test", expected.test), ("dev", expected.dev)):
        yield from _each(f"{split}: ", Counter(g.stratum for g in gold if g.split == split), promised)
    test = [g for g in gold if g.split == "test"]
    yield from _each("test, kind ", Counter(g.kind for g in test if g.answerable), expected.test_kinds)
    reasons = Counter(g.reason for g in test if not g.answerable and g.reason)
    own = {reason for reason, number in reasons.items() if number == 1 and reason not in expected.reasons}  # a sentence, and no category
    yield from _each("test, unanswerable: ", {reason: number for reason, number in reasons.items() if reason not in own}, expected.reasons)
    if own:
        yield at_least("test, unanswerable, each for a reason of its own", len(own), 0)


def _each(prefix: str, found: Mapping[str, int], promised: Mapping[str, int]) -> Iterator[Finding]:
    for name in sorted({**promised, **found}, key=lambda name: -found.get(name, 0)):
        yield at_least(prefix + name, found.get(name, 0), promised.get(name, 0))
