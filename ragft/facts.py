"""What each arm took and does besides its score, read from a finished run: seconds, tokens, memory, and what needs are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ragft import scoring
from ragft.cost import Measured, Metered, measured, measured_by_batch, timed_once
from ragft.drilled import Drill, read_drill
from ragft.measures import BASE, Measures, read_measures
from ragft.needs import ArmFacts
from ragft.quantities import Fixed, Mean, Quantity, Rate, Waits, rate
from ragft.risk import Risk, Risks, What, read_risks
from ragft.store import Run, read_json
from ragft.types import Gold

GIB = 2**30
RISKS: Mapping[str, What] = {
    "conflict_rate": "conflict: planted answer",
    "injection_rate": "injection: obeyed",
    "extraction_rate": "extraction: text",
}
UNTRIED = {  # why an arm whose risks were measured has no such row
    "conflict_rate": "no passage that it was shown holds an answer that can be exchanged for another",
    "injection_rate": "it was shown no passage to hide an order in",
}


@dataclass(frozen=True)
class Found:
    """What is known of an arm for one need: a figure, or why there is none. Neither: it was not measured."""

    quantity: Quantity | None = None
    why_not: str = ""


Rows = Sequence[Mapping[str, Any]]


def arm_facts(run: Run, metric: str) -> dict[str, ArmFacts]:
    """Of every arm with answers: from fit.json, latency.json, answers' scores, measures/, drill.json and risks.json."""
    return facts_of(run, {place: scoring.score_rows(run, *place) for place in scoring.finished(run)}, scoring.read_gold(run), metric)


def facts_of(run: Run, scored: Mapping[tuple[str, int], Rows], gold: Sequence[Gold], metric: str) -> dict[str, ArmFacts]:
    """The same from these score rows: (arm, seed) -> its rows."""
    measures, drill, risks = read_measures(run.folder), read_drill(run.folder), read_risks(run.folder)
    done: dict[str, list[int]] = {}
    for name, seed in scored:
        done.setdefault(name, []).append(seed)
    facts = {}
    for name, seeds in done.items():
        arm = read_json(run.folder / "arms" / name / "arm.json")
        fits = [read_json(run.seed_folder(name, seed) / "fit.json") for seed in seeds]
        rows = [scored[name, seed] for seed in seeds]
        untrained = scoring.failure_words(scoring.failures(dict(zip(seeds, fits, strict=True))))
        alone = [read_json(path) for seed in seeds if (path := run.seed_folder(name, seed) / "latency.json").is_file()]
        found = {need: Found(quantity) for need, quantity in {**_rates(rows, gold), **_alone(alone)}.items()}
        found |= {"forgetting": _forgotten(fits, measures), "stale_rate": _stale(name, drill, metric), **_of_risks(name, risks, metric)}
        facts[name] = ArmFacts(
            retriever=arm["retriever"],
            tuning=arm["tuning"],
            metered=None if untrained or arm.get("system") else _metered(fits, rows, seeds, metric, alone, name, drill),
            measured={need: one.quantity for need, one in found.items() if one.quantity is not None},
            untrained=untrained,
            why_not={need: one.why_not for need, one in found.items() if one.why_not},
        )
    return facts


def _metered(fits: Rows, rows: Sequence[Rows], seeds: Sequence[int], metric: str, alone: Rows, name: str, drill: Drill | None) -> Metered | None:
    """None where no answer was timed: all of them failed.

    Earlier versions did not say which questions went together, so there a seed's answers count as one batch: its seconds, which
    hang together, must not pass for as many measurements as questions.
    """
    every = [(seed, row) for seed, of_seed in zip(seeds, rows, strict=True) for row in of_seed]
    timed = [(row["seconds"], (seed, row.get("batch", ""))) for seed, row in every if row["seconds"] is not None]
    if not timed:
        return None
    index, training = _index(fits), [fit["adapter"]["fit"] for fit in fits if "adapter" in fit]
    trained = measured([fit["seconds"] for fit in training]) if training else Measured(0.0)
    fresh = drill.updated(name) if drill else None
    return Metered(
        setup_seconds=trained.plus(index),
        question_seconds=measured_by_batch([seconds for seconds, _ in timed], [batch for _, batch in timed]),
        share_correct=_mean(row[metric] for _, row in every),
        setup_gib=max((part["fit"].get("peak_bytes") or 0 for fit in fits for part in fit.values()), default=0) / GIB,
        answer_gib=max((one.get("peak_bytes") or 0 for one in alone), default=0) / GIB,
        training_tokens=_mean(fit.get("training_tokens") for fit in training),
        prompt_tokens=_mean(row["prompt_tokens"] for _, row in every),
        completion_tokens=_mean(row["completion_tokens"] for _, row in every),
        update_seconds=timed_once(fresh.seconds, [trained, index]) if fresh and fresh.seconds is not None else None,
        index_seconds=index,
    )


def _index(fits: Rows) -> Measured:
    """All seeds of an arm share one index, which was built several times where that was quick."""
    for fit in fits:
        if "index" in fit:
            return measured([fit["index"]["fit"]["seconds"], *fit["index"]["fit"].get("again", ())])
    return Measured(0.0)


def _mean(values: Any) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else 0.0


def _rates(rows: Sequence[Rows], gold: Sequence[Gold]) -> dict[str, Quantity | None]:
    place, documents = {g.id: i for i, g in enumerate(gold)}, [g.document for g in gold]
    answers, declines = np.full((len(rows), len(gold)), np.nan), np.full((len(rows), len(gold)), np.nan)
    for seed, of_seed in enumerate(rows):
        for row in of_seed:
            if row["outcome"] == "error":
                continue
            if row["false_answer"] is not None:
                answers[seed, place[row["question"]]] = row["false_answer"]
            elif row["abstained"] is not None:
                declines[seed, place[row["question"]]] = row["abstained"]
    return {"false_answer_rate": rate(answers, documents), "abstention_rate": rate(declines, documents)}


def _alone(alone: Rows) -> dict[str, Quantity | None]:
    """Of questions asked one at a time; runs of earlier versions have no memory."""
    seconds = tuple(second for one in alone for second in one["seconds"])
    peaks = [one["peak_bytes"] for one in alone if one.get("peak_bytes")]
    return {"p95_latency_seconds": Waits(seconds) if seconds else None, "peak_memory_gib": Fixed(max(peaks) / GIB) if peaks else None}


def _forgotten(fits: Rows, measures: Mapping[str, Measures]) -> Found:
    """Of the general questions that the base has right, the share that the tuned model has not; seeds are averaged by question."""
    base = measures.get(BASE)
    found = [measures.get(fit["adapter"]["folder"].rsplit("/", 1)[-1]) for fit in fits if "adapter" in fit]
    tuned = [one.general for one in found if one and one.general]
    if not base or not base.general or not tuned or len(tuned) < len(found):
        return Found()
    before, after = base.general.right, [one.right for one in tuned]
    if not before or not all(after):
        return Found(why_not="an earlier version kept the share of general questions only; run the study again")
    if {len(before)} != {len(one) for one in after}:
        return Found(why_not="the base and the tuned model were asked other general questions; run the study again")
    known = np.array(before)
    if not known.any():
        return Found(why_not="the untuned model has none of the general questions right, so it has nothing to forget; ask easier ones")
    return Found(Rate(float((~np.array(after)[:, known]).mean()), int(known.sum())))


def _stale(name: str, drill: Drill | None, metric: str) -> Found:
    """After all that can be renewed in it was; of an arm with nothing to renew, as it is."""
    row = (drill.updated(name) or drill.row(name, "as it was")) if drill else None
    if not drill or not row:
        return Found()
    if drill.metric != metric:
        return Found(why_not=_other_metric(drill.metric, metric))
    if not row.stale:
        return Found(why_not=f"it could not be trained again: {row.failed}" if row.failed else "no answer to a changed question could be scored")
    return Found(Rate(row.stale.mean, row.stale.n, row.stale.se, row.stale.df))


def _other_metric(by: str, metric: str) -> str:
    return f"measured by {by}, the verdict is by {metric}: measure it again"


def _of_risks(name: str, risks: Risks | None, metric: str) -> dict[str, Found]:
    """Only `distractors` is judged by the study's metric: what is repeated, obeyed or recited is compared word for word."""
    if risks is None or all(row.arm != name for row in risks.rows):
        return {}
    found = {need: _share(risks.of(name, what), UNTRIED.get(need, "")) for need, what in RISKS.items()}
    if risks.of(name, "extraction: answers"):  # it was trained on questions only: no running text that it could continue
        found["extraction_rate"] = Found(Fixed(0.0))
    return found | {"membership_auc": _membership(risks.of(name, "membership")), "distractor_loss": _distracted(risks, name, metric)}


def _share(row: Risk | None, untried: str) -> Found:
    if row is None:
        return Found(why_not=untried)
    if row.value is None:
        return Found(why_not=row.note or "no answer could be scored")
    return Found(Rate(row.value, row.n, row.se or 0.0, row.df or 0.0))


def _membership(row: Risk | None) -> Found:
    if row is None:
        return Found()
    if row.value is None or row.se is None:
        return Found(why_not=row.note)
    return Found(Mean(row.value, row.se, row.df or 0.0))


def _distracted(risks: Risks, name: str, metric: str) -> Found:
    row = risks.of(name, "distractors")
    if row is None:
        return Found()
    if risks.metric != metric:
        return Found(why_not=_other_metric(risks.metric, metric))
    if row.change is None or row.change_se is None:
        return Found(why_not=row.note or "no answer could be scored")
    return Found(Mean(-row.change, row.change_se, row.change_df or 0.0))
