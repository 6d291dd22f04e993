"""How often would ragft adopt a fine-tuned arm that is not worth it? Made-up worlds, decided by ragft's own code.

    python tests/simulate.py            # 2,000 worlds a design: one to two minutes on one core
    python tests/simulate.py 200        # a quick look

Every world has the arms base (the last design has not), rag, lora, rag+lora (the adapters of lora) and raft, three seeds a tuned arm. A question is
answered right with probability logistic(arm + document + arm x document + question + arm x question + seed + seed x document),
and every tuned arm's true gain over rag is exactly the margin: adopting any of them is a mistake, and the hardest one
to avoid. The share of worlds with such a mistake should not exceed alpha = 2.5 %.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

import ragft.compare as comparing
from ragft.scoretable import ScoreTable, table_of

ALPHA, MARGIN, SEEDS = 0.025, 0.03, 3
TUNED = ("lora", "rag+lora", "raft")
DOCUMENT_SD, QUESTION_SD, ARM_QUESTION_SD, SEED_DOCUMENT_SD = 0.7, 2.5, 0.7, 0.2  # in logits


@dataclass(frozen=True)
class Design:
    """A question set and how much arms and seeds differ."""

    documents: int
    questions: int  # a document, on average
    unequal: bool = False  # documents of very different sizes, the largest with about a fifth to a quarter of all questions
    arm_document_sd: float = 0.5  # in logits
    seed_points: float = 2.0  # sd between training seeds, in percentage points
    one_wild: bool = False  # only raft's seeds differ; those of the other tuned arms do not
    base: bool = True  # whether base is among the challengers: without it the correction for several arms is smaller

    def sizes(self) -> np.ndarray:
        if not self.unequal:
            return np.full(self.documents, self.questions)
        falling = 1 / np.arange(1, self.documents + 1) ** 0.8  # Zipf-like
        return np.maximum(1, np.round(falling / falling.sum() * self.documents * self.questions)).astype(int)


def worlds(design: Design, number: int, gain: float = MARGIN, seed: int = 0) -> Iterator[ScoreTable]:
    """That many score tables in which every tuned arm's true gain over rag is `gain`."""
    rng = np.random.default_rng([seed, design.documents, design.questions])
    member = np.repeat(np.arange(design.documents), design.sizes())
    n, g = len(member), design.documents
    names = [f"document {i}" for i in member]
    slots = {"retriever": {"rag": "bm25", "rag+lora": "bm25", "raft": "bm25"}, "tuning": dict.fromkeys(TUNED, "lora"), "format": {"raft": "raft"}}
    points = {arm: 0.0 if design.one_wild and arm != "raft" else design.seed_points / 100 for arm in TUNED}
    level = {arm: _tuned_level(design.arm_document_sd, points[arm], gain) for arm in TUNED}
    for _ in range(number):
        shared = rng.normal(0, DOCUMENT_SD, g)[member] + rng.normal(0, QUESTION_SD, n)
        adapters = rng.normal(0, 1, (SEEDS, 1))  # lora and rag+lora are the same adapters
        scores = {}
        for arm in (*(["base"] if design.base else []), "rag", *TUNED):
            own = shared + rng.normal(0, design.arm_document_sd, g)[member] + rng.normal(0, ARM_QUESTION_SD, n)
            if arm in TUNED:
                mean, seed_sd = level[arm]
                each = adapters if arm != "raft" else rng.normal(0, 1, (SEEDS, 1))
                logits = mean + own + seed_sd * each + rng.normal(0, SEED_DOCUMENT_SD, (SEEDS, g))[:, member]
            else:
                logits = (own + (-1.5 if arm == "base" else 0.0))[None]
            scores[arm] = (rng.random(logits.shape) < expit(logits)).astype(float)
        yield table_of(scores, names, **slots)


@cache
def _tuned_level(arm_document_sd: float, seed_points: float, gain: float) -> tuple[float, float]:
    """Mean logit of a tuned arm, and its seeds' sd in logits, that give the true gain and the sd in points."""
    common = DOCUMENT_SD**2 + QUESTION_SD**2 + ARM_QUESTION_SD**2 + arm_document_sd**2
    rag = _share(0.0, sqrt(common))
    step = 1e-3
    slope = (_share(step, sqrt(common)) - rag) / step
    seed_sd = seed_points / slope
    sd = sqrt(common + seed_sd**2 + SEED_DOCUMENT_SD**2)
    return brentq(lambda mean: _share(mean, sd) - rag - gain, -5, 5), seed_sd


def _share(mean: float, sd: float) -> float:
    """E logistic(mean + sd Z), by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return float((weights * expit(mean + sd * nodes)).sum() / weights.sum())


def adopts(table: ScoreTable) -> bool:
    """Whether any tuned arm's simultaneous lower bound lies above the margin: what `compare` finds, without the rest of it."""
    seeds = comparing._seed_variances(table.arms)
    pairs = [(table.arm(arm), table.arm("rag")) for arm in TUNED]
    found = comparing._differences(table, pairs, MARGIN, ALPHA / (len(table.arms) - 1), seeds)
    return any(d.low is not None and d.low > MARGIN for d in found)


def adoption_rate(design: Design, number: int, gain: float = MARGIN, seed: int = 0) -> float:
    """The share of worlds in which a tuned arm would be adopted."""
    return sum(map(adopts, worlds(design, number, gain, seed))) / number


def allowed(number: int) -> float:
    """alpha and 3.5 Monte-Carlo standard errors."""
    return ALPHA + 3.5 * sqrt(ALPHA * (1 - ALPHA) / number)


DESIGNS = (
    *(Design(10, 20, seed_points=points) for points in (0, 1, 2, 3)),
    Design(10, 20, unequal=True),
    Design(10, 20, unequal=True, arm_document_sd=1.0),
    Design(20, 15, unequal=True),
    Design(20, 15, unequal=True, arm_document_sd=1.0),
    Design(20, 15, seed_points=3),
    Design(20, 15, seed_points=3, one_wild=True),
    Design(40, 10, unequal=True, seed_points=0),
    Design(40, 10, unequal=True, seed_points=3),
    Design(40, 25, seed_points=3),
    Design(40, 25, seed_points=3, one_wild=True),
    Design(40, 60, arm_document_sd=0.0, seed_points=3, one_wild=True, base=False),
)


def main(number: int) -> None:
    print(f"{number} worlds a design; at most {100 * allowed(number):.1f} % is within 3.5 Monte-Carlo standard errors of alpha = {100 * ALPHA:g} %\n")
    print("documents  questions  sizes    arm x document  seed sd    adopted at the margin  adopted at +10 points")
    for d in DESIGNS:
        sizes, total = "unequal" if d.unequal else "equal", int(d.sizes().sum())
        seeds = f"{d.seed_points:g} {'(raft)' if d.one_wild else ''}"
        at_margin, at_ten = adoption_rate(d, number), adoption_rate(d, max(1, number // 10), gain=0.10)
        rates = [f"{100 * at_margin:.1f} %", f"{100 * at_ten:.0f} %"]
        print(f"{d.documents:9}  {total:9}  {sizes:7}  {d.arm_document_sd:14g}  {seeds:9}  {rates[0]:>21}  {rates[1]:>21}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
