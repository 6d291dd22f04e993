"""How long the dashboard takes to open: a folder of 200 runs, and a run with 10,000 questions, made up; and what a slider waits for.

    python pipelines/bench_dashboard.py

Prints JSON: seconds of listing the runs and of a page of the smallest of them, of every page that reads scores or answers, over the
large run, when nothing is in memory yet and again, of the decision that follows a slider, and the share of the limits that each takes.
Pages are drawn by Streamlit's AppTest, without a browser. Two minutes on two cores, most of it making the runs; needs no model.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ makes the runs, and is not installed

from streamlit import cache_resource

from ragft.report import write_report
from ragft.scripting import job_parser, run_job
from ragft.store import Run
from ragft.study import Decider
from tests.dashboard.pages import html, opened
from tests.made_run import Plan, make_run

PAGES = ("verdict", "whatif", "arms", "losses", "questions", "review", "corpus")
LIMITS = {"list_seconds": 2.0, **{f"{page}_seconds": 2.0 for page in PAGES}, "again_seconds": 0.3}


def made(folder: Path, runs: int, questions: int) -> tuple[Path, Path]:
    """A folder of so many small runs, all alike but for their names, and one of a single large run."""
    small = finished(make_run(folder / "one" / "2026-01-31-small-000", Plan()).folder)
    for number in range(1, runs):
        copy = folder / "one" / f"2026-01-31-small-{number:03d}"
        shutil.copytree(small, copy)
    large = make_run(folder / "large" / "2026-01-31-large", Plan(documents=max(1, questions // 2)))
    write_report(large)
    finished(large.folder)
    return folder / "one", folder / "large"


def finished(folder: Path) -> Path:
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"running"', '"finished"'), encoding="utf-8")
    return folder


def measure(runs: int, questions: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        many, large = made(Path(folder), runs, questions)
        opened(Path(folder) / "none")  # Streamlit itself
        found: dict[str, Any] = {"runs": runs, "questions": questions}
        found["list_seconds"] = _timed(lambda: opened(many))
        for page in PAGES:
            cache_resource.clear()  # nothing is in memory yet
            found[f"{page}_seconds"] = _timed(lambda page=page: opened(large, page))
            found[f"{page}_again_seconds"] = _timed(lambda page=page: opened(large, page))
        decider = Decider.of(Run(next(large.iterdir())))
        decider(margin=0.05)
        found["again_seconds"] = _timed(lambda: decider(margin=0.06))
        return {**found, "share_of_limit": {name: round(found[name] / limit, 3) for name, limit in LIMITS.items()}}


def _timed(step: Callable[[], Any]) -> float:
    began = time.perf_counter()
    page = step()
    took = round(time.perf_counter() - began, 3)
    if hasattr(page, "exception") and (page.exception or not html(page)):
        raise AssertionError(f"the page does not open: {page.exception}")
    return took


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--questions", type=int, default=10_000)
    given = parser.parse_args(arguments)
    return run_job("bench_dashboard", lambda: measure(given.runs, given.questions))


if __name__ == "__main__":
    sys.exit(main())
