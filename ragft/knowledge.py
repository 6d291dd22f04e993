"""Knowledge against behaviour: what a tuned arm gained by knowing more, and what by answering in another way.

An arm T trained on questions of these documents, a control C trained likewise on questions of other documents (format
other-documents), and the untuned base B: C - B is behaviour (form, habit, refusing less), T - C knowledge; they add up to T - B
where all three are scored on the same questions. A control with exchanged answers (format shuffled) should gain nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragft import registry
from ragft.compare import Difference, pairwise
from ragft.numbers import points, span
from ragft.scoretable import ArmScores, ScoreTable

BEHAVIOUR, SHUFFLED = "other-documents", "shuffled"
RAW_TEXT = "text"  # teaches no way of answering, so that T - C would not be knowledge alone


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One tuned arm's gain in two parts. Intervals hold for all differences of `split` and `shuffled` at once."""

    arm: str
    control: str
    base: str
    behaviour: Difference  # control - base
    knowledge: Difference  # arm - control
    words: str


@dataclass(frozen=True, slots=True)
class Shuffled:
    """A control that was trained on exchanged answers, against its base."""

    arm: str
    difference: Difference
    broken: bool  # a gain that is sure
    words: str


def split(table: ScoreTable, alpha: float) -> tuple[Knowledge, ...]:
    """One record for each tuned arm that has such a control and base; none where there are none. `alpha`: error on each side of all intervals."""
    known, found = _differences(table, alpha), []
    for arm, control, base in _splits(table):
        one, other = known.get((control, base)), known.get((arm, control))
        if one and other:
            found.append(Knowledge(arm, control, base, one, other, _words(one, other)))
    return tuple(found)


def shuffled(table: ScoreTable, alpha: float) -> tuple[Shuffled, ...]:
    """One record for each control with exchanged answers that has a base; the intervals are those of `split`'s family."""
    known, found = _differences(table, alpha), []
    for pair in _exchanged(table):
        if difference := known.get(pair):
            broken = difference.low is not None and difference.low > 0
            found.append(Shuffled(pair[0], difference, broken, _shuffled_words(difference, broken)))
    return tuple(found)


def _differences(table: ScoreTable, alpha: float) -> Mapping[tuple[str, str], Difference]:
    """Of every pair that either function shows, each bound with its share of alpha (Bonferroni)."""
    pairs = [pair for arm, control, base in _splits(table) for pair in ((control, base), (arm, control))]
    pairs = list(dict.fromkeys([*pairs, *_exchanged(table)]))  # several arms may have the same control
    return {(d.arm, d.minus): d for d in pairwise(table, pairs, alpha=alpha / max(1, len(pairs)))}


def _splits(table: ScoreTable) -> list[tuple[str, str, str]]:
    """(arm, its control, its base): the same model and passages, and for arm and control the same tuning."""
    found = []
    for arm in table.arms:
        if not arm.tuning or arm.control or arm.format == RAW_TEXT or _on_passages(arm.format):
            continue
        alike = _alike(table, arm)
        control = next((one.name for one in alike if one.control and one.format == BEHAVIOUR and one.tuning == arm.tuning), None)
        base = _base(alike)
        if control and base:
            found.append((arm.name, control, base))
    return found


def _exchanged(table: ScoreTable) -> list[tuple[str, str]]:
    controls = [arm for arm in table.arms if arm.control and arm.format == SHUFFLED]
    return [(arm.name, base) for arm in controls if (base := _base(_alike(table, arm)))]


def _alike(table: ScoreTable, arm: ArmScores) -> list[ArmScores]:
    """The arms of the same model and with the same passages."""
    return [one for one in table.arms if (one.model, one.retriever, one.k) == (arm.model, arm.retriever, arm.k)]


def _base(arms: Sequence[ArmScores]) -> str | None:
    return next((one.name for one in arms if not one.tuning), None)


def _on_passages(form: str | None) -> bool:
    """Whether a format trains on prompts with passages, which no control does."""
    known = registry.entries("format")
    return form in known and bool(known[form].facts["passages"])


def _words(behaviour: Difference, knowledge: Difference) -> str:
    return (
        f"{knowledge.arm} against {behaviour.minus}: training on other documents ({knowledge.minus}) brings behaviour, {_size(behaviour)}; "
        f"training on these documents beyond that brings knowledge, {_size(knowledge)}."
    )


def _size(found: Difference) -> str:
    """ "8 points more (+2.0 to +14.0)", and whether that is sure."""
    mean, low, high = found.estimate.mean, found.low, found.high
    bounds = f"{points(mean)} {'less' if mean < 0 else 'more'} ({span(low, high)})"
    if low is None or high is None or low <= 0 <= high:
        return f"{bounds}, which may be chance"
    return f"{bounds}, surely a {'gain' if low > 0 else 'loss'}"


def _shuffled_words(found: Difference, broken: bool) -> str:
    if broken:
        return (
            f"{found.arm} was trained on exchanged answers and yet scores, against {found.minus}, {_size(found)}: the pipeline is broken. "
            "Something other than training gives answers away; do not trust this run's tuned scores."
        )
    return f"{found.arm} was trained on exchanged answers; against {found.minus} it scores {_size(found)}. No gain is sure, as it should be."
