"""What would change a verdict: the margin, a price, the volume, the mix of questions, retrieval's recall; or more data.

The rules are applied again with one thing changed and everything else as it is; what is nearest to the study's own value is said.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ragft.ahead import questions_needed, settles
from ragft.breakeven import BreakEven
from ragft.case import Case, case_of, repriced
from ragft.compare import ScoreTable, at_weights
from ragft.comparison import Comparison, Difference
from ragft.numbers import percent, points
from ragft.rules import above, blocked, no_rag, rule, unsettled
from ragft.words import KINDS, MOST_NAMED, few, named

MOST_ASKED, MOST_SEEDS = 100_000, 30  # questions and seeds beyond which a price is no advice
IF_TRUE = "if the truth is where the estimate is"
AS_HERE = " and training runs differ as much as they did here"
NOTHING = "No margin from 0 to 30 points changes it; another model, corpus or question set may."
REACH, A_DECADE = 1000.0, 8  # prices and volumes are tried a thousand times lower to a thousand times higher, eight steps a decade
LEAST_OF_A_KIND = 5  # questions of a kind whose share is changed: of fewer, nothing can be said about more
Outcome = tuple[str, str]  # a verdict and the arm that it recommends
FROM_NOTHING = {"updates_per_month": 0.001, "machine_per_hour": 0.001}  # where none now is none at all, and not that another price covers it
PRICES = {
    "questions_per_month": "questions a month",
    "updates_per_month": "updates a month",
    "months": "months of use",
    "machine_per_hour": "{currency} an hour of the machine",
    "electricity_per_kwh": "{currency} a kWh",
    "watts": "watts",
    "memory_per_gib_hour": "{currency} a GiB-hour",
    "prompt_tokens_per_million": "{currency} a million prompt tokens",
    "completion_tokens_per_million": "{currency} a million completion tokens",
    "training_tokens_per_million": "{currency} a million training tokens",
}


def changes(case: Case, outcome: Outcome, break_evens: Sequence[BreakEven], table: ScoreTable | None) -> list[str]:
    """Sentences. Without a `table` of the scores, the mix of questions and retrieval's recall are left out."""
    if blocked(case):
        return ["No margin, need or price changes it while this stands."]
    found = [*_margin_flips(case, outcome), *_need_flips(case, outcome), *_price_flips(case, outcome)]
    if table is not None:
        found += _mix_flips(case, outcome, table)
    found = found or [NOTHING]
    if outcome[0] == "undecided" and not no_rag(case):
        shown, _ = few([d for d in unsettled(case, case.found.margin) if not above(d.low, case.found.margin)])
        found += [_price(case.found, d) for d in shown]
    return [*found, *_volumes(case, break_evens)]


def _steps(values: Iterable[float], now: float, decided: Callable[[float], Outcome], outcome: Outcome) -> Iterator[tuple[float, float, Outcome]]:
    """From `now` on: (last value before, first value of, another outcome), the last of them with another verdict.

    So the first may recommend another arm under the same verdict; what comes after another verdict is too far away to be told.
    """
    edge, last = now, outcome
    for value in values:
        found = decided(value)
        if found != last:
            yield edge, value, found
        if found[0] != outcome[0]:
            return
        edge, last = value, found


def _would(other: Outcome, outcome: Outcome) -> str:
    verdict, arm = other
    return f"the verdict would be {verdict} ({arm})." if verdict != outcome[0] else f"{arm} would be recommended, with the same verdict."


def _margin_flips(case: Case, outcome: Outcome) -> list[str]:
    """The nearest margins, a tenth of a point apart from 0 to 30 points."""
    here, steps = case.found.margin, [step / 1000 for step in range(301)]
    flips = []
    for direction, margins in (("below", [m for m in reversed(steps) if m < here]), ("above", [m for m in steps if m > here])):
        for edge, _, other in _steps(margins, here, lambda margin: rule(case, margin)[:2], outcome):
            flips.append(f"With a margin {direction} {points(edge)} (now {points(here)}) {_would(other, outcome)}")
    return flips


def _need_flips(case: Case, outcome: Outcome) -> list[str]:
    """Each need left out, one at a time."""
    flips = []
    for name in case.needs:
        rest = {other: asked for other, asked in case.needs.items() if other != name}
        found = rule(case_of(case.found, case.facts, rest, case.prices), case.found.margin)[:2]
        if found != outcome:
            flips.append(f"Without the need {name} {_would(found, outcome)}")
    return flips


def _price_flips(case: Case, outcome: Outcome) -> list[str]:
    """Each stated price and volume, one at a time, up and down by powers of ten."""
    if not case.savings:
        return []
    flips = []
    for field, words in PRICES.items():
        now = getattr(case.prices, field)
        least = now or FROM_NOTHING.get(field)
        if not least or (field == "electricity_per_kwh" and not case.prices.watts):
            continue  # not paid for, or not on its own

        def decided(value: float, field: str = field) -> Outcome:
            return rule(repriced(case, case.prices.model_copy(update={field: value})), case.found.margin)[:2]

        for direction, sign in (("fewer" if "month" in field else "less", -1), ("more", 1)):
            if not now and sign < 0:
                continue
            decades = np.log10(REACH) * (1 if now else 2)  # from nothing, as far beyond one a month as below it
            steps = [least * 10 ** (sign * step / A_DECADE) for step in range(1, round(decades * A_DECADE) + 1)]
            for edge, beyond, other in _steps(steps, now, decided, outcome):
                at = _between(edge, beyond, decided) if edge else beyond
                unit = words.format(currency=case.prices.currency)
                flips.append(f"At {direction} than {_amount(at)} {unit} (now {_amount(now)}) {_would(other, outcome)}")
    return flips


def _between(stays: float, flips: float, decided: Callable[[float], Outcome]) -> float:
    """Where the outcome of `stays` ends, to half a percent, by bisection."""
    before = decided(stays)
    while abs(flips - stays) > 0.005 * max(abs(stays), abs(flips)):
        middle = (stays + flips) / 2
        stays, flips = (middle, flips) if decided(middle) == before else (stays, middle)
    return flips


def _amount(value: float) -> str:
    """Two digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# ── the mix of questions ─────────────────────────────────────────────────────────────────────────────────────────────


def _mix_flips(case: Case, outcome: Outcome, table: ScoreTable) -> list[str]:
    ref, flips = case.found.reference, []
    strata = np.array(table.strata, dtype=object)
    kinds = [(strata == name, np.ones(len(strata), dtype=bool), _of_kind(name)) for name in dict.fromkeys(table.strata) if name]
    found = f"If search for {ref} found all the evidence for {{share}} of the questions that it can be judged on"
    for inside, among, words in [(table.hit == 1.0, ~np.isnan(table.hit), found), *kinds]:
        n, k = int(among.sum()), int((inside & among).sum())
        if min(k, n - k) < LEAST_OF_A_KIND:
            continue
        now = k / n

        def decided(share: float, inside: np.ndarray = inside, among: np.ndarray = among, now: float = now) -> Outcome:
            weights = np.where(inside, share / now, (1 - share) / (1 - now))
            return rule(replace(case, found=at_weights(table, np.where(among, weights, 1.0), case.found)), case.found.margin)[:2]

        steps = [step / 10 for step in range(11)]
        for shares in ([s for s in reversed(steps) if s < now - 0.005], [s for s in steps if s > now + 0.005]):
            for edge, beyond, other in _steps(shares, now, decided, outcome):
                at = _between(edge, beyond, decided) if beyond > 0 else beyond
                flips.append(f"{words.format(share=percent(round(at, 2)))} (now {percent(round(now, 2))}), {_would(other, outcome)}")
    return flips


def _of_kind(stratum: str) -> str:
    return f"If {{share}} of the questions were {KINDS.get(stratum, stratum)}"


# ── more data, and costs that are equal ──────────────────────────────────────────────────────────────────────────────


def _price(found: Comparison, difference: Difference) -> str:
    """What it takes to settle this difference with 80 % power, if the truth is where the estimate is."""
    estimate, share = difference.estimate, found.alpha / max(1, len(found.family))
    name = f"{difference.arm} against {difference.minus}"
    if estimate.question_df <= 0:
        return f"{name}: ask about at least 10 documents, none of them with most of the questions; without that there is no interval."
    if estimate.seed_df <= 0:
        return f"{name}: train with at least 3 seeds; with one, nobody knows how much training runs differ."
    distance, if_true = abs(estimate.mean - found.margin), IF_TRUE + (AS_HERE if estimate.seed_se else "")
    total = questions_needed(estimate, distance, share, estimate.seeds)
    if total is not None and total <= MOST_ASKED:
        return f"{name}: about {max(1, total - estimate.n):,} more questions, on new documents, would settle it in four cases of five, {if_true}."
    steady = questions_needed(replace(estimate, seed_se=0.0), distance, share, estimate.seeds)  # if training runs did not differ
    if steady is not None and 2 * steady <= MOST_ASKED:
        enough = range(estimate.seeds + 1, MOST_SEEDS + 1)
        seeds = enough.start + bisect_left(enough, True, key=lambda number: settles(estimate, distance, share, 2 * steady, number))
        if seeds in enough:
            total = questions_needed(estimate, distance, share, seeds) or 2 * steady
            more = f"{seeds} seeds (now {estimate.seeds})" + (f" and {total:,} questions (now {estimate.n:,})" if total > estimate.n else "")
            return f"{name}: more questions alone cannot settle it, because training runs differ too much; about {more} could, {if_true}."
    return f"{name}: the estimate lies too near the margin to settle with any number of questions and seeds one would pay for. State another margin."


def _volumes(case: Case, break_evens: Sequence[BreakEven]) -> list[str]:
    """Where a fine-tuned model without passages begins or ceases to cost less: a sentence for each of a few, one for all of many."""
    alone = [e for e in break_evens if e.axis == "questions" and e.at is not None and case.facts[e.arm].tuning and not case.retrieves(e.arm)]
    stated = f"questions a month (here: {case.prices.questions_per_month:,.0f}); that matters only if"
    sentences, other = list[str](), case.found.reference
    for side in dict.fromkeys(e.cheaper for e in alone):
        same = {e.arm: e.at or 0.0 for e in alone if e.cheaper == side}
        if len(same) <= MOST_NAMED:
            sentences += [f"{arm} costs less than {other} {side} {volume:,.0f} {stated} it answers as well." for arm, volume in same.items()]
        else:
            between = f"{min(same.values()):,.0f} to {max(same.values()):,.0f}"
            sentences.append(f"{named(list(same))} cost less than {other} {side} {between} {stated} they answer as well.")
    return sentences
