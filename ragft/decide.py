"""Comparison + measured costs + needs -> Decision: the verdict, where the bottleneck is, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ragft import notebook
from ragft.breakeven import BreakEven, break_evens
from ragft.case import Case, case_of
from ragft.compare import ScoreTable
from ragft.comparison import Comparison, Interaction
from ragft.cost import Prices
from ragft.doubts import CAPPED, about_labels, overturned
from ragft.flips import changes
from ragft.labelrate import LabelDoubt
from ragft.needs import NEEDS, ArmFacts, check_need
from ragft.numbers import percent, points
from ragft.odds import Odds, odds
from ragft.rules import CANNOT_READ, VERDICTS, above, below, blocked, headline, rule
from ragft.slicewords import slice_words
from ragft.words import HARMFUL, HELPFUL, MOST_NAMED, REDUNDANT, by_kind, listed, named, says, together

__all__ = ["NEEDS", "VERDICTS", "ArmFacts", "Decision", "decide"]


@dataclass(frozen=True)
class Decision:
    """What to do, for which model, why, and what would change it."""

    verdict: str
    recommend: str
    headline: str
    because: tuple[str, ...]
    would_change_if: tuple[str, ...]
    excluded: Mapping[str, tuple[str, ...]]  # arm -> the needs that it surely misses, or why it could not be trained
    break_even: tuple[BreakEven, ...]
    metric: str
    alpha: float
    margin: float
    reference: str
    model: str
    open_needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # arm -> needs of which it is not known whether it meets them
    odds: tuple[Odds, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    def _repr_html_(self) -> str:
        return notebook.decision(self)


def decide(
    found: Comparison,
    facts: Mapping[str, ArmFacts],
    *,
    model: str,
    needs: Mapping[str, float | bool] | None = None,
    prices: Prices | None = None,
    table: ScoreTable | None = None,
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    doubt: LabelDoubt | None = None,
) -> Decision:
    """The verdict. `facts` has one entry for every arm; `needs` are names of NEEDS with the value asked for.

    With the `table` that was compared, it is also said which mix of questions and which recall of retrieval would change the
    verdict; that takes longer (a comparison for each mix that is tried). `notes` are what the data can and cannot say, in
    sentences; they stand with the reasons. `warnings` are what else a reader must know before trusting it; they stand before the comparison's own.
    `doubt` is what a review of the labels found: a verdict that wrong labels alone could overturn says so in its headline.
    """
    for name, asked in (needs or {}).items():
        check_need(name, asked)
    stated = prices or Prices()
    case = case_of(found, {arm: _priced(known, stated) for arm, known in facts.items()}, needs or {}, stated)
    verdict, recommend, because = rule(case, found.margin)
    outcome = (verdict, recommend)
    other = overturned(case, outcome, doubt)
    context = [] if blocked(case) else [*_untrained(case), *_gates(case), *_kinds(case, recommend), *slice_words(found)]
    deployable, evens = dict.fromkeys([found.reference, *found.family]), _break_evens(case)
    return Decision(
        verdict=verdict,
        recommend=recommend,
        headline=" ".join([headline(case, verdict, recommend), *([CAPPED] if other else [])]),
        because=(*because, *context, *_systems(found), *notes),
        would_change_if=tuple(changes(case, outcome, evens, table)),
        excluded={arm: unmet for arm in deployable if (unmet := case.unmet(arm))},
        open_needs={arm: waiting for arm in deployable if (waiting := case.open(arm)) and not case.facts[arm].untrained},
        break_even=evens,
        metric=found.metric,
        alpha=found.alpha,
        margin=found.margin,
        reference=found.reference,
        model=model,
        odds=odds(case),
        warnings=(
            *warnings,
            *about_labels(case, outcome, doubt, other),
            *found.warnings,
            *_about_needs(case, recommend),
            *_about_prices(case, facts, verdict, recommend),
            *_outdone(found),
        ),
    )


def _systems(found: Comparison) -> list[str]:
    """How the team's own systems do; the verdict is not about them."""
    return [f"{listed(found.systems)}. That compares whole systems, which differ in more than fine-tuning."] if found.systems else []


def _outdone(found: Comparison) -> list[str]:
    """A system that surely beats the reference by more than the margin: fine-tuning was compared with less than there is."""
    better = [system for system in found.systems if above(system.low, found.margin)]
    return [
        f"{says(system)}, surely more than the margin: {found.reference} is not the best at hand. What fine-tuning adds to {system.arm} is not known."
        for system in better
    ]


def _about_needs(case: Case, recommend: str) -> list[str]:
    """Needs that even the recommended arm misses, or of which it is not known."""
    unmet, waiting = case.unmet(recommend), case.open(recommend)
    sentences = [f"{recommend} itself does not meet a need: {'; '.join(unmet)}."] if unmet else []
    return sentences + ([f"Whether {recommend} itself meets the needs is not sure: {'; '.join(waiting)}"] if waiting else [])


def _priced(facts: ArmFacts, prices: Prices) -> ArmFacts:
    """An arm whose tokens were not counted has no cost by the token."""
    return facts if facts.metered is None or facts.metered.priceable(prices) else replace(facts, metered=None)


def _about_prices(case: Case, facts: Mapping[str, ArmFacts], verdict: str, recommend: str) -> list[str]:
    """Costs that are not known, and a verdict that rests on volumes which nobody stated."""
    lost = [arm for arm, known in facts.items() if known.metered and not case.facts[arm].metered]
    sentences = [f"A price per token is stated, but the tokens of {named(lost)} were not counted: their costs are not known."] if lost else []
    if verdict in ("adopt-tuned", "equivalent") and case.saves(recommend) and (supposed := case.prices.supposed):
        sentences.append(
            f"That {recommend} costs less rests on figures that ragft supposes and nobody stated ({', '.join(supposed)}). State yours under costs."
        )
    return sentences


def _untrained(case: Case) -> list[str]:
    """The arms that the verdict is not about; why stands with the arms that are ruled out."""
    broken = [arm for arm in case.found.family if case.facts[arm].untrained]
    return [f"{named(broken)} could not be trained, so the verdict is about the other arms."] if broken else []


def _gates(case: Case) -> list[str]:
    """What the cheap arms say about where the bottleneck is."""
    sentences = _reading(case) or [*_closed_book(case.found), *_retrieval(case.found)]
    said = ((HARMFUL, "get in each other's way", "less"), (REDUNDANT, "overlap", "less"), (HELPFUL, "help each other", "more"))
    for kind, what, word in said:
        sentences += _together([both for both in case.found.interactions if together(case.found, both) == kind], what, word)
    return sentences


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


def _break_evens(case: Case) -> tuple[BreakEven, ...]:
    """Of every challenger whose cost is known against the reference, in questions and in updates a month."""
    ref = case.found.reference
    other = case.facts[ref].metered
    known = [(arm, case.facts[arm].metered) for arm in case.found.family]
    return tuple(even for arm, metered in known if metered and other for even in break_evens(arm, metered, ref, other, case.prices))
