"""What a judge's grades are worth: its failures, its errors by human labels, what the labels correct, and whether a verdict may use it.

    judged = assess(run, "local", read_labels(run, Path("labels.csv")))   # from stored grades; written as judge-local.json

Needs no model. The statistics are in `agreement`; docs/judges.md says it in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ragft.agreement import (
    ONE_SIDE,
    Agreement,
    Corrected,
    ErrorRates,
    JudgedAlike,
    agreement,
    clip,
    corrected,
    error_rates,
    judged_alike,
    rectified,
    with_seeds,
)
from ragft.compare import ArmScores, ScoreTable, pairwise
from ragft.comparison import MAX_MISSING
from ragft.judging import stored_grades
from ragft.labels import Labels, answers_to_grade
from ragft.numbers import percent
from ragft.scoring import finished, score_table
from ragft.settings import load_study
from ragft.stats import contrast_values
from ragft.store import Run, read_record, write_json

METRIC = "match"  # the judge-free metric that a judge is set beside
DIFFERS = 0.05  # the adjusted p below which arms are judged differently
FEW_DOCUMENTS = 10  # with labels: below this the intervals' error rate is not the stated one
NOBODY = ArmScores("(nobody)", np.zeros((1, 0)), None, None)  # an arm minus it is the arm


@dataclass(frozen=True, slots=True)
class JudgedArm:
    """What a judge made of one arm, over all its seeds. None: no labels, or nothing to compute it from."""

    arm: str
    answers: int  # that could be graded: all but those that failed
    failures: int  # of these, without a grade
    ungraded: float  # share of all answers without a grade, for either reason
    grade: float | None  # the mean grade as it is; None: no question is graded under every seed
    with_metric: Agreement | None  # with the judge-free metric; needs no people
    with_people: Agreement | None
    errors: ErrorRates | None  # by the labels, one answer a question
    corrected: Corrected | None
    low: float | None  # its own 95 % interval
    high: float | None


@dataclass(frozen=True, slots=True)
class JudgedDifference:
    """One arm minus the reference. The interval holds for all challengers at once (`alpha` on each side)."""

    arm: str
    minus: str
    grade: float  # the difference of mean grades as it is
    corrected: Corrected | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Judged:
    """All that is known of one judge on one run."""

    name: str
    judge: str  # Judge.about
    metric: str  # the judge-free metric beside it
    reference: str
    alpha: float
    questions: int
    labelled: int  # questions with labels; 0: none were given
    labels: int  # answers with a label, the same words counted once
    arms: tuple[JudgedArm, ...]
    differences: tuple[JudgedDifference, ...]  # of each challenger with a grade
    alike: JudgedAlike | None  # over the arms that are compared; None: no labels
    blocked: str  # why no verdict may rest on this judge; "": nothing speaks against it
    warnings: tuple[str, ...]


def read_judged(run: Run) -> list[Judged]:
    """What was found of every judge, by name."""
    return [read_record(Judged, path) for path in sorted(run.folder.glob("judge-*.json"))]


def assess(run: Run, name: str, labels: Labels | None) -> Judged:
    """Set the stored grades of the judge `name` beside the judge-free metric and, where there are any, human labels.

    Written as judge-<name>.json. Raises MissingError where answers are not graded yet.
    """
    study = load_study(run.folder / "study.yaml")
    match, asked = score_table(run, METRIC, study.reference), answers_to_grade(run)
    graded = stored_grades(run, name, asked)
    judge = _with_scores(run, match, {place: row.score for place, row in graded.items()})
    people = _with_scores(run, match, {(o.arm, o.seed, o.question): labels.correct.get(o.key) for o in asked}) if labels else None
    given = {arm.name: [row.score for (name_of, _, _), row in graded.items() if name_of == arm.name] for arm in judge.arms}
    arms = tuple(_judged_arm(judge, match, people, *pair) for pair in given.items())
    challengers = [arm.name for arm in judge.arms if arm.deployable and arm.name != study.reference]
    compared = [arm for arm in arms if arm.arm in (study.reference, *challengers)]
    alike = judged_alike([arm.errors for arm in compared if arm.errors]) if people else None
    found = Judged(
        name=name,
        judge=next(iter(graded.values())).judge,
        metric=METRIC,
        reference=study.reference,
        alpha=study.alpha,
        questions=len(judge.questions),
        labelled=labels.questions if labels else 0,
        labels=len(labels.correct) if labels else 0,
        arms=arms,
        differences=tuple(_differences(judge, people, challengers, study.reference, study.alpha)),
        alike=alike,
        blocked=_blocked(compared, alike),
        warnings=tuple(_warnings(labels, arms)),
    )
    write_json(run.folder / f"judge-{name}.json", found)
    return found


def _with_scores(run: Run, table: ScoreTable, scores: Mapping[tuple[str, int, str], float | None]) -> ScoreTable:
    """The table with these scores of (arm, seed, question) instead; NaN where there is none."""
    seeds: dict[str, list[int]] = {}
    for arm, seed in finished(run):
        seeds.setdefault(arm, []).append(seed)

    def column(arm: str) -> np.ndarray:
        found = [[scores.get((arm, seed, question)) for question in table.questions] for seed in seeds[arm]]
        return np.array(found, dtype=float)  # None becomes NaN

    return replace(table, arms=tuple(replace(arm, scores=column(arm.name)) for arm in table.arms))


def _side_by_side(one: ArmScores, other: ArmScores, documents: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two graders' scores of one arm's answers, all seeds in one row, and their documents."""
    return one.scores.ravel(), other.scores.ravel(), list(documents) * len(one.scores)


# ── arms and differences ─────────────────────────────────────────────────────────────────────────────────────────────


def _judged_arm(judge: ScoreTable, match: ScoreTable, people: ScoreTable | None, name: str, given: Sequence[float | None]) -> JudgedArm:
    """`given`: the stored grades of the arm's answers, None where the judge failed."""
    arm, scores = judge.arm(name), [score for score in given if score is not None]
    made = with_people = errors = None
    if people:
        with_people = agreement(*_side_by_side(arm, people.arm(name), judge.documents))
        errors = error_rates(_one_each(arm.scores), _one_each(people.arm(name).scores))
        made = _corrected(judge, people, name, None)
    low, high = made.estimate.bounds(ONE_SIDE) if made else (None, None)
    return JudgedArm(
        arm=name,
        answers=len(given),
        failures=len(given) - len(scores),
        ungraded=float(np.isnan(arm.scores).mean()),
        grade=float(np.mean(scores)) if arm.scored.any() else None,
        with_metric=agreement(*_side_by_side(arm, match.arm(name), judge.documents)),
        with_people=with_people,
        errors=errors,
        corrected=made,
        low=clip(low, 0.0),
        high=clip(high, 0.0),
    )


def _one_each(scores: np.ndarray) -> np.ndarray:
    """One seed's score of each question, the seed drawn at random, the same for every grader: seeds' answers are not independent."""
    drawn = np.random.default_rng(0).integers(0, len(scores), scores.shape[1])
    return scores[drawn, np.arange(scores.shape[1])]


def _differences(judge: ScoreTable, people: ScoreTable | None, challengers: Sequence[str], reference: str, alpha: float) -> list[JudgedDifference]:
    share = alpha / max(1, len(challengers))  # as in compare: the intervals hold together
    found = []
    for arm in challengers:
        if not (judge.arm(arm).scored & judge.arm(reference).scored).any():
            continue
        grades = _contrast(judge, arm, reference)
        made = _corrected(judge, people, arm, reference) if people else None
        low, high = made.estimate.bounds(share) if made else (None, None)
        found.append(JudgedDifference(arm, reference, float(np.nanmean(grades)), made, clip(low, -1.0), clip(high, -1.0)))
    return found


def _contrast(table: ScoreTable, arm: str, minus: str | None) -> np.ndarray:
    """Each question's score, the mean of its seeds, or the difference of two arms' scores; NaN where any seed has none."""
    parts = [(1.0, table.arm(arm).scores), *([(-1.0, table.arm(minus).scores)] if minus else [])]
    return contrast_values(parts).mean(axis=0)


def _corrected(judge: ScoreTable, people: ScoreTable, arm: str, minus: str | None) -> Corrected | None:
    """The corrected mean or difference, with the variance between training seeds; None where no graded answer is labelled."""
    known = {one.name: one.scored & people.arm(one.name).scored for one in judge.arms}
    if not (known[arm] & known[minus or arm]).any():
        return None
    zeros = replace(NOBODY, scores=np.zeros((1, len(judge.questions))))
    mended = [replace(one, scores=rectified(one.scores, people.arm(one.name).scores)) for one in judge.arms if known[one.name].any()]
    seeds = pairwise(replace(judge, arms=(*mended, zeros)), [(arm, minus or NOBODY.name)], alpha=ONE_SIDE)[0].estimate
    return with_seeds(corrected(_contrast(judge, arm, minus), _contrast(people, arm, minus), judge.documents), seeds)


# ── whether a verdict may rest on it ─────────────────────────────────────────────────────────────────────────────────


def _blocked(compared: Sequence[JudgedArm], alike: JudgedAlike | None) -> str:
    """Why no verdict may rest on this judge, all reasons in sentences; "" where there is none."""
    most = f"at most {percent(MAX_MISSING)} may"
    reasons = [
        f"The judge failed on {arm.failures} of the {arm.answers} answers of {arm.arm} ({percent(arm.failures / arm.answers)}; {most})."
        if arm.failures > MAX_MISSING * arm.answers
        else f"{percent(arm.ungraded)} of the answers of {arm.arm} have no grade ({most})."
        for arm in compared
        if arm.failures > MAX_MISSING * arm.answers or (arm.grade is not None and arm.ungraded > MAX_MISSING)
    ]
    if not alike:
        return " ".join([*reasons, "Without human labels nobody knows how often this judge errs, and in whose favour."])
    for what, p, rate in (
        ("wrong answers right", alike.false_positive, "false_positive"),
        ("right answers wrong", alike.false_negative, "false_negative"),
    ):
        if p is not None and p < DIFFERS:
            shares = [(arm.arm, getattr(arm.errors, rate)) for arm in compared if arm.errors]
            each = ", ".join(f"{name} {percent(found.value)} of {found.of}" for name, found in shares if found.of)
            reasons.append(f"It calls {what} more often in some arms than in others ({each}; p = {p:.2g}).")
    return " ".join(reasons)


def _warnings(labels: Labels | None, arms: Sequence[JudgedArm]) -> list[str]:
    found = [f"No question is graded under every seed of {arm.arm}, so it is not compared." for arm in arms if arm.grade is None]
    if labels and labels.skipped:
        found.append(
            f"{labels.skipped} of {labels.skipped + labels.questions} questions of the sheet are not labelled. If they were passed over because they "
            "are hard, what is corrected is biased; stopping early does no harm."
        )
    few = max((arm.corrected.documents for arm in arms if arm.corrected), default=0)
    if labels and few < FEW_DOCUMENTS:
        found.append(f"Only {few} documents have a labelled question: intervals are rough below {FEW_DOCUMENTS}.")
    return found
