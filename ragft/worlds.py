"""Made-up worlds with a known truth: scores of base, rag, lora, rag+lora (the adapters of lora) and raft, as a study would measure them.

`worlds` draws from a logit model. A question is answered right with probability

    logistic(arm + document + arm x document + question + arm x question + seed + seed x document)

and scored 0 or 1, or, where graded, by that probability itself. Each arm's true gain over rag is exactly the one asked for.
`normal_worlds` draws normal scores, of which every part of the variance is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt
from zlib import crc32

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from ragft.scoretable import ScoreTable, table_of

REFERENCE = "rag"
TUNED = ("lora", "rag+lora", "raft")
ADAPTERS = {"lora": 0, "rag+lora": 0, "raft": 1}  # which trained weights: lora with and without passages are the same ones
SLOTS: dict[str, dict[str, str | None]] = {
    "retriever": dict.fromkeys(("rag", "rag+lora", "raft"), "bm25"),
    "tuning": dict.fromkeys(TUNED, "lora"),
    "format": {"raft": "raft"},
}
SEEDS = 3
BASE_GAIN = -0.2  # the model alone against rag, where nothing else is asked for
DOCUMENT_SD, QUESTION_SD, ARM_QUESTION_SD, SEED_DOCUMENT_SD = 0.7, 2.5, 0.7, 0.2  # in logits
AT_ONCE = 20_000  # questions drawn in one go: few enough to stay in a processor's cache


@dataclass(frozen=True)
class Design:
    """A question set, and how much arms and seeds differ."""

    documents: int
    questions: int = 10  # a document, on average
    unequal: bool = False  # documents of very different sizes, the largest with a tenth to a quarter of all questions
    arm_document_sd: float = 0.5  # in logits
    seed_points: float = 2.0  # sd between training seeds, in percentage points
    graded: bool = False  # scores between 0 and 1, not only 0 or 1
    one_wild: bool = False  # only raft's seeds differ; those of the other tuned arms do not
    base: bool = True  # whether base is among the challengers: without it the correction for several arms is smaller


def sizes(documents: int, questions: int, unequal: bool) -> np.ndarray:
    """(documents,) questions of each document: all alike, or falling as in Zipf's law, at least one."""
    if not unequal:
        return np.full(documents, questions)
    falling = 1 / np.arange(1, documents + 1) ** 0.8
    return np.maximum(1, np.round(falling / falling.sum() * documents * questions)).astype(int)


def everyone(gain: float) -> dict[str, float]:
    """The same true gain over rag for every tuned arm."""
    return dict.fromkeys(TUNED, gain)


def worlds(design: Design, number: int, gains: Mapping[str, float], seed: int = 0) -> Iterator[ScoreTable]:
    """That many score tables in which each arm's true gain over rag is the one in `gains` (base: BASE_GAIN where it has none).

    Every design has random numbers of its own, so that its tables do not depend on what else is drawn.
    """
    rng = np.random.default_rng([seed, crc32(repr((design, sorted(gains.items()))).encode())])
    member = np.repeat(np.arange(design.documents), sizes(design.documents, design.questions, design.unequal))
    logits = _levels(design, {"base": BASE_GAIN, **gains})
    empty = _table(list(logits), member)
    batch = max(1, AT_ONCE // len(member))
    for begin in range(0, number, batch):
        yield from _tables(empty, _draw(rng, design, logits, member, min(batch, number - begin)))


def _table(arms: list[str], member: np.ndarray) -> ScoreTable:
    return table_of({arm: np.zeros((SEEDS if arm in TUNED else 1, len(member))) for arm in arms}, [f"document {i}" for i in member], **SLOTS)


def _tables(empty: ScoreTable, drawn: Mapping[str, np.ndarray]) -> Iterator[ScoreTable]:
    """One table a world, with the same questions and documents; `drawn` has (worlds, seeds, questions) for each arm."""
    for world in range(len(drawn[REFERENCE])):
        yield replace(empty, arms=tuple(replace(arm, scores=drawn[arm.name][world]) for arm in empty.arms))


# ── the logit model ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Level:
    """An arm's mean and the sd between its seeds, both in logits."""

    mean: float
    seed_sd: float = 0.0


def _draw(rng: np.random.Generator, design: Design, levels: Mapping[str, Level], member: np.ndarray, number: int) -> dict[str, np.ndarray]:
    """Scores of each arm: (worlds, seeds, questions)."""
    n, g = len(member), design.documents
    shared = rng.normal(0, DOCUMENT_SD, (number, g))[:, member] + rng.normal(0, QUESTION_SD, (number, n))
    adapters = rng.standard_normal((2, number, SEEDS, 1))
    scores = {}
    for arm, level in levels.items():
        own = shared + rng.normal(level.mean, design.arm_document_sd, (number, g))[:, member] + rng.normal(0, ARM_QUESTION_SD, (number, n))
        logits = own[:, None]
        if arm in TUNED:
            each = level.seed_sd * adapters[ADAPTERS[arm]] + rng.normal(0, SEED_DOCUMENT_SD, (number, SEEDS, g))
            logits = logits + each[:, :, member]
        right = expit(logits)
        scores[arm] = right if design.graded else (rng.random(right.shape) < right).astype(float)
    return scores


def _levels(design: Design, gains: Mapping[str, float]) -> dict[str, Level]:
    """What gives every arm its true gain; rag itself is right on half of the questions."""
    found = {} if not design.base else {"base": _level(design.arm_document_sd, None, gains["base"])}
    found[REFERENCE] = Level(0.0)
    for arm in TUNED:
        points = 0.0 if design.one_wild and arm != "raft" else design.seed_points / 100
        found[arm] = _level(design.arm_document_sd, points, gains[arm])
    return found


@cache
def _level(arm_document_sd: float, seed_points: float | None, gain: float) -> Level:
    """The mean logit with the true gain, exact by quadrature; the seeds' sd in logits from the slope at rag. None: untuned."""
    variance = DOCUMENT_SD**2 + QUESTION_SD**2 + ARM_QUESTION_SD**2 + arm_document_sd**2
    rag, step = _share(0.0, variance), 1e-3
    seed_sd = 0.0 if seed_points is None else seed_points * step / (_share(step, variance) - rag)
    own = variance if seed_points is None else variance + seed_sd**2 + SEED_DOCUMENT_SD**2
    return Level(brentq(lambda mean: _share(mean, own) - rag - gain, -15, 15, xtol=1e-12), seed_sd)


def _share(mean: float, variance: float) -> float:
    """E logistic(mean + Z), Z normal with that variance, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return float((weights * expit(mean + sqrt(variance) * nodes)).sum() / weights.sum())


# ── normal scores ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Parts:
    """A question set with normal scores around one half, small enough to stay between 0 and 1. All sd in shares."""

    documents: int
    questions: int = 10  # a document, on average
    unequal: bool = False
    seeds: int = 3  # of each tuned arm
    arm_document_sd: float = 0.03
    arm_question_sd: float = 0.08
    seed_sd: float = 0.0  # of a training seed's mean, the same for all questions

    @property
    def sizes(self) -> np.ndarray:
        return sizes(self.documents, self.questions, self.unequal)

    @property
    def question_variance(self) -> float:
        """Of a tuned arm's mean difference from rag, without the seeds' part: both arms bring their own effects."""
        n = self.sizes.sum()
        return float(2 * (self.arm_document_sd**2 * (self.sizes**2).sum() / n**2 + self.arm_question_sd**2 / n))

    @property
    def seed_variance(self) -> float:
        """The seeds' part: rag has none."""
        return self.seed_sd**2 / self.seeds

    @property
    def se(self) -> float:
        """The true standard error of a tuned arm's mean difference from rag."""
        return sqrt(self.question_variance + self.seed_variance)

    @property
    def question_df(self) -> float:
        """The effective number of documents, less one."""
        return float(self.sizes.sum() ** 2 / (self.sizes**2).sum()) - 1


def normal_worlds(parts: Parts, number: int, gains: Mapping[str, float], seed: int = 0) -> Iterator[ScoreTable]:
    """Score tables of base, rag and the tuned arms, with these true gains over rag (0 where none is given)."""
    rng = np.random.default_rng([seed, crc32(repr(parts).encode())])
    member = np.repeat(np.arange(parts.documents), parts.sizes)
    empty = _table(["base", REFERENCE, *TUNED], member)
    n, g = len(member), parts.documents
    batch = max(1, AT_ONCE // n)
    for begin in range(0, number, batch):
        now = min(batch, number - begin)
        adapters = rng.normal(0, parts.seed_sd, (2, now, parts.seeds, 1))
        drawn = {}
        for arm in ("base", REFERENCE, *TUNED):
            own = rng.normal(0, parts.arm_document_sd, (now, g))[:, member] + rng.normal(0, parts.arm_question_sd, (now, n))
            scores = (0.5 + gains.get(arm, 0.0) + own)[:, None]
            drawn[arm] = scores + adapters[ADAPTERS[arm]] if arm in TUNED else scores
        yield from _tables(empty, drawn)
