"""Every command of the command line with its arguments and options, as the command line itself knows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.main import get_command

from docparts.marked import table
from ragft.cli import app

VALUES = {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "PATH"}  # what follows an option that names its value no other way


def commands() -> Iterator[tuple[str, Any]]:
    """("ragft questions make", the command), groups resolved, in the order of `ragft --help`."""
    yield from _below("ragft", get_command(app))


def commands_part() -> str:
    return "\n\n".join(_section(name, command) for name, command in commands())


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in inner.items():
        yield from _below(f"{name} {word}", one)


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]
    hints = get_type_hints(command.callback)
    usage = " ".join([name, *(_shown(a, hints) for a in arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"## {name}", f"`{usage}`", " ".join((command.help or "").split())]
    rows = [[f"`{_shown(p, hints)}`", _default(p), p.help or ""] for p in [*arguments, *options]]
    return "\n\n".join([*lines, *([table(["", "default", "what it is"], rows)] if rows else [])])


def _shown(parameter: Any, hints: dict[str, Any]) -> str:
    """ "STUDY", "--limit INTEGER", "--json"."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    flag = parameter.opts[0]
    if parameter.is_flag:
        return str(flag)
    kind = hints[parameter.name]
    return f"{flag} {parameter.metavar or VALUES[next(one for one in (*get_args(kind), kind) if one in VALUES)]}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    return "" if value is None or value is False else f"`{value}`"
