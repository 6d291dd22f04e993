"""What is measured of every adapter besides its score: what it forgets, what it costs to answer, where it changes the model.

    runs/<run>/measures/base.json adapter-<fingerprint>.json ...

Records and their reading only; measuring.py takes the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ragft.store import read_json, read_record

BASE = "base"  # the model without any adapter, by the name that its measures have


@dataclass(frozen=True, slots=True)
class GeneralScores:
    """How the general set goes (ragft/domain/general.py); what a tuned model has forgotten is the difference to the base."""

    prose_loss: float  # nats a token of ordinary prose
    prose_tokens: int
    kl: float  # mean KL(tuned ‖ base) a token of the same prose, nats; 0 for the base
    questions_right: float  # share
    questions: int
    instructions_followed: float  # share
    instructions: int
    right: tuple[bool, ...] = ()  # which questions, in the set's order; none: by an earlier version


@dataclass(frozen=True, slots=True)
class Measures:
    """One adapter, or the base.

    Seconds are medians of one closed-book question answered alone with the same number of new tokens by all three, in
    turn (one that is very slow is timed on two of them, see measuring.latency). For the base, `seconds_unmerged` is a
    second measurement of the same: how far the two differ is the noise.
    """

    inputs: str  # fingerprint of what was measured with what
    seconds_unmerged: float
    seconds_merged: float | None  # None: the method cannot be folded into the weights
    seconds_base: float
    general: GeneralScores | None  # None: the study names no general set
    shift: tuple[float, ...]  # by layer: mean ‖h_tuned - h_base‖ / ‖h_base‖ over the tokens of prompts; zeros for the base


def measures_path(run: Path, name: str) -> Path:
    """Where the measures of an adapter's folder name, or of BASE, are."""
    return run / "measures" / f"{name}.json"


def is_measured(path: Path, inputs: str) -> bool:
    """Whether the measures there are of these very inputs."""
    return path.is_file() and read_json(path).get("inputs") == inputs


def read_measures(run: Path) -> Mapping[str, Measures]:
    """All that a run's folder holds, by the adapter's folder name, and BASE; none where nothing was measured."""
    return {path.stem: read_record(Measures, path) for path in sorted((run / "measures").glob("*.json"))}
