"""Whether wrong labels alone could overturn a verdict: the rules once more, with every difference as uncertain as they could make it."""

from __future__ import annotations

from dataclasses import replace

from ragft.case import Case
from ragft.labelrate import LabelDoubt, widened
from ragft.numbers import points
from ragft.rules import rule

CAPPED = "Wrong labels alone could overturn this."  # what a headline ends with then


def overturned(case: Case, outcome: tuple[str, str], doubt: LabelDoubt | None) -> tuple[str, str] | None:
    """Verdict and recommended arm if the labels were as wrong as a review leaves possible, and in the worst way; None: the same.

    An undecided verdict claims nothing that could be overturned.
    """
    if doubt is None or outcome[0] == "undecided":
        return None
    other = rule(replace(case, found=widened(case.found, doubt)), case.found.margin)[:2]
    return None if other == outcome else other


def about_labels(case: Case, outcome: tuple[str, str], doubt: LabelDoubt | None, other: tuple[str, str] | None) -> list[str]:
    """What was found of the labels, and what it means for the verdict; `other` is what `overturned` says."""
    if doubt is None:
        return []
    if outcome[0] == "undecided" or not doubt.most:
        return list(doubt.sentences)
    if other is None:
        return [*doubt.sentences, f"Even {doubt.most} could not change the verdict."]
    return [
        *doubt.sentences,
        f"Wrong labels alone could overturn the verdict: {doubt.most} could in the worst case {_how_far(case, outcome, doubt)}, "
        f"and it would be {other[0]} ({other[1]}). Correct what is wrong and run again, or review more questions.",
    ]


def _how_far(case: Case, outcome: tuple[str, str], doubt: LabelDoubt) -> str:
    verdict, arm = outcome
    lead = doubt.moves.get((arm, case.found.reference))
    if lead and verdict.startswith("adopt"):
        return f"take {points(lead.down)} from {arm} minus {case.found.reference}"
    return f"move a difference by {points(max(max(move.down, move.up) for move in doubt.moves.values()))}"
