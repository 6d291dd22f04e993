"""README: its commands exist and its Python runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from ragft.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def shell_lines() -> list[str]:
    lines = [line.strip() for kind, block in BLOCKS if kind in ("bash", "sh") for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("ragft ")])
def test_ragft_commands_parse(line):
    """Every option and command in the README is one that the command line knows."""
    name, *words = shlex.split(line)[1:]
    command = get_command(app).commands[name]
    command.make_context(name, list(words), resilient_parsing=False)


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("make ")])
def test_make_targets_exist(line):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(line.split()[1:]) <= set(targets)


def test_the_two_commands_of_a_newcomer_are_there():
    assert {"make demo", "make test"} <= set(shell_lines())


def test_python_blocks_run_on_the_small_study(tiny_study, tmp_path, monkeypatch):
    """The README's Python, with its study replaced by one that takes seconds."""
    import ragft
    from ragft import registry
    from ragft.study import run

    monkeypatch.setitem(registry._entries, "metric", registry.entries("metric"))  # the README's own is gone afterwards
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ragft, "load_study", lambda *_: tiny_study, raising=False)
    monkeypatch.setattr(ragft, "Study", lambda **_: tiny_study, raising=False)
    monkeypatch.setattr(ragft, "run", lambda study: run(study, tmp_path), raising=False)
    blocks = [block for kind, block in BLOCKS if kind == "python"]
    assert blocks
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


def test_links_to_files_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("script", sorted(set(re.findall(r"python ((?:pipelines|data|tests)/\w+\.py)", README))))
def test_scripts_exist(script):
    assert (ROOT / script).is_file()
