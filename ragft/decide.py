"""Comparison + measured costs + needs -> Decision: the first rule that matches, never a winner by the best mean.

The rules are those of docs/statistics.md. A difference counts only through its simultaneous bound: an arm is adopted
when the bound, not the estimate, is beyond the margin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from scipy import stats as scipy_stats

from ragft.compare import MAX_MISSING, Comparison, Difference
from ragft.cost import ArmCost, BreakEven, Prices, break_even

VERDICTS = {
    "neither-needed": "The model alone is as good as every other arm: neither RAG nor fine-tuning is needed.",
    "adopt-both": "Fine-tune the model and keep RAG.",
    "adopt-tuned": "A fine-tuned model can stand in for RAG.",
    "trade-off": "Fine-tuning is better by the score, but a need or the cost speaks against it.",
    "equivalent": "Fine-tuning makes no difference that matters: keep what is cheaper.",
    "keep-rag": "Keep RAG as it is: fine-tuning does not pay.",
    "undecided": "Not decided: the data do not settle it.",
}
CANNOT_READ = 0.25  # when not even the gold passages surely lift any arm above this, the model is the problem


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """What a need or a cost is tested on, measured in this run; None = not measured."""

    retriever: str | None
    tuning: str | None
    cost: ArmCost | None = None
    p95_latency_seconds: float | None = None
    false_answer_rate: float | None = None


@dataclass(frozen=True)
class Decision:
    """What to do, for which model, why, and what would change it."""

    verdict: str
    recommend: str
    headline: str
    because: tuple[str, ...]
    would_change_if: tuple[str, ...]
    excluded: Mapping[str, tuple[str, ...]]  # arm -> the needs that it does not meet
    break_even: tuple[BreakEven, ...]
    metric: str
    alpha: float
    margin: float
    reference: str
    model: str
    warnings: tuple[str, ...] = field(default=())


# A need is tested on an arm's facts: (facts, the value asked for) -> why it is not met, or "" when it is.
NEEDS: dict[str, Callable[[ArmFacts, float | bool], str]] = {
    "p95_latency_seconds": lambda facts, most: _above("95 % of its answers take up to {0:.2f} s, allowed are {1:.2f} s", facts.p95_latency_seconds, most),
    "false_answer_rate": lambda facts, most: _above("it answers {0:.0%} of the unanswerable questions, allowed are {1:.0%}", facts.false_answer_rate, most),
    "citations": lambda facts, wanted: "without passages it has nothing to cite" if wanted and not facts.retriever else "",
    "access_control": lambda facts, wanted: "what is in the weights cannot be kept from a reader" if wanted and facts.tuning else "",
}


def _above(sentence: str, value: float | None, most: float | bool) -> str:
    return sentence.format(value, most) if value is not None and value > most else ""


@dataclass(frozen=True)
class _Case:
    """Everything the rules look at."""

    found: Comparison
    facts: Mapping[str, ArmFacts]
    needs: Mapping[str, float | bool]
    prices: Prices

    def unmet(self, arm: str) -> tuple[str, ...]:
        return tuple(why for name, asked in self.needs.items() if (why := NEEDS[name](self.facts[arm], asked)))

    def cheaper(self, arm: str) -> bool:
        cost, other = self.facts[arm].cost, self.facts[self.found.reference].cost
        return cost is not None and other is not None and cost.horizon_total < other.horizon_total

    def tuned(self, *, retriever: bool) -> list[Difference]:
        return [d for d in self.found.challengers if self.facts[d.arm].tuning and (self.facts[d.arm].retriever is not None) == retriever]


def decide(
    found: Comparison,
    facts: Mapping[str, ArmFacts],
    *,
    model: str,
    needs: Mapping[str, float | bool] | None = None,
    prices: Prices | None = None,
    notes: Sequence[str] = (),
) -> Decision:
    """The verdict. `facts` has one entry for every arm; `needs` are names of NEEDS with the value asked for.

    `notes` are what the data can and cannot say, in sentences; they stand with the reasons.
    """
    case = _Case(found, facts, needs or {}, prices or Prices())
    verdict, recommend, because = _rule(case, found.margin)
    return Decision(
        verdict=verdict,
        recommend=recommend,
        headline=VERDICTS[verdict],
        because=tuple([*because, *_gates(found), *notes]),
        would_change_if=tuple(_changes(case, verdict)),
        excluded={d.arm: unmet for d in found.challengers if (unmet := case.unmet(d.arm))},
        break_even=tuple(_break_even(case)),
        metric=found.metric,
        alpha=found.alpha,
        margin=found.margin,
        reference=found.reference,
        model=model,
        warnings=found.warnings,
    )


# ── the rules ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rule(case: _Case, margin: float) -> tuple[str, str, list[str]]:
    """Verdict, recommended arm and the reasons proper, at this margin."""
    found = case.found
    blocked = _blocked(found)
    if blocked:
        return "undecided", found.reference, [blocked]
    if found.against_base and all(above(d.low, -margin) for d in found.against_base):
        base = found.against_base[0].arm
        return "neither-needed", base, [f"{base} is at most {points(margin)} worse than every other arm: {_list(found.against_base)}."]
    better = [d for d in case.tuned(retriever=True) if above(d.low, margin)]
    fit = [d for d in better if not case.unmet(d.arm)]
    if fit:
        best = max(fit, key=lambda d: d.low or 0.0)
        return "adopt-both", best.arm, [f"{_says(best)}: surely more than the margin of {points(margin)}."]
    as_good = [d for d in case.tuned(retriever=False) if above(d.low, -margin)]
    fit = [d for d in as_good if not case.unmet(d.arm) and (case.cheaper(d.arm) or above(d.low, 0.0))]
    if fit:
        best = max(fit, key=lambda d: d.low or 0.0)
        why = "and it is cheaper over the horizon" if case.cheaper(best.arm) else "and it is surely better"
        return "adopt-tuned", best.arm, [f"{_says(best)}: surely not worse by more than {points(margin)}, {why}."]
    spoken_against = [d for d in [*better, *(d for d in as_good if above(d.low, margin))] if case.unmet(d.arm)]
    if spoken_against:
        reasons = [f"{_says(d)}, but {'; '.join(case.unmet(d.arm))}." for d in spoken_against]
        return "trade-off", found.reference, reasons
    tuned = [*case.tuned(retriever=True), *case.tuned(retriever=False)]
    if tuned and all(above(d.low, -margin) and below(d.high, margin) for d in tuned):
        return "equivalent", _cheapest(case, tuned), [f"Every tuned arm is within {points(margin)} of {found.reference}: {_list(tuned)}."]
    if tuned and all(below(d.high, margin) for d in tuned):
        return "keep-rag", found.reference, [f"No tuned arm can be better than {found.reference} by {points(margin)}: {_list(tuned)}."]
    if not tuned:
        return "undecided", found.reference, ["No tuned arm is in this study, so there is nothing to decide about fine-tuning."]
    open_ones = [d for d in tuned if not below(d.high, margin)]
    return "undecided", found.reference, [f"{_says(d)}: both more and less than the margin of {points(margin)} are possible." for d in open_ones]


def _blocked(found: Comparison) -> str:
    """Why no verdict may be given at all, or "" when one may."""
    for row in found.arms:
        if row.missing > MAX_MISSING:
            return (
                f"{row.name} failed on {row.missing:.0%} of its answers; with more than {MAX_MISSING:.0%} missing no verdict is given "
                f"(its score lies between {row.worst:.0%} and {row.best:.0%})."
            )
    if all(row.high is not None and row.high < CANNOT_READ for row in found.arms):
        oracle = next((row for row in found.arms if found.ceiling and row.name == found.ceiling.arm), None)
        gold = f" Even with the gold passages in front of it, it scores {percent(oracle.estimate.mean)}." if oracle else ""
        return f"This model cannot read this corpus: no arm scores above {CANNOT_READ:.0%}.{gold} That says nothing about RAG or fine-tuning; try another model."
    return ""


def _gates(found: Comparison) -> list[str]:
    """What the cheap arms say about where the bottleneck is."""
    sentences = []
    oracle = found.ceiling
    if oracle:
        row, ref = found.row(oracle.arm), found.row(found.reference)
        if row.high is not None and row.high < CANNOT_READ:
            sentences.append(f"Reading is the bottleneck: with the gold passages the model scores {percent(row.estimate.mean)}. Better retrieval cannot help; a model that reads better, or RAFT, can.")
        elif above(oracle.low, found.margin):
            sentences.append(f"Better retrieval could still help: with the gold passages the model scores {percent(row.estimate.mean)}, with {found.reference} {percent(ref.estimate.mean)}.")
        elif below(oracle.high, found.margin):
            sentences.append(f"Retrieval is not the bottleneck: the gold passages bring no more than {points(found.margin)} over {found.reference}.")
    for both in found.interactions:
        if below(both.high, 0.0):
            sentences.append(f"{both.rag} and {both.tuned} get in each other's way: together they bring {points(both.estimate.mean)} compared with the sum of what each brings.")
        elif above(both.low, 0.0):
            sentences.append(f"{both.rag} and {both.tuned} help each other: together they bring {points(both.estimate.mean)} more than the sum of what each brings.")
    return sentences


# ── what would change it ─────────────────────────────────────────────────────────────────────────────────────────────


def _changes(case: _Case, verdict: str) -> list[str]:
    changes = _margin_flips(case, verdict)
    if verdict == "undecided" and not _blocked(case.found):
        changes += [_price(case.found, d) for d in [*case.tuned(retriever=True), *case.tuned(retriever=False)] if not below(d.high, case.found.margin)]
    for even in _break_even(case):
        if even.volume is not None and even.volume > 0 and case.facts[even.arm].retriever is None:
            changes.append(
                f"{even.arm} is cheaper than {even.other} {even.cheaper} {even.volume:,.0f} questions a month (stated: {case.prices.questions_per_month:,.0f}); "
                "that matters only if it answers as well."
            )
    if not changes:
        changes.append("No margin between 0 and 30 points changes it; another model, corpus or question set may.")
    return changes


def _margin_flips(case: _Case, verdict: str) -> list[str]:
    """The nearest margins, a tenth of a point apart, at which the rules give another verdict."""
    here = case.found.margin
    if _blocked(case.found):
        return []
    flips = []
    for direction, steps in (("below", range(round(here * 1000) - 1, -1, -1)), ("above", range(round(here * 1000) + 1, 301))):
        for step in steps:
            other, arm, _ = _rule(case, step / 1000)
            if other != verdict:
                edge = (step + (1 if direction == "below" else -1)) / 1000
                flips.append(f"A margin {direction} {points(edge)} (now {points(here)}) makes it {other} ({arm}).")
                break
    return flips


def _price(found: Comparison, difference: Difference) -> str:
    """What it takes to settle this difference, if the truth is where the estimate is."""
    estimate, share = difference.estimate, found.alpha / max(1, len(found.family))
    name = f"{difference.arm} against {difference.minus}"
    distance = abs(estimate.mean - found.margin)
    if estimate.df <= 0:
        return f"{name}: train with at least 3 seeds and ask about at least 10 documents; without that there is no interval."
    if distance < 0.001:
        return f"{name}: the estimate lies at the margin itself; no number of questions settles that. State another margin."
    # with many documents the t of the seeds' few degrees of freedom gives way to the normal
    wanted = distance / float(scipy_stats.norm.isf(share))
    if estimate.seed_se >= wanted:
        seeds = ceil(estimate.seeds * (estimate.seed_se / wanted) ** 2) + 1
        return f"{name}: more questions cannot settle it, because training runs differ too much; about {seeds} seeds could (now {estimate.seeds})."
    total = estimate.question_se**2 / (wanted**2 - estimate.seed_se**2) * estimate.n
    return f"{name}: about {ceil(max(total - estimate.n, 1)):,} more test questions from new documents would settle it, if the truth is near the estimate."


def _break_even(case: _Case) -> list[BreakEven]:
    reference = case.facts[case.found.reference].cost
    rows = [(d.arm, case.facts[d.arm].cost) for d in case.found.challengers]
    return [break_even(arm, cost, case.found.reference, reference, case.prices) for arm, cost in rows if cost and reference]


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def above(bound: float | None, value: float) -> bool:
    """Whether a bound is known and above."""
    return bound is not None and bound > value


def below(bound: float | None, value: float) -> bool:
    """Whether a bound is known and below."""
    return bound is not None and bound < value


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with one decimal unless it is whole."""
    value = round(100 * difference, 1)
    return f"{value:g} point{'' if abs(value) == 1 else 's'}"


def _says(difference: Difference) -> str:
    """ "raft answers 4.2 points more than rag (interval +1.1 to +7.3)"."""
    mean = difference.estimate.mean
    word = "as many right as" if round(1000 * mean) == 0 else f"{points(abs(mean))} {'more' if mean > 0 else 'fewer'} right than"
    return f"{difference.arm} answers {word} {difference.minus} ({interval(difference.low, difference.high)})"


def interval(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "no interval can be given"
    return f"interval {100 * low:+.1f} to {100 * high:+.1f}"


def _list(differences: Sequence[Difference]) -> str:
    return "; ".join(
        f"{(d.arm if d.minus != d.arm else d.minus)} − {d.minus} {100 * d.estimate.mean:+.1f} ({interval(d.low, d.high)})" for d in differences
    )


def _cheapest(case: _Case, tuned: Sequence[Difference]) -> str:
    names = [case.found.reference, *(d.arm for d in tuned if not case.unmet(d.arm))]
    costs = {name: case.facts[name].cost for name in names}
    return min(names, key=lambda name: (cost.horizon_total if (cost := costs[name]) else float("inf"), names.index(name)))
