"""A run's scores as the table that docs/scores.md describes: what `decide_scores` makes the run's verdict of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragft import registry
from ragft.errors import InputError
from ragft.facts import arm_facts
from ragft.quantities import Waits
from ragft.scorerows import COLUMNS
from ragft.scoring import finished, score_table, scores_frame
from ragft.store import Run, read_json

if TYPE_CHECKING:
    import pandas as pd


def score_frame(run: Run, metric: str) -> pd.DataFrame:
    """A finished run's scores by `metric` as a table with all columns, from which `decide_scores` gets the same verdict.

    What the update drill and the risk panel found does not travel with it. Raises InputError for a metric that is not a
    score, MissingError while an arm has not answered all questions.
    """
    if not registry.lookup("metric", metric).facts["score"]:
        raise InputError(f"metric '{metric}' describes answers and does not score them, so no verdict can rest on it.")
    table, facts, frame = score_table(run, metric, reference=""), arm_facts(run, metric), scores_frame(run)
    frame["score"] = frame[metric]
    frame["hit"] = frame["recall@k"].map(lambda recall: float(recall == 1.0), na_action="ignore")
    for arm in table.arms:
        chosen, known = frame["arm"] == arm.name, facts[arm.name]
        said = {column: getattr(arm, column) for column in ("retriever", "tuning", "format", "model", "k", "adapters", "dose", "recipe", "system")}
        said |= {"control": int(arm.control), "untrained": known.untrained}
        if known.metered:
            update = known.metered.update_seconds
            # 0: not measured, or nothing trained
            said |= {column: getattr(known.metered, column) or None for column in ("setup_gib", "answer_gib", "training_tokens")}
            said |= {"update_seconds": update.mean if update else None}
        for column, value in said.items():
            frame.loc[chosen, column] = "" if value is None else str(value)
        waits = known.measured.get("p95_latency_seconds")
        alone = waits.seconds if isinstance(waits, Waits) else ()
        for column, values in (("alone_seconds", alone), ("index_seconds", _index_timings(run, arm.name))):
            frame.loc[frame.index[chosen][: len(values)], column] = values  # of some questions; which of them does not matter
    trained = {place: _training_seconds(run, *place) for place in finished(run)}
    frame["training_seconds"] = [trained[place] for place in zip(frame["arm"], frame["seed"], strict=True)]
    return frame.reindex(columns=list(COLUMNS))


def _index_timings(run: Run, name: str) -> list[float]:
    built = read_json(run.seed_folder(name, run.seeds(name)[0]) / "fit.json").get("index")
    return [built["fit"]["seconds"], *built["fit"].get("again", ())] if built else []


def _training_seconds(run: Run, name: str, seed: int) -> float | None:
    """0 for an arm that neither trains nor retrieves: its set-up is known to be nothing. None for a system, of which nothing is known."""
    if read_json(run.folder / "arms" / name / "arm.json").get("system"):
        return None
    built = read_json(run.seed_folder(name, seed) / "fit.json")
    return built["adapter"]["fit"]["seconds"] if "adapter" in built else None if "index" in built else 0.0
