"""What would be found if the kinds of question came in other shares than among the test questions: shares by stratum -> a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ragft.compare import ScoreTable, reweighted
from ragft.comparison import Comparison
from ragft.errors import InputError, unknown


def shares(strata: Sequence[str]) -> dict[str, float]:
    """The share of each stratum among the questions; without those that have none."""
    return {name: strata.count(name) / len(strata) for name in dict.fromkeys(strata) if name}


def weights_of(strata: Sequence[str], parts: Mapping[str, float]) -> np.ndarray:
    """(questions,) with mean 1, so that the strata named come in the proportion of their `parts`; all others keep their weight.

    Raises InputError for a stratum that no question has, a part below 0, or where nothing is left.
    """
    now = shares(strata)
    for name, part in parts.items():
        if name not in now:
            raise unknown("kind of question", name, now)
        if not part >= 0:
            raise InputError(f"kind of question '{name}': a part is a number from 0 on, not {part:g}.")
    total, among = sum(parts.values()), sum(now[name] for name in parts)
    if parts and not total > 0:
        raise InputError("no kind of question is left: give at least one of them a part above 0.")
    factor = {name: among * part / total / now[name] for name, part in parts.items()}
    return np.array([factor.get(name, 1.0) for name in strata])


def at_mix(table: ScoreTable, parts: Mapping[str, float], found: Comparison) -> Comparison:
    """The comparison at that mix. Scores by stratum are left out: they do not depend on it, and no verdict pools them so. Raises as `weights_of`."""
    changed = reweighted(table, weights_of(table.strata, parts), found)
    return replace(changed, slices=tuple(row for row in changed.slices if row.slice != "stratum"))
