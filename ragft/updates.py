"""Version 2 of a domain: the same questions by id with the answers of today, sorted by what became of them."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ragft.domain import Domain, load_domain, splits
from ragft.domain.records import plain
from ragft.errors import InputError, MissingError
from ragft.store import write_json
from ragft.types import Answer, Gold

# What became of a question from version 1 to version 2. Only the first four are asked.
Change = Literal["changed", "added", "withdrawn", "unchanged", "reworded", "dropped", "not held out", "not told apart"]
ASKED: tuple[Change, ...] = ("changed", "added", "withdrawn", "unchanged")


def load_update(old: Domain, corpus: Path, questions: Path) -> Domain:
    """Version 2 of a domain. Where its questions give no split, those of version 1 keep theirs.

    Raises MissingError or InputError with file, line and remedy, as for any domain.
    """
    if not corpus.is_dir():
        raise MissingError(f"{corpus}: no such folder. Give the folder with the documents of version 2.")
    if not questions.is_file():
        raise MissingError(f"{questions}: no such file. Give the questions of version 2, with the ids of version 1 and the answers of today.")
    with tempfile.TemporaryDirectory(prefix="ragft-") as made:
        folder = Path(made)
        (folder / "corpus").symlink_to(corpus.resolve(), target_is_directory=True)
        (folder / "questions.jsonl").symlink_to(questions.resolve())
        write_json(folder / "splits.json", {gold.id: gold.split for gold in old.gold.values()})
        try:
            found = load_domain(folder)
        except (InputError, MissingError) as error:
            raise type(error)(_own_names(str(error), folder, corpus, questions)) from error
    return replace(found, name=corpus.resolve().name)


def _own_names(message: str, folder: Path, corpus: Path, questions: Path) -> str:
    """A message with the user's own names of the files."""
    return message.replace(str(folder / "corpus"), str(corpus)).replace(str(folder / "questions.jsonl"), str(questions))


@dataclass(frozen=True, slots=True)
class Case:
    """A test question of version 1, and what became of it."""

    change: Change
    old: Gold
    new: Gold | None  # None: the question is not in version 2


def cases(old: Domain, new: Domain) -> list[Case]:
    """Every test question of version 1 with what became of it, in file order.

    Questions are the same by id. One that training or the choice of settings sees in version 2 is "not held out": whoever
    was re-trained may have seen it.
    """
    return [Case(_change(gold, new.gold.get(question.id)), gold, new.gold.get(question.id)) for question, gold in old.split("test")]


def _change(old: Gold, new: Gold | None) -> Change:
    if new is None:
        return "dropped"
    if plain(old.question) != plain(new.question):
        return "reworded"
    if new.split != "test":
        return "not held out"
    if old.answerable != new.answerable:
        return "added" if new.answerable else "withdrawn"
    return "unchanged" if _same(old.answers, new.answers) else "changed"


def _same(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether one version accepts the other's reference answer, which is the first: variants come and go, the fact stays."""
    return old == new or plain(old[0]) in map(plain, new) or plain(new[0]) in map(plain, old)


def told_apart(case: Case, right: Callable[[Answer, Gold], bool | None]) -> Case:
    """The case, as "not told apart" where the metric takes one version's reference answer for the other's."""
    if case.change != "changed" or case.new is None:
        return case
    mistaken = right(_said(case.old), case.new) or right(_said(case.new), case.old)
    return replace(case, change="not told apart") if mistaken else case


def _said(gold: Gold) -> Answer:
    """The reference answer, as if an arm had given it."""
    return Answer(gold.id, gold.answers[0], "ok", None, "", None, 0)


def counts(found: Iterable[Case]) -> dict[str, int]:
    """How many there are of each Change, the most telling first; those of which there are none are left out, but for ASKED."""
    number = Counter(case.change for case in found)
    others = sorted(change for change in number if change not in ASKED)
    return {change: number[change] for change in (*ASKED, *others)}


def sample(found: Sequence[Case], limit: int) -> list[Case]:
    """At most `limit` cases of each kind that is asked, spread over all documents; the same ones every time, a larger limit adds to them."""
    kept = {gold.id for change in ASKED for gold in splits.limit([case.old for case in found if case.change == change], limit)}
    return [case for case in found if case.change in ASKED and case.old.id in kept]
