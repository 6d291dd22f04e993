"""A finished run -> a copy small enough to commit: what was found, without weights and index. The dashboard's bundled example is made by it.

    python pipelines/make_example.py runs/2026-01-31-tarnbeck-full-1f2e3d4c5b6a data/example

A second on any machine. The copy names its documents and its general set relative to itself, and its verdict is made again from its
scores before it is called done. Prints JSON: the folder, its bytes and its verdict.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from ragft.errors import InputError
from ragft.scripting import job_parser, run_job
from ragft.settings import load_study, save_study
from ragft.store import Run, find_run
from ragft.study import decide_run, load_result, replay, report_run

LEFT_OUT = shutil.ignore_patterns("artifacts", ".*", "*.lock", "search")


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("into", type=Path, help="the folder that holds the examples")
    given = parser.parse_args(arguments)
    return run_job("make_example", lambda: make(given.run, given.into))


def make(given: Path, into: Path) -> dict[str, Any]:
    """Raises InputError where the copy is there already, MissingError where the run has no verdict."""
    found, folder = load_result(find_run(given)), into / given.resolve().name
    if folder.exists():
        raise InputError(f"{folder}: exists. Remove it first.")
    shutil.copytree(given, folder, ignore=LEFT_OUT)
    study = load_study(folder / "study.yaml")
    places = {key: os.path.relpath(Path(where).resolve(), folder.resolve()) for key in ("domain", "general") if (where := getattr(study, key))}
    save_study(study.model_copy(update=places), folder / "study.yaml")
    run = Run(folder)
    decide_run(run)
    report_run(run)
    replay(run)
    if (made := load_result(run)).decision != found.decision:
        raise InputError(f"{folder}: its verdict is another than that of {given}.")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"folder": str(folder), "bytes": size, "verdict": made.decision.verdict}


if __name__ == "__main__":
    sys.exit(main())
