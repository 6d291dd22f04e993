"""Whether the verdict's error rates hold: made-up worlds with a known truth, compared and decided by ragft's own code.

Each check is `check(setup, advance) -> tuple[Finding, ...]`; `validate.CHECKS` lists them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from ragft.ahead import Ahead, detectable
from ragft.case import case_of
from ragft.compare import compare, pairwise
from ragft.cost import Measured, Metered, Prices
from ragft.needs import ArmFacts
from ragft.planning import CORRELATION, DISCORDANCE, SEED_SD, design_of, expected
from ragft.progress import Advance
from ragft.rules import rule
from ragft.scoretable import ScoreTable
from ragft.stats import satterthwaite
from ragft.validation import Cell, Finding, Setup, at_least, at_most, judged
from ragft.worlds import ADAPTERS, REFERENCE, SLOTS, TUNED, Design, Parts, everyone, normal_worlds, sizes, worlds

ALPHA, MARGIN = 0.025, 0.03  # ragft's defaults
LARGE = 0.10  # a true gain that is worth finding: how often it is, is the price of not being fooled
SAMPLE = 20  # worlds of a cell that go through the whole of compare and the rules
TUNED_VERDICTS = ("adopt-both", "adopt-tuned")


# ── what is adopted ──────────────────────────────────────────────────────────────────────────────────────────────────


def adopted(table: ScoreTable) -> list[str]:
    """The tuned arms whose simultaneous lower bound lies above the margin: what `compare` finds, without the rest of it."""
    challengers = sum(arm.deployable for arm in table.arms) - 1
    found = pairwise(table, [(arm, REFERENCE) for arm in TUNED], alpha=ALPHA / challengers)
    return [d.arm for d in found if d.low is not None and d.low > MARGIN]


def verdict(table: ScoreTable, costs: str = "unknown") -> tuple[str, str]:
    """Verdict and recommended arm, by the whole of `compare` and the rules of `decide`; without what `decide` says besides, which takes longer.

    `costs` of the tuned arms against the others: "dearer", "cheaper" or "unknown".
    """
    seconds = {"dearer": 2.0, "cheaper": 0.5}.get(costs)
    facts = {}
    for arm in table.arms:
        metered = Metered(Measured(0.0), Measured(seconds if arm.tuning else 1.0), 0.5) if seconds else None
        facts[arm.name] = ArmFacts(SLOTS["retriever"].get(arm.name), arm.tuning, metered)
    found = compare(table, metric="match", reference=REFERENCE, margin=MARGIN, alpha=ALPHA)
    return rule(case_of(found, facts, {}, Prices()), found.margin)[:2]


def described(design: Design) -> dict[str, str]:
    """A design as the columns of a table."""
    return {
        "documents": str(design.documents),
        "questions": str(sizes(design.documents, design.questions, design.unequal).sum()),
        "sizes": "unequal" if design.unequal else "equal",
        "scores": "graded" if design.graded else "binary",
        "arm × document sd": f"{design.arm_document_sd:g}",
        "seed sd": f"{design.seed_points:g}" + (" (raft only)" if design.one_wild else ""),
        "challengers": "4" if design.base else "3 (no base)",
    }


# ── a gain of no more than the margin is not adopted ─────────────────────────────────────────────────────────────────


HARD = (  # few documents, seeds of one arm that differ alone, much data on unstable training, fewer challengers
    *(Design(10, 20, unequal=unequal, arm_document_sd=1.0, seed_points=points) for unequal in (False, True) for points in (0, 3)),
    Design(20, 15, seed_points=3, one_wild=True),
    Design(40, 25, seed_points=3, one_wild=True),
    Design(100, 10, seed_points=3, graded=True, one_wild=True),
    *(Design(40, 60, arm_document_sd=0.0, seed_points=3, one_wild=True, base=False, graded=graded) for graded in (False, True)),
)


def designs(quick: bool) -> list[Design]:
    """All combinations and the HARD ones; quick: the corners with the most unequal and the least certain worlds."""
    every = product((10, 20, 40, 100), (False, True), (False, True), (0.0, 0.5, 1.0), (0.0, 1.0, 2.0, 3.0))
    if quick:
        every = product((10, 100), (True,), (False, True), (0.0, 1.0), (0.0, 3.0))
    grid = [Design(d, unequal=u, graded=g, arm_document_sd=a, seed_points=float(s)) for d, u, g, a, s in every]
    return [*grid, *(HARD[-3:] if quick else HARD)]


def false_recommendations(setup: Setup, advance: Advance) -> tuple[Finding, ...]:
    """Every tuned arm's true gain is the margin, so that adopting any of them is a mistake, and the hardest one to avoid."""
    jobs = [(design, setup.worlds, setup.seed) for design in designs(setup.quick)]
    found = setup.each(_adoption, jobs, advance)
    differ, sampled = sum(differ for _, differ, _ in found), sum(sampled for *_, sampled in found)
    wanted = f"at most {100 * ALPHA:g} % and 3.5 Monte-Carlo standard errors, {100 * at_most(ALPHA, setup.worlds):.1f} %, in every cell"
    return (
        judged(
            "margin",
            "A tuned arm whose true gain is exactly the margin is not adopted",
            wanted,
            "adopted at the margin",
            [cell for cell, *_ in found],
        ),
        Finding(
            "whole",
            "The whole verdict adopts exactly when a lower bound is above the margin",
            differ == 0,
            f"{differ} of {sampled:,} worlds differ",
            "none differs",
        ),
    )


def _adoption(job: tuple[Design, int, int]) -> tuple[Cell, int, int]:
    """The cell of one design; how many of the sampled whole verdicts differ from the bounds, and how many were sampled."""
    design, number, seed = job
    differ = sampled = 0
    shares = {}
    for gain, count in ((MARGIN, number), (LARGE, max(1, number // 10))):
        yes = 0
        for world, table in enumerate(worlds(design, count, everyone(gain), seed)):
            arms = adopted(table)
            yes += bool(arms)
            if world < SAMPLE:
                name, arm = verdict(table, "dearer")  # at an extra cost only a gain above the margin is worth it
                sampled += 1
                differ += (name in TUNED_VERDICTS) != bool(arms) or (bool(arms) and arm not in arms)
        shares[gain] = yes / count
    large = {f"adopted at +{100 * LARGE:g} points": shares[LARGE]}
    return Cell(described(design), number, shares[MARGIN], most=at_most(ALPHA, number), beside=large), differ, sampled


# ── every verdict's own mistake ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Edge:
    """Truths at which a verdict only just is a mistake."""

    truth: str
    wrong: tuple[str, ...]
    gains: Mapping[str, float]
    costs: str


EDGES = (
    Edge("tuned +3 points, dearer", TUNED_VERDICTS, everyone(MARGIN), "dearer"),
    Edge("tuned +3 points, dearer", ("keep-rag", "equivalent"), everyone(MARGIN), "dearer"),
    Edge("tuned equal, cost unknown", TUNED_VERDICTS, everyone(0.0), "unknown"),
    Edge("tuned −3 points, cheaper", TUNED_VERDICTS, everyone(-MARGIN), "cheaper"),
    Edge("tuned −3 points, cheaper", ("equivalent",), everyone(-MARGIN), "cheaper"),
    Edge("base −3 points, tuned equal", ("neither-needed",), {**everyone(0.0), "base": -MARGIN}, "dearer"),
)
EDGE_DESIGNS = (
    Design(20, unequal=True, arm_document_sd=1.0, seed_points=1.0),
    Design(40),
    Design(100, arm_document_sd=0.0, seed_points=0.0, graded=True),  # so much is known that little stays undecided
)


def mistaken_verdicts(setup: Setup, advance: Advance) -> tuple[Finding, ...]:
    """Each verdict where it is only just wrong, by the whole of compare and the rules."""
    by_truth = {(edge.truth, edge.costs): edge for edge in EDGES}
    chosen = EDGE_DESIGNS[-1:] if setup.quick else EDGE_DESIGNS
    number = setup.worlds // 4 if setup.quick else setup.worlds  # a whole verdict takes ten times as long as a bound
    jobs = [(design, edge.gains, edge.costs, number, setup.seed) for design in chosen for edge in by_truth.values()]
    found = dict(zip(product(chosen, by_truth), setup.each(_verdicts, jobs, advance), strict=True))
    cells = []
    for design, edge in product(chosen, EDGES):
        shares = found[design, (edge.truth, edge.costs)]
        wrong = sum(shares.get(verdict, 0.0) for verdict in edge.wrong)
        kind = {"truth": edge.truth, "mistaken": " or ".join(edge.wrong), **_short(design)}
        cells.append(Cell(kind, number, wrong, most=at_most(ALPHA, number), beside=shares))
    wanted = f"at most {100 * ALPHA:g} % and 3.5 Monte-Carlo standard errors, {100 * at_most(ALPHA, number):.1f} %, in every cell"
    return (judged("edges", "Each verdict is rare where it is only just a mistake", wanted, "mistaken verdict", cells),)


def _verdicts(job: tuple[Design, Mapping[str, float], str, int, int]) -> dict[str, float]:
    """The share of worlds with each verdict."""
    design, gains, costs, number, seed = job
    return _shares(verdict(table, costs)[0] for table in worlds(design, number, gains, seed))


def _shares(names: Iterable[str]) -> dict[str, float]:
    """The share of each, the most frequent first."""
    counts = Counter(names)
    return {name: count / counts.total() for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))}


def _short(design: Design) -> dict[str, str]:
    return {key: value for key, value in described(design).items() if key != "challengers"}


# ── a stated power is realised ───────────────────────────────────────────────────────────────────────────────────────


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


# ── a winner is found, a tie is not called ───────────────────────────────────────────────────────────────────────────


WINNER, RECOVERED = 0.20, 0.95
TIES = (
    ("tuned arms equal to rag", everyone(0.0)),
    ("all arms equal, base too", {**everyone(0.0), "base": 0.0}),
)
TIE_DESIGNS = (Design(40, seed_points=1.0), Design(100, arm_document_sd=0.0, seed_points=0.0, graded=True))


def winners_and_ties(setup: Setup, advance: Advance) -> tuple[Finding, ...]:
    """One arm is 20 points better than rag, or none is: by the whole of compare and the rules, at unknown costs."""
    number = setup.worlds // 4 if setup.quick else setup.worlds
    tie_designs = TIE_DESIGNS[:1] if setup.quick else TIE_DESIGNS
    won = [("winner", arm, TIE_DESIGNS[0], {**everyone(0.0), arm: WINNER}, number, setup.seed) for arm in TUNED]
    tied = [("tie", name, design, gains, number, setup.seed) for design in tie_designs for name, gains in TIES]
    cells = setup.each(_planted, [*won, *tied], advance)
    recovered = f"at least {100 * RECOVERED:g} %, less 3.5 Monte-Carlo standard errors {100 * at_least(RECOVERED, number):.1f} %, in every cell"
    called = f"at most {100 * ALPHA:g} % and 3.5 Monte-Carlo standard errors, {100 * at_most(ALPHA, number):.1f} %, in every cell"
    return (
        judged("winner", "An arm that is 20 points better is adopted and named", recovered, "adopted and named", cells[: len(won)]),
        judged("tie", "Where nothing is better, no fine-tuning is recommended", called, "fine-tuning recommended", cells[len(won) :]),
    )


def _planted(job: tuple[str, str, Design, Mapping[str, float], int, int]) -> Cell:
    kind, name, design, gains, number, seed = job
    found = [verdict(table) for table in worlds(design, number, gains, seed)]
    of = {"planted": f"{name} +{100 * WINNER:g} points" if kind == "winner" else name, **_short(design)}
    tuned = sum(verdict in TUNED_VERDICTS for verdict, _ in found) / number
    if kind == "tie":
        return Cell(of, number, tuned, most=at_most(ALPHA, number), beside=_shares(verdict for verdict, _ in found))
    named = sum(verdict in TUNED_VERDICTS and arm == name for verdict, arm in found) / number
    beside = {"another arm": tuned - named, **_shares(verdict for verdict, _ in found)}
    return Cell(of, number, named, least=at_least(RECOVERED, number), beside=beside)
