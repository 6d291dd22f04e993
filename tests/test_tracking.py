"""A run in MLflow, in a local database: the study, an MLflow run for each arm, and no network."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from made_run import Plan, make_run

from ragft.errors import InputError, MissingError
from ragft.result import load_result
from ragft.store import Run
from ragft.study import report_run
from ragft.tracking import key, log_to_mlflow


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    run: Run = make_run(tmp_path_factory.mktemp("runs") / "2026-01-31-works-1", Plan(dead="base"))
    report_run(run)
    return load_result(run)


@pytest.mark.slow
def test_a_run_is_logged_with_its_arms(result, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow.tracking")

    def blocked(*arguments, **_):
        raise AssertionError(f"network used: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    logged = log_to_mlflow(result, "manuals", uri)
    client = mlflow.MlflowClient(tracking_uri=uri)
    study = client.get_run(logged)
    assert study.info.status == "FINISHED" and study.info.run_name == "2026-01-31-works-1"
    assert study.data.tags["verdict"] == result.decision.verdict and study.data.tags["recommend"] == result.decision.recommend
    assert study.data.params["metric"] == "match" and study.data.params["margin"] == "0.03"
    stored = {Path(artifact.path).name for artifact in client.list_artifacts(logged)}
    assert {"report.html", "decision.json", "study.yaml"} <= stored
    experiment = client.get_experiment_by_name("manuals").experiment_id
    arms = {run.info.run_name: run for run in client.search_runs([experiment], f"tags.mlflow.parentRunId = '{logged}'")}
    assert set(arms) == {"base", "oracle", "rag", "lora", "rag+lora"}
    frame = result.comparison.frame
    both = arms["rag+lora"].data
    assert both.metrics["match"] == pytest.approx(frame.loc["rag+lora", "match"])
    assert both.metrics["match_low"] == pytest.approx(frame.loc["rag+lora", "low"])
    assert both.metrics["match_minus_reference"] == pytest.approx(frame.loc["rag+lora", "minus_reference"])
    assert both.metrics["recall_at_k"] == pytest.approx(result.scores.query("arm == 'rag+lora'")["recall@k"].mean())
    assert (both.params["tuning"], both.params["seeds"]) == ("lora", "[0, 1, 2]")
    assert "match" not in arms["base"].data.metrics, "an arm that failed on everything has no score, not 0"
    log_to_mlflow(result, "manuals", uri)
    assert len(client.search_runs([experiment])) == 12, "a second log is a second run"


def test_what_mlflow_refuses_is_one_line(result, tmp_path):
    pytest.importorskip("mlflow.tracking")
    with pytest.raises(InputError, match="MLflow at nowhere://x: ") as raised:
        log_to_mlflow(result, tracking_uri="nowhere://x")
    assert "\n" not in str(raised.value)


def test_without_mlflow_it_is_said_how_to_get_it(result, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "mlflow"] + ["mlflow", "mlflow.tracking", "mlflow.exceptions"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingError, match=r"MLflow is not installed. Install it with: pip install 'ragft\[mlflow\]'"):
        log_to_mlflow(result)


@pytest.mark.parametrize(("name", "taken"), [("recall@k", "recall_at_k"), ("match", "match"), ("a+b<c>", "a_b_c_")])
def test_names_that_mlflow_takes(name, taken):
    assert key(name) == taken
