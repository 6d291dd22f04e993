"""Stored answers -> scores per question, and scores -> the table that is compared. Needs no model."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragft import plugged, registry, slicing
from ragft.compare import ArmScores, ScoreTable
from ragft.dose import dose_of, recipe_of
from ragft.errors import InputError, MismatchError, MissingError
from ragft.gate import gate_notes
from ragft.scoretable import applies
from ragft.store import Run, file_sha256, fingerprint, read_json, read_jsonl_as, write_jsonl
from ragft.types import Answer, Chunk, Gold

if TYPE_CHECKING:
    import pandas as pd

ENTAILMENT = "entailment.json"  # of one arm and seed: what an NLI model said of its answers (ragft.entail)


def score_run(run: Run) -> None:
    """Write scores.jsonl beside every complete answers.jsonl: each metric's value for each question, null = not applicable.

    Raises MissingError while no arm has answered all questions.
    """
    gold = {g.id: g for g in read_gold(run)}
    metrics = {name: entry for name, entry in registry.entries("metric").items() if not plugged.stands_in(entry)}
    found, documents = finished(run), _documents(run)
    if not found:
        raise MissingError(f"{run.folder}: no arm has answered all questions yet. Finish the run first: ragft run")
    for name, seed in found:
        folder = run.seed_folder(name, seed)
        answers = {answer.question: answer for answer in read_jsonl_as(Answer, folder / "answers.jsonl")}
        absent = [key for key in gold if key not in answers]
        if absent:
            raise MissingError(f"{folder / 'answers.jsonl'}: no answer to {len(absent)} questions, such as '{absent[0]}'. Run the study again.")
        _keep_known(folder / "scores.jsonl", metrics)
        more = {"grounding": (documents,), "entailment": (_judged(folder),)}
        write_jsonl(folder / "scores.jsonl", [_scored(answers[key], gold[key], metrics, more) for key in gold])


def _judged(folder: Path) -> dict[str, float]:
    """What an NLI model said of these very answers, by question; empty where none was asked."""
    path = folder / ENTAILMENT
    stored = read_json(path) if path.is_file() else {}
    return dict(stored["values"]) if stored and stored["answers"] == file_sha256(folder / "answers.jsonl") else {}


def _keep_known(path: Path, metrics: Mapping[str, registry.Entry]) -> None:
    """Raise InputError where stored scores hold a plugin's metric that is not registered now: it would be lost."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8").split("\n", 1)[0]) if path.is_file() else {}
    except ValueError:  # torn: nothing in it is worth keeping
        return
    lost = stored.keys() - metrics.keys() - {"question", "outcome", "prompt", "batch"}
    if lost:
        raise InputError(f"{path}: it holds the metric '{min(lost)}', which is not known now. Name its plugin in study.yaml, or delete the file.")


def _documents(run: Run) -> dict[str, str]:
    """The corpus' texts by document, as far as the run has them: put together from its chunks, so that white space may differ."""
    texts: dict[str, list[str]] = {}
    for chunk in own_chunks(run):
        texts.setdefault(chunk.span.document, [chunk.heading]).append(chunk.text)
    return {name: "\n".join(parts) for name, parts in texts.items()}


def own_chunks(run: Run) -> list[Chunk]:
    """The chunks of the index that the run's arms answered from; none where no arm retrieves. A drill leaves another index beside it."""
    for name, seed in finished(run):
        fit = read_json(run.seed_folder(name, seed) / "fit.json")
        if "index" in fit and (path := run.folder / fit["index"]["folder"] / "chunks.jsonl").is_file():
            return read_jsonl_as(Chunk, path)
    found = list(run.folder.glob("artifacts/index-*/chunks.jsonl"))  # adapters alone are trained beside one, too
    return read_jsonl_as(Chunk, found[0]) if len(found) == 1 else []


def _scored(answer: Answer, gold: Gold, metrics: Mapping[str, registry.Entry], more: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    values = {name: entry.make(answer, gold, *more.get(entry.facts["of"], ())) for name, entry in metrics.items()}
    # the prompt's hash: arms that should differ in their weights only are checked to have been asked the same
    return {"question": answer.question, "outcome": answer.outcome, "prompt": fingerprint(answer.prompt), "batch": answer.batch, **values}


def read_gold(run: Run) -> list[Gold]:
    """The run's held-out set, in its order."""
    return read_jsonl_as(Gold, run.folder / "gold.jsonl")


def arm_names(run: Run) -> list[str]:
    """The run's arms, in the study's order."""
    return list(read_json(run.folder / "manifest.json")["arms"])


def finished(run: Run) -> list[tuple[str, int]]:
    """Arms and seeds whose answers are complete, in the study's order."""
    return [(name, seed) for name in arm_names(run) for seed in run.seeds(name) if (run.seed_folder(name, seed) / "done.json").is_file()]


def scores_frame(run: Run, places: Sequence[tuple[str, int]] | None = None, only: Collection[str] | None = None) -> pd.DataFrame:
    """One row per arm, seed and question: arm, seed, question, document, stratum, kind, outcome, the prompt's hash, and a column per metric.

    `places` are the arms and seeds to read; None: all that are finished. `only`: what of the scores to take; None: all. The rest has no values.
    """
    parts = [(name, seed, score_rows(run, name, seed)) for name, seed in (finished(run) if places is None else places)]
    return frame_of(parts, read_gold(run), only)


def frame_of(
    parts: Sequence[tuple[str, int, Sequence[Mapping[str, Any]]]], golds: Sequence[Gold], only: Collection[str] | None = None
) -> pd.DataFrame:
    """The frame of these score rows: (arm, seed, its rows). `only`: as scores_frame. Raises MismatchError for a question without its gold."""
    import pandas as pd

    gold = {g.id: g for g in golds}
    for name, seed, rows in parts:
        if any(row["question"] not in gold for row in rows):
            raise _other_questions(name, seed)
    every = dict.fromkeys(chain.from_iterable(chain.from_iterable(rows for *_, rows in parts)))
    keys = [key for key in every if only is None or key in only or key == "question"]
    columns: dict[str, list[Any]] = {
        "arm": [name for name, _, rows in parts for _ in rows],
        "seed": [seed for _, seed, rows in parts for _ in rows],
        **_columns([row for *_, rows in parts for row in rows], keys),
    }
    found = [gold[key] for key in columns.get("question", ())]
    columns |= {"document": [g.document for g in found], "stratum": [g.stratum for g in found], "kind": [g.kind for g in found]}
    order = ["arm", "seed", "document", "stratum", "kind", "question", "outcome", "prompt", *registry.entries("metric")]
    frame = pd.DataFrame(columns) if parts else pd.DataFrame()
    return frame.reindex(columns=list(dict.fromkeys([*order, *frame.columns])))  # no rows, or a metric that came later: no values


def _columns(rows: Sequence[Mapping[str, Any]], keys: Collection[str]) -> dict[str, list[Any]]:
    """By columns, a fraction of the time that a dict a row takes; NaN where a row lacks the key, as one of an earlier version may."""
    if all(map(set(keys).issubset, rows)):
        return {key: list(map(itemgetter(key), rows)) for key in keys}
    return {key: [row.get(key, math.nan) for row in rows] for key in keys}


def score_rows(run: Run, name: str, seed: int) -> list[dict[str, Any]]:
    """The scores of an arm and seed. Raises InputError when any of ragft's own metrics is not in them."""
    path = run.seed_folder(name, seed) / "scores.jsonl"
    rows = read_jsonl_as(dict, path)
    expected = {"question", "outcome", "prompt", *(m for m, e in registry.entries("metric").items() if str(e.make.__module__).startswith("ragft."))}
    if not rows or not all(expected <= row.keys() for row in rows):
        raise InputError(f"{path}: scores are missing from it. Write it again with: ragft score {run.folder}")
    return rows


def score_table(run: Run, metric: str, reference: str) -> ScoreTable:
    """The table that `compare` takes. Raises MissingError while an arm has no answers, MismatchError when arms differ in what a pair must share."""
    return table_of(run, {place: score_rows(run, *place) for place in finished(run)}, read_gold(run), metric, reference)


def table_of(run: Run, rows: Mapping[tuple[str, int], Sequence[dict[str, Any]]], gold: Sequence[Gold], metric: str, reference: str) -> ScoreTable:
    """The table of these score rows: (arm, seed) -> its rows. Raises as score_table does."""
    found = list(rows)
    names = list(dict.fromkeys(name for name, _ in found))
    absent = [name for name in arm_names(run) if name not in names]
    if absent:
        raise MissingError(f"{run.folder}: no answers yet of {', '.join(absent)}. Finish the run first: ragft run")
    _check_pairs(run, rows, gold)
    if any(metric not in row for part in rows.values() for row in part):
        raise InputError(f"{run.folder}: answers are not scored by '{metric}' yet. Score them with: ragft score {run.folder}")
    arms, declined = [], np.full(len(gold), False)
    for name in names:
        arm = read_json(run.folder / "arms" / name / "arm.json")
        seeds = [seed for arm_name, seed in found if arm_name == name]
        values = [_column(rows[name, seed], gold, metric) for seed in seeds]
        declined |= np.any([_declined(rows[name, seed], gold, metric) for seed in seeds], axis=0)
        fits = [read_json(run.seed_folder(name, seed) / "fit.json") for seed in seeds]
        adapters = fingerprint([fit["adapter"]["sha256"] for fit in fits]) if arm["tuning"] else ""
        slots = (arm["retriever"], arm["tuning"], arm["format"], arm["model"], arm["k"])
        arms.append(ArmScores(name, np.array(values), *slots, adapters, is_control(arm), dose_of(arm), recipe_of(arm), arm.get("system") or ""))
    first = next((seed for name, seed in found if name == reference), 0)
    hit = _column(rows[reference, first], gold, "recall@k") if reference in names else np.full(len(gold), np.nan)
    return ScoreTable(
        questions=tuple(g.id for g in gold),
        documents=tuple(g.document for g in gold),
        strata=tuple(g.stratum for g in gold),
        kinds=tuple(g.kind for g in gold),
        arms=tuple(arms),
        hit=np.where(np.isnan(hit), np.nan, (hit == 1.0).astype(float)),
        applicable=applies(~np.isnan(np.vstack([arm.scores for arm in arms])).all(axis=0), declined),
        writer=tuple(slicing.WRITER[g.closed_book] for g in gold),
    )


def is_control(arm: Mapping[str, Any]) -> bool:
    """Whether an arm, as arm.json has it, is a control: as it was when it ran, also where its format is not registered now."""
    return bool(arm.get("control", registry.is_control(arm["format"])))


def _column(rows: Sequence[dict[str, Any]], gold: Sequence[Gold], metric: str) -> np.ndarray:
    by_id = {row["question"]: row[metric] for row in rows}
    return np.array([np.nan if by_id.get(g.id) is None else by_id[g.id] for g in gold], dtype=float)


def _declined(rows: Sequence[dict[str, Any]], gold: Sequence[Gold], metric: str) -> np.ndarray:
    """Which questions the metric gave no score, though their answer did not fail."""
    found = {row["question"] for row in rows if row[metric] is None and row["outcome"] != "error"}
    return np.array([g.id in found for g in gold])


def _check_pairs(run: Run, found: Mapping[tuple[str, int], Sequence[Mapping[str, Any]]], golds: Sequence[Gold]) -> None:
    """Arms are paired only when they answered the same questions with the same base weights over the same chunks, and
    those with the same retriever and k from the same prompts. Systems answer the same questions."""
    gold = {g.id for g in golds}
    indexes, models, prompts = {}, {}, dict[tuple[str, str, int], tuple[str, str]]()
    for (name, seed), rows in found.items():
        arm = read_json(run.folder / "arms" / name / "arm.json")
        if {row["question"] for row in rows} != gold:
            raise _other_questions(name, seed)
        if arm.get("system"):
            continue  # it is what it is: of a pair it shares the questions only
        models[arm["model"]] = name
        for row in (row for row in rows if row["outcome"] != "error"):
            key, asked = (row["question"], str(arm["retriever"]), arm["k"] or 0), row["prompt"]
            first, seen = prompts.setdefault(key, (name, asked))
            if asked != seen:
                raise MismatchError(
                    f"{first} and {name} were asked {row['question']} in different words; they cannot be paired. Run the study again."
                )
        fit = read_json(run.seed_folder(name, seed) / "fit.json")
        if "index" in fit:
            indexes[fit["index"]["sha256"]] = name
    for what, shared in (("index", indexes), ("base model", models)):
        if len(shared) > 1:
            arms = " and ".join(shared.values())
            raise MismatchError(f"arms {arms} were not built on the same {what}; they cannot be paired. Run the study again.")


def _other_questions(name: str, seed: int) -> MismatchError:
    return MismatchError(f"{name} seed {seed} answered other questions than the run's held-out set. Run the study again.")


def failures(built: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
    """Seed -> why its training came apart, from each seed's fit.json; empty where none did."""
    return {seed: fit["adapter"]["fit"]["failed"] for seed, fit in built.items() if fit.get("adapter", {}).get("fit", {}).get("failed")}


def failure_words(found: Mapping[int, str]) -> str:
    """ "could not be trained. Seed 0: training came apart at step 3: …"; "" where nothing failed."""
    return " ".join(["could not be trained.", *(f"Seed {seed}: {why}" for seed, why in found.items())]) if found else ""


def held_out_notes(run: Run) -> list[str]:
    """What this question set can say about fine-tuning, where a reader would else take it for more."""
    data = read_json(run.folder / "manifest.json")["data"]
    notes = gate_notes(run.folder)
    if data["questions"]["train"] and not data["trains_tested_facts"]:
        notes.append(
            "No tested fact has a training question, so fine-tuning on questions was not tested for knowledge: "
            "what the tuned arms know of the answers they had to learn from the documents' text."
        )
    return notes
