"""The two or three slices that matter, in words: what was fixed beforehand first, then what stands out of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ragft.comparison import Comparison, Confirmed, Level, SliceRow
from ragft.numbers import points, span
from ragft.slicing import parts
from ragft.words import KINDS

MOST_TOLD = 3  # sentences; the tables have the rest
STANDS_OUT = 0.05  # the q below which an exploratory difference is pointed out


def slice_words(found: Comparison) -> tuple[str, ...]:
    """At most MOST_TOLD sentences, and one about slices fixed beforehand in which nothing was shown.

    Slices fixed beforehand are told of the tuned arm that is surest there, the others of the tuned arm with the best mean. "Only"
    is said where the gain elsewhere is surely below the margin, not where it merely was not shown. Empty: no tuned arm was compared.
    """
    tuned = {row.name for row in found.arms if row.tuned}
    rivals = [d for d in found.challengers if d.arm in tuned]
    if not rivals or not (found.slices or found.confirmatory):
        return ()
    best = max(rivals, key=lambda d: d.estimate.mean).arm
    told, silent = [], []
    for name in found.confirmatory:
        surest = _surest([one for one in found.confirmed if (one.slice, one.value) == parts(name) and one.difference.arm in tuned])
        if surest:
            told.append(_confirmed_words(found, surest))
        else:
            silent.append(phrase(found, *parts(name)))
    looked = sorted((row for row in found.slices if row.arm == best and row.q is not None and row.elsewhere), key=lambda row: row.q or 0.0)
    same = _same_questions(found)
    known = {same[parts(name)] for name in found.confirmatory if parts(name) in same}
    for row in looked:
        if len(told) < MOST_TOLD and row.q is not None and row.q < STANDS_OUT and same[row.slice, row.value] not in known:
            known.add(same[row.slice, row.value])
            told.append(_explored_words(found, row))
    if silent:
        told.append(f"Fixed beforehand, but no tuned arm is shown to differ from {found.reference}: {'; '.join(silent)}.")
    elif looked and not told:
        told.append(f"No slice stands out: in none is {best} shown to differ from {found.reference}, after correction for the number of looks.")
    return tuple(told)


def phrase(found: Comparison, dimension: str, value: str) -> str:
    """The questions of a slice: "facts trained in other words", "questions of kind exact"."""
    if dimension == "stratum":
        return KINDS.get(value, f"questions of stratum {value}")
    if dimension == "retrieval":
        return f"questions whose evidence {found.reference} had {'found' if value == 'found' else 'missed'}"
    if dimension == "base":
        return f"questions that the model alone has {'right' if value == 'known' else 'wrong'}"
    if dimension == "writer":
        return f"questions whose writer {'knew' if value == 'known' else 'did not know'} the answer without the documents"
    return f"questions of kind {value}"


def _same_questions(found: Comparison) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Each slice with what is equal for slices of the same questions, such as the stratum and the kind unanswerable."""
    figures: dict[tuple[str, str], tuple[Any, ...]] = {}
    for row in found.slices:
        figures[row.slice, row.value] = (*figures.get((row.slice, row.value), ()), (row.arm, row.n, row.mean, row.low, row.high))
    return figures


def _surest(tests: Sequence[Confirmed]) -> Confirmed | None:
    """The one that is surest to gain, else the one that is surest to lose; None: none is shown to do either."""
    better = [one for one in tests if one.difference.low is not None and one.difference.low > 0]
    worse = [one for one in tests if one.difference.high is not None and one.difference.high < 0]
    if better:
        return max(better, key=lambda one: one.difference.low or 0.0)
    return min(worse, key=lambda one: one.difference.high or 0.0, default=None)


def _confirmed_words(found: Comparison, one: Confirmed) -> str:
    d, other = one.difference, one.elsewhere
    gains = d.estimate.mean > 0
    sure = (d.low if gains else -(d.high or 0.0)) or 0.0
    size = f"{'surely more' if sure > found.margin else 'perhaps less'} than the margin of {points(found.margin)}"
    proof = f"interval {span(d.low, d.high)}: {size}"
    elsewhere = Level(other.estimate.mean, other.low, other.high) if other else None
    return f"Fixed beforehand: {_sentence(found, d.arm, phrase(found, one.slice, one.value), d.estimate.n, d.estimate.mean, proof, elsewhere)}"


def _explored_words(found: Comparison, row: SliceRow) -> str:
    q = row.q or 0.0
    proof = "q below 0.001" if q < 0.001 else f"q {q:.3f}"
    where = phrase(found, row.slice, row.value)
    return f"Exploratory: {_sentence(found, row.arm, where, row.n, row.minus_reference or 0.0, proof, row.elsewhere)}"


def _sentence(found: Comparison, arm: str, where: str, n: int, mean: float, proof: str, elsewhere: Level | None) -> str:
    """ "fine-tuning helps only on …: raft scores 21.3 points higher than rag (…); on the other questions 0.4 points higher (…), …" """
    verb = "helps" if mean > 0 else "hurts"
    only, tail = _elsewhere(found.margin, mean > 0, elsewhere) if elsewhere else ("", "")
    questions = f"{n} question{'s' * (n != 1)}"
    return f"fine-tuning {verb} {only}on {where} ({questions}): {arm} scores {_far(mean)} {found.reference} there ({proof}){tail}."


def _elsewhere(margin: float, helps: bool, other: Level) -> tuple[str, str]:
    """ "only " where the same is surely not to be had on the other questions, and what is known of them."""
    low, high = (other.low, other.high) if helps or other.low is None or other.high is None else (-other.high, -other.low)
    if high is not None and high < margin:
        only, rest = "only ", f"surely no {'gain' if helps else 'loss'} of {points(margin)}"
    elif low is not None and low > 0:
        only, rest = "", f"so it {'helps' if helps else 'hurts'} there too"
    else:
        only, rest = "", f"which leaves open whether it {'helps' if helps else 'hurts'} there"
    figure = "no difference" if points(other.mean) == "0 points" else f"{points(other.mean)} {'higher' if other.mean > 0 else 'lower'}"
    return only, f"; on the other questions {figure} ({span(other.low, other.high)}), {rest}"


def _far(difference: float) -> str:
    return f"{points(difference)} {'higher' if difference > 0 else 'lower'} than"
