"""Whether break-even intervals hold what they promise: metered seconds of made-up machines, through ragft's own code.

`break_even_coverage(setup, advance) -> tuple[Finding, ...]`; `validate.CHECKS` lists it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal
from zlib import crc32

import numpy as np

from ragft.breakeven import REACH, Axis, BreakEven, break_even, cost_terms, difference, root
from ragft.cost import Measured, Metered, Prices, measured, measured_by_batch, timed_once
from ragft.progress import Advance
from ragft.validation import Cell, Finding, Setup, at_least, judged

Load = Literal["steady", "uneven", "rare", "often"]
LOADS: dict[Load, str] = {
    "steady": "steady",
    "uneven": "uneven",
    "rare": "every tenth batch 2.5 times as slow",
    "often": "every third batch 1.5 times as slow",
}
NOMINAL, LEAST = 0.95, 0.93
BATCH, BATCHES, SEEDS = 8, 9, 3  # questions of a batch, batches of a seed; the tuned arm has so many seeds
SETUP, QUESTION = 30.0, 0.4  # seconds of the other arm
SETUP_SD, WORK_SD, SEED_SD, STEADY_SD, UNEVEN_SD = 0.1, 0.5, 0.02, 0.03, 0.3  # of logarithms
POPULATION = 100_000  # batches, of which the typical one is the truth
PRICES = Prices(machine_per_hour=3.6, questions_per_month=1000, updates_per_month=2, months=12)
SHARES = {"clear": 0.6, "near": 0.1}  # by which the arms differ, of the other arm's seconds


@dataclass(frozen=True)
class Machine:
    """One kind of world: how two arms differ in truth, how it is measured, and what is asked."""

    axis: Axis
    setup: int  # 1: the tuned arm's set-up is dearer, -1: cheaper
    question: int
    differ: str  # key of SHARES
    load: Load
    drilled: bool  # an update was measured on its own

    def described(self) -> dict[str, str]:
        """The columns of a table."""
        dearer = {1: "dearer", -1: "cheaper"}
        return {
            "break-even of": self.axis,
            "set-up": dearer[self.setup],
            "question": dearer[self.question],
            "arms differ by": f"{100 * SHARES[self.differ]:g} %",
            "machine": LOADS[self.load],
            "update": "measured" if self.drilled else "as the set-up",
        }

    def truth(self) -> tuple[Metered, Metered]:
        """Both arms as they are."""
        share = SHARES[self.differ]
        arms = []
        for setup, question in ((self.setup, self.question), (0, 0)):
            seconds = SETUP * (1 + share * setup)
            arms.append(_metered(Measured(seconds), Measured(QUESTION * (1 + share * question)), Measured(seconds) if self.drilled else None))
        return arms[0], arms[1]


def break_even_coverage(setup: Setup, advance: Advance) -> tuple[Finding, ...]:
    """Of the four cases of signs two have a break-even, which must lie in the interval.

    The other two have none: then the interval must not exclude what is so, that is, wherever it says which arm is the cheaper
    one, that is right. Where two arms nearly cost the same, this is as hard.
    """
    number = setup.worlds // 4 if setup.quick else setup.worlds
    cells = setup.each(_coverage, [(machine, number, setup.seed) for machine in machines(setup.quick)], advance)
    least = 100 * least_share(number)
    wanted = f"at least {least:.1f} % in every cell, where {100 * NOMINAL:g} % are promised"
    name = "The 95 % interval of a break-even holds the true one, and where there is none it claims nothing wrong"
    return (judged("break-even", name, wanted, "held", cells),)


def least_share(number: int) -> float:
    """93 %; of few worlds, 3.5 standard errors below what is promised, if that is less."""
    return min(LEAST, at_least(NOMINAL, number))


def machines(quick: bool) -> list[Machine]:
    """All combinations, an update measured on its own in half of them; quick: those nearest to their limit, and where break-evens are plain."""
    found = product(REACH, (1, -1), (1, -1), SHARES, LOADS)
    every = [
        Machine(axis, setup, question, differ, load, drilled=(axis == "updates") == (load in ("steady", "rare")))
        for axis, setup, question, differ, load in found
    ]
    chosen = (("near", "often"), ("clear", "steady"))
    return [machine for machine in every if (machine.differ, machine.load) in chosen] if quick else every


def _coverage(job: tuple[Machine, int, int]) -> Cell:
    """In which share of the worlds the interval holds."""
    machine, number, seed = job
    one, other = machine.truth()
    terms = cost_terms(one, other, PRICES, machine.axis)
    true, cheaper = root(terms, machine.axis), difference(terms, 0.0) < 0
    found = [break_even("tuned", a, "other", b, PRICES, machine.axis) for a, b in worlds(machine, number, seed)]
    share = sum(holds(even, true, cheaper) for even in found) / number
    kinds = Counter(kind(even) for even in found)
    return Cell(machine.described(), number, share, least=least_share(number), beside={name: kinds[name] / number for name in KINDS})


def holds(even: BreakEven, true: float | None, cheaper: bool) -> bool:
    """Whether the interval holds the true break-even; without one (None), whether every claim outside of it is right."""
    segments = even.interval or ()
    if true is not None:
        return any(low <= true and (high is None or true <= high) for low, high in segments)
    return all(said_cheaper(even, x) == cheaper for x in _outside(segments, REACH[even.axis]))


def said_cheaper(even: BreakEven, x: float) -> bool:
    """Whether the arm is estimated to be the cheaper one at so many a month."""
    if even.at is None:
        return even.cheaper == "always"
    return (x > even.at) == (even.cheaper == "above")


def _outside(segments: tuple[tuple[float, float | None], ...], reach: float) -> Iterator[float]:
    """A number from each stretch beside the segments."""
    before = 0.0
    for low, high in segments:
        if low > before:
            yield (before + low) / 2
        if high is None:
            return
        before = high
    yield (before + reach) / 2


KINDS = ("bounded", "unbounded", "empty")


def kind(even: BreakEven) -> str:
    if not even.interval:
        return "empty"
    return "unbounded" if even.interval[-1][1] is None else "bounded"


def worlds(machine: Machine, number: int, seed: int = 0) -> Iterator[tuple[Metered, Metered]]:
    """So many runs of both arms, measured as ragft measures them."""
    rng = np.random.default_rng([seed, crc32(repr(machine).encode())])
    truth = machine.truth()
    for _ in range(number):
        one, other = (_measured(arm, seeds, machine, rng) for arm, seeds in zip(truth, (SEEDS, 1), strict=True))
        yield one, other


def _measured(arm: Metered, seeds: int, machine: Machine, rng: np.random.Generator) -> Metered:
    """A run: set-ups (three of any arm: with one the variance is unknown), batches of questions, and an update drill, timed once."""
    setup = measured((arm.setup_seconds.mean * np.exp(rng.normal(-(SETUP_SD**2) / 2, SETUP_SD, SEEDS))).tolist())
    update = arm.setup_seconds.mean * float(np.exp(rng.normal(-(SETUP_SD**2) / 2, SETUP_SD)))
    adapters = np.repeat(np.exp(rng.normal(0, SEED_SD, seeds)), BATCHES)  # answer at different lengths
    batches = arm.question_seconds.mean * adapters * batch_seconds(seeds * BATCHES, machine.load, rng) / typical(machine.load)
    names = [batch for batch in range(seeds * BATCHES) for _ in range(BATCH)]
    questions = measured_by_batch(np.repeat(batches, BATCH).tolist(), names)
    return _metered(setup, questions, timed_once(update, [setup]) if machine.drilled else None)


def batch_seconds(number: int, load: Load, rng: np.random.Generator) -> np.ndarray:
    """A question's share of each batch's seconds: answers of skewed lengths, and what else the machine does."""
    work = np.exp(rng.normal(0, WORK_SD, (number, BATCH))).mean(axis=1)
    slow = np.exp(rng.normal(0, UNEVEN_SD if load == "uneven" else STEADY_SD, number))
    if load in ("rare", "often"):
        share, factor = (0.1, 2.5) if load == "rare" else (1 / 3, 1.5)
        slow = slow * np.where(rng.random(number) < share, factor, 1.0)
    return work * slow


@lru_cache
def typical(load: Load) -> float:
    """What `measured_by_batch` estimates: the median over all questions that such a machine could be asked."""
    return float(np.median(batch_seconds(POPULATION, load, np.random.default_rng(0))))


def _metered(setup: Measured, question: Measured, update: Measured | None) -> Metered:
    return Metered(setup, question, share_correct=0.5, update_seconds=update)
