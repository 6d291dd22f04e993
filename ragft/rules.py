"""The rules that turn a comparison into a verdict: the first that matches, never a winner by the best mean.

The rules are those of docs/statistics.md. A difference counts only through its simultaneous bound: an arm is adopted
when the bound, not the estimate, is beyond the margin.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragft.case import Case
from ragft.comparison import MAX_MISSING, Difference
from ragft.numbers import percent, points
from ragft.words import few, listed, lowest, says

VERDICTS = {
    "neither-needed": "The model alone is as good as every other arm: it needs neither RAG nor fine-tuning.",
    "adopt-both": "Fine-tune the model and keep RAG.",
    "adopt-tuned": "A fine-tuned model can stand in for RAG.",
    "trade-off": "Fine-tuning scores higher, but a need or the cost speaks against it: weigh the two.",
    "equivalent": "Fine-tuning makes no difference that matters: take what costs less.",
    "keep-rag": "Keep RAG: fine-tuning does not gain enough to pay for it.",
    "undecided": "Not decided: this study does not settle it.",
}
CANNOT_READ = 0.25  # of the answerable questions: when not even the gold passages surely lift any arm above this, the model is the problem
REFUSES = 0.5  # from this share of refusals on, they are named as what is wrong


NONE_FITS = "Keep RAG: no tuned arm meets the needs."  # whatever fine-tuning gains
NONE_LEFT_GAINS = "Keep RAG: no tuned arm that meets the needs gains enough to pay for it."


def above(bound: float | None, value: float) -> bool:
    """Whether a bound is known and above."""
    return bound is not None and bound > value


def below(bound: float | None, value: float) -> bool:
    """Whether a bound is known and below."""
    return bound is not None and bound < value


def rule(case: Case, margin: float) -> tuple[str, str, list[str]]:
    """Verdict, recommended arm and the reasons proper, at this margin: the first rule that matches."""
    if why := blocked(case):
        return "undecided", case.found.reference, [why]
    return _neither(case, margin) or no_rag(case) or _adopt(case, margin) or _settled(case, margin) or _open(case, margin)


def headline(case: Case, verdict: str, recommend: str) -> str:
    """The verdict as one sentence, and a second one where not even the recommended arm meets the needs."""
    said = VERDICTS[verdict]
    if verdict == "keep-rag" and all(case.unmet(d.arm) for d in case.tuned):
        said = NONE_FITS
    elif verdict == "keep-rag" and _some_miss_a_need(case):
        said = NONE_LEFT_GAINS
    if not case.unmet(recommend):
        return said
    misses = "does not meet them either" if said in (NONE_FITS, NONE_LEFT_GAINS) else "itself does not meet the needs"
    return f"{said} {recommend} {misses}."


def _some_miss_a_need(case: Case) -> bool:
    """Whether a tuned arm that could be trained is ruled out by a need."""
    return any(case.unmet(d.arm) and not case.facts[d.arm].untrained for d in case.tuned)


def _neither(case: Case, margin: float) -> tuple[str, str, list[str]] | None:
    others = case.found.against_base
    complete = len(others) == sum(not case.facts[arm].untrained for arm in case.found.family)  # base against every other deployable arm
    readable = any(row.answerable and row.answerable.mean >= CANNOT_READ for row in case.found.arms)  # all near zero: equally bad is not good
    if not (others and complete and readable and all(above(d.low, -margin) for d in others)) or case.unmet(others[0].arm):
        return None
    base = others[0].arm
    reason = f"{base} is surely not more than {points(margin)} worse than any other arm{case.that_trained}: {listed(others, lowest)}."
    if waiting := case.open(base):
        return "undecided", case.found.reference, [reason, f"But whether it meets the needs is open: {'; '.join(waiting)}"]
    return "neither-needed", base, [reason]


def no_rag(case: Case) -> tuple[str, str, list[str]] | None:
    """The other rules ask what fine-tuning adds to RAG, or whether it can replace it: the reference has to be plain RAG."""
    ref, facts = case.found.reference, case.facts[case.found.reference]
    why = (
        "is handed the gold passages, which no real deployment has"
        if facts.retriever == "oracle"
        else "is fine-tuned itself"
        if facts.tuning
        else "retrieves nothing"
        if not facts.retriever
        else ""
    )
    if not why:
        return None
    plain = [name for name in case.found.family if case.retrieves(name) and not case.facts[name].tuning]
    remedy = f"Set reference: {plain[0]}, and decide again." if plain else "Add an arm with a retriever and no tuning, and make it the reference."
    return "undecided", ref, [f"The reference arm {ref} {why}, so no arm here is compared with plain RAG. {remedy}"]


def _adopt(case: Case, margin: float) -> tuple[str, str, list[str]] | None:
    """adopt-both, adopt-tuned or trade-off."""
    ref = case.found.reference
    both = [d for d in case.tuned if case.retrieves(d.arm) and above(d.low, margin)]
    alone = [d for d in case.tuned if not case.retrieves(d.arm) and above(d.low, -margin)]
    fit_both = [d for d in both if not case.unmet(d.arm)]
    fit_alone = [d for d in alone if not case.unmet(d.arm) and _worth_it(case, d, margin)]
    plain = [d for d in case.found.challengers if case.retrieves(d.arm) and not case.facts[d.arm].tuning and above(d.low, margin)]
    if (fit_both or fit_alone) and plain:
        remedy = f"Set reference: {plain[0].arm}, and decide again."
        return "undecided", ref, [f"{says(d)}, without any fine-tuning: {ref} is not the RAG to beat. {remedy}" for d in plain[:1]]
    if ready := [d for d in fit_both if not case.open(d.arm)]:
        best = max(ready, key=lambda d: d.low or 0.0)
        return "adopt-both", best.arm, [f"{says(best)}: surely more than the margin of {points(margin)}."]
    if ready := [d for d in fit_alone if not case.open(d.arm)]:
        best = max(ready, key=lambda d: d.low or 0.0)
        why = f"it costs {_money(case, best.arm)} less over the horizon" if case.saves(best.arm) else "it is surely better"
        return "adopt-tuned", best.arm, [f"{says(best)}: surely not worse by more than {points(margin)}, and {why}."]
    if waiting := [*fit_both, *fit_alone]:
        shown, _ = few(waiting)
        return (
            "undecided",
            ref,
            [f"{says(d)}, enough to adopt it. But whether it meets the needs is open: {'; '.join(case.open(d.arm))}" for d in shown],
        )
    against = {d.arm: case.unmet(d.arm) or _dearer(case, d.arm) for d in [*both, *(d for d in alone if above(d.low, 0.0))]}
    reasons = [f"{says(d)}, but {'; '.join(against[d.arm])}." for d in case.tuned if d.arm in against]
    return ("trade-off", ref, reasons) if reasons else None


def _worth_it(case: Case, difference: Difference, margin: float) -> bool:
    """Surely cheaper; or better by more than the margin, which is the gain one would pay for; or better at no known extra cost."""
    saving = case.saving(difference.arm)
    return case.saves(difference.arm) or above(difference.low, margin) or (above(difference.low, 0.0) and (saving is None or saving >= 0))


def _dearer(case: Case, arm: str) -> tuple[str, ...]:
    return (f"it costs {_money(case, arm)} more over the horizon, and the gain is not surely above the margin",)


def _money(case: Case, arm: str) -> str:
    amount = abs(case.saving(arm) or 0.0)
    return f"{amount:,.2f} {case.prices.currency}" if amount < 100 else f"{amount:,.0f} {case.prices.currency}"


def _settled(case: Case, margin: float) -> tuple[str, str, list[str]] | None:
    """equivalent or keep-rag, from the tuned arms that meet the needs; nobody would take the others."""
    ref = case.found.reference
    tuned = [d for d in case.tuned if not case.unmet(d.arm)]
    if case.tuned and not tuned:
        why = "; ".join(f"{d.arm}: {', '.join(case.unmet(d.arm))}" for d in case.tuned)
        return "keep-rag", ref, [f"No tuned arm meets the needs ({why})."]
    if not tuned or not all(below(d.high, margin) for d in tuned):
        return None
    which = " that meets the needs" if _some_miss_a_need(case) else case.that_trained
    if all(above(d.low, -margin) for d in tuned):
        return (
            "equivalent",
            _cheapest(case, tuned),
            [f"Every tuned arm{which} is surely within {points(margin)} of {ref}: {listed(tuned)}."],
        )
    return "keep-rag", ref, [f"No tuned arm{which} can be better than {ref} by {points(margin)}: {listed(tuned)}."]


def _open(case: Case, margin: float) -> tuple[str, str, list[str]]:
    if not case.found.family or not any(case.facts[arm].tuning for arm in case.found.family):
        return "undecided", case.found.reference, ["No tuned arm is in this study, so there is nothing to decide about fine-tuning."]
    shown, others = few(unsettled(case, margin))
    reasons = [
        f"{says(d)}, so nothing is known about it yet."
        if d.high is None
        else f"{says(d)}: the true difference may be above or below the margin of {points(margin)}."
        for d in shown
    ]
    if others:
        reasons.append(f"{others} other tuned arms are open too; the table of differences has them all.")
    reasons += [
        f"{d.arm} is surely not worse by more than {points(margin)}. It cost {_money(case, d.arm)} less over the horizon here, but that is not sure."
        for d in shown
        if above(d.low, -margin) and not case.retrieves(d.arm) and (case.saving(d.arm) or 0.0) > 0 and not case.saves(d.arm)
    ]
    if not case.tuned and case.that_trained:
        reasons.append("No tuned arm could be trained.")
    return "undecided", case.found.reference, reasons


def unsettled(case: Case, margin: float) -> list[Difference]:
    """The tuned arms that no need rules out and that may or may not be better than the reference by the margin."""
    return [d for d in case.tuned if not case.unmet(d.arm) and not below(d.high, margin)]


def blocked(case: Case) -> str:
    """Why no verdict may be given at all, or "" when one may."""
    found = case.found
    # an arm that cannot be trained is ruled out before any answer is seen: the verdict about the others stands
    if unscored := [name for name in found.unscored if case.matters(name)]:
        names = ", ".join(unscored)
        return f"{names}: no question has a score under every seed, so no verdict is given. Look at the answers, then run the study again."
    for row in found.arms:
        if case.matters(row.name) and row.missing > MAX_MISSING:
            return (
                f"{row.name} failed on {percent(row.missing)} of its answers; with more than {percent(MAX_MISSING)} missing no verdict is given "
                f"(its score lies between {percent(row.worst)} and {percent(row.best)})."
            )
    # a question that fails under one seed is lost under all, so failures too few to block an arm add up over seeds and arms
    for d in found.challengers:
        if case.matters(d.arm) and d.missing > MAX_MISSING:
            return (
                f"{d.arm} minus {d.minus} rests on {percent(1 - d.missing)} of the questions; with more than {percent(MAX_MISSING)} missing no "
                "verdict is given. A question counts where both arms have a score of it under every seed."
            )
    return _none_reads(case)


def _none_reads(case: Case) -> str:
    """Why no verdict is given where all arms fail alike, or "". Refusals of unanswerable questions are right and would hide it."""
    levels = [row.answerable for row in case.found.arms if row.answerable and case.matters(row.name)]
    if not levels or any((level.mean if level.high is None else level.high) >= CANNOT_READ for level in levels):
        return ""
    none = f"no arm reaches {percent(CANNOT_READ)} on the questions that the documents answer"
    oracle = case.oracle
    if oracle is None or oracle.answerable is None:
        return (
            f"N{none[1:]}, too little to choose between them. No arm was handed the gold passages, so reading cannot be told from retrieval: "
            "add evidence to the test questions and an arm with retriever: oracle."
        )
    declines = case.facts[oracle.name].value("abstention_rate")
    refusing = f", and it declines to answer {percent(declines)} of them" if declines is not None and declines >= REFUSES else ""
    return (
        f"This model cannot read this corpus: {none}. Even with the gold passages in front of it, it scores "
        f"{percent(oracle.answerable.mean)} on them{refusing}. "
        "That says nothing about RAG or fine-tuning. Look at some answers, then try another model."
    )


def _cheapest(case: Case, tuned: Sequence[Difference]) -> str:
    """The arm that surely costs less than the reference and saves most; the reference where none does, unless a need rules it out."""
    fit = [d.arm for d in tuned if not case.open(d.arm)]
    savings = {arm: case.saving(arm) or 0.0 for arm in fit if case.saves(arm) or case.unmet(case.found.reference)}
    return max(savings, key=lambda arm: savings[arm], default=case.found.reference)
