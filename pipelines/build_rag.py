"""The first stage of a study: check it, pass the leakage gate, choose what it leaves open, and build the index that all arms share.

    python pipelines/build_rag.py data/tarnbeck/study.yaml [--runs runs] [--limit N] [--set KEY=VALUE ...]

Then finetune.py, evaluate.py and decide.py with the same arguments. What is there already is not built again. Two cores without a GPU, idle:
under a minute for the bundled study (26 s of a whole run of 17 minutes went into its index), minutes more for one that searches its settings.
Prints JSON: the run's folder, what was done now and before, the seconds. Exit codes: docs/batch.md.
"""

from __future__ import annotations

import sys

from ragft.batch import stage, study_parser
from ragft.scripting import run_job


def main(arguments: list[str] | None = None) -> int:
    given = study_parser(__doc__).parse_args(arguments)
    return run_job("build_rag", lambda: stage(given, "index"))


if __name__ == "__main__":
    sys.exit(main())
