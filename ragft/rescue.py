"""The rescue rate: how often an arm is right where the reference's search missed evidence. Read off the scores; needs no model.

Natural misses are those of the run's own questions; `ragft risks` injects more (the kind `withheld` of risk.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragft import stats
from ragft.ladder import RIGHT
from ragft.risk import Risk, Risks

if TYPE_CHECKING:
    import pandas as pd

FEW = 10  # natural misses below which a rate says little
OWN_ALPHA = 0.025  # on each side of a 95 % interval


@dataclass(frozen=True, slots=True)
class Rescue:
    """P(right | the reference's retrieval missed some evidence) of one arm, over all its seeds."""

    arm: str
    n: int  # questions of which the reference missed evidence, scored under every seed of the arm
    value: float | None  # None: there is no such question
    low: float | None  # of the 95 % interval over documents, for the trained seeds as they are; None: too few documents
    high: float | None
    left_out: int  # further such questions, for which an answer of the arm has no score
    withheld: Risk | None  # the same where misses were injected; None: not measured


def rescues(frame: pd.DataFrame, metric: str, reference: str, arms: Sequence[str], risks: Risks | None) -> tuple[Rescue, ...]:
    """One record for each of the arms; none where the reference retrieves nothing, or no evidence is known.

    An answer is right from a score of RIGHT on. The interval is that of the mean over questions of each question's share of
    right seeds, clustered by document (stats.clustered_mean).
    """
    own = frame[(frame["arm"] == reference) & frame["recall@k"].notna()]
    if own.empty:
        return ()
    missed = own[(own["seed"] == own["seed"].min()) & (own["recall@k"] < 1)]["question"]
    return tuple(_rescue(frame[(frame["arm"] == arm) & frame["question"].isin(missed)], metric, arm, risks) for arm in arms)


def _rescue(part: pd.DataFrame, metric: str, arm: str, risks: Risks | None) -> Rescue:
    withheld = risks.of(arm, "withheld") if risks and risks.metric == metric else None
    scores = part.pivot(index="question", columns="seed", values=metric).astype(float)
    scored = scores.dropna()
    if scored.empty:
        return Rescue(arm, 0, None, None, None, len(scores), withheld)
    documents = part.drop_duplicates("question").set_index("question")["document"]
    found = stats.clustered_mean(np.asarray(scored >= RIGHT, dtype=float).mean(axis=1), [documents[key] for key in scored.index])
    low, high = (None if bound is None else min(1.0, max(0.0, bound)) for bound in found.bounds(OWN_ALPHA))
    return Rescue(arm, len(scored), found.mean, low, high, len(scores) - len(scored), withheld)


def few_words(found: Sequence[Rescue]) -> str:
    """What to do where natural misses are few; "" where there are enough, or misses were injected."""
    if not found or all(one.n >= FEW for one in found) or any(one.withheld for one in found):
        return ""
    fewest = min(one.n for one in found)
    said = f"Search missed evidence of {fewest} scored question{'' if fewest == 1 else 's'} only" if fewest else "Search missed no evidence"
    return f"{said}, so this says little: ragft risks STUDY injects misses, by taking the evidence out of the passages."
