"""What each arm took and does besides its score, read from a finished run: seconds, tokens, memory, and what needs are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ragft import scoring
from ragft.cost import Measured, Metered, measured, measured_by_batch, timed_once
from ragft.drilled import Drill, read_drill
from ragft.measures import BASE, Measures, read_measures
from ragft.needs import ArmFacts
from ragft.quantities import Fixed, Mean, Quantity, Rate, Waits, rate
from ragft.risk import Risks, What, read_risks
from ragft.store import Run, read_json
from ragft.types import Gold

GIB = 2**30
RISKS: Mapping[str, What] = {
    "conflict_rate": "conflict: planted answer",
    "injection_rate": "injection: obeyed",
    "extraction_rate": "extraction: text",
}


def arm_facts(run: Run, metric: str) -> dict[str, ArmFacts]:
    """Of every arm with answers: from fit.json, latency.json, answers' scores, measures/, drill.json and risks.json."""
    gold = scoring.read_gold(run)
    measures, drill, risks = read_measures(run.folder), read_drill(run.folder), read_risks(run.folder)
    done: dict[str, list[int]] = {}
    for name, seed in scoring.finished(run):
        done.setdefault(name, []).append(seed)
    facts = {}
    for name, seeds in done.items():
        arm = read_json(run.folder / "arms" / name / "arm.json")
        fits = [read_json(run.seed_folder(name, seed) / "fit.json") for seed in seeds]
        rows = [scoring.score_rows(run, name, seed) for seed in seeds]
        untrained = scoring.failure_words(scoring.failures(dict(zip(seeds, fits, strict=True))))
        alone = [read_json(path) for seed in seeds if (path := run.seed_folder(name, seed) / "latency.json").is_file()]
        found: dict[str, Quantity | None] = {**_rates(rows, gold), **_alone(alone), "forgetting": _forgotten(fits, measures)}
        found |= {"stale_rate": _stale(name, drill), **_of_risks(name, risks)}
        facts[name] = ArmFacts(
            retriever=arm["retriever"],
            tuning=arm["tuning"],
            metered=None if untrained else _metered(fits, rows, seeds, metric, alone, name, drill),
            measured={need: quantity for need, quantity in found.items() if quantity is not None},
            untrained=untrained,
        )
    return facts


Rows = Sequence[Mapping[str, Any]]


def _metered(fits: Rows, rows: Sequence[Rows], seeds: Sequence[int], metric: str, alone: Rows, name: str, drill: Drill | None) -> Metered | None:
    """None where no answer was timed: all of them failed."""
    every = [(seed, row) for seed, of_seed in zip(seeds, rows, strict=True) for row in of_seed]
    timed = [(row["seconds"], (seed, row.get("batch", row["question"]))) for seed, row in every if row["seconds"] is not None]
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


def _forgotten(fits: Rows, measures: Mapping[str, Measures]) -> Rate | None:
    """The share of the general questions that the base has right and the tuned model has wrong; seeds are averaged by question.

    Not what it lost less what it gained: that difference is no count, and its bounds would be too narrow.
    """
    base = measures.get(BASE)
    found = [measures.get(fit["adapter"]["folder"].rsplit("/", 1)[-1]) for fit in fits if "adapter" in fit]
    tuned = [one.general.right for one in found if one and one.general and one.general.right]
    if not base or not base.general or not base.general.right or not tuned or len(tuned) < len(found):
        return None
    lost = np.array(base.general.right) & ~np.array(tuned)
    return Rate(float(lost.mean()), len(base.general.right))


def _stale(name: str, drill: Drill | None) -> Rate | None:
    """After all that can be renewed in it was."""
    row = drill.updated(name) if drill else None
    return Rate(row.stale.mean, row.stale.n) if row and row.stale else None


def _of_risks(name: str, risks: Risks | None) -> dict[str, Quantity | None]:
    if risks is None:
        return {}
    found: dict[str, Quantity | None] = {}
    for need, what in RISKS.items():
        row = risks.of(name, what)
        found[need] = Rate(row.value, row.n) if row and row.value is not None else None
    member, distracted = risks.of(name, "membership"), risks.of(name, "distractors")
    if member and member.value is not None and member.se is not None:
        found["membership_auc"] = Mean(member.value, member.se, member.df or 0.0)
    if distracted and distracted.change is not None and distracted.change_se is not None:
        found["distractor_loss"] = Mean(-distracted.change, distracted.change_se, distracted.change_df or 0.0)
    return found
