"""One study from start to verdict, as `ragft run` does it, for a scheduler: JSON on stdout, an exit code for every kind of end.

    python pipelines/run_study.py data/tarnbeck/study.yaml [--runs runs] [--limit N] [--set KEY=VALUE ...]

Stopped at any moment, the same command goes on. Two cores without a GPU: 11 to 15 minutes for the bundled study (README, "Try it"), 3 GB of
memory; with GPUs its units run side by side, one on each. Prints the JSON of `ragft run --json`: run, decision, comparison, report. Exit
codes: docs/batch.md.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ragft.batch import open_study, study_parser
from ragft.scripting import run_job


def main(arguments: list[str] | None = None) -> int:
    given = study_parser(__doc__).parse_args(arguments)
    return run_job("run_study", lambda: run_study(given))


def run_study(given: argparse.Namespace) -> dict[str, Any]:
    from ragft.foreword import foreword
    from ragft.progress import Lines
    from ragft.study import carry_out, of_this_machine
    from ragft.terminal import say
    from ragft.views import result_json

    context = open_study(given)
    say(foreword(context))
    return result_json(carry_out(context, Lines(), of_this_machine()))


if __name__ == "__main__":
    sys.exit(main())
