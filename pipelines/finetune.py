"""The second stage of a study: train every adapter that is missing, one for each method, format and seed, whatever arms share it.

    python pipelines/finetune.py data/tarnbeck/study.yaml [--runs runs] [--limit N] [--set KEY=VALUE ...]

After build_rag.py, with the same arguments. A training that was stopped goes on from its last checkpoint. Two cores without a GPU: 6 to 8
minutes for the bundled study, by the share of the trainings (half) in the 11 to 15 minutes that the whole takes. Prints JSON: the run's
folder, what was trained now and before, the seconds. Exit codes: docs/batch.md.
"""

from __future__ import annotations

import sys

from ragft.batch import stage, study_parser
from ragft.scripting import run_job


def main(arguments: list[str] | None = None) -> int:
    given = study_parser(__doc__).parse_args(arguments)
    return run_job("finetune", lambda: stage(given, "train"))


if __name__ == "__main__":
    sys.exit(main())
