"""drill.json: what became of each arm when version 2 of the documents came: how fast it was fresh, and what it answered then.

Records, shares and sentences; drill.py does the work. Needs no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ragft import stats
from ragft.numbers import points, seconds, span
from ragft.store import read_record
from ragft.updates import ASKED, Change

State = Literal["as it was", "re-indexed", "re-trained"]
OWN_ALPHA = 0.025  # on each side of a 95 % interval
MOST_NAMED = 6  # arms in one sentence; the table has them all


@dataclass(frozen=True, slots=True)
class Share:
    """k of n questions, with a 95 % interval over questions, clustered by document; for one seed."""

    k: int
    n: int  # scored ones; failed answers are in neither count
    low: float | None  # None: too few documents for an interval
    high: float | None
    se: float = 0.0  # of the mean, by document
    df: float = 0.0  # of its t distribution; 0: too few documents for one, or a drill of an earlier version

    @property
    def mean(self) -> float:
        """From 0 to 1."""
        return self.k / self.n


@dataclass(frozen=True, slots=True)
class DrillRow:
    """One arm's first seed in one state, asked by version 2's truth. A share is None where there was no such question to score."""

    arm: str
    state: State
    seed: int
    index_seconds: float | None  # to build the index anew; None: nothing was indexed for this state
    training_seconds: float | None  # to train the adapter anew; None: nothing was trained for this state
    adopted: Share | None  # of the changed questions: answered with the new answer
    stale: Share | None  # of the changed questions: answered with the old answer and not the new one
    learned: Share | None  # of the added questions, which version 1 did not answer: answered rightly
    outlived: Share | None  # of the withdrawn questions: answered with the old answer all the same
    kept: Share | None  # of the unchanged questions that were right before the update: right still; None in "as it was" too
    unchanged: Share | None  # of the unchanged questions: right
    failures: int  # answers that are not scored, such as errors
    failed: str = ""  # why the new training gave no adapter; "" where it did, or there was none

    @property
    def seconds(self) -> float | None:
        """From the new documents to an arm that has seen them; None for one that was left as it was, or could not be trained."""
        built = [value for value in (self.index_seconds, self.training_seconds) if value is not None]
        return sum(built) if built and not self.failed else None


@dataclass(frozen=True, slots=True)
class DrillDifference:
    """A re-trained arm minus the re-indexed reference, paired by changed question. `low` and `high` bound the mean at 95 %."""

    arm: str
    minus: str
    adopted: float  # difference of the shares answered with the new answer
    low: float | None  # None: too few documents for an interval
    high: float | None
    n: int  # changed questions scored in both
    seconds: float  # how much longer the arm takes to be fresh


@dataclass(frozen=True, slots=True)
class Drill:
    """All rows, by arm and state, and what was asked."""

    old: str  # sha256 of version 1 of the domain
    new: str  # and of version 2
    metric: str  # whose score of at least 0.5 counts as right
    reference: str  # of the study
    questions: dict[str, int]  # test questions of version 1, by Change
    asked: dict[str, int]  # how many of them were asked, by Change
    new_questions: int  # test questions that version 1 does not have; not asked
    rows: tuple[DrillRow, ...]
    differences: tuple[DrillDifference, ...]

    def row(self, arm: str, state: State) -> DrillRow | None:
        """None where the arm was not drilled, or has no such state."""
        return next((row for row in self.rows if (row.arm, row.state) == (arm, state)), None)

    def updated(self, arm: str) -> DrillRow | None:
        """The arm after all that can be renewed in it was; None where it was not drilled, or has nothing to renew."""
        return self.row(arm, "re-trained") or self.row(arm, "re-indexed")


def read_drill(run: Path) -> Drill | None:
    """What a run's folder holds; None where no drill was done."""
    path = run / "drill.json"
    return read_record(Drill, path) if path.is_file() else None


def joined(stored: Drill | None, new: Drill, order: Sequence[str]) -> Drill:
    """The new drill, with the stored one's rows of other arms where they are of the same update, metric and questions.

    A stored difference is kept where both its arms have the rows that it was taken from. Rows are in the order of these arms.
    """
    if stored is None or any(getattr(stored, what) != getattr(new, what) for what in ("old", "new", "metric", "questions", "asked")):
        return new
    drilled = {row.arm for row in new.rows}
    rows = (*new.rows, *(row for row in stored.rows if row.arm not in drilled and row.arm in order))
    known = {found.arm for found in new.differences}
    same = stored.reference == new.reference
    kept = [
        found
        for found in stored.differences
        if same and found.arm not in known and {stored.row(found.arm, "re-trained"), stored.row(found.minus, "re-indexed")} <= set(rows)
    ]
    return replace(
        new,
        rows=tuple(sorted(rows, key=lambda row: order.index(row.arm))),
        differences=tuple(sorted((*new.differences, *kept), key=lambda found: order.index(found.arm))),
    )


# ── shares and differences ───────────────────────────────────────────────────────────────────────────────────────────


def share(values: Iterable[tuple[str, bool | None]]) -> Share | None:
    """The share of what is true, of (document, true or not); None among them is not scored. None where nothing is scored."""
    scored = [(document, value) for document, value in values if value is not None]
    if not scored:
        return None
    found = stats.clustered_mean(np.array([value for _, value in scored], dtype=float), [document for document, _ in scored])
    low, high = _within(found.bounds(OWN_ALPHA), 0.0)
    return Share(sum(value for _, value in scored), len(scored), low, high, found.se, found.df)


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer to a question of version 1, held against the truth of both. None: it is not scored."""

    change: Change
    document: str  # the cluster: the question's document in version 1
    new: bool | None  # right by version 2
    old: bool | None  # right by version 1
    before: bool | None  # the arm's answer as it was: right by version 1


def measure(judged: Sequence[Judged], renewed: bool) -> dict[str, Any]:
    """The shares and the failures of a DrillRow; an arm that was not renewed is not compared with itself."""

    def among(change: Change) -> list[Judged]:
        return [one for one in judged if one.change == change]

    changed, unchanged = among("changed"), among("unchanged")
    return {
        "adopted": share((one.document, one.new) for one in changed),
        "stale": share((one.document, None if one.new is None or one.old is None else one.old and not one.new) for one in changed),
        "learned": share((one.document, one.new) for one in among("added")),
        "outlived": share((one.document, one.old) for one in among("withdrawn")),
        "kept": share((one.document, one.new) for one in unchanged if one.before) if renewed else None,
        "unchanged": share((one.document, one.new) for one in unchanged),
        "failures": sum(one.new is None for one in judged),
    }


def difference(arm: DrillRow, minus: DrillRow, one: Sequence[Judged], other: Sequence[Judged]) -> DrillDifference | None:
    """The paired difference in what two arms adopted, of answers in the same order; None where no changed question is scored in
    both, or one of them has no seconds."""
    scored = [
        (mine.document, float(mine.new) - float(theirs.new))
        for mine, theirs in zip(one, other, strict=True)
        if mine.change == "changed" and mine.new is not None and theirs.new is not None
    ]
    if not scored or arm.seconds is None or minus.seconds is None:
        return None
    found = stats.clustered_mean(np.array([value for _, value in scored]), [document for document, _ in scored])
    low, high = _within(found.bounds(OWN_ALPHA), -1.0)
    return DrillDifference(arm.arm, minus.arm, found.mean, low, high, len(scored), arm.seconds - minus.seconds)


def _within(bounds: tuple[float | None, float | None], least: float) -> tuple[float | None, float | None]:
    low, high = (None if bound is None else min(1.0, max(least, bound)) for bound in bounds)
    return low, high


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def says(drill: Drill) -> tuple[str, ...]:
    """What came of it, in sentences for the verdict and the report."""
    fresh = [row for row in drill.rows if row.state != "as it was"]
    before = [row for row in drill.rows if row.state == "as it was"]
    adopted = [(f"{row.arm}, {row.state} in {seconds(row.seconds)},", row.adopted) for row in fresh]
    outlived, kept = ([(f"{row.arm}, {row.state},", getattr(row, what)) for row in fresh] for what in ("outlived", "kept"))
    made = (
        _sentence("After the update,", adopted, "gives the new answer to", " changed questions"),
        *(f"{row.arm} could not be trained again: {row.failed}" for row in fresh if row.failed),
        _sentence("Left as it was,", [(row.arm, row.stale) for row in before], "gives the old answer to", " changed questions"),
        _sentence("Of the withdrawn questions,", outlived, "still gives the old answer to"),
        _sentence("Of the unchanged questions that were right before,", kept, "keeps"),
        *map(_differs, drill.differences[:MOST_NAMED]),
    )
    return tuple(sentence for sentence in made if sentence)


def _sentence(opening: str, shares: Iterable[tuple[str, Share | None]], verb: str, noun: str = "") -> str:
    """ "Left as it was, rag gives the old answer to 9 of 18 changed questions; lora to 5 of 18."; "" without any share."""
    known = [(who, f"{found.k} of {found.n}") for who, found in shares if found]
    if not known:
        return ""
    (first, number), *others = known[:MOST_NAMED]
    parts = [f"{opening} {first} {verb} {number}{noun}", *(f"{who} {verb.split()[-1]} {number}" for who, number in others)]
    parts += [f"and so with {len(known) - MOST_NAMED} more"] if len(known) > MOST_NAMED else []
    return "; ".join(parts) + "."


def _differs(found: DrillDifference) -> str:
    longer = f"{seconds(abs(found.seconds))} {'longer' if found.seconds >= 0 else 'less'}"
    size = points(found.adopted)
    word = "the same as" if size == "0 points" else f"{size} {'higher' if found.adopted > 0 else 'lower'} than"
    return (
        f"Re-training {found.arm} takes {longer} than re-indexing {found.minus}; its share of new answers is {word} that of {found.minus} "
        f"({_bounds(found)}; {found.n} question{'s' * (found.n != 1)}, one training seed)."
    )


def _bounds(found: DrillDifference) -> str:
    return "no interval can be given" if found.low is None else f"95 % interval {span(found.low, found.high)}"


def told(drill: Drill) -> Iterator[str]:
    """What was asked and what was left out, in sentences."""
    asked = ", ".join(f"{drill.asked[change]} {change} (of {drill.questions[change]})" for change in ASKED)
    yield f"Test questions that were asked: {asked}."
    why = {
        "reworded": "are asked in other words in version 2",
        "dropped": "are not in version 2",
        "not held out": "are not in the test split of version 2",
        "not told apart": "changed, but the metric takes the old answer for the new one or the other way round",
    }
    left = [f"{drill.questions[change]} {words}" for change, words in why.items() if drill.questions.get(change)]
    left += [f"{drill.new_questions} are new in version 2"] if drill.new_questions else []
    if left:
        yield f"Left out: {'; '.join(left)}."


def view(drill: Drill) -> dict[str, Any]:
    """What drill.html knows."""
    return {"found": drill, "says": says(drill), "told": tuple(told(drill))}
