"""`import ragft`: every public name is there, typed, documented, and stays what it is."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import ragft
from ragft import plugins
from ragft.registry import KINDS

PACKAGE = Path(ragft.__file__).parent


def test_every_name_is_listed_once_and_typed():
    """What a type checker sees, what is imported at first use and what is public are the same names."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(ragft._HOME) == set(ragft.__all__)
    assert list(ragft.__all__) == sorted(ragft.__all__)
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", ragft.__all__)
def test_a_name_is_documented_and_stays_what_it_is(name):
    found = getattr(ragft, name)
    assert inspect.getdoc(found)
    importlib.import_module(ragft._HOME[name])
    assert getattr(ragft, name) is found
    assert not (PACKAGE / f"{name}.py").exists() and not (PACKAGE / name).exists(), "importing that module would take the name's place"


def test_names_are_offered_for_completion():
    assert set(ragft.__all__) <= set(dir(ragft))


def test_a_plugin_finds_everything_in_one_place():
    assert all(getattr(plugins, name) is not None for name in plugins.__all__)
    assert set(KINDS) <= set(plugins.__all__)
    code = "import sys, ragft.plugins; print([m for m in ('torch', 'transformers', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_what_can_be_named_as_a_frame():
    found = plugins.known("tuning")
    assert found.loc["lora", "paper"] == "2106.09685"
    with pytest.raises(plugins.InputError, match=r"unknown kind of plugin 'tunings'\. Did you mean 'tuning'"):
        plugins.known("tunings")
