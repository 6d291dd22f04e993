"""How long comparing and deciding take, and the memory: 12 arms, three seeds, 2,000 questions, made-up scores.

    python pipelines/bench_decide.py

Prints JSON: seconds of `compare`, of `decide` with the table (what mix of questions would change the verdict), of deciding
again at another margin and at other prices (what a slider does), the share of the limits that each takes, and the peak of
the process's memory. A second on two cores; needs no model.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from ragft.compare import at_margin, compare
from ragft.cost import Measured, Metered, Prices
from ragft.decide import ArmFacts, decide
from ragft.quantities import Rate, Waits
from ragft.scoretable import ScoreTable, table_of
from ragft.scripting import job_parser, run_job

LIMITS = {"compare_and_decide_seconds": 5.0, "again_seconds": 0.2, "peak_mb": 500.0}
STRATA = ("trained-fact", "untrained-fact", "untrained-document", "unanswerable")


def made_up(questions: int) -> tuple[ScoreTable, dict[str, ArmFacts]]:
    """12 arms over documents of ten questions: the model alone, an oracle, RAG, five tuned arms and four of them with passages."""
    rng = np.random.default_rng(0)
    names = ["base", "oracle", "rag", *(f"t{i}" for i in range(5)), *(f"rag+t{i}" for i in range(4))]
    retriever = {name: "oracle" if name == "oracle" else "bm25" for name in names if name == "oracle" or name.startswith("rag")}
    tuning = {name: "lora" for name in names if name not in ("base", "oracle", "rag")}
    level = {name: 0.7 if name == "oracle" else 0.3 + 0.013 * i for i, name in enumerate(names)}
    scores = {name: (rng.random((3 if name in tuning else 1, questions)) < level[name]).astype(float) for name in names}
    table = table_of(scores, [f"d{i // 10}" for i in range(questions)], retriever=retriever, tuning=tuning)
    strata = tuple(STRATA[i % 4] for i in range(questions))
    hit = np.where(np.arange(questions) % 4 == 3, np.nan, (rng.random(questions) < 0.7).astype(float))
    facts = {name: _facts(name, i, retriever.get(name), tuning.get(name), rng) for i, name in enumerate(names)}
    return replace(table, strata=strata, kinds=tuple(f"k{i % 5}" for i in range(questions)), hit=hit), facts


def _facts(name: str, number: int, retriever: str | None, tuning: str | None, rng: np.random.Generator) -> ArmFacts:
    setup = Measured(600.0 + 10 * number, 400.0, 2.0) if tuning else Measured(5.0, 0.1, 2.0)
    metered = Metered(setup, Measured(0.2 + 0.02 * number, 1e-4, 20.0), 0.5)
    waits = Waits(tuple(rng.gamma(20, 0.02, 12)))
    return ArmFacts(retriever, tuning, metered, {"p95_latency_seconds": waits, "false_answer_rate": Rate(0.1, 500, 0.01, 100.0)})


def measure(questions: int, repeats: int) -> dict[str, Any]:
    """Seconds are medians of so many repeats, after one that is not counted."""
    table, facts = made_up(questions)
    needs, settings = {"p95_latency_seconds": 1.0, "false_answer_rate": 0.2}, {"metric": "match", "reference": "rag", "alpha": 0.025}
    found = compare(table, margin=0.03, **settings)
    steps = {
        "compare_seconds": lambda: compare(table, margin=0.03, **settings),
        "decide_seconds": lambda: decide(found, facts, model="made-up", needs=needs, table=table),
        "again_margin_seconds": lambda: decide(at_margin(found, 0.05), facts, model="made-up", needs=needs),
        "again_price_seconds": lambda: decide(found, facts, model="made-up", needs=needs, prices=Prices(questions_per_month=500)),
    }
    result: dict[str, Any] = {"arms": len(table.arms), "questions": questions}
    for name, step in steps.items():
        step()
        result[name] = round(statistics.median(_timed(step) for _ in range(repeats)), 4)
    result["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    took = {
        "compare_and_decide_seconds": result["compare_seconds"] + result["decide_seconds"],
        "again_seconds": max(result["again_margin_seconds"], result["again_price_seconds"]),
        "peak_mb": result["peak_mb"],
    }
    return {**result, "share_of_limit": {name: round(took[name] / limit, 3) for name, limit in LIMITS.items()}}


def _timed(step: Any) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args(arguments)
    return run_job("bench_decide", lambda: measure(given.questions, given.repeats))


if __name__ == "__main__":
    sys.exit(main())
