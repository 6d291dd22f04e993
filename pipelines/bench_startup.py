"""What a user waits for before anything happens: `import ragft`, `ragft --help`, and a second run of a finished study.

    python pipelines/bench_startup.py RUNS STUDY    e.g. runs data/tarnbeck/study.yaml, after `make demo`

Any machine, under a minute. Prints JSON: the best of five of each, in seconds, and whether `import ragft` loaded torch.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from ragft.scripting import job_parser, run_job

REPEAT = 5


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("runs", help="the folder that holds a finished run of the study")
    parser.add_argument("study", help="its study.yaml")
    given = parser.parse_args(arguments)
    return run_job("bench_startup", lambda: bench(given.runs, given.study))


def bench(runs: str, study: str) -> dict[str, Any]:
    python = sys.executable
    nothing = best([python, "-c", "pass"])
    loaded = subprocess.run([python, "-c", "import sys, ragft; print('torch' in sys.modules)"], capture_output=True, text=True, check=True)
    return {
        "import_ragft_seconds": best([python, "-c", "import ragft"]) - nothing,
        "import_loads_torch": loaded.stdout.strip() == "True",
        "help_seconds": best([python, "-m", "ragft", "--help"]),
        "second_run_seconds": best([python, "-m", "ragft", "run", study, "--runs", runs]),
    }


def best(command: list[str]) -> float:
    """The shortest wall time of REPEAT runs. Raises CalledProcessError when the command fails."""
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    sys.exit(main())
