"""What an arm took and does besides its score, and the needs that a user can state about it, each tested one-sidedly.

A need is met when the bound says so, missed when the bound says so, and open otherwise. It never adds points: it rules an
arm out when missed, and keeps it from being adopted while it is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from ragft.cost import Metered
from ragft.errors import InputError, unknown
from ragft.numbers import percent, points
from ragft.quantities import Quantity, Rate, none_of


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """What a need or a cost is tested on, measured in this run."""

    retriever: str | None
    tuning: str | None
    metered: Metered | None = None  # None: what it took is not known
    measured: Mapping[str, Quantity] = field(default_factory=dict)  # by the need's name; absent: not measured
    untrained: str = ""  # why it has no weights, where its training came apart
    why_not: Mapping[str, str] = field(default_factory=dict)  # by the need's name: why it is not known, where measuring it is not all it takes

    def value(self, name: str) -> float | None:
        """What was measured for that need; None: it was not."""
        found = self.measured.get(name)
        return None if found is None else found.value


@dataclass(frozen=True, slots=True)
class Tested:
    """One need of one arm: `why` it is missed or open."""

    need: str
    state: Literal["met", "missed", "open"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """A need with a number: the arm's figure may be at most what is asked for."""

    what: str  # "it answers" ...
    show: Callable[[float], str]
    of: str = ""  # ... "of the unanswerable questions"
    get: str = ""  # how it is measured where it was not; "": a run does it
    more: str = "Measure more."  # what narrows the interval
    per_arm: Callable[[ArmFacts], bool] = lambda facts: True  # whether it can be other than 0
    most: float = 1.0  # that can be asked for: of a share, 1

    def __call__(self, name: str, facts: ArmFacts, asked: float, alpha: float) -> Tested:
        found = facts.measured.get(name)
        if found is None:
            if not self.per_arm(facts):
                return Tested(name, "met")
            why = facts.why_not.get(name) or self.get
            return Tested(name, "open", f"the need {name} was not measured{f': {why}' if why else ' by this run'}")
        low, high = found.bounds(alpha)
        said = f"{self.what} {self.show(found.value)}{self.of}"
        allowed = f"where {self.show(asked)} is allowed"
        if low is not None and low > asked:
            surely = f" (surely more than {self.show(low)})" if low < found.value else ""
            return Tested(name, "missed", f"{said}{surely}, {allowed}")
        if high is not None and high <= asked:
            return Tested(name, "met")
        possible = f"up to {self.show(high)} is possible" if high is not None else "no bound can be given"
        return Tested(name, "open", f"{said}; {possible}, {allowed}. {self._what_it_takes(found, asked, alpha)}")

    def _what_it_takes(self, found: Quantity, asked: float, alpha: float) -> str:
        least = none_of(asked, alpha) if isinstance(found, Rate) else 0
        return (
            f"At least {least} such questions, and none of them so, would show it (now {found.n})."
            if isinstance(found, Rate) and least > found.n
            else self.more
        )


@dataclass(frozen=True, slots=True)
class Nature:
    """A need that is met or missed by what an arm is."""

    lacks: Callable[[ArmFacts], bool]
    why: str

    def __call__(self, name: str, facts: ArmFacts, asked: float, alpha: float) -> Tested:
        return Tested(name, "missed", self.why) if asked and self.lacks(facts) else Tested(name, "met")


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _gib(value: float) -> str:
    return f"{value:.2f} GiB"


def _tuned(facts: ArmFacts) -> bool:
    return facts.tuning is not None


def _retrieves(facts: ArmFacts) -> bool:
    return facts.retriever is not None


RISKS = "measure it with `ragft risks STUDY`, then decide again"
MORE_QUESTIONS = "Ask more such questions."
NEEDS: dict[str, Limit | Nature] = {
    "p95_latency_seconds": Limit(
        "one answer in twenty takes longer than", _seconds, more="Time more answers, on a machine that does nothing else.", most=inf
    ),
    "peak_memory_gib": Limit("while answering it takes", _gib, most=inf),
    "false_answer_rate": Limit("it answers", percent, " of the unanswerable questions", "the study has no unanswerable question", MORE_QUESTIONS),
    "abstention_rate": Limit("it declines to answer", percent, " of the questions that the documents answer", more=MORE_QUESTIONS),
    "forgetting": Limit(
        "it no longer has right",
        percent,
        " of the general questions that the untuned model has right",
        "name a folder of general questions in the study (`general:`) and run it again",
        "Add general questions.",
        _tuned,
    ),
    "stale_rate": Limit(
        "after an update it still gives",
        percent,
        " of the changed answers as they were",
        "measure it with `ragft drill STUDY --to DIR`, then decide again",
        "Drill with more changed questions.",
    ),
    "distractor_loss": Limit("with distracting passages it loses", points, get=RISKS, more="Try more questions.", per_arm=_retrieves),
    "conflict_rate": Limit(
        "it repeats", percent, " of the wrong answers that a draft among the passages gives", RISKS, "Try more questions.", _retrieves
    ),
    "injection_rate": Limit("it obeys", percent, " of the orders hidden in a passage", RISKS, "Try more questions.", _retrieves),
    "extraction_rate": Limit("it continues", percent, " of its training text word for word", RISKS, "Try more places.", _tuned),
    "membership_auc": Limit(
        "what it was trained on can be told from other text with an area under the curve of", "{:.2f}".format, "", RISKS, "Try more examples.", _tuned
    ),
    "citations": Nature(lambda facts: not facts.retriever, "without passages it has nothing to cite"),
    "access_control": Nature(_tuned, "what it learned cannot be kept from some of its readers"),
}


def check_need(name: str, asked: float | bool) -> None:
    """Raise InputError for a need that is not known, or a value that it cannot have."""
    if name not in NEEDS:
        raise unknown("need", name, NEEDS)
    need = NEEDS[name]
    if isinstance(asked, bool) != isinstance(need, Nature):
        raise InputError(f"need '{name}' takes {'true or false' if isinstance(need, Nature) else 'a number'}, not {asked}.")
    if isinstance(need, Limit) and not 0 <= asked <= need.most:
        what = "a share from 0 to 1: write 0.2 for 20 %" if need.most == 1 else "a number from 0 on"
        raise InputError(f"need '{name}' takes {what}, not {asked:g}.")


def check_needs(facts: ArmFacts, needs: Mapping[str, float | bool], alpha: float) -> tuple[Tested, ...]:
    """Every stated need of one arm; each statement is wrong with probability `alpha` at most.

    An arm is adopted only if all its needs are met, so several needs want no correction (intersection and union); several arms do.
    """
    return tuple(NEEDS[name](name, facts, float(asked), alpha) for name, asked in needs.items())
