"""The third stage of a study: ask every arm and seed the held-out questions, measure every adapter, score the answers.

    python pipelines/evaluate.py data/tarnbeck/study.yaml [--runs runs] [--limit N] [--set KEY=VALUE ...]

After build_rag.py and finetune.py, with the same arguments. No stored batch of answers is asked again. Two cores without a GPU: 5 to 7
minutes for the bundled study, by the share of answers and measures (nearly half) in the 11 to 15 minutes that the whole takes. Prints
JSON: the run's folder, what was done now and before, the seconds, and every metric's mean by arm and seed. Exit codes: docs/batch.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ragft.batch import stage, study_parser
from ragft.scripting import run_job


def main(arguments: list[str] | None = None) -> int:
    given = study_parser(__doc__).parse_args(arguments)
    return run_job("evaluate", lambda: evaluate(given))


def evaluate(given: argparse.Namespace) -> dict[str, Any]:
    """Answers and measures, then the scores."""
    from ragft.store import find_run
    from ragft.study import score_run
    from ragft.views import scores_json

    done = stage(given, "answer", "measure")
    run = find_run(Path(done["run"]))
    with run.locked():
        score_run(run)
    return {**done, "scores": scores_json(run)}


if __name__ == "__main__":
    sys.exit(main())
