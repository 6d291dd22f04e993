"""robustness.json: what an arm's score does when questions are misspelt, passages mislead, or the domain is another.

Records and their reading only; robust.py does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ragft.store import read_record

Variant = Literal["typos", "distractors", "second domain"]


@dataclass(frozen=True, slots=True)
class RobustnessRow:
    """One arm's first seed on one variant of the questions.

    `change` is paired by question: against the arm's own answers to the questions as they are, or, on a second domain,
    against the same arm without its adapter. The interval is over questions, clustered by document, for this adapter.
    """

    arm: str
    seed: int
    variant: Variant
    questions: int  # scored on both sides
    clean: float | None  # mean score as the questions are; None on a second domain
    score: float | None  # mean score of the variant; None: no question was scored on both sides
    change: float | None
    low: float | None  # of the 95 % interval; None: too few documents for one
    high: float | None


@dataclass(frozen=True, slots=True)
class Robustness:
    """All rows, by arm, and the metric that they are scores of."""

    rows: tuple[RobustnessRow, ...]
    metric: str


def read_robustness(run: Path) -> Robustness | None:
    """What a run's folder holds; None where it was not measured."""
    path = run / "robustness.json"
    return read_record(Robustness, path) if path.is_file() else None
