"""What was found as sentences, for verdicts: plain numbers, what is higher and by how much, and the interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ragft.comparison import ArmRow, Comparison, Difference, Interaction
from ragft.numbers import percent, points, span

KINDS = {
    "trained-fact": "facts trained in other words",
    "untrained-fact": "other facts of trained documents",
    "untrained-document": "documents never trained on",
    "unanswerable": "unanswerable questions",
}  # the strata of domain.splits
MOST_NAMED = 4  # arms of which something is said one by one; a study of methods has dozens, and its tables have them all


def says(difference: Difference) -> str:
    """ "raft scores 4.2 points higher than rag (interval +1.1 to +7.3)"."""
    mean = difference.estimate.mean
    size = points(mean)
    word = "the same as" if size == "0 points" else f"{size} {'higher' if mean > 0 else 'lower'} than"
    bounds = "no interval can be given" if difference.low is None else f"interval {span(difference.low, difference.high)}"
    return f"{difference.arm} scores {word} {difference.minus} ({bounds})"


def named(arms: Sequence[str]) -> str:
    """ "lora, dora and 11 others": the first few by name."""
    spare = len(arms) - MOST_NAMED
    *others, last = [*arms[:MOST_NAMED], f"{spare} others"] if spare > 1 else arms
    return f"{', '.join(others)} and {last}" if others else last


def highest(difference: Difference) -> float:
    """Sorts the arm first that may be highest."""
    return -(difference.estimate.mean if difference.high is None else difference.high)


def lowest(difference: Difference) -> float:
    """Sorts the arm first that may be lowest."""
    return difference.estimate.mean if difference.low is None else difference.low


def few(differences: Sequence[Difference], key: Callable[[Difference], float] = highest) -> tuple[list[Difference], int]:
    """Those that are written out, and how many are not: all of a few as they come, of many the first by `key`."""
    if len(differences) <= MOST_NAMED + 1:
        return list(differences), 0
    return sorted(differences, key=key)[:MOST_NAMED], len(differences) - MOST_NAMED


def listed(differences: Sequence[Difference], key: Callable[[Difference], float] = highest) -> str:
    """Several differences in one sentence, without its full stop."""
    shown, others = few(differences, key)
    rest = [f"and so with {others} others"] if others else []
    return "; ".join([*(says(difference) for difference in shown), *rest])


def coverage(row: ArmRow) -> str:
    """What an arm's failed answers could change, without its full stop; "" where none failed."""
    if not row.missing:
        return ""
    between = f"{percent(row.worst)} if all of them were wrong, {percent(row.best)} if all were right"
    return f"{percent(row.missing)} of its answers failed: it would score {between}"


def covered(found: Comparison) -> dict[str, str]:
    """Arm -> its `coverage`, for the arms with failed answers."""
    return {row.name: words for row in found.arms if (words := coverage(row))}


HARMFUL, REDUNDANT, HELPFUL, ADDITIVE, UNDECIDED = "harmful", "redundant", "helpful", "additive", "undecided"


def together(found: Comparison, both: Interaction) -> str:
    """What RAG and a tuning are to each other: harmful where both together are surely worse than RAG alone too."""
    if both.low is None or both.high is None:
        return UNDECIDED
    if both.low > 0:
        return HELPFUL
    if both.high < 0:
        against = next((d for d in found.challengers if d.arm == both.both and d.minus == both.rag), None)
        return HARMFUL if against and against.high is not None and against.high < 0 else REDUNDANT
    return ADDITIVE if both.low > -found.margin and both.high < found.margin else UNDECIDED


def by_kind(found: Comparison, arm: str) -> str:
    """An arm against the reference in each stratum, in one sentence; "" where there are not two strata to tell apart."""
    rows = {(row.value, row.arm): row for row in found.slices if row.slice == "stratum"}
    pairs = [(kind, rows.get((kind, arm)), rows.get((kind, found.reference))) for kind in dict.fromkeys(kind for kind, _ in rows)]
    parts = [
        f"{KINDS.get(kind, kind)} {100 * own.mean:.1f} against {100 * other.mean:.1f} % ({other.n} question{'s' * (other.n != 1)})"
        for kind, own, other in pairs
        if own and other
    ]
    if len(parts) < 2:
        return ""
    return f"By kind of question, {arm} against {found.reference}: {'; '.join(parts)}; the verdict pools them as they stand."
