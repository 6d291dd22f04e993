"""What the figures mean in words, and which questions to show. No model, no files, no HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragft.domain.splits import order
from ragft.types import Gold, Span
from ragft.words import ADDITIVE, HARMFUL, HELPFUL, REDUNDANT, UNDECIDED, together

if TYPE_CHECKING:
    from ragft.compare import Comparison, Difference, Interaction
    from ragft.material import Arm
    from ragft.stats import Estimate


# ── which questions to show ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Choice:
    """A question to show, and the class it was chosen for."""

    question: str
    why: str


def rival(comparison: Comparison, recommend: str, arms: Sequence[Arm]) -> str | None:
    """The arm to set against the reference: the recommended one if it is tuned, else the tuned one with the best mean."""
    known = [difference.arm for difference in comparison.challengers]
    tuned = [arm.name for arm in arms if arm.tuning and arm.name in known] or known
    if recommend in tuned:
        return recommend
    return max(tuned, key=lambda name: comparison.row(name).estimate.mean, default=None)


def choose_examples(
    marks: Mapping[str, Mapping[str, str]], golds: Sequence[Gold], reference: str, rival: str | None, most: int = 6
) -> tuple[Choice, ...]:
    """At most `most` questions: two the reference has right and the rival not, two the other way round, one that no arm
    has right, one unanswerable; filled up with questions on which arms disagree, then with any.

    `marks[question][arm]` is that of ladder.marks. Within a class the order is a fixed, meaningless one, so nobody picks.
    """
    shuffled = sorted(golds, key=lambda gold: order(gold.id))
    chosen: dict[str, Choice] = {}

    def take(how_many: int, why: str, fits: Callable[[Gold, Mapping[str, str]], bool]) -> None:
        fitting = [g.id for g in shuffled if g.id not in chosen and fits(g, marks[g.id])]
        for key in fitting[: min(how_many, most - len(chosen))]:
            chosen[key] = Choice(key, why)

    if rival:
        take(2, f"{reference} is right, {rival} is not", lambda g, m: g.answerable and m[reference] == "right" != m[rival])
        take(2, f"{rival} is right, {reference} is not", lambda g, m: g.answerable and m[rival] == "right" != m[reference])
    take(1, "no arm is right", lambda g, m: g.answerable and "right" not in m.values())
    take(1, "unanswerable: the right answer is to say so", lambda g, m: not g.answerable)
    take(most, "the arms disagree", lambda g, m: len({part == "right" for part in m.values()}) > 1)
    take(most, "all arms agree", lambda g, m: True)
    return tuple(chosen.values())


def marked(text: str, place: Span, evidence: Iterable[Span]) -> list[tuple[str, bool]]:
    """The text of a chunk at `place` in pieces, each with whether it is part of the evidence."""
    hits = [e for e in evidence if e.document == place.document]
    inside = [False] * len(text)
    for e in hits:
        begin, end = (min(max(edge - place.start, 0), len(text)) for edge in (e.start, e.end))
        inside[begin:end] = [True] * (end - begin)
    pieces: list[tuple[str, bool]] = []
    begin = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or inside[i] != inside[begin]:
            pieces.append((text[begin:i], inside[begin]))
            begin = i
    return pieces


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def no_interval(found: Estimate) -> str:
    """Why there is none."""
    if found.question_df > 0:
        return "no interval (one seed)"
    return "no interval (one document)" if found.documents < 2 else "no interval (too few documents)"


def meaning(found: Difference, margin: float) -> str:
    """What a simultaneous interval says about one difference, against no difference and against the margin."""
    low, high = found.low, found.high
    if low is None or high is None:
        return f"{no_interval(found.estimate)}: the difference may be chance"
    if low > margin:
        return "better by more than the margin"
    if high < -margin:
        return "worse by more than the margin"
    if low > -margin and high < margin:
        return "no difference that matters"
    if low > 0:
        return "better, but perhaps by less than the margin"
    if high < 0:
        return "worse, but perhaps by less than the margin"
    if high < margin:
        return "not better by more than the margin; possibly worse"
    if low > -margin:
        return "not worse by more than the margin; possibly better"
    return "open: better and worse by more than the margin are both possible"


@dataclass(frozen=True, slots=True)
class TwoByTwo:
    """The four scores of an interaction, what the sum of the single effects would give, and a sentence."""

    found: Interaction
    base: float
    rag: float
    tuned: float
    both: float
    words: str

    @property
    def expected(self) -> float:
        return self.rag + self.tuned - self.base


def two_by_two(comparison: Comparison, found: Interaction) -> TwoByTwo:
    base, rag, tuned, both = (comparison.row(name).estimate.mean for name in (found.base, found.rag, found.tuned, found.both))
    return TwoByTwo(found, base, rag, tuned, both, _interaction_words(comparison, found))


TOGETHER = {
    HELPFUL: "They help each other: together they bring more than the sum of what each brings alone.",
    HARMFUL: "They get in each other's way (harmful): together they score surely below RAG alone.",
    REDUNDANT: "They overlap (redundant): together they bring less than the sum of what each brings alone.",
    ADDITIVE: "They add up (additive): any deviation from the plain sum is smaller than the margin.",
    UNDECIDED: "Undecided: the interval contains 0, so they may simply add up, overlap or help each other.",
}


def _interaction_words(comparison: Comparison, found: Interaction) -> str:
    if found.low is None or found.high is None:
        return f"Undecided, {no_interval(found.estimate)}: whether they add up, overlap or get in each other's way cannot be told."
    return TOGETHER[together(comparison, found)]
