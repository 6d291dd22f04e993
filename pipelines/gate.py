"""Fail a CI job when a new corpus, model or adapter makes an arm worse than a baseline run by more than a margin.

    python pipelines/gate.py BASELINE NEW [--arm NAME] [--margin 0.03] [--alpha 0.025] [--undecided fail|pass] [--summary FILE]

BASELINE and NEW are folders of finished runs that asked the same questions. Any machine: seconds, no model. Prints JSON: the outcome, the
paired difference with its bounds, what differs between the runs, the questions that lost most; --summary appends the same as Markdown, for
$GITHUB_STEP_SUMMARY. Exit codes: 0 surely not worse by more than the margin, 1 surely worse by more, 5 undecided (0 with --undecided pass),
2 the runs cannot be compared (other questions, other metric, a run that is not finished).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ragft.errors import RagftError
from ragft.regression import Regression, compare_runs
from ragft.regressionpage import refusal_page, regression_page
from ragft.scripting import DONE, MISTAKE, UNDECIDED, USAGE, job_parser, run_job
from ragft.store import find_run
from ragft.terminal import say


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("baseline", type=Path, metavar="BASELINE", help="the folder of the run that must not be undercut")
    parser.add_argument("new", type=Path, metavar="NEW", help="the folder of the run to be judged")
    parser.add_argument("--arm", metavar="NAME", help="the arm to compare in both (default: what the baseline's verdict recommends)")
    parser.add_argument("--margin", type=float, help="the drop that is put up with, as a share of 1 (default: the baseline's own)")
    parser.add_argument("--alpha", type=float, help="the error probability, one-sided (default: the baseline's own)")
    parser.add_argument("--undecided", choices=["fail", "pass"], default="fail", help="what an undecided outcome does (default: %(default)s)")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="append the result as Markdown")
    given = parser.parse_args(arguments)
    codes = {"not-worse": DONE, "worse": MISTAKE, "undecided": DONE if given.undecided == "pass" else UNDECIDED}
    return run_job("gate", lambda: compared(given), lambda found: codes[found.outcome], mistake=USAGE)


def compared(given: argparse.Namespace) -> Regression:
    """The comparison, which is also said on stderr and appended to the summary."""
    try:
        found = compare_runs(find_run(given.baseline), find_run(given.new), given.arm, given.margin, given.alpha)
    except RagftError as error:
        append(given.summary, refusal_page(str(error)))
        raise
    append(given.summary, regression_page(found))
    say(found.because)
    return found


def append(path: Path | None, text: str) -> None:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
