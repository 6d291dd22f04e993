"""What the report shows of costs: what each arm took and costs, when two of them cost the same, and a chart of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragft import charts
from ragft.charts import Line
from ragft.cost import Metered, Prices, arm_cost
from ragft.costwords import break_even_words
from ragft.facts import arm_facts
from ragft.material import Material

MOST_LINES = 4
FARTHEST = 20  # times the stated questions a month: a break-even beyond is not drawn


def view(m: Material) -> dict[str, Any]:
    """What cost.html knows: of the arms that could be deployed."""
    facts, prices = arm_facts(m.run, m.comparison.metric), m.study.costs
    priceable = {name: found for name, found in facts.items() if found.metered and found.metered.priceable(prices)}
    known = {name: found.metered for name, found in priceable.items() if found.metered and found.retriever != "oracle" and not m.arm(name).control}
    lines = _lines(m, known)
    return {
        "costs": {name: arm_cost(metered, prices) for name, metered in known.items()},
        "memory": {name: metered.answer_gib for name, metered in known.items()},
        "waits": {name: facts[name].value("p95_latency_seconds") for name in known},
        "break_evens": [(even.axis, break_even_words(even, prices)) for even in m.decision.break_even],
        "cost_chart": _chart(lines, prices) if len(lines) > 1 else "",
        "cost_keys": charts.line_keys(lines) if len(lines) > 1 else [],
        "supposed": prices.supposed,
    }


def _lines(m: Material, known: Mapping[str, Metered]) -> list[Line]:
    """The total by questions a month, of the reference, the recommended arm, and those that break even with the reference."""
    prices, stated = m.study.costs, m.study.costs.questions_per_month
    evens = {even.arm: even.at for even in m.decision.break_even if even.axis == "questions" and even.at and even.at <= FARTHEST * stated}
    names = [name for name in dict.fromkeys([m.comparison.reference, m.decision.recommend, *evens, *known]) if name in known][:MOST_LINES]
    most = 2 * max([stated, *(at for name, at in evens.items() if name in names)])

    def total(name: str, questions: float) -> float:
        return arm_cost(known[name], prices.model_copy(update={"questions_per_month": questions})).horizon_total

    return [Line(name, ((0.0, total(name, 0.0)), (most, total(name, most)))) for name in names]


def _chart(lines: list[Line], prices: Prices) -> str:
    title = f"Total over {prices.months:g} months by questions a month."
    return charts.line_chart(lines, title=title, x_unit="questions a month", y_unit=f"{prices.currency} over {prices.months:g} months")
