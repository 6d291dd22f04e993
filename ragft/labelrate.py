"""How many labels are wrong, by a reviewed random sample, and how far so many could move a difference. Knows of no files.

The questions of a run are a finite set: once all of them are judged, the number of wrong labels is known. So the interval
inverts the hypergeometric distribution; for a set without end it would be that of Clopper and Pearson (1934).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ragft.comparison import Comparison, Difference

RARE = 0.025  # in either tail of a 95 % interval


@dataclass(frozen=True, slots=True)
class LabelRate:
    """`wrong` of the `judged`, which were drawn at random from `total`. The interval is exact, 95 %; None: none was judged."""

    wrong: int
    judged: int
    total: int
    least: int  # wrong labels among all …
    most: int
    value: float | None  # the rate among the judged …
    low: float | None  # … and its interval, among all
    high: float | None


def label_rate(wrong: int, judged: int, total: int, *, known_wrong: int = 0, known_right: int = 0) -> LabelRate:
    """The rate and its interval: every number of wrong labels among all that makes neither so few nor so many among the judged a rare thing.

    `known_wrong` and `known_right` count all that were judged, those that were not drawn at random, too: they shift no rate, but
    rule out what cannot be.
    """
    if judged == 0:
        return LabelRate(0, 0, total, known_wrong, total - known_right, None, None, None)
    from scipy.stats import hypergeom  # slow to import, and only who reviews needs it

    possible = np.arange(wrong, total - (judged - wrong) + 1)
    so_few = hypergeom.cdf(wrong, total, possible, judged)
    so_many = hypergeom.cdf(judged - wrong, total, total - possible, judged)  # as few right ones
    least, most = (min(max(int(bound), known_wrong), total - known_right) for bound in (possible[so_many > RARE][0], possible[so_few > RARE][-1]))
    return LabelRate(wrong, judged, total, least, most, wrong / judged, least / total, most / total)


@dataclass(frozen=True, slots=True)
class Move:
    """How far wrong labels could move a difference of two arms, at the very most."""

    down: float
    up: float


def worst_move(differences: np.ndarray, wrong: np.ndarray, unknown: np.ndarray, more: int) -> Move:
    """Of (questions,) differences within [-1, 1], NaN = not part of it; `wrong` labels are known to be, and `more` of the `unknown` may be.

    With the right label a question's difference d may be anything from -1 to 1: it falls by at most 1 + d, which is 2 where
    the label made one arm right and the other wrong, and it is the other way round. What falls furthest is taken to be wrong.
    """
    used = ~np.isnan(differences)
    d, known, open_ = differences[used], wrong[used], unknown[used]

    def most(room: np.ndarray) -> float:
        return float(room[known].sum() + np.sort(room[open_])[::-1][:more].sum()) / max(1, len(d))

    return Move(most(1 + d), most(1 - d))


@dataclass(frozen=True)
class LabelDoubt:
    """What a verdict must know of a review."""

    sentences: tuple[str, ...]
    most: str  # as many wrong labels as it leaves possible, in words; "": none
    moves: Mapping[tuple[str, str], Move]  # (arm, minus) -> what so many can do to the difference


def widened(found: Comparison, doubt: LabelDoubt) -> Comparison:
    """The comparison with the differences that make a verdict as uncertain as the labels could make them."""

    def wider(one: Difference) -> Difference:
        if one.low is None or one.high is None:
            return one
        move = doubt.moves[one.arm, one.minus]
        return replace(one, low=max(-1.0, one.low - move.down), high=min(1.0, one.high + move.up))

    return replace(found, challengers=tuple(map(wider, found.challengers)), against_base=tuple(map(wider, found.against_base)))
