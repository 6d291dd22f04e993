"""A finished run in MLflow: the study as one run, each of its arms as a run below it. Needs `pip install 'ragft[mlflow]'`.

    ragft.log_to_mlflow(result, experiment="manuals", tracking_uri="sqlite:///mlflow.db")

MLflow's own telemetry is off (ragft.privacy). Nothing leaves the machine unless the tracking URI is a server's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragft.errors import InputError, MissingError
from ragft.material import Arm, read_material
from ragft.privacy import keep_private
from ragft.result import Result
from ragft.store import read_json

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = ("model", "embedder", "reranker", "seeds", "metric", "margin", "alpha", "limit", "k", "context_tokens", "train_tokens", "precision")
FILES = ("report.html", "report.md", "decision.json", "comparison.json", "study.yaml")


def log_to_mlflow(result: Result, experiment: str = "ragft", tracking_uri: str | None = None) -> str:
    """Log the run; returns the id of the study's MLflow run.

    The study's run has its settings as parameters, the verdict as tags, and the report and the decision as files. The run of an
    arm has what fills its slots as parameters, and as metrics its score with its interval (`match`, `match_low`, `match_high`),
    its difference from the reference (`match_minus_reference`, …) and the means of all other scores, over its seeds. `tracking_uri`
    None: MLflow's own setting. Raises MissingError where MLflow is not installed, InputError for what it refuses.
    """
    client, refused = _client(tracking_uri)
    try:
        return _log(client, result, experiment)
    except refused as error:
        where = tracking_uri or "its usual place"
        raise InputError(f"MLflow at {where}: {' '.join(str(error).split())}") from error


def _client(tracking_uri: str | None) -> tuple[Any, type[Exception]]:
    """MLflow's client, and what it raises."""
    keep_private(hub=True)  # before MLflow is imported; whether models may be fetched is not decided here
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as error:
        raise MissingError("MLflow is not installed. Install it with: pip install 'ragft[mlflow]'") from error
    try:
        return MlflowClient(tracking_uri=tracking_uri), MlflowException
    except MlflowException as error:
        raise InputError(f"MLflow at {tracking_uri}: {' '.join(str(error).split())}") from error


def _log(client: Any, result: Result, experiment: str) -> str:
    known = client.get_experiment_by_name(experiment)
    place = known.experiment_id if known else client.create_experiment(experiment)
    decision, found = result.decision, read_material(result.run)
    settings = found.study.model_dump(mode="json")
    data = read_json(result.run.folder / "manifest.json")["data"]
    shown = {"domain": data["domain"], "reference": decision.reference, **{name: settings[name] for name in SETTINGS}}
    tags = {"verdict": decision.verdict, "recommend": decision.recommend, "headline": decision.headline, "ragft.run": str(result.run.folder)}
    study = _run(client, place, result.run.folder.name, shown, {"questions": result.comparison.questions}, tags)
    for name in FILES:
        if (result.run.folder / name).is_file():
            client.log_artifact(study, str(result.run.folder / name))
    scores, rows = result.scores, result.comparison.frame.to_dict("index")
    for arm in found.arms:
        metrics = _metrics(scores[scores["arm"] == arm.name], rows.get(arm.name, {}), decision.metric)
        _run(client, place, arm.name, _slots(arm), metrics, {"mlflow.parentRunId": study, "recommended": str(arm.name == decision.recommend).lower()})
    return study


def _run(client: Any, place: str, name: str, parameters: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]) -> str:
    """One finished MLflow run; returns its id."""
    from mlflow.entities import Metric, Param

    made = client.create_run(place, run_name=name, tags=dict(tags)).info.run_id
    now = int(time.time() * 1000)
    client.log_batch(
        made,
        metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()],
        params=[Param(key, str(value)) for key, value in parameters.items() if value not in (None, "")],
    )
    client.set_terminated(made)
    return str(made)


def _slots(arm: Arm) -> dict[str, Any]:
    slots = {"retriever": arm.retriever, "k": arm.k, "tuning": arm.tuning, "format": arm.format, "learning_rate": arm.learning_rate}
    return {**slots, "system": arm.system, "seeds": list(arm.seeds), **arm.options}


def _metrics(scores: pd.DataFrame, row: Mapping[Any, float], metric: str) -> dict[str, float]:
    """The arm's score with its bounds, and the mean of every other column of numbers; what is not known is left out."""
    columns = scores.drop(columns=["seed", "batch"], errors="ignore").select_dtypes("number")
    found = {key(name): float(value) for name, value in columns.mean().items() if value == value}
    compared = {column: value for column, value in row.items() if column != "seeds" and value == value}
    return {**found, **{key(column if column == metric else f"{metric}_{column}"): value for column, value in compared.items()}}


def key(name: object) -> str:
    """A name that MLflow takes: `recall@k` is recall_at_k."""
    return re.sub(r"[^\w.\-/ ]", "_", str(name).replace("@", "_at_"))
