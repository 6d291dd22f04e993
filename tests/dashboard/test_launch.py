"""`ragft dashboard`: what it tells Streamlit, and what it refuses before anything starts."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest

from ragft.dashboard import launch
from ragft.errors import InputError, MissingError

ROOT = Path(__file__).parents[2]


def test_config_of_a_checkout_says_the_same():
    stated = tomllib.loads((ROOT / "apps" / ".streamlit" / "config.toml").read_text())
    flat = {}
    for section, values in stated.items():
        for key, value in values.items():
            inner = value.items() if isinstance(value, dict) else [(None, value)]
            flat |= {".".join(filter(None, (section, key, name))): str(one).lower() if isinstance(one, bool) else str(one) for name, one in inner}
    assert flat == {**launch.SETTINGS, "server.address": "localhost"}


def test_server_becomes_this_process(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr("os.execv", lambda program, arguments: ran.append(arguments))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch.launch(tmp_path, port, "localhost", browser=False)
    assert ran[0][1:4] == ["-m", "streamlit", "run"]
    assert ran[0][-3:] == ["--", "--runs", str(tmp_path)]
    assert {f"--server.port={port}", "--server.address=localhost", "--server.headless=true", "--browser.gatherUsageStats=false"} <= set(ran[0])


def test_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"{port}.*use another port: ragft dashboard --port {port + 1}"):
            launch.launch(tmp_path, port, "127.0.0.1", browser=False)


def test_address_that_is_none(tmp_path):
    with pytest.raises(InputError, match="--address nowhere"):
        launch.launch(tmp_path, 8599, "nowhere.invalid", browser=False)


def test_without_streamlit(tmp_path, monkeypatch):
    monkeypatch.setattr("ragft.dashboard.launch.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install"):
        launch.launch(tmp_path, 8599, "localhost", browser=False)
