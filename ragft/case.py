"""What the rules look at: the comparison, what each arm took and does, the needs as tested, what each arm saves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ragft.breakeven import surely_cheaper
from ragft.comparison import ArmRow, Comparison, Difference
from ragft.cost import Prices, arm_cost
from ragft.needs import ArmFacts, Tested, check_needs

SURE = 0.95  # that an arm costs less


@dataclass(frozen=True, slots=True)
class Saving:
    """What an arm costs less than the reference over the horizon."""

    amount: float
    surely: bool  # positive with SURE probability; where the measurements tell none, it is not


@dataclass(frozen=True)
class Case:
    """Everything the rules look at."""

    found: Comparison
    facts: Mapping[str, ArmFacts]
    needs: Mapping[str, float | bool]
    prices: Prices
    tests: Mapping[str, tuple[Tested, ...]]  # every stated need of every arm
    savings: Mapping[str, Saving]  # of every arm whose cost is known, and the reference's

    def unmet(self, arm: str) -> tuple[str, ...]:
        """Why the arm is ruled out: its training came apart, or a stated need is surely missed."""
        broken = self.facts[arm].untrained
        return (broken,) if broken else tuple(found.why for found in self.tests[arm] if found.state == "missed")

    def open(self, arm: str) -> tuple[str, ...]:
        """Why the arm cannot be adopted yet: a stated need is neither surely met nor surely missed."""
        return tuple(found.why for found in self.tests[arm] if found.state == "open")

    def saving(self, arm: str) -> float | None:
        """What the arm saves over the horizon against the reference; None: a cost is not known."""
        return self.savings[arm].amount if arm in self.savings else None

    def saves(self, arm: str) -> bool:
        """Whether it costs less than the reference over the horizon, surely where that can be told."""
        return arm in self.savings and self.savings[arm].surely

    def retrieves(self, arm: str) -> bool:
        return self.facts[arm].retriever is not None

    def matters(self, arm: str) -> bool:
        """Whether the verdict rests on the arm: it does not on a control, nor on one that could not be trained."""
        facts = self.facts[arm]
        return not facts.untrained and (arm in (self.found.reference, *self.found.family) or facts.retriever == "oracle")

    @property
    def that_trained(self) -> str:
        """What to say of "every tuned arm" where some could not be trained."""
        return " that could be trained" if any(self.facts[arm].untrained for arm in self.found.family) else ""

    @property
    def tuned(self) -> list[Difference]:
        """The tuned arms against the reference, those with a retriever first."""
        return sorted((d for d in self.found.challengers if self.facts[d.arm].tuning), key=lambda d: not self.retrieves(d.arm))

    @property
    def oracle(self) -> ArmRow | None:
        """The arm that is handed the gold passages, an untuned one where there is one."""
        rows = [row for row in self.found.arms if self.facts[row.name].retriever == "oracle"]
        return min(rows, key=lambda row: self.facts[row.name].tuning is not None, default=None)


def case_of(found: Comparison, facts: Mapping[str, ArmFacts], needs: Mapping[str, float | bool], prices: Prices) -> Case:
    """With every need tested; the error is shared by the challengers, of which each could be adopted wrongly."""
    alpha = found.alpha / max(1, len(found.family))
    tests = {arm: check_needs(known, needs, alpha) for arm, known in facts.items()}
    return Case(found, facts, needs, prices, tests, _savings(facts, found.reference, prices))


def repriced(case: Case, prices: Prices) -> Case:
    """The same at other prices, volumes or updates."""
    return replace(case, prices=prices, savings=_savings(case.facts, case.found.reference, prices))


def _savings(facts: Mapping[str, ArmFacts], reference: str, prices: Prices) -> dict[str, Saving]:
    other = facts[reference].metered
    if not other:
        return {}
    most, found = arm_cost(other, prices).horizon_total, {}
    for arm, known in facts.items():
        if known.metered:
            amount = most - arm_cost(known.metered, prices).horizon_total
            sure = surely_cheaper(known.metered, other, prices) if amount > 0 else None
            found[arm] = Saving(amount, sure is not None and sure >= SURE)
    return found
