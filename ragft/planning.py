"""What a question set can be expected to show, before anything is measured: how large a gain, how small a difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from ragft.stats import detectable, satterthwaite, t_quantile

POWER = 0.8
# What is supposed of a study that nobody has run; what it measures replaces them all.
DISCORDANCE = 0.2  # the share of questions on which two arms differ
CORRELATION = 0.05  # of two such differences in one document: a design effect of 1.4 at nine questions a document
SEED_SD = 0.02  # between training seeds, in shares


@dataclass(frozen=True, slots=True)
class Expected:
    """The true gain over the reference that is shown, and the margin within which equal arms are proven equal, with 80 % power. None: none."""

    gain: float | None
    equivalence: float | None


def expected(documents: Sequence[str], *, margin: float, alpha: float, challengers: int, trainings: int, seeds: int) -> Expected:
    """For questions about these documents (one name a question).

    `trainings` is the number of separately trained adapters, each with `seeds` seeds; 0: nothing is tuned. The error
    `alpha` is shared by the challengers, as in the comparison. Variance and degrees of freedom are those of docs/statistics.md.
    """
    n, sizes = len(documents), Counter(documents).values()
    typical = sum(size**2 for size in sizes) / n  # questions of a question's document
    question_variance = DISCORDANCE * (1 + (typical - 1) * CORRELATION) / n
    question_df = n / typical - 1
    if question_df < 1 or (trainings and seeds < 2):
        return Expected(None, None)  # no interval: one document with most questions, or one seed
    df, seed_variance = question_df, 0.0
    if trainings:
        seed_variance = SEED_SD**2 / seeds
        df = satterthwaite(question_variance, question_df, seed_variance, trainings * (seeds - 1))
    se, share = sqrt(question_variance + seed_variance), alpha / max(1, challengers)
    above_margin = detectable(se, df, share, POWER)
    either_way = (t_quantile(share, df) + t_quantile((1 - POWER) / 2, df)) * se  # both bounds must hold
    return Expected(_possible(None if above_margin is None else margin + above_margin), _possible(either_way))


def _possible(share: float | None) -> float | None:
    """A difference of scores is at most 100 points."""
    return share if share is not None and share <= 1 else None
