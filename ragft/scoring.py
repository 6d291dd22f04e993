"""Stored answers -> scores per question, and scores -> the table that is compared. Needs no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ragft import registry
from ragft.compare import ArmScores, ScoreTable
from ragft.cost import Prices, arm_cost
from ragft.decide import ArmFacts
from ragft.errors import MismatchError, MissingError
from ragft.store import Run, read_json, read_jsonl_as, write_jsonl
from ragft.types import Answer, Gold

if TYPE_CHECKING:
    import pandas as pd


def score_run(run: Run) -> None:
    """Write scores.jsonl beside every complete answers.jsonl: each metric's value for each question, null = not applicable."""
    gold = {g.id: g for g in read_gold(run)}
    metrics = registry.entries("metric")
    for name, seed in finished(run):
        folder = run.seed_folder(name, seed)
        answers = {answer.question: answer for answer in read_jsonl_as(Answer, folder / "answers.jsonl")}
        rows = [
            {"question": key, "outcome": answers[key].outcome, **{m: e.make(answers[key], gold[key]) for m, e in metrics.items()}} for key in gold
        ]
        write_jsonl(folder / "scores.jsonl", rows)


def read_gold(run: Run) -> list[Gold]:
    """The run's held-out set, in its order."""
    return read_jsonl_as(Gold, run.folder / "gold.jsonl")


def arm_names(run: Run) -> list[str]:
    """The run's arms, in the study's order."""
    return list(read_json(run.folder / "manifest.json")["arms"])


def finished(run: Run) -> list[tuple[str, int]]:
    """Arms and seeds whose answers are complete, in the study's order."""
    return [(name, seed) for name in arm_names(run) for seed in run.seeds(name) if (run.seed_folder(name, seed) / "done.json").is_file()]


def scores_frame(run: Run) -> pd.DataFrame:
    """One row per arm, seed and question: arm, seed, question, document, stratum, kind, outcome, and a column per metric."""
    import pandas as pd

    gold = {g.id: g for g in read_gold(run)}
    rows = []
    for name, seed in finished(run):
        for row in _rows(run, name, seed):
            g = gold[row["question"]]
            rows.append({"arm": name, "seed": seed, "document": g.document, "stratum": g.stratum, "kind": g.kind, **row})
    return pd.DataFrame(rows)


def _rows(run: Run, name: str, seed: int) -> list[dict[str, Any]]:
    return read_jsonl_as(dict, run.seed_folder(name, seed) / "scores.jsonl")


def score_table(run: Run, metric: str, reference: str) -> ScoreTable:
    """The table that `compare` takes. Raises MismatchError when arms differ in what a pair must share."""
    gold = read_gold(run)
    found = finished(run)
    names = list(dict.fromkeys(name for name, _ in found))
    absent = [name for name in arm_names(run) if name not in names]
    if absent:
        raise MissingError(f"{run.folder}: no answers yet of {', '.join(absent)}. Finish the run first: ragft run")
    _check_pairs(run, names)
    arms = []
    for name in names:
        arm = read_json(run.folder / "arms" / name / "arm.json")
        values = [_column(_rows(run, name, seed), gold, metric) for arm_name, seed in found if arm_name == name]
        arms.append(ArmScores(name, np.array(values), arm["retriever"], arm["tuning"], arm["format"], arm["model"]))
    first = next((seed for name, seed in found if name == reference), 0)
    hit = _column(_rows(run, reference, first), gold, "recall@k") if reference in names else np.full(len(gold), np.nan)
    return ScoreTable(
        questions=tuple(g.id for g in gold),
        documents=tuple(g.document for g in gold),
        strata=tuple(g.stratum for g in gold),
        kinds=tuple(g.kind for g in gold),
        arms=tuple(arms),
        hit=np.where(np.isnan(hit), np.nan, (hit == 1.0).astype(float)),
    )


def _column(rows: Sequence[dict[str, Any]], gold: Sequence[Gold], metric: str) -> np.ndarray:
    by_id = {row["question"]: row[metric] for row in rows}
    return np.array([np.nan if by_id.get(g.id) is None else by_id[g.id] for g in gold], dtype=float)


def _check_pairs(run: Run, names: Sequence[str]) -> None:
    """Arms are paired only when they answered the same questions with the same base weights over the same chunks."""
    gold = [g.id for g in read_gold(run)]
    indexes, models = {}, {}
    for name in names:
        models[read_json(run.folder / "arms" / name / "arm.json")["model"]] = name
        for seed in run.seeds(name):
            asked = {row["question"] for row in _rows(run, name, seed)}
            if asked != set(gold):
                raise MismatchError(f"{name} seed {seed} answered other questions than the run's held-out set. Run the study again.")
            fit = read_json(run.seed_folder(name, seed) / "fit.json")
            if "index" in fit:
                indexes[fit["index"]["sha256"]] = name
    for what, found in (("index", indexes), ("base model", models)):
        if len(found) > 1:
            raise MismatchError(f"arms {' and '.join(found.values())} were not built on the same {what}; they cannot be paired. Run the study again.")


def arm_facts(run: Run, metric: str, prices: Prices) -> dict[str, ArmFacts]:
    """What each arm took, measured: seconds from fit.json and answers, rates from scores."""
    facts = {}
    for name in dict.fromkeys(name for name, _ in finished(run)):
        arm = read_json(run.folder / "arms" / name / "arm.json")
        fits = [read_json(run.seed_folder(name, seed) / "fit.json") for seed in run.seeds(name)]
        rows = [row for seed in run.seeds(name) for row in _rows(run, name, seed)]
        setup = float(np.mean([sum(built["fit"]["seconds"] for built in fit.values()) for fit in fits]))
        latencies = [a.usage.batch_seconds for seed in run.seeds(name) for a in _answers(run, name, seed) if a.usage]
        facts[name] = ArmFacts(
            retriever=arm["retriever"],
            tuning=arm["tuning"],
            # the median: another program's load on one batch must not decide what an arm costs
            cost=arm_cost(setup, _over(np.median, rows, "seconds") or 0.0, _over(np.mean, rows, metric) or 0.0, prices),
            p95_latency_seconds=float(np.quantile(latencies, 0.95)) if latencies else None,
            false_answer_rate=_over(np.mean, rows, "false_answer"),
        )
    return facts


def _answers(run: Run, name: str, seed: int) -> list[Answer]:
    return read_jsonl_as(Answer, run.seed_folder(name, seed) / "answers.jsonl")


def _over(summary: Callable[[list[float]], Any], rows: Sequence[dict[str, Any]], metric: str) -> float | None:
    """A summary of the metric's values where it applies; None where it never does."""
    values = [row[metric] for row in rows if row.get(metric) is not None]
    return float(summary(values)) if values else None


def held_out_notes(run: Run) -> list[str]:
    """What this question set can say about fine-tuning, where a reader would else take it for more."""
    data = read_json(run.folder / "manifest.json")["data"]
    notes = []
    if data["questions"]["train"] and not data["trains_tested_facts"]:
        notes.append(
            "No tested fact has a training question, so fine-tuning on questions was not tested for knowledge: "
            "what the tuned arms know of the answers they had to learn from the documents' text."
        )
    return notes
