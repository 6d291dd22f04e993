"""The last stage of a study: from the stored answers to the comparison, the verdict and its report. No model is loaded.

    python pipelines/decide.py data/tarnbeck/study.yaml [--runs runs] [--limit N] [--set KEY=VALUE ...]

After evaluate.py, with the same arguments; `--set margin=0.05`, another price or another need decides the same answers anew. Any
machine: seconds, well under a minute. Prints the JSON of `ragft run --json`: run, decision, comparison, report. Exit codes: docs/batch.md.
"""

from __future__ import annotations

import sys

from ragft.batch import study_parser, verdict
from ragft.scripting import run_job
from ragft.views import result_json


def main(arguments: list[str] | None = None) -> int:
    given = study_parser(__doc__).parse_args(arguments)
    return run_job("decide", lambda: result_json(verdict(given)))


if __name__ == "__main__":
    sys.exit(main())
