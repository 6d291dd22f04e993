"""What a search of settings found: every trial on the dev questions, and what was chosen. Records only; ragft.search makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ragft.store import Run, read_record

RETRIEVAL = "retrieval"  # the search that all arms with passages share
State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One setting that was tried. `value` is None where the trial did not come to its end."""

    number: int  # from 1, in the order tried
    params: dict[str, Any]
    value: float | None
    state: State  # failed: the training came apart
    curve: tuple[tuple[int, float], ...]  # (questions answered, mean score) or (training tokens, dev loss) so far
    seconds: float
    missing: int = 0  # answers that failed, which count as wrong in the value


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One search: of retrieval, or of one kind of adapter."""

    what: str  # "retrieval", or the adapter's name as context.adapter_name gives it for the study as written
    arm: str  # the first arm that it is for
    objective: str  # in words, with its unit
    chosen: dict[str, Any]
    value: float  # of the chosen trial
    trials: tuple[TrialRow, ...]

    def count(self, state: State) -> int:
        return sum(trial.state == state for trial in self.trials)


@dataclass(frozen=True, slots=True)
class Searched:
    """All searches of a study."""

    results: tuple[SearchResult, ...]
    inputs: str = ""  # the fingerprint of what the trials depend on

    def find(self, what: str) -> SearchResult | None:
        return next((found for found in self.results if found.what == what), None)


def searched_path(run: Run) -> Path:
    return run.folder / "search.json"


def read_searched(run: Run) -> Searched | None:
    """The run's searches; None where the study searches nothing, or not yet."""
    path = searched_path(run)
    return read_record(Searched, path) if path.is_file() else None
