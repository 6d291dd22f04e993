"""Plugins from outside this package: files and modules that a study names, and what a run remembers of them.

    # study.yaml
    plugins: [my_metric.py, mycompany.rag]

A file is looked for in the study's folder, a module among the installed ones and where ragft was started. Whoever names
one has it run, as with any Python. A finished run is read without: the manifest says what each name was, which is
enough for the verdict and the report, so that opening somebody's run runs nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ragft import registry
from ragft.errors import InputError
from ragft.files import read_text
from ragft.registry import Entry
from ragft.runnables import import_module, said


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin's file as it was run, and what it registered."""

    text: str
    entries: tuple[Entry, ...]


_files: dict[str, Loaded] = {}


def is_file(plugin: str) -> bool:
    """Whether a study means a file by it, not a module."""
    return plugin.endswith(".py")


def named_in(study: Path) -> list[str]:
    """What a study.yaml names under `plugins`; none is run. [] where the file says nothing of the kind, or cannot be read as YAML."""
    try:
        raw = yaml.safe_load(read_text(study))
    except (yaml.YAMLError, ValueError):  # load_study says what is wrong with it, and runs nothing before
        return []
    named = raw.get("plugins") if isinstance(raw, dict) else None
    return [str(one) for one in named] if isinstance(named, list) else []


def load(plugin: str) -> str:
    """Run a plugin, unless it has been; returns its name, a file's as an absolute path. Raises InputError where that fails."""
    if not is_file(plugin):
        import_module("plugin", plugin)
        return plugin
    path = Path(plugin).resolve()
    if not path.is_file():
        raise InputError(f"plugin '{plugin}': no such file. A path in study.yaml is taken from the folder that it is in.")
    text = read_text(path)
    known = _files.get(str(path))
    if known is None or known.text != text:
        _files[str(path)] = known = Loaded(text, _run(path))
    for entry in known.entries:  # another study's file may have taken a name since
        registry.put(entry)
    return str(path)


def _run(path: Path) -> tuple[Entry, ...]:
    """Run the file as a module of its own; returns what it registered."""
    name = f"{registry.PLUGIN}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last: what lies beside it must not stand in for an installed package
    sys.modules[name] = module  # dataclasses and pickle look it up
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:  # the user's own code
        raise InputError(f"plugin '{path}': running it failed ({said(error)}). Mend it first.") from error
    return tuple(entry for entry in registry.outside() if entry.make.__module__ == name)


# ── what a run remembers ─────────────────────────────────────────────────────────────────────────────────────────────


def code_of(entries: Iterable[Entry]) -> dict[str, str]:
    """The hash of each plugin's code among these, by kind and name; nothing for what is ragft's own."""
    foreign = {(entry.kind, entry.name): entry for entry in registry.outside()}
    return {f"{entry.kind} {entry.name}": code_sha256(entry) for entry in entries if (entry.kind, entry.name) in foreign}


def code_sha256(entry: Entry) -> str:
    """Of the file, or the notebook's cell, that a plugin is written in: another text may mean other answers."""
    code = inspect.unwrap(entry.make.__init__ if inspect.isclass(entry.make) else entry.make).__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    return hashlib.sha256("".join(lines).encode() if lines else code.co_code).hexdigest()  # typed at a prompt: no text is kept


def records() -> list[dict[str, Any]]:
    """What is registered from outside ragft, for a manifest."""
    return [
        {
            "kind": entry.kind,
            "name": entry.name,
            "summary": entry.summary,
            "facts": entry.facts,
            "options": list(inspect.signature(entry.make).parameters),
            "code": code_sha256(entry),
        }
        for entry in registry.outside()
        if not stands_in(entry)
    ]


def stands_in(entry: Entry) -> bool:
    """Whether it only stands for a plugin that is not loaded."""
    return entry.make.__module__ == registry.STORED


def stand_in(stored: Iterable[Mapping[str, Any]]) -> None:
    """Register what a run's manifest remembers, so that the run can be read; a name that is known stays what it is.

    Raises InputError for what `records` has not written.
    """
    try:
        for one in stored:
            if one["name"] not in registry.entries(one["kind"]):
                registry.put(Entry(one["kind"], one["name"], _absent(one), str(one["summary"]), dict(one["facts"])))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"manifest.json: its entry 'plugins' is not what ragft writes ({said(error)}). Run the study again.") from error


def _absent(one: Mapping[str, Any]) -> Callable[..., Any]:
    """A function with the plugin's parameters that says what is missing."""

    def make(*_: Any, **__: Any) -> Any:
        raise InputError(f"{one['kind']} '{one['name']}' is a plugin that is not loaded. Name its file under plugins in study.yaml.")

    make.__module__ = registry.STORED
    make.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in one["options"]]
    )
    return make
