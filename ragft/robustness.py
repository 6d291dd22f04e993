"""How answers hold under noise: typing errors, distracting passages, a second domain. Records and their reading only.

runs/<run>/robustness.json
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ragft.store import read_record

Variant = Literal["typos", "distractors", "second domain"]


@dataclass(frozen=True, slots=True)
class RobustnessRow:
    """One arm and seed under one kind of noise. The change is paired by question; its 95 % interval is clustered by document.

    Second domain: `clean` is None, and the change is against the arm's untuned counterpart on the same questions.
    """

    arm: str
    seed: int
    variant: Variant
    questions: int
    clean: float | None
    score: float
    change: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Robustness:
    """All that a run's arms were put through."""

    rows: tuple[RobustnessRow, ...]


def read_robustness(run: Path) -> Robustness | None:
    """What a run's folder holds; None where nothing was measured."""
    path = run / "robustness.json"
    return read_record(Robustness, path) if path.is_file() else None
