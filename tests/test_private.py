"""A study runs with sockets blocked, and telemetry is off."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from ragft.privacy import OFFLINE, QUIET
from ragft.settings import save_study
from ragft.study import run


def test_study_runs_with_sockets_blocked(tiny_study, tmp_path, monkeypatch):
    attempts = []

    def blocked(*arguments, **_):
        attempts.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket.socket, "connect_ex", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    monkeypatch.setattr(socket, "create_connection", blocked)
    result = run(tiny_study, tmp_path)
    assert result.decision.verdict
    assert attempts == []


def test_study_runs_with_sockets_blocked_from_the_start_of_the_process(tiny_study, tiny_embedder, tmp_path):
    """A fresh process, so that what libraries do on import counts too; with an embedder."""
    study = tiny_study.model_copy(update={"embedder": str(tiny_embedder), "limit": 4, "seeds": (0,)})
    save_study(study, tmp_path / "study.yaml")
    code = (
        "import socket, sys\n"
        "def blocked(*a, **k): raise SystemExit('network used: %r' % (a,))\n"
        "socket.socket.connect = socket.socket.connect_ex = blocked\n"
        "socket.getaddrinfo = socket.create_connection = blocked\n"
        "from ragft.cli import main\n"
        f"sys.exit(main(['run', {str(tmp_path / 'study.yaml')!r}, '--runs', {str(tmp_path / 'runs')!r}]))\n"
    )
    clean = {k: v for k, v in os.environ.items() if k not in QUIET | OFFLINE}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr
    assert "Verdict:" in done.stdout


def test_switches_are_set_and_a_choice_of_the_users_is_kept(monkeypatch):
    from ragft.privacy import keep_private

    for name in QUIET | OFFLINE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    keep_private(hub=True)
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert os.environ["LANGSMITH_TRACING"] == "true"
    assert "HF_HUB_OFFLINE" not in os.environ
    keep_private()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
