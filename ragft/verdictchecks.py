"""Whether the verdict's error rates hold: made-up worlds with a known truth, compared and decided by ragft's own code.

Each check is `check(setup, advance) -> tuple[Finding, ...]`; `validate.CHECKS` lists them. The check of power is in powerchecks.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from ragft.case import case_of
from ragft.compare import compare, pairwise
from ragft.cost import Measured, Metered, Prices
from ragft.needs import ArmFacts
from ragft.progress import Advance
from ragft.rules import rule
from ragft.scoretable import ScoreTable
from ragft.validation import Cell, Finding, Setup, at_least, at_most, judged
from ragft.worlds import REFERENCE, SLOTS, TUNED, Design, everyone, sizes, worlds

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
