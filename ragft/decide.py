"""Comparison + measured costs + needs -> Decision: the verdict, where the bottleneck is, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ragft.comparison import Comparison, Difference, Interaction
from ragft.cost import BreakEven, Prices, break_even
from ragft.errors import unknown
from ragft.needs import NEEDS, ArmFacts
from ragft.numbers import percent, points
from ragft.rules import CANNOT_READ, VERDICTS, Case, above, below, blocked, no_rag, rule, unsettled
from ragft.stats import questions_needed
from ragft.words import MOST_NAMED, by_kind, few, named

__all__ = ["NEEDS", "VERDICTS", "ArmFacts", "Decision", "decide"]

MOST_ASKED, MOST_SEEDS = 100_000, 30  # questions and seeds beyond which a price is no advice
IF_TRUE = "if the truth is where the estimate is"


@dataclass(frozen=True)
class Decision:
    """What to do, for which model, why, and what would change it."""

    verdict: str
    recommend: str
    headline: str
    because: tuple[str, ...]
    would_change_if: tuple[str, ...]
    excluded: Mapping[str, tuple[str, ...]]  # arm -> the needs that it does not meet, or why it could not be trained
    break_even: tuple[BreakEven, ...]
    metric: str
    alpha: float
    margin: float
    reference: str
    model: str
    warnings: tuple[str, ...] = field(default=())


def decide(
    found: Comparison,
    facts: Mapping[str, ArmFacts],
    *,
    model: str,
    needs: Mapping[str, float | bool] | None = None,
    prices: Prices | None = None,
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Decision:
    """The verdict. `facts` has one entry for every arm; `needs` are names of NEEDS with the value asked for.

    `notes` are what the data can and cannot say, in sentences; they stand with the reasons. `warnings` are what else a
    reader must know before trusting it; they stand before the comparison's own.
    """
    for name in needs or {}:
        if name not in NEEDS:
            raise unknown("need", name, NEEDS)
    case = Case(found, facts, needs or {}, prices or Prices())
    verdict, recommend, because = rule(case, found.margin)
    context = [] if blocked(case) else [*_untrained(case), *_gates(case), *_kinds(case, recommend)]
    deployable = dict.fromkeys([found.reference, *found.family])
    return Decision(
        verdict=verdict,
        recommend=recommend,
        headline=VERDICTS[verdict],
        because=(*because, *context, *notes),
        would_change_if=tuple(_changes(case, verdict)),
        excluded={arm: unmet for arm in deployable if (unmet := case.unmet(arm))},
        break_even=tuple(_break_even(case)),
        metric=found.metric,
        alpha=found.alpha,
        margin=found.margin,
        reference=found.reference,
        model=model,
        warnings=(*warnings, *found.warnings, *_about_needs(case, recommend)),
    )


def _about_needs(case: Case, recommend: str) -> list[str]:
    """Needs that could not be tested, and those that even the recommended arm does not meet."""
    arms = [arm for arm in (case.found.reference, *case.found.family) if not case.facts[arm].untrained]
    blind = {name: [arm for arm in arms if not NEEDS[name].measured(case.facts[arm])] for name in case.needs}
    sentences = [f"The need {name} was not measured for {', '.join(arms)}, so it excludes none of them." for name, arms in blind.items() if arms]
    if unmet := case.unmet(recommend):
        sentences.append(f"{recommend} itself does not meet a need: {'; '.join(unmet)}.")
    return sentences


def _untrained(case: Case) -> list[str]:
    """The arms that the verdict is not about; why stands with the arms that are ruled out."""
    broken = [arm for arm in case.found.family if case.facts[arm].untrained]
    return [f"{named(broken)} could not be trained, so the verdict is about the other arms."] if broken else []


def _gates(case: Case) -> list[str]:
    """What the cheap arms say about where the bottleneck is."""
    sentences = _reading(case) or [*_closed_book(case.found), *_retrieval(case.found)]
    harmful = [both for both in case.found.interactions if below(both.high, 0.0)]
    helpful = [both for both in case.found.interactions if above(both.low, 0.0)]
    return [*sentences, *_together(harmful, "get in each other's way", "less"), *_together(helpful, "help each other", "more")]


def _together(found: Sequence[Interaction], what: str, word: str) -> list[str]:
    """A sentence for each of a few, one for all of many."""
    if len(found) <= MOST_NAMED:
        return [
            f"{both.rag} and {both.tuned} {what}: together they bring {points(abs(both.estimate.mean))} {word} than the sum of what each brings."
            for both in found
        ]
    sizes = sorted(abs(both.estimate.mean) for both in found)
    return [
        f"{found[0].rag} and each of {named([both.tuned for both in found])} {what}: together two bring {100 * sizes[0]:.1f} to "
        f"{points(sizes[-1])} {word} than the sum of what each brings."
    ]


def _reading(case: Case) -> list[str]:
    level = case.oracle.answerable if case.oracle else None
    if level is None or not below(level.high, CANNOT_READ):
        return []
    return [
        f"Reading is the bottleneck: with the gold passages the model scores {percent(level.mean)} on the questions that the documents answer. "
        "Better retrieval cannot help; a model that reads better, or training on questions with passages, can."
    ]


def _closed_book(found: Comparison) -> list[str]:
    near = found.closed_book
    level = found.row(near.arm).answerable if near else None
    beaten = any(below(d.high, 0.0) for d in found.against_base)  # then something does help, be it not the passages
    if near is None or level is None or beaten or not above(near.low, -found.margin):
        return []
    return [
        f"The model alone is near its ceiling: on the questions that the documents answer, {near.arm} scores {percent(level.mean)}, "
        f"and the gold passages bring less than {points(found.margin)} more. "
        "Nothing needs to be added for knowledge; what is still wrong has other causes."
    ]


def _retrieval(found: Comparison) -> list[str]:
    ceiling = found.ceiling
    if ceiling and above(ceiling.low, found.margin):
        gold, now = (percent(found.row(arm).estimate.mean) for arm in (ceiling.arm, found.reference))
        return [f"Better retrieval could still help: with the gold passages the model scores {gold}, with {found.reference} {now}."]
    if ceiling and below(ceiling.high, found.margin):
        return [f"Retrieval is not the bottleneck: the gold passages bring less than {points(found.margin)} over {found.reference}."]
    return []


def _kinds(case: Case, recommend: str) -> list[str]:
    """The recommended arm against the reference by stratum; where they are the same, the challenger with the highest mean, tuned if any is."""
    best = max(case.tuned or case.found.challengers, key=lambda d: d.estimate.mean, default=None)
    arm = recommend if recommend != case.found.reference else best.arm if best else None
    sentence = by_kind(case.found, arm) if arm else ""
    return [sentence] if sentence else []


# ── what would change it ─────────────────────────────────────────────────────────────────────────────────────────────


def _changes(case: Case, verdict: str) -> list[str]:
    if blocked(case):
        return ["No margin, need or price changes it while this stands."]
    changes = _margin_flips(case, verdict)
    if verdict == "undecided" and not no_rag(case):
        shown, _ = few([d for d in unsettled(case, case.found.margin) if not above(d.low, case.found.margin)])
        changes += [_price(case.found, d) for d in shown]
    changes += _volumes(case)
    return changes or ["No margin from 0 to 30 points changes it; another model, corpus or question set may."]


def _volumes(case: Case) -> list[str]:
    """Where a fine-tuned model without passages begins or ceases to cost less: a sentence for each of a few, one for all of many."""
    evens = [e for e in _break_even(case) if e.volume is not None and case.facts[e.arm].tuning and not case.retrieves(e.arm)]
    stated = f"questions a month (stated: {case.prices.questions_per_month:,.0f}); that matters only if"
    sentences, other = list[str](), case.found.reference
    for side in dict.fromkeys(e.cheaper for e in evens):
        same = {e.arm: e.volume or 0.0 for e in evens if e.cheaper == side}
        if len(same) <= MOST_NAMED:
            sentences += [f"{arm} costs less than {other} {side} {volume:,.0f} {stated} it answers as well." for arm, volume in same.items()]
        else:
            between = f"{min(same.values()):,.0f} to {max(same.values()):,.0f}"
            sentences.append(f"{named(list(same))} cost less than {other} {side} {between} {stated} they answer as well.")
    return sentences


def _margin_flips(case: Case, verdict: str) -> list[str]:
    """The nearest margins, a tenth of a point apart from 0 to 30 points, at which the rules give another verdict."""
    here = case.found.margin
    steps = [step / 1000 for step in range(301)]
    flips = []
    for direction, margins in (("below", [m for m in reversed(steps) if m < here]), ("above", [m for m in steps if m > here])):
        edge = here  # the last margin at which the verdict still stands
        for margin in margins:
            other, arm, _ = rule(case, margin)
            if other != verdict:
                flips.append(f"With a margin {direction} {points(edge)} (now {points(here)}) the verdict would be {other} ({arm}).")
                break
            edge = margin
    return flips


def _price(found: Comparison, difference: Difference) -> str:
    """What it takes to settle this difference with 80 % power, if the truth is where the estimate is."""
    estimate, share = difference.estimate, found.alpha / max(1, len(found.family))
    name = f"{difference.arm} against {difference.minus}"
    if estimate.question_df <= 0:
        return f"{name}: ask about at least 10 documents, none of them with most of the questions; without that there is no interval."
    if estimate.seed_df <= 0:
        return f"{name}: train with at least 3 seeds; with one, nobody knows how much training runs differ."
    distance = abs(estimate.mean - found.margin)
    total = questions_needed(estimate, distance, share, estimate.seeds)
    if total is not None and total <= MOST_ASKED:
        return f"{name}: about {max(1, total - estimate.n):,} more questions, on new documents, would settle it in four cases of five, {IF_TRUE}."
    steady = questions_needed(replace(estimate, seed_se=0.0), distance, share, estimate.seeds)  # if training runs did not differ
    if steady is not None and 2 * steady <= MOST_ASKED:
        for seeds in range(estimate.seeds + 1, MOST_SEEDS + 1):
            total = questions_needed(estimate, distance, share, seeds)
            if total is not None and total <= 2 * steady:
                more = f"{seeds} seeds (now {estimate.seeds})" + (f" and {total:,} questions (now {estimate.n:,})" if total > estimate.n else "")
                return f"{name}: more questions alone cannot settle it, because training runs differ too much; about {more} could, {IF_TRUE}."
    return f"{name}: the estimate lies too near the margin to settle with any number of questions and seeds one would pay for. State another margin."


def _break_even(case: Case) -> list[BreakEven]:
    reference = case.facts[case.found.reference].cost
    rows = [(arm, case.facts[arm].cost) for arm in case.found.family]
    return [break_even(arm, cost, case.found.reference, reference, case.prices) for arm, cost in rows if cost and reference]
