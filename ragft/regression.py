"""Is a new run worse than a baseline run by more than a margin? One arm of both, on the same questions, by the test that verdicts rest on.

    found = compare_runs(find_run("runs/2026-01-31-manuals-1f2e3d4c5b6a"), find_run("runs/2026-02-07-manuals-0a9b8c7d6e5f"))
    found.outcome, found.difference.low, found.difference.high

The runs may differ in corpus, model, adapters, retriever, prompt: that is what is looked at. They must not differ in what is asked and in what
scores it. Questions are paired by id and clustered by document; each run's trainings bring the variance between their seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ragft import ahead, manifest
from ragft.cautions import about_documents
from ragft.compare import pairwise
from ragft.comparison import MAX_MISSING, Difference, Level
from ragft.contrasts import estimate as mean_of
from ragft.contrasts import level, seed_variances
from ragft.decide import Decision
from ragft.errors import InputError, MismatchError, MissingError, unknown
from ragft.numbers import percent, points, span
from ragft.rules import above, below
from ragft.scoretable import ArmScores, ScoreTable
from ragft.scoring import read_gold, score_table
from ragft.settings import Study, load_study
from ragft.store import Run, read_json, read_jsonl_as, read_record
from ragft.types import Question

Outcome = Literal["not-worse", "worse", "undecided"]
MOST_NAMED = 10  # of the questions that were lost
BASELINE, NEW = "baseline", "new"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs: the arm's own mean with its 95 % interval."""

    run: str
    model: str
    seeds: int
    level: Level


@dataclass(frozen=True, slots=True)
class Lost:
    """A question that the new run answers worse: its score in both, the mean over training seeds."""

    id: str
    question: str
    baseline: float
    new: float


@dataclass(frozen=True, slots=True)
class Regression:
    """What is known of the new run against the baseline. Scores, differences and the margin are shares of 1."""

    outcome: Outcome
    because: str
    arm: str
    metric: str
    margin: float
    alpha: float  # one-sided: the chance that a bound is on the wrong side
    questions: int
    documents: int
    baseline: Side
    new: Side
    difference: Difference  # new minus baseline
    detectable: float | None  # the true drop that so many questions and seeds surely show as worse, with 80 % power; None: none
    questions_for_equal: int | None  # that would show an equal run as not worse, with 80 % power; None: no number of them, or not known
    gained: int  # questions with a higher score
    lost: int  # with a lower one
    most_lost: tuple[Lost, ...]  # those that lost most, ten at most
    changed: tuple[str, ...]  # what the runs differ in
    warnings: tuple[str, ...]


def compare_runs(baseline: Run, new: Run, arm: str | None = None, margin: float | None = None, alpha: float | None = None) -> Regression:
    """Compare an arm of two finished runs; None: the arm that the baseline recommends, the baseline's own margin, its alpha.

    Raises MissingError for a run that is not finished, MismatchError where the runs were asked other questions or are scored by another
    metric, InputError for an arm, a margin or an alpha that cannot be, and where so many answers failed that nothing can be said.
    """
    studies = [_study(run) for run in (baseline, new)]
    _check_metrics(baseline, new, studies)
    first = studies[0]
    arm = arm or read_record(Decision, baseline.folder / "decision.json").recommend
    for run, study in zip((baseline, new), studies, strict=True):
        if arm not in study.arms:
            raise InputError(f"{run.folder}: {unknown('arm', arm, study.arms)}")
    margin, alpha = _checked(first.margin if margin is None else margin, first.alpha if alpha is None else alpha)
    texts = _same_questions(baseline, new)
    tables = [score_table(run, study.metric, study.reference) for run, study in zip((baseline, new), studies, strict=True)]
    table = joined(*tables)
    difference, worst = drop(table, arm, alpha), worst_case(table, arm, alpha)
    manifests = [read_json(run.folder / "manifest.json") for run in (baseline, new)]
    sides = [
        _side(run, table, tables[place].arm(arm), name, made["model"]["name"])
        for place, (run, name, made) in enumerate(zip((baseline, new), (BASELINE, NEW), manifests, strict=True))
    ]
    found, seeds = judged(difference, worst, margin), max(side.seeds for side in sides)
    shown = ahead.smallest_shown(difference.estimate, alpha)
    equal = ahead.questions_needed(difference.estimate, margin, alpha, seeds) if margin > 0 and difference.low is not None else None
    lost, gained = _moved(table, arm, texts)
    return Regression(
        outcome=found,
        because=_because(found, difference, worst, margin, equal),
        arm=arm,
        metric=first.metric,
        margin=margin,
        alpha=alpha,
        questions=difference.estimate.n,
        documents=difference.estimate.documents,
        baseline=sides[0],
        new=sides[1],
        difference=difference,
        detectable=None if shown is None else margin + shown,
        questions_for_equal=equal,
        gained=gained,
        lost=len(lost),
        most_lost=tuple(lost[:MOST_NAMED]),
        changed=tuple(_changed(baseline, new, arm, manifests)),
        warnings=tuple(_warnings(baseline, new, table, difference)),
    )


def joined(baseline: ScoreTable, new: ScoreTable) -> ScoreTable:
    """Both runs' arms in one table, "baseline: rag" beside "new: rag", in the baseline's order of questions and by its documents."""
    place = {question: number for number, question in enumerate(new.questions)}
    order = np.array([place[question] for question in baseline.questions])
    arms = [
        replace(one, name=f"{side}: {one.name}", scores=scores)
        for side, table in ((BASELINE, baseline), (NEW, new))
        for one in table.arms
        for scores in [one.scores if side == BASELINE else one.scores[:, order]]
    ]
    both = baseline.applicable & new.applicable[order]
    return replace(baseline, arms=tuple(arms), applicable=both, writer=())


def drop(table: ScoreTable, arm: str, alpha: float) -> Difference:
    """The new run's arm minus the baseline's, by a joined table; each bound is wrong with probability `alpha`.

    Where both use the same trained weights, nothing was left to the luck of another training, and no variance between seeds enters.
    Raises InputError where more than 5 % of the questions lack a score in one of the runs: what failed is no basis for passing.
    """
    watched = [table.arm(f"{side}: {arm}") for side in (BASELINE, NEW)]
    if watched[0].adapters and watched[0].adapters == watched[1].adapters:
        table = replace(table, arms=tuple(replace(one, tuning=None) for one in watched))
    found = pairwise(table, [(f"{NEW}: {arm}", f"{BASELINE}: {arm}")], alpha=alpha)
    if not found or found[0].missing > MAX_MISSING:
        before, now = (percent(1 - float(table.arm(f"{side}: {arm}").scored[table.applicable].mean())) for side in (BASELINE, NEW))
        raise InputError(
            f"arm '{arm}' has no score of {before} of the questions in the baseline run and of {now} in the new run; with more than "
            f"{percent(MAX_MISSING)} missing the runs are not compared. Look at the answers that failed, then run the study again."
        )
    return found[0]


def worst_case(table: ScoreTable, arm: str, alpha: float) -> Difference:
    """The same difference if every answer that failed were wrong in the new run, and right in the baseline."""

    def filled(one: ArmScores) -> ArmScores:
        guess = 0.0 if one.name == f"{NEW}: {arm}" else 1.0
        return replace(one, scores=np.where(np.isnan(one.scores) & table.applicable, guess, one.scores))

    watched = (f"{BASELINE}: {arm}", f"{NEW}: {arm}")
    return drop(replace(table, arms=tuple(filled(one) if one.name in watched else one for one in table.arms)), arm, alpha)


def judged(difference: Difference, worst: Difference, margin: float) -> Outcome:
    """By the bounds, never by the estimate. Answers that failed are no reason to pass: the worst case must not be worse either."""
    if above(difference.low, -margin) and above(worst.low, -margin):
        return "not-worse"
    return "worse" if below(difference.high, -margin) else "undecided"


# ── what must be alike ───────────────────────────────────────────────────────────────────────────────────────────────


def _study(run: Run) -> Study:
    if not manifest.is_finished(run):
        raise MissingError(f"{run.folder}: this run has not come to its verdict. Finish it first, with the command that began it.")
    return load_study(run.folder / "study.yaml")


def _check_metrics(baseline: Run, new: Run, studies: Sequence[Study]) -> None:
    before, now = (study.metric for study in studies)
    if before != now:
        raise MismatchError(
            f"the runs are scored by other metrics: {baseline.folder} by {before}, {new.folder} by {now}. "
            f"Run the new study again with --set metric={before}; its stored answers are kept."
        )


def _checked(margin: float, alpha: float) -> tuple[float, float]:
    if not 0 <= margin <= 1:
        raise InputError(f"the margin is a share from 0 to 1, such as 0.03 for 3 points, not {margin:g}.")
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha is a probability above 0 and below 0.5, such as 0.025, not {alpha:g}.")
    return margin, alpha


def _same_questions(baseline: Run, new: Run) -> dict[str, str]:
    """The questions' texts by id, in the baseline's order."""
    before, now = ({q.id: q.text for q in read_jsonl_as(Question, run.folder / "questions.jsonl")} for run in (baseline, new))
    other = [key for key in before if key in now and before[key] != now[key]]
    only = [sorted(before.keys() - now.keys()), sorted(now.keys() - before.keys()), other]
    said = ["are asked in the baseline run only", "in the new run only", "have another text under the same id"]
    parts = [f"{len(ids)} {words} (such as '{ids[0]}')" for ids, words in zip(only, said, strict=True) if ids]
    if parts:
        raise MismatchError(
            f"the runs were not asked the same questions, so they cannot be paired: of {len(before)} in {baseline.folder} and {len(now)} in "
            f"{new.folder}, {', '.join(parts)}. Keep the question file and the limit of the baseline, or make a new baseline."
        )
    return before


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _side(run: Run, table: ScoreTable, arm: ArmScores, name: str, model: str) -> Side:
    own = table.arm(f"{name}: {arm.name}")
    return Side(str(run.folder), arm.system or model, len(own.scores), level(mean_of(table, [(1, own)], seed_variances(table.arms))))


def _because(outcome: Outcome, found: Difference, worst: Difference, margin: float, equal: int | None) -> str:
    mean, size = found.estimate.mean, points(found.estimate.mean)
    word = "the same as" if size == "0 points" else f"{size} {'higher' if mean > 0 else 'lower'} than"
    head = f"The new run scores {word} the baseline (interval {span(found.low, found.high)} points)"
    if outcome == "not-worse":
        return f"{head}: surely not worse by more than {points(margin)}."
    if outcome == "worse":
        return f"{head}: surely worse by more than {points(margin)}."
    if found.low is None:
        return (
            f"The new run scores {word} the baseline, and no interval can be given: the questions are of too few documents, or an arm "
            "that is trained has one seed, and nobody knows how much its training runs differ. Train with three seeds."
        )
    if above(found.low, -margin):
        return f"{head}, but with the answers that failed counted as wrong the interval is {span(worst.low, worst.high)}: it may be worse by more."
    asks = ""
    if equal is None and margin > 0:
        asks = " No number of questions would show it, because training runs differ too much: train more seeds."
    elif equal and equal > found.estimate.n:
        asks = f" If it is as good in truth, about {equal:,} questions would show it."
    return f"{head}: it may be worse by more than {points(margin)}, and may not.{asks}"


def _moved(table: ScoreTable, arm: str, texts: Mapping[str, str]) -> tuple[list[Lost], int]:
    """The questions whose score is lower, the largest losses first, and how many are higher."""
    before, now = (table.arm(f"{side}: {arm}") for side in (BASELINE, NEW))
    kept = before.scored & now.scored
    pairs = [
        Lost(key, texts[key], float(one), float(other))
        for key, one, other in zip(
            np.array(table.questions)[kept].tolist(), before.scores[:, kept].mean(axis=0), now.scores[:, kept].mean(axis=0), strict=True
        )
    ]
    lost = sorted((pair for pair in pairs if pair.new < pair.baseline), key=lambda pair: (pair.new - pair.baseline, pair.id))
    return lost, sum(pair.new > pair.baseline for pair in pairs)


def _changed(baseline: Run, new: Run, arm: str, manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the runs differ in, as far as it can shape the arm's answers: "retriever: bm25 → hybrid"."""
    if baseline.folder.resolve() == new.folder.resolve():
        return ["nothing: both are the same run"]
    before, now = (read_json(run.folder / "arms" / arm / "arm.json") for run in (baseline, new))
    versions = [made["versions"] for made in manifests]
    found = [f"{key}: {before.get(key)} → {now.get(key)}" for key in before if key not in ("name", "model") and before[key] != now.get(key)]
    if manifests[0]["model"]["sha256"] != manifests[1]["model"]["sha256"]:
        found.insert(0, f"model: {manifests[0]['model']['name']} → {manifests[1]['model']['name']}")
    if manifests[0]["data"]["sha256"] != manifests[1]["data"]["sha256"]:
        found.append(f"data: {manifests[0]['data']['documents']} → {manifests[1]['data']['documents']} documents, other contents")
    adapters = [_adapters(run, arm) for run in (baseline, new)]
    if all(adapters) and adapters[0] != adapters[1]:
        found.append("adapters: trained anew")
    return [*found, *(f"{key}: {versions[0].get(key)} → {value}" for key, value in versions[1].items() if versions[0].get(key) != value)]


def _adapters(run: Run, arm: str) -> list[str]:
    fits = [read_json(run.seed_folder(arm, seed) / "fit.json") for seed in run.seeds(arm)]
    return [fit["adapter"]["sha256"] for fit in fits if "adapter" in fit]


def _warnings(baseline: Run, new: Run, table: ScoreTable, found: Difference) -> list[str]:
    golds = [{gold.id: gold.answers for gold in read_gold(run)} for run in (baseline, new)]
    other = sum(answers != golds[1][key] for key, answers in golds[0].items())
    said = about_documents(table.documents)
    if other:
        said.append(
            f"{other} of {len(golds[0])} questions have other reference answers in the new run; each run is scored by its own. "
            "Where a label was mended and not the facts, make a new baseline."
        )
    if found.missing:
        said.append(f"{percent(found.missing)} of the questions are left out, because an answer to them failed in one of the runs.")
    return said
