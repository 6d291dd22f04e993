"""Which arms the data tell apart: all pairs of a family at once, and the letters that say it in one column.

Each bound of a pair has error alpha / pairs (Bonferroni, as everywhere in ragft), so that with probability 1 - 2 alpha
all intervals of the family hold together. Two arms differ when their interval excludes 0. Two arms share a letter
exactly when they were not told apart, which does not make them equal: it may be that too few questions were asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from ragft import stats
from ragft.compare import ScoreTable, pairwise

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Pair:
    """One arm minus another. The interval holds for all pairs of the family at once; `p` is two-sided and adjusted likewise."""

    arm: str
    minus: str
    mean: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def differs(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class Member:
    """One arm of a family, with the letters it shares with the arms it was not told apart from."""

    arm: str
    score: float
    letters: str
    minus_best: Pair | None  # None: it is the best


@dataclass(frozen=True, slots=True)
class Grouping:
    """A family of arms, best mean first."""

    family: str
    members: tuple[Member, ...]
    pairs: tuple[Pair, ...]
    like_best: tuple[str, ...]  # not told apart from the arm with the best mean
    one_seed: tuple[str, ...]  # tuned arms whose seed variance is the pool's, not their own
    unscored: tuple[str, ...]  # no question scored under every seed
    open: bool  # some pair has no interval: too few seeds or documents


def grouping(table: ScoreTable, family: str, names: Sequence[str], alpha: float) -> Grouping:
    """All pairs of these arms compared at once."""
    arms = [table.arm(name) for name in names]
    scored = [arm for arm in arms if arm.scored.any()]
    score = {arm.name: float(arm.scores[:, arm.scored].mean()) for arm in scored}
    order = sorted(score, key=lambda name: -score[name])
    couples = list(combinations(order, 2))
    share = alpha / max(1, len(couples))
    pairs = [
        Pair(d.arm, d.minus, d.estimate.mean, d.low, d.high, _two_sided(d.estimate, len(couples))) for d in pairwise(table, couples, alpha=share)
    ]
    found = {(pair.arm, pair.minus): pair for pair in pairs}
    letters = compact_letters(order, {key for key, pair in found.items() if pair.differs})
    members = [Member(name, score[name], letters[name], found.get((order[0], name))) for name in order]
    return Grouping(
        family=family,
        members=tuple(members),
        pairs=tuple(pairs),
        like_best=tuple(m.arm for m in members[1:] if not (m.minus_best and m.minus_best.differs)),
        one_seed=tuple(arm.name for arm in scored if arm.tuning and len(arm.scores) == 1),
        unscored=tuple(arm.name for arm in arms if arm.name not in score),
        open=any(pair.low is None for pair in pairs) or len(pairs) < len(couples),
    )


def _two_sided(found: stats.Estimate, pairs: int) -> float | None:
    """The p-value of "no difference", times the number of pairs (Bonferroni)."""
    p = stats.p_above(found, 0.0)
    return None if p is None else min(1.0, pairs * 2 * min(p, 1 - p))


def compact_letters(order: Sequence[str], different: Collection[tuple[str, str]]) -> dict[str, str]:
    """Name -> letters; two names share one exactly when they are not `different`. `order` is best first, and a is its first.

    One letter for each largest set of names that were not told apart from one another.
    """
    apart = {frozenset(pair) for pair in different}
    near = {name: {other for other in order if other != name and frozenset((name, other)) not in apart} for name in order}
    place = {name: number for number, name in enumerate(order)}
    sets = sorted(sorted(place[name] for name in clique) for clique in _cliques(near, set(), set(order), set()))
    between = " " if len(sets) > len(LETTERS) else ""
    return {name: between.join(_letter(number) for number, members in enumerate(sets) if place[name] in members) for name in order}


def _cliques(near: dict[str, set[str]], chosen: set[str], left: set[str], done: set[str]) -> list[set[str]]:
    """All largest cliques (Bron and Kerbosch 1973)."""
    if not left and not done:
        return [chosen]
    found = []
    for name in sorted(left):
        found += _cliques(near, chosen | {name}, left & near[name], done & near[name])
        left, done = left - {name}, done | {name}
    return found


def _letter(number: int) -> str:
    """a … z, then aa, ab, …"""
    return LETTERS[number] if number < len(LETTERS) else _letter(number // len(LETTERS) - 1) + LETTERS[number % len(LETTERS)]
