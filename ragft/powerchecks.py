"""Whether a stated power is realised: the gain that is said to be shown with 80 % power is shown in 80 % of made-up worlds.

A check as those of verdictchecks.py, in worlds whose parts of variance are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from ragft.ahead import Ahead, detectable
from ragft.planning import CORRELATION, DISCORDANCE, SEED_SD, design_of, expected
from ragft.progress import Advance
from ragft.stats import satterthwaite
from ragft.validation import Cell, Finding, Setup, at_least, at_most, judged
from ragft.verdictchecks import ALPHA, MARGIN, adopted
from ragft.worlds import ADAPTERS, TUNED, Parts, normal_worlds

POWER, LEAST_POWER, MOST_POWER = 0.8, 0.75, 0.85


def stated_power(setup: Setup, advance: Advance) -> tuple[Finding, ...]:
    """The gain that is said to be shown with 80 % power is shown in 80 % of worlds whose parts of variance are known."""
    known = [(parts, _known_gains(parts)) for parts in _known(setup.quick)]
    planned = [(parts, {"": gain}) for parts in _planned(setup.quick) if (gain := _planned_gain(parts)) is not None]
    number = 2 * setup.worlds  # a power is judged from both sides, and a bound is quickly had
    cells = setup.each(_power, [(parts, gains, number, setup.seed, setup.quick) for parts, gains in (*known, *planned)], advance)
    low, high = _power_window(number, setup.quick)
    wanted = f"{100 * low:.1f} to {100 * high:.1f} %, in every cell" + (", chance included" if setup.quick else "")
    return (
        judged("power", "Where the parts of variance are known, a power of 80 % is realised", wanted, "adopted", cells[: len(known)]),
        judged("plan", "Where the plan's suppositions are true, its power of 80 % is realised", wanted, "adopted", cells[len(known) :]),
    )


def _known(quick: bool) -> list[Parts]:
    if quick:
        return [Parts(40), Parts(20, unequal=True, seed_sd=0.01), Parts(100, seed_sd=0.02)]
    varied = product((10, 20, 40, 100), (False, True), (3, 5), (0.01, 0.02))
    return [*(Parts(d, unequal=u) for d in (10, 20, 40, 100) for u in (False, True)), *(Parts(d, 10, u, s, seed_sd=sd) for d, u, s, sd in varied)]


def _planned(quick: bool) -> list[Parts]:
    """Worlds that are as `planning.expected` supposes: it states the variance of a difference, half of which each arm brings."""
    document, question = ((DISCORDANCE * share / 2) ** 0.5 for share in (CORRELATION, 1 - CORRELATION))
    kinds = [(40, 10, 3), (100, 10, 3)] if quick else [(d, 10, s) for d in (20, 40, 100) for s in (3, 5)] + [(100, 30, 3), (300, 1, 3)]
    return [Parts(d, q, False, s, document, question, SEED_SD) for d, q, s in kinds]


def _known_gains(parts: Parts) -> dict[str, float]:
    """The gain that is to be shown; and, to compare, the one by the true standard error and Satterthwaite's degrees of freedom alone."""
    ahead = Ahead(parts.question_variance, parts.question_df, parts.seed_sd**2, parts.seeds, len(set(ADAPTERS.values())))
    share = ALPHA / (len(TUNED) + 1)
    seed_df = ahead.trainings * (ahead.seeds - 1)
    df = satterthwaite(parts.question_variance, parts.question_df, parts.seed_sd**2 / parts.seeds, seed_df)
    simple = detectable(ahead.se, df, share, POWER) or 0.0
    return {"": MARGIN + ahead.shown(share, POWER), "by Satterthwaite alone": MARGIN + simple}


def _planned_gain(parts: Parts) -> float | None:
    names = [str(document) for document, size in enumerate(parts.sizes) for _ in range(size)]
    trainings = len(set(ADAPTERS.values()))
    return expected(design_of(names, margin=MARGIN, alpha=ALPHA, challengers=len(TUNED) + 1, trainings=trainings, seeds=parts.seeds)).gain


def _power_window(number: int, quick: bool) -> tuple[float, float]:
    """Of so many worlds 75 to 85 %; of a quick look's few, with what chance may add."""
    return (at_least(LEAST_POWER, number), at_most(MOST_POWER, number)) if quick else (LEAST_POWER, MOST_POWER)


def _power(job: tuple[Parts, Mapping[str, float], int, int, bool]) -> Cell:
    """How often raft is adopted that has the gain; the others have none."""
    parts, gains, number, seed, quick = job
    shares = {}
    for name, gain in gains.items():
        found = normal_worlds(parts, number, {"raft": gain}, seed)
        shares[name] = sum("raft" in adopted(table) for table in found) / number
    of = {
        "documents": str(parts.documents),
        "questions": str(parts.sizes.sum()),
        "sizes": "unequal" if parts.unequal else "equal",
        "seeds": str(parts.seeds),
        "seed sd": f"{100 * parts.seed_sd:g}",
        "seeds' part of the variance": f"{100 * parts.seed_variance / parts.se**2:.0f} %",
        "true gain": f"{100 * gains['']:.1f}",
    }
    beside = {name: share for name, share in shares.items() if name}
    return Cell(of, number, shares[""], *_power_window(number, quick), beside)
