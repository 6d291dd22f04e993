"""What a comparison found, as records: every arm, the paired differences, the 2x2, the slices, the doses. Written by `compare`, read by the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragft import notebook
from ragft.stats import Estimate

if TYPE_CHECKING:
    import pandas as pd

MAX_MISSING = 0.05  # more than this, of an arm's answers or of the questions that a difference rests on, blocks a verdict


@dataclass(frozen=True, slots=True)
class Level:
    """A mean score with its 95 % interval."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm's line in the table. `low` and `high` are its own 95 % interval."""

    name: str
    estimate: Estimate
    low: float | None
    high: float | None
    seed_means: tuple[float, ...]
    missing: float  # share of answers without a score, on questions that any arm has a score for
    worst: float  # the mean if every missing score were 0 …
    best: float  # … or 1
    answerable: Level | None = None  # the score of the questions that the corpus answers; None: none of them is scored
    tuned: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm minus another. `low` and `high` hold for all differences of the family at once (`alpha` on each side)."""

    arm: str
    minus: str
    estimate: Estimate
    low: float | None
    high: float | None
    p_above_margin: float | None
    p_above_margin_holm: float | None
    missing: float = 0.0  # share of the questions that it does not rest on: one of the arms has no score of them, under one seed or more


@dataclass(frozen=True, slots=True)
class Interaction:
    """(both - rag) - (tuned - base): what the two bring together beyond the sum of what each brings."""

    base: str
    rag: str
    tuned: str
    both: str
    estimate: Estimate
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Joint:
    """The means of several arms on the questions that all of them have scores for, and how they vary together."""

    arms: tuple[str, ...]
    means: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]  # of the means, by document, with the variance between training seeds
    df: float  # 0: not known
    questions: int


@dataclass(frozen=True, slots=True)
class SliceRow:
    """Exploratory: one arm in one slice. `q` is the Benjamini-Hochberg adjusted p of a difference from the reference."""

    slice: str
    value: str
    arm: str
    n: int
    mean: float
    low: float | None
    high: float | None
    minus_reference: float | None
    q: float | None  # None: fixed beforehand, and so in `confirmed`; or not tested
    elsewhere: Level | None = None  # arm minus reference on the other questions of which the slice is known, 95 % for itself


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One challenger in a slice fixed beforehand. The bounds hold for all slices and challengers at once."""

    slice: str
    value: str
    difference: Difference
    elsewhere: Difference | None  # on the other questions of which the slice is known; None: there is none


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a straight line over log2(dose) says of a larger dose. `low` and `high`: 95 % for this dose alone."""

    dose: float
    estimate: Estimate
    low: float | None
    high: float | None
    overtakes: float | None  # the chance that it scores higher than the reference, if the line holds; None: not known


@dataclass(frozen=True, slots=True)
class Dose:
    """Arms that differ in the number of wordings a fact is trained with, and the line through their scores."""

    arms: tuple[str, ...]  # by rising dose
    doses: tuple[float, ...]  # of each arm: wordings a fact
    levels: tuple[Level, ...]  # of each arm, on the questions that all of them have scores for
    slope: Estimate  # for each doubling
    low: float | None  # 95 % for the slope alone
    high: float | None
    forecasts: tuple[Forecast, ...]
    reference: Level | None  # on the same questions; None: it has no score of them
    bend: Estimate | None  # how far the middle lies below the line through the ends; None: fewer than three doses
    bend_p: float | None  # two-sided, of no bend


@dataclass(frozen=True)
class Comparison:
    """All that the verdict rests on."""

    metric: str
    reference: str
    margin: float
    alpha: float
    questions: int
    documents: int
    family: tuple[str, ...]  # the challengers: every deployable arm but the reference
    arms: tuple[ArmRow, ...]
    challengers: tuple[Difference, ...]  # each challenger minus the reference
    against_base: tuple[Difference, ...]  # base minus every other deployable arm
    ceiling: Difference | None  # oracle minus reference
    interactions: tuple[Interaction, ...]
    slices: tuple[SliceRow, ...]
    detectable: float | None  # the smallest gain over the margin that this study finds with 80 % power
    warnings: tuple[str, ...] = field(default=())
    unscored: tuple[str, ...] = field(default=())  # arms without one question scored under every seed: no mean, so no row
    joint: Joint | None = None  # of the arms that could be deployed; None: they have no scored question in common
    closed_book: Difference | None = None  # the model alone minus oracle, on the questions that the corpus answers
    confirmatory: tuple[str, ...] = ()  # the slices fixed beforehand, such as "kind=exact"
    confirmed: tuple[Confirmed, ...] = ()  # each challenger minus the reference in each of them
    confirmed_tests: int = 0  # how many were tested at once, with those that no question is left for
    doses: tuple[Dose, ...] = ()
    systems: tuple[Difference, ...] = ()  # each whole system minus the reference; bounds hold for all of them at once, apart from the family

    def row(self, arm: str) -> ArmRow:
        return next(row for row in self.arms if row.name == arm)

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each arm, in shares of 1: its score with its own 95 % interval and, of a challenger, the paired difference from the
        reference with an interval that holds for all of them at once (`alpha` on each side). NaN: there is none."""
        import pandas as pd

        differences = {difference.arm: difference for difference in self.challengers}
        rows = []
        for row in self.arms:
            minus = differences.get(row.name)
            rows.append(
                {
                    "arm": row.name,
                    self.metric: row.estimate.mean,
                    "low": row.low,
                    "high": row.high,
                    "seeds": len(row.seed_means),
                    "missing": row.missing,
                    "minus_reference": minus.estimate.mean if minus else None,
                    "minus_low": minus.low if minus else None,
                    "minus_high": minus.high if minus else None,
                }
            )
        return pd.DataFrame(rows).set_index("arm").astype(float).astype({"seeds": int})

    def _repr_html_(self) -> str:
        return notebook.comparison(self)
