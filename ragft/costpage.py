"""What the report and the dashboard show of costs: what each arm took and costs, when two cost the same, and score against cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ragft import charts, peftcharts
from ragft.breakeven import BreakEven
from ragft.charts import Line
from ragft.cost import Metered, Prices, arm_cost
from ragft.costwords import break_even_words
from ragft.facts import facts_of
from ragft.frontier import Place, places
from ragft.material import Material
from ragft.needs import ArmFacts
from ragft.numbers import money, percent, seconds

MOST_LINES = len(charts.LINES)
FARTHEST = 20  # times the stated questions a month: a break-even beyond is not drawn
FINE = tuple(factor * 10.0**power for power in range(-6, 13) for factor in (1, 2, 5))
TICKS = (
    tuple(10.0**power for power in range(-6, 13)),
    FINE,
    tuple(sorted({*FINE, *(factor * 10.0**power for power in range(-6, 13) for factor in (1.5, 3, 4, 7))})),
)


def view(m: Material) -> dict[str, Any]:
    """What cost.html knows: of the arms that could be deployed."""
    facts, prices = facts_of(m.run, m.rows, m.golds, m.comparison.metric), m.study.costs
    known = {name: found for name, found in metered(facts, prices).items() if facts[name].retriever != "oracle" and not m.arm(name).control}
    return {
        "costs": {name: arm_cost(found, prices) for name, found in known.items()},
        "memory": {name: found.answer_gib for name, found in known.items()},
        "waits": {name: facts[name].value("p95_latency_seconds") for name in known},
        **break_even_view(known, m.comparison.reference, m.decision.recommend, m.decision.break_even, prices),
        "front": front_view(places(m.comparison, facts, prices), m.comparison.metric, prices),
        "prices": prices,
        "supposed": prices.supposed,
    }


def metered(facts: Mapping[str, ArmFacts], prices: Prices) -> dict[str, Metered]:
    """What each arm took, of the arms that have a cost at these prices."""
    return {name: found.metered for name, found in facts.items() if found.metered and found.metered.priceable(prices)}


def break_even_view(known: Mapping[str, Metered], reference: str, recommend: str, evens: Sequence[BreakEven], prices: Prices) -> dict[str, Any]:
    """Sentences, and the chart of the total by questions a month; "" where there are not two lines to draw."""
    lines = _lines(known, reference, recommend, evens, prices)
    return {
        "break_evens": [(even.axis, break_even_words(even, prices)) for even in evens],
        "cost_chart": _chart(lines, prices) if len(lines) > 1 else "",
        "cost_keys": charts.line_keys(lines) if len(lines) > 1 else [],
    }


def _lines(known: Mapping[str, Metered], reference: str, recommend: str, evens: Sequence[BreakEven], prices: Prices) -> list[Line]:
    """The total by questions a month, of the reference, the recommended arm, and those that break even with the reference."""
    stated = prices.questions_per_month
    near = {even.arm: even.at for even in evens if even.axis == "questions" and even.at and even.at <= FARTHEST * stated}
    names = [name for name in dict.fromkeys([reference, recommend, *near, *known]) if name in known][:MOST_LINES]
    most = 2 * max([stated, *(at for name, at in near.items() if name in names)])

    def total(name: str, questions: float) -> float:
        return arm_cost(known[name], prices.model_copy(update={"questions_per_month": questions})).horizon_total

    order = list(known)  # an arm keeps its colour, whichever is recommended
    return [Line(name, ((0.0, total(name, 0.0)), (most, total(name, most))), order.index(name)) for name in names]


def _chart(lines: list[Line], prices: Prices) -> str:
    title = f"Total over {prices.months:g} months by questions a month."
    return charts.line_chart(lines, title=title, x_unit="questions a month", y_unit=f"{prices.currency} over {prices.months:g} months")


# ── score against cost and waiting time ──────────────────────────────────────────────────────────────────────────────


def front_view(found: Sequence[Place], metric: str, prices: Prices) -> dict[str, Any]:
    """The places, and a chart of the score against each of cost, waiting time and memory; without what not every arm has, or what is 0."""
    horizon = f"{prices.currency} over {prices.months:g} months"
    made = [
        ("cost", f"Score against cost, {horizon}", [one.cost for one in found], lambda value: money(value, prices.currency), horizon),
        ("wait", "Score against waiting time: one answer in twenty takes longer", [one.wait for one in found], seconds, "seconds"),
        ("memory", "Score against memory while answering", [one.gib for one in found], "{:.2f} GiB".format, "GiB"),
    ]
    return {
        "places": found,
        "charts": [
            (key, caption, _front_chart(found, [x for x in xs if x], caption, unit, say, metric))
            for key, caption, xs, say, unit in made
            if len(found) > 1 and all(xs)
        ],
    }


def _front_chart(found: Sequence[Place], xs: Sequence[float], caption: str, unit: str, say: Callable[[float], str], metric: str) -> str:
    spots = [
        peftcharts.Spot(
            one.arm,
            f"{percent(one.row.estimate.mean)} at {say(x)}{', not dominated' if one.front else ', dominated'}",
            x,
            100 * one.row.estimate.mean,
            None if one.row.low is None else 100 * one.row.low,
            None if one.row.high is None else 100 * one.row.high,
            filled=one.front,
        )
        for one, x in zip(found, xs, strict=True)
    ]
    return peftcharts.tradeoff_chart(spots, (), title=f"{caption}.", x_unit=unit, y_unit=f"{metric}, %", ticks=TICKS, say="{:,.3g}".format)
