"""What a question set can be expected to show, before anything is measured: how large a gain, how small a difference, and what that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ragft.ahead import Ahead

POWER = 0.8
MOST_QUESTIONS = 100_000  # more than anybody asks
# What is supposed of a study that nobody has run; what it measures replaces them all.
DISCORDANCE = 0.2  # the share of questions on which two arms differ
CORRELATION = 0.05  # of two such differences in one document: a design effect of 1.4 at nine questions a document
SEED_SD = 0.02  # between training seeds, in shares


@dataclass(frozen=True, slots=True)
class Expected:
    """The true gain over the reference that is shown, and the margin within which equal arms are proven equal, with 80 % power. None: none."""

    gain: float | None
    equivalence: float | None


@dataclass(frozen=True, slots=True)
class Design:
    """A study as far as its power goes.

    `trainings` is the number of separately trained adapters, each with `seeds` seeds; 0: nothing is tuned. The error
    `alpha` is shared by the challengers, as in the comparison.
    """

    questions: int
    typical: float  # questions of a question's document, on average over the questions
    margin: float
    alpha: float
    challengers: int
    trainings: int
    seeds: int

    @property
    def share(self) -> float:
        return self.alpha / max(1, self.challengers)

    @property
    def ahead(self) -> Ahead | None:
        """Variance and degrees of freedom are those of docs/statistics.md; None: no interval (one document with most questions, or one seed)."""
        question_variance = DISCORDANCE * (1 + (self.typical - 1) * CORRELATION) / self.questions
        question_df = self.questions / self.typical - 1
        if question_df < 1 or (self.trainings and self.seeds < 2):
            return None
        return Ahead(question_variance, question_df, SEED_SD**2 if self.trainings else 0.0, self.seeds, self.trainings)


def design_of(documents: Sequence[str], *, margin: float, alpha: float, challengers: int, trainings: int, seeds: int) -> Design:
    """Of questions about these documents, one name a question."""
    typical = sum(size**2 for size in Counter(documents).values()) / len(documents)
    return Design(len(documents), typical, margin, alpha, challengers, trainings, seeds)


def expected(planned: Design) -> Expected:
    """What it can be expected to show."""
    ahead = planned.ahead
    if ahead is None:
        return Expected(None, None)
    return Expected(_possible(planned.margin + ahead.shown(planned.share, POWER)), _possible(ahead.equal_within(planned.share, POWER)))


def questions_needed(planned: Design, *, gain: float | None = None, equivalence: float | None = None) -> int | None:
    """Questions in all, on documents like these, that show such a gain, or prove equal arms equal within so much; None: no number of them."""

    def enough(questions: int) -> bool:
        ahead = Design(questions, planned.typical, planned.margin, planned.alpha, planned.challengers, planned.trainings, planned.seeds).ahead
        if ahead is None:
            return False
        if gain is not None:
            return planned.margin + ahead.shown(planned.share, POWER) <= gain
        return equivalence is not None and ahead.equal_within(planned.share, POWER) <= equivalence

    low, high = 0, 32
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST_QUESTIONS:
            return None
    while high - low > max(1, high // 200):  # to half a percent: the suppositions are rougher
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _possible(share: float) -> float | None:
    """A difference of scores is at most 100 points."""
    return share if share <= 1 else None
