"""What a leak does to a verdict: a study as it is, and with held-out questions planted in its training questions.

    python pipelines/show_leak.py data/tarnbeck/study.yaml [--share 0.2] [--arms rag lora] [--train-tokens 60000] [--limit 72] [--runs runs]

So large a share of all test questions, of facts that nothing trains on, is also trained on, with "Please tell me: " before it. `run` refuses
the second study; here the gate is waived, to see what it keeps from happening. The arm `copy`, which answers with the answer of the nearest
training question, is in both. It trains six adapters: 27 minutes on two cores beside other work with the defaults. Prints JSON: both verdicts,
the arms' means, the gate's words.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from ragft.domain import load_domain
from ragft.domain.splits import order
from ragft.errors import RagftError
from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.settings import Study, load_study
from ragft.threads import wait_briefly

LEAD = {"en": "Please tell me: {}", "zh": "请告诉我：{}"}
WAIVER = "planted on purpose, to see what a leak does"


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--share", type=float, default=0.2, help="of the test questions (default: %(default)s)")
    parser.add_argument("--arms", nargs="+", default=["rag", "lora"])
    parser.add_argument("--train-tokens", type=int, default=60_000)
    parser.add_argument("--limit", type=int, default=72)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args(arguments)
    keep_private()
    wait_briefly()
    return run_job("show_leak", lambda: show(given))


def show(arguments: argparse.Namespace) -> dict[str, Any]:
    given = load_study(arguments.study)
    changes = {
        "arms": {"base": {}, **{name: given.arms[name].model_dump() for name in arguments.arms}, "copy": {"system": "copy"}},
        "limit": arguments.limit,
        "train_tokens": arguments.train_tokens,
        "general": None,  # what is forgotten is another matter
    }
    with tempfile.TemporaryDirectory() as folder:
        leaking = Path(folder, "leaking")
        planted = plant(Path(given.domain), leaking, arguments.share)
        clean = carried_out(Study.model_validate(given.model_dump() | changes), arguments.runs)
        waived = changes | {"domain": str(leaking), "name": f"{given.name or 'study'}-leaking"}
        refused = refusal(Study.model_validate(given.model_dump() | waived), arguments.runs)
        leaked = carried_out(Study.model_validate(given.model_dump() | waived | {"waive_leaks": WAIVER}), arguments.runs)
    return {"planted": planted, "clean": clean, "leaking": leaked, "the_gate_says": refused}


def plant(domain: Path, leaking: Path, share: float) -> int:
    """Make `leaking` a copy of the domain with leaks; returns how many."""
    known = load_domain(domain)
    held_out = [gold for _, gold in known.split("test")]
    untrained = sorted((gold.id for gold in held_out if gold.answerable and gold.stratum.startswith("untrained")), key=order)
    chosen = set(untrained[: round(share * len(held_out))])
    leaking.mkdir(parents=True)
    shutil.copytree(domain / "corpus", leaking / "corpus")
    lines = [json.loads(line) for line in (domain / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    more = [
        line
        | {
            "id": f"planted-{line['id']}",
            "fact": f"planted-{line['id']}",
            "split": "train",
            "question": LEAD[known.language].format(line["question"]),
        }
        for line in lines
        if line["id"] in chosen
    ]
    (leaking / "questions.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [*lines, *more]), encoding="utf-8")
    return len(more)


def refusal(study: Study, runs: Path) -> str:
    """What `run` says to the leaking study."""
    from ragft.study import run

    try:
        run(study, runs)
    except RagftError as error:
        return str(error)
    return "nothing: it let the study pass"


def carried_out(study: Study, runs: Path) -> dict[str, Any]:
    from ragft.progress import Lines
    from ragft.study import run

    found = run(study, runs, Lines())
    means = {row.name: row.estimate.mean for row in found.comparison.arms}
    return {"run": str(found.run.folder), "verdict": found.decision.verdict, "because": found.decision.because, "means": means}


if __name__ == "__main__":
    sys.exit(main())
