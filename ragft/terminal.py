"""What all commands share: their common arguments, and printing. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, as `ragft ls` prints it.")]
StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY", help="study.yaml, or the folder it is in.")]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ChangesOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. arms.rag.k=8. Repeatable.")]
ArmsOption = Annotated[str | None, typer.Option("--arms", metavar="A,B", help="These arms only.")]


def find(path: Path) -> Any:
    from ragft.store import find_run

    return find_run(path)


def names(given: str | None) -> list[str] | None:
    """What stands between commas."""
    return None if given is None else [name.strip() for name in given.split(",") if name.strip()]


def show(as_json: bool, value: Any, text: str) -> None:
    if as_json:
        from ragft.store import to_json

        print(json.dumps(json.loads(to_json(value)), ensure_ascii=False, indent=1))
    else:
        print(text)


def say(line: str) -> None:
    print(line, file=sys.stderr)
