"""What a user waits for before anything happens: `import ragft`, `ragft --help`, and a second run of a finished study.

    python pipelines/bench_startup.py RUNS STUDY    e.g. runs data/tarnbeck/study.yaml, after `make demo`

Any machine, under a minute. Prints JSON: the best of five of each, in seconds, and whether `import ragft` loaded torch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

REPEAT = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", help="the folder that holds a finished run of the study")
    parser.add_argument("study", help="its study.yaml")
    arguments = parser.parse_args()
    python = sys.executable
    nothing = best([python, "-c", "pass"])
    loaded = subprocess.run([python, "-c", "import sys, ragft; print('torch' in sys.modules)"], capture_output=True, text=True, check=True)
    found = {
        "import_ragft_seconds": best([python, "-c", "import ragft"]) - nothing,
        "import_loads_torch": loaded.stdout.strip() == "True",
        "help_seconds": best([python, "-m", "ragft", "--help"]),
        "second_run_seconds": best([python, "-m", "ragft", "run", arguments.study, "--runs", arguments.runs]),
    }
    print(json.dumps(found, indent=1))


def best(command: list[str]) -> float:
    """The shortest wall time of REPEAT runs. Raises CalledProcessError when the command fails."""
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
