"""Studies as processes of their own: found again, watched, stopped, gone on with, and never mistaken for another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ragft import jobs
from ragft.errors import BusyError, InputError
from ragft.privacy import environment, keep_private
from ragft.settings import save_study
from ragft.store import write_json

PATIENCE = 120.0


@pytest.fixture
def study(tiny_study, tmp_path) -> Path:
    """Two arms without training, so that a process of it takes few seconds beyond its start."""
    path = tmp_path / "works" / "study.yaml"
    save_study(tiny_study.model_copy(update={"arms": {name: tiny_study.arms[name] for name in ("base", "rag")}}), path)
    return path


def wait_for(job: jobs.Job, *states: str) -> str:
    ends = time.monotonic() + PATIENCE
    while (found := jobs.state_of(job)) not in states:
        assert time.monotonic() < ends, f"{found}: {jobs.log_tail(job)}"
        time.sleep(0.05)
    return found


def made(folder: Path, **changed) -> jobs.Job:
    """A job as it is stored, of a process that is gone."""
    usual = {"study": "s.yaml", "runs": str(folder), "changes": (), "began": "2026-01-31T10:00:00+00:00", "pid": 0, "started": ""}
    job = jobs.Job(str(folder / jobs.FOLDER / "one"), **{**usual, **changed})
    write_json(Path(job.folder) / jobs.JOB, job)
    return job


def test_stopped_and_gone_on_with_to_the_verdict(study, tmp_path):
    runs = tmp_path / "runs"
    job = jobs.start(study, runs, ["margin=0.05"])
    assert jobs.state_of(job) == "running"
    assert os.getsid(job.pid) == job.pid, "it must outlive this session"
    with pytest.raises(BusyError, match="running already"):
        jobs.start(study, runs, ["margin=0.05"])
    with pytest.raises(BusyError, match="still running"):
        jobs.resume(job)
    stopped = jobs.stop(job)
    assert jobs.state_of(stopped) == "stopped"
    found, problems = jobs.listed(runs)
    assert (found, problems) == ([stopped], [])  # what a server that was started since finds
    again = jobs.resume(found[0])
    assert wait_for(again, "finished", "failed") == "finished"
    standing = jobs.standing_of(again)
    assert (Path(standing.run) / "decision.json").is_file()
    assert jobs.log_tail(again, 400).count("$ ragft run") == 2
    assert "Verdict:" in jobs.log_tail(again, 400)
    assert "margin: 0.05" in (Path(standing.run) / "study.yaml").read_text()


def test_a_study_that_cannot_run_says_so(study, tmp_path):
    study.write_text(study.read_text().replace("reference: rag", "reference: rga"))
    job = jobs.start(study, tmp_path / "runs")
    assert wait_for(job, "finished", "failed", "stopped") == "failed"
    assert "unknown arm (as reference) 'rga'" in jobs.why(job)
    assert "rga" in jobs.log_tail(job)


def test_a_process_that_was_killed_is_no_stop(study, tmp_path):
    job = jobs.start(study, tmp_path / "runs")
    os.kill(job.pid, signal.SIGKILL)
    assert wait_for(job, "failed", "stopped") == "failed"
    assert "without a word" in jobs.why(job)


def test_another_process_of_the_same_number_is_not_the_job(tmp_path):
    """The number was given again: it is neither taken for the job nor ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        mine = made(tmp_path, pid=other.pid, started=jobs._started(other.pid))
        assert jobs.state_of(mine) == "running"
        recycled = made(tmp_path, pid=other.pid, started=f"{mine.started}1")
        assert jobs.state_of(recycled) == "failed"
        jobs.stop(recycled)
        assert other.poll() is None
        other.stdin.close()


def test_a_zombie_has_ended():
    process = subprocess.Popen([sys.executable, "-c", ""])
    ends = time.monotonic() + PATIENCE
    while jobs._started(process.pid) is not None:
        assert time.monotonic() < ends
        time.sleep(0.01)
    process.wait()


def test_a_process_that_ignores_the_request_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "STOP_SECONDS", 0.5)
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", stubborn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"ready\n"
        job = made(tmp_path, pid=process.pid, started=jobs._started(process.pid))
        assert jobs.state_of(jobs.stop(job)) == "stopped"
        assert process.wait() == -signal.SIGKILL


def test_a_broken_file_does_not_hide_the_other_jobs(tmp_path):
    job = made(tmp_path)
    (tmp_path / jobs.FOLDER / "two").mkdir()
    (tmp_path / jobs.FOLDER / "two" / jobs.JOB).write_text("{")
    write_json(tmp_path / jobs.FOLDER / "three" / jobs.JOB, job)
    write_json(tmp_path / jobs.FOLDER / "three" / jobs.PROGRESS, {"state": "dancing"})
    found, problems = jobs.listed(tmp_path)
    assert found == [job]
    assert len(problems) == 2
    assert "two/job.json: broken JSON" in problems[0]
    assert "three/progress.json: not what this version" in problems[1]


def test_a_folder_that_was_moved_keeps_its_jobs(tmp_path):
    made(tmp_path / "runs")
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert jobs.listed(tmp_path / "moved")[0][0].folder == str(tmp_path / "moved" / jobs.FOLDER / "one")


def test_the_command_can_be_typed(tmp_path):
    job = replace(made(tmp_path), changes=("arms=[base, rag]",))
    assert job.command == ["ragft", "run", "s.yaml", "--runs", str(tmp_path), "--set", "arms=[base, rag]"]


def test_a_process_decides_for_itself_about_the_network(monkeypatch):
    """What was turned off here for a local model must not be off where a study names one on a hub; what the user set stays."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    monkeypatch.setattr("ragft.privacy._made", set())
    keep_private()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment()
    assert environment()["TRANSFORMERS_OFFLINE"] == "1"


def test_plan_of_a_process(study, tmp_path):
    found = jobs.plan(study, tmp_path / "runs", ["limit=4"])
    assert found.questions["test"] == 4
    assert found.work.seconds > 0
    with pytest.raises(InputError, match=r"^--set limit=0: limit"):
        jobs.plan(study, tmp_path / "runs", ["limit=0"])
