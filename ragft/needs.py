"""What an arm costs and does besides its score, and the needs that a user can state about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ragft.cost import ArmCost
from ragft.numbers import percent


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """What a need or a cost is tested on, measured in this run; None = not measured."""

    retriever: str | None
    tuning: str | None
    cost: ArmCost | None = None
    p95_latency_seconds: float | None = None
    false_answer_rate: float | None = None
    abstention_rate: float | None = None  # of the questions that the corpus answers
    untrained: str = ""  # why it has no weights, where its training came apart


@dataclass(frozen=True, slots=True)
class Need:
    """`unmet(facts, asked)` says why an arm fails it, or ""; `measured(facts)` whether it could be tested at all."""

    unmet: Callable[[ArmFacts, float | bool], str]
    measured: Callable[[ArmFacts], bool] = lambda facts: True

    def __call__(self, facts: ArmFacts, asked: float | bool) -> str:
        return self.unmet(facts, asked)


def _slow(facts: ArmFacts, most: float | bool) -> str:
    value = facts.p95_latency_seconds
    return f"one answer in twenty takes longer than {value:.2f} s, where {most:.2f} s is allowed" if value is not None and value > most else ""


def _invents(facts: ArmFacts, most: float | bool) -> str:
    value = facts.false_answer_rate
    if value is None or value <= most:
        return ""
    return f"it answers {percent(value)} of the unanswerable questions, where {percent(most)} is allowed"


def _declines(facts: ArmFacts, most: float | bool) -> str:
    value = facts.abstention_rate
    if value is None or value <= most:
        return ""
    return f"it declines to answer {percent(value)} of the questions that the documents answer, where {percent(most)} is allowed"


NEEDS: dict[str, Need] = {
    "p95_latency_seconds": Need(_slow, lambda facts: facts.p95_latency_seconds is not None),
    "false_answer_rate": Need(_invents, lambda facts: facts.false_answer_rate is not None),
    "abstention_rate": Need(_declines, lambda facts: facts.abstention_rate is not None),
    "citations": Need(lambda facts, wanted: "without passages it has nothing to cite" if wanted and not facts.retriever else ""),
    "access_control": Need(lambda facts, wanted: "what it learned cannot be kept from some of its readers" if wanted and facts.tuning else ""),
}
