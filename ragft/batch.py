"""Jobs on a study, for the scripts of pipelines/: the arguments of `ragft run`, and its stages one by one.

given = study_parser(__doc__).parse_args()
stage(given, "index"), stage(given, "train"), stage(given, "answer", "measure"), verdict(given)
"""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ragft.context import Context
from ragft.errors import NotReadyError
from ragft.progress import Lines
from ragft.scripting import at_least_one, job_parser
from ragft.stages import Kind, carry_out_stage
from ragft.study import Result, conclude, load_study, of_this_machine, prepare

SCRIPTS: dict[str, str] = {"index": "build_rag", "train": "finetune", "answer": "evaluate", "measure": "evaluate"}


def study_parser(doc: str | None) -> argparse.ArgumentParser:
    """With the arguments of `ragft run`: STUDY, --runs, --limit, --set."""
    parser = job_parser(doc)
    parser.add_argument("study", type=Path, metavar="STUDY", help="study.yaml, or the folder it is in")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept (default: %(default)s)")
    parser.add_argument("--limit", type=at_least_one, metavar="N", help="ask so many test questions at most, spread over all documents")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help="change a setting; repeatable")
    return parser


def open_study(given: argparse.Namespace) -> Context:
    """The study that the arguments name, checked, with its run. Raises InputError or MissingError for anything wrong in it."""
    limit = [f"limit={given.limit}"] if given.limit else []
    return prepare(load_study(given.study, [*given.changes, *limit]), given.runs)


def stage(given: argparse.Namespace, *kinds: Kind) -> dict[str, Any]:
    """Carry out one stage of the study: the units of these kinds that are missing; says which those were.

    Raises NotReadyError, naming the command, where an earlier stage is not through, and BusyError when another process holds the run.
    """
    began, context = time.monotonic(), open_study(given)
    with _naming_the_command(given):
        work = carry_out_stage(context, kinds, Lines(), of_this_machine())
    took = round(time.monotonic() - began, 1)
    return {"run": str(context.run.folder), "done_now": work.done_now, "done_before": work.done_before, "seconds": took}


def verdict(given: argparse.Namespace) -> Result:
    """The study's verdict from the answers of the stages before; errors as `stage`."""
    context = open_study(given)
    with _naming_the_command(given):
        return conclude(context)


@contextmanager
def _naming_the_command(given: argparse.Namespace) -> Iterator[None]:
    try:
        yield
    except NotReadyError as error:
        raise NotReadyError(f"{error} First: {_command(error.kind, given)}", error.kind) from error


def _command(kind: str, given: argparse.Namespace) -> str:
    """The command that carries out the units of that kind, with the arguments of this one, as a shell takes them."""
    words = ["python", f"pipelines/{SCRIPTS[kind]}.py", str(given.study), "--runs", str(given.runs)]
    words += ["--limit", str(given.limit)] if given.limit else []
    return shlex.join([*words, *(word for change in given.changes for word in ("--set", change))])
