"""The same study over several models, several domains or the values of a setting, and one table of the verdicts.

    python pipelines/sweep.py data/tarnbeck/study.yaml --models smollm2-135m-instruct models/mine [--doc sweep.md]
    python pipelines/sweep.py data/tarnbeck/study.yaml --domains data/tarnbeck data/hollinbeck
    python pipelines/sweep.py data/tarnbeck/study.yaml --vary k 1 2 4 [--runs runs] [--limit N] [--set KEY=VALUE ...]

Each study runs in a process of its own (run_study.py), one after another: one that fails, even for want of memory, is reported and does not
stop the others. The same command goes on where it left off: finished studies are read, failed ones tried again. Two cores without a GPU: as
many times 11 to 15 minutes as there are values, for the bundled study (README, "Try it"). Prints JSON, a row for each value; --doc also
writes a Markdown table. Exit codes: 0, or 4 where a study failed; the others in docs/batch.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragft.batch import study_parser
from ragft.errors import InputError
from ragft.numbers import NONE, ordinary, percent, signed, span
from ragft.scripting import DONE, SOME_FAILED, run_job
from ragft.settings import load_study
from ragft.store import write_text
from ragft.terminal import say

RUN_STUDY = Path(__file__).with_name("run_study.py")


@dataclass(frozen=True)
class Row:
    """One study's end. `difference`, `low` and `high`: the recommended arm minus the reference, where they are two; shares of 1."""

    value: str
    status: str  # finished or failed
    exit_code: int
    error: str = ""
    run: str = ""
    verdict: str = ""
    recommend: str = ""
    reference: str = ""
    questions: int | None = None
    reference_score: float | None = None
    recommended_score: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


def main(arguments: list[str] | None = None) -> int:
    parser = study_parser(__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--models", nargs="+", metavar="MODEL", help="names, hub ids, folders or .gguf files")
    what.add_argument("--domains", nargs="+", metavar="DIR", help="folders with corpus/ and questions.jsonl")
    what.add_argument("--vary", nargs="+", metavar=("KEY", "VALUE"), help="a setting, such as arms.rag.k, and its values")
    parser.add_argument("--doc", type=Path, metavar="FILE", help="also write the table as Markdown")
    given = parser.parse_args(arguments)
    return run_job("sweep", lambda: sweep(given), lambda found: SOME_FAILED if found["failed"] else DONE)


def sweep(given: argparse.Namespace) -> dict[str, Any]:
    """All studies, one after another. Raises InputError or MissingError where the study itself is wrong."""
    key, studies = planned(given)
    metric = load_study(given.study, given.changes).metric
    rows = []
    for number, (value, changes) in enumerate(studies.items(), start=1):
        say(f"── {number} of {len(studies)}: {key} {value}")
        rows.append(row_of(value, *finished(given, changes)))
    if given.doc:
        write_text(given.doc, page(key, metric, rows))
    return {"study": str(given.study), "varied": key, "failed": sum(row.status == "failed" for row in rows), "rows": rows}


def planned(given: argparse.Namespace) -> tuple[str, dict[str, list[str]]]:
    """What is varied, and for each of its values the settings to change."""
    if given.models:
        return "model", {model: [f"model={json.dumps(model)}"] for model in given.models}
    if given.domains:  # a run is named after its domain then
        return "domain", {one: [f"domain={json.dumps(str(Path(one).resolve()))}", 'name=""'] for one in given.domains}
    key, *values = given.vary
    if not values:
        raise InputError(f"--vary {key}: give its values too, such as --vary k 1 2 4")
    return key, {value: [f"{key}={value}"] for value in values}


def finished(given: argparse.Namespace, changes: Sequence[str]) -> tuple[int, Mapping[str, Any]]:
    """The study's exit code, and what it printed: its result, or {"error": ...}."""
    words = [sys.executable, str(RUN_STUDY), str(given.study), "--runs", str(given.runs)]
    words += ["--limit", str(given.limit)] if given.limit else []
    words += [word for change in [*given.changes, *changes] for word in ("--set", change)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    if done.returncode < 0:
        return done.returncode, {"error": f"its process was ended by signal {-done.returncode}; perhaps the memory ran out"}
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode, {"error": "it printed no result; stderr has what it said"}


def row_of(value: str, code: int, found: Mapping[str, Any]) -> Row:
    if code != DONE or "error" in found:
        return Row(value, "failed", code, error=found["error"])
    decision, comparison = found["decision"], found["comparison"]
    scores = {arm["name"]: arm["estimate"]["mean"] for arm in comparison["arms"]}
    recommend, reference = decision["recommend"], comparison["reference"]
    against = next((one for one in comparison["challengers"] if (one["arm"], one["minus"]) == (recommend, reference)), None)
    return Row(
        value=value,
        status="finished",
        exit_code=code,
        run=found["run"],
        verdict=decision["verdict"],
        recommend=recommend,
        reference=reference,
        questions=comparison["questions"],
        reference_score=scores.get(reference),
        recommended_score=scores.get(recommend),
        difference=against and against["estimate"]["mean"],
        low=against and against["low"],
        high=against and against["high"],
    )


def page(key: str, metric: str, rows: Sequence[Row]) -> str:
    """The table of verdicts, what failed below it."""
    head = [key, "verdict", "recommended", f"{metric}, recommended", f"{metric}, reference", "difference in points", "questions", "run"]
    lines = ["| " + " | ".join(map(ordinary, head)) + " |", "|---|---|---|---:|---:|---:|---:|---|"]
    lines += ["| " + " | ".join(map(ordinary, cells(row))) + " |" for row in rows]
    lines += ["", "Differences are the recommended arm's minus the reference's, with the interval that holds for all arms of that study at once."]
    lines += ["Each verdict stands for itself: the best of several is picked after looking, so confirm it on questions that were not asked yet."]
    failed = [f"- {ordinary(row.value)}: {ordinary(row.error)} (exit code {row.exit_code})" for row in rows if row.status == "failed"]
    return "\n".join([*lines, *(["", "Failed:", "", *failed] if failed else [])]) + "\n"


def cells(row: Row) -> list[str]:
    if row.status == "failed":
        return [row.value, "failed", *[NONE] * 6]
    difference = NONE if row.difference is None else f"{signed(row.difference)} ({span(row.low, row.high)})"
    scores = [percent(row.recommended_score), percent(row.reference_score)]
    return [row.value, row.verdict, row.recommend, *scores, difference, str(row.questions), Path(row.run).name]


if __name__ == "__main__":
    sys.exit(main())
