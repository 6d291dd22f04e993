"""One made-up table of scores for each verdict, and what ragft says of it; the intervals of all of them as one picture.

Made up, so that every verdict is clear-cut: 600 questions about 120 documents, three training seeds. Decided by `ragft decide --scores`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ragft.charts import IntervalRow, axis, interval_chart
from ragft.compare import Comparison
from ragft.decide import Decision
from ragft.numbers import signed, span
from ragft.pages import TEMPLATES
from ragft.peftcharts import standalone
from ragft.scorefile import decide_scores

DOCUMENTS, EACH, SEEDS = 120, 5, 3
HEAD = "arm,seed,question,document,score,index_seconds,training_seconds,seconds,batch"


@dataclass(frozen=True)
class World:
    """Shares of questions that are right: of the model alone, of RAG, and what the tuned arms gain and lose against RAG."""

    base: float
    alone: tuple[float, float]  # lora: share of all questions gained, and lost
    both: tuple[float, float]  # rag+lora
    rag: float = 0.55
    seconds: Mapping[str, float] = field(default_factory=dict)  # of a question, by arm; none: no costs
    needs: Mapping[str, Any] = field(default_factory=dict)
    documents: int = DOCUMENTS


WORLDS = {
    "neither-needed": World(0.55, (0.002, 0.002), (0.004, 0.002)),
    "adopt-both": World(0.2, (0.02, 0.3), (0.17, 0.03)),
    "adopt-tuned": World(0.2, (0.06, 0.02), (0.06, 0.02), seconds={"base": 0.2, "rag": 0.6, "lora": 0.2, "rag+lora": 0.7}),
    "trade-off": World(0.2, (0.02, 0.3), (0.17, 0.03), needs={"access_control": True}),
    "equivalent": World(0.2, (0.01, 0.01), (0.015, 0.01)),
    "keep-rag": World(0.2, (0.02, 0.2), (0.01, 0.05)),
    "undecided": World(0.2, (0.02, 0.3), (0.12, 0.06), documents=30),
}


def parts() -> dict[str, str]:
    from ragft.views import decision_text

    return {f"verdict/{name}": f"```text\n{decision_text(decided(name)[1])}\n```" for name in WORLDS}


@cache
def decided(name: str) -> tuple[Comparison, Decision]:
    """The comparison and the verdict of a world. The table is written and read as a user's would be."""
    world = WORLDS[name]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        path.write_text("\n".join([HEAD, *_rows(world)]) + "\n", encoding="utf-8")
        return decide_scores([path], needs=world.needs, model="a made-up model")


def figure() -> str:
    """Every world's tuned arms against RAG, with the margin as a band."""
    rows = []
    for name in WORLDS:
        found, decision = decided(name)
        difference = next(d for d in found.challengers if d.arm == _shown(decision))
        low, mean, high = (None if v is None else 100 * v for v in (difference.low, difference.estimate.mean, difference.high))
        assert low is not None and mean is not None and high is not None
        note = f"{signed(difference.estimate.mean)}: {span(difference.low, difference.high)}"
        rows.append(IntervalRow(f"{name}: {difference.arm}", note, mean, low, high))
    scale = axis(min(row.low or 0 for row in rows), max(row.high or 0 for row in rows))
    margin = 100 * decided("keep-rag")[1].margin
    chart = interval_chart(
        rows, scale, title="What decides: the whole interval, against the margin.", unit="points against rag", band=(-margin, margin), signed=True
    )
    return standalone(chart, (TEMPLATES / "report.css").read_text(encoding="utf-8"), width=430)


def _shown(decision: Decision) -> str:
    """The arm that the verdict turns on."""
    return {"neither-needed": "base", "adopt-tuned": "lora"}.get(decision.verdict, "rag+lora")


def _rows(world: World) -> list[str]:
    number = world.documents * EACH
    rng = np.random.default_rng(7)
    right = _spread(number, world.rag)
    arms = {"base": [_spread(number, world.base)], "rag": [right]}
    if world.base == world.rag:
        arms["base"] = [_changed(right, 0.005, 0.005, rng)]
    for name, (gained, lost) in (("lora", world.alone), ("rag+lora", world.both)):
        once = _changed(right, gained, lost, rng)
        arms[name] = [_changed(once, 0.002, 0.002, rng) for _ in range(SEEDS)]  # seeds differ a little
    rows = []
    for arm, seeds in arms.items():
        for seed, scores in enumerate(seeds):
            for i, score in enumerate(scores):
                took = world.seconds.get(arm)
                index, training = ("2" if "rag" in arm else "0"), str(60 + seed if "lora" in arm else 0)
                times = ",,," if took is None else f"{index},{training},{took * (1 + 0.02 * (i // 32 % 3)):.4f},{i // 32}"
                rows.append(f"{arm},{seed},q{i},d{i // EACH}.md,{score:d},{times}")
    return rows


def _spread(number: int, share: float) -> np.ndarray:
    """That share of the questions right, evenly over the documents."""
    at = np.arange(number)
    return np.floor((at + 1) * share) > np.floor(at * share)


def _changed(right: np.ndarray, gained: float, lost: float, rng: np.random.Generator) -> np.ndarray:
    """So many shares of all questions gained and lost, at random."""
    changed = right.copy()
    for share, now in ((gained, False), (lost, True)):
        changed[rng.choice(np.flatnonzero(right == now), round(share * len(right)), replace=False)] = not now
    return changed
