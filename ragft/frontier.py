"""Which arms nobody would pass over: those that no other arm is as good as in score, cost and waiting time, and better in one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ragft.comparison import ArmRow, Comparison
from ragft.cost import Prices, arm_cost
from ragft.needs import ArmFacts


@dataclass(frozen=True, slots=True)
class Place:
    """Where one arm stands, as measured. None: not known."""

    row: ArmRow  # its score
    cost: float | None  # over the horizon
    wait: float | None  # seconds that one answer in twenty takes longer than
    gib: float | None  # while answering
    front: bool = True  # not dominated; by what is known of all arms

    @property
    def arm(self) -> str:
        return self.row.name


def places(found: Comparison, facts: Mapping[str, ArmFacts], prices: Prices) -> tuple[Place, ...]:
    """Of every arm that could be deployed and was trained, in the comparison's order."""
    deployable = {found.reference, *found.family}
    kept = [_place(row, facts[row.name], prices) for row in found.arms if row.name in deployable and not facts[row.name].untrained]
    axes: list[list[float]] = [[-one.row.estimate.mean for one in kept]]
    for values in ([one.cost for one in kept], [one.wait for one in kept]):
        known = [value for value in values if value is not None]
        axes += [known] if len(known) == len(kept) else []
    points = list(zip(*axes, strict=True))
    return tuple(
        Place(one.row, one.cost, one.wait, one.gib, not any(_dominates(other, point) for other in points))
        for one, point in zip(kept, points, strict=True)
    )


def _place(row: ArmRow, facts: ArmFacts, prices: Prices) -> Place:
    metered = facts.metered if facts.metered and facts.metered.priceable(prices) else None
    cost = arm_cost(metered, prices).horizon_total if metered else None
    return Place(row, cost, facts.value("p95_latency_seconds"), facts.value("peak_memory_gib") or (metered.answer_gib or None if metered else None))


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
