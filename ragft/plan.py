"""plan.json: what a study asks, what that can show, and what to add; with a probe of this machine, what it will take.

`ragft run` writes it before the first answer; `ragft plan STUDY` prints it with the probe's figures (ragft/pace.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragft import slicing
from ragft.context import Context, adapter_name, arm_seeds, searched_adapters, seeds_of
from ragft.numbers import points
from ragft.planning import Design, design_of, expected, questions_needed
from ragft.settings import Study
from ragft.store import read_record
from ragft.words import KINDS

LEAST_OF_A_SLICE = 10  # questions of which something is said
KNOWN_BEFORE = ("stratum", "kind")  # dimensions of slices that the questions tell; the others take answers
OTHER_SEEDS = (5, 10)  # tried where more seeds may do what more questions cannot
NO_MARGIN_GAIN = 0.05  # the gain that is aimed at where the margin is 0; else twice the margin


@dataclass(frozen=True, slots=True)
class Part:
    """All questions, or those of one stratum or kind. Differences are in shares; None: none, however large."""

    slice: str  # "" for all questions
    value: str
    questions: int
    documents: int
    gain: float | None  # the smallest true gain over the reference that is shown with 80 % power, the margin included
    equivalence: float | None  # within which equal arms are proven equal
    fixed: bool = False  # a slice that the study fixed beforehand: tested together with the others of that sort


@dataclass(frozen=True, slots=True)
class Step:
    """One sort of work, done so often; seconds of one."""

    what: str
    times: int
    seconds: float

    @property
    def total(self) -> float:
        return self.times * self.seconds


@dataclass(frozen=True, slots=True)
class Work:
    """What the study will take on this machine, by a probe of seconds."""

    steps: tuple[Step, ...]
    seconds: float
    least: float  # seconds, as far as such an estimate can be trusted …
    most: float
    peak_gib: float
    cost: float
    currency: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Before anything is run."""

    study: str
    reference: str
    margin: float
    alpha: float
    documents: int  # of the corpus
    questions: dict[str, int]  # by split
    arms: tuple[str, ...]
    challengers: int
    seeds: tuple[int, ...]
    trainings: int  # adapters to train, each seed counted
    answers: int
    trials: int  # of a search of settings, first
    parts: tuple[Part, ...]
    add: tuple[str, ...]  # what to add, in sentences
    work: Work | None = None
    unknown: tuple[str, ...] = ()  # slices fixed beforehand of which only the answers say which questions they hold


def make_plan(context: Context) -> Plan:
    """From the study and its questions alone, in a moment."""
    study, test = context.study, context.domain.split("test")
    planned = planned_design(context)
    every = [*arm_seeds(study)]
    trainings = {(adapter_name(context, study.arms[name]), seed) for name, seed in every if study.arms[name].tuning}
    budget = study.search
    return Plan(
        study=study.name,
        reference=study.reference,
        margin=study.margin,
        alpha=study.alpha,
        documents=len(context.domain.documents),
        questions={split: len(context.domain.split(split)) for split in ("train", "dev", "test")},
        arms=tuple(study.arms),
        challengers=planned.challengers,
        seeds=study.seeds,
        trainings=len(trainings),
        answers=len(every) * len(test),
        trials=budget.trials * (1 + len(searched_adapters(context))) if budget else 0,
        parts=tuple(_parts(context, planned)),
        add=tuple(_to_add(planned, study.reference)) if planned.challengers else (),
        unknown=tuple(name for name in study.slices if slicing.parts(name)[0] not in KNOWN_BEFORE),
    )


def planned_design(context: Context) -> Design:
    """Of all test questions."""
    return _design(context, [gold.document for _, gold in context.domain.split("test")])


def _design(context: Context, documents: Sequence[str]) -> Design:
    study = context.study
    deployable = [name for name, arm in study.arms.items() if arm.candidate]
    trained = {adapter_name(context, study.arms[name]) for name in deployable if study.arms[name].tuning}
    seeds = min((len(seeds_of(study, study.arms[name])) for name in deployable if study.arms[name].tuning), default=1)
    return design_of(documents, margin=study.margin, alpha=study.alpha, challengers=len(deployable) - 1, trainings=len(trained), seeds=seeds)


def _parts(context: Context, planned: Design) -> Iterator[Part]:
    golds = [gold for _, gold in context.domain.split("test")]
    whole = expected(planned)
    yield Part("", "", len(golds), len({gold.document for gold in golds}), whole.gain, whole.equivalence)
    tests = slicing.tests(context.study.slices, planned.challengers, _bare_is_a_challenger(context.study))
    for dimension in KNOWN_BEFORE:
        values = [getattr(gold, dimension) for gold in golds]
        for value in dict.fromkeys(filter(None, values)):
            documents = [gold.document for gold, own in zip(golds, values, strict=True) if own == value]
            fixed = f"{dimension}={value}" in context.study.slices
            if fixed or LEAST_OF_A_SLICE <= len(documents) < len(golds):
                own = _design(context, documents)
                found = expected(replace(own, challengers=tests) if fixed else own)
                yield Part(dimension, value, len(documents), len(set(documents)), found.gain, found.equivalence, fixed)


def _bare_is_a_challenger(study: Study) -> bool:
    """Whether an arm without retriever and tuning is compared; slices by what it knows are not tested on it."""
    return any(not arm.retriever and not arm.tuning and not arm.system for arm in study.arms.values())


def _to_add(planned: Design, reference: str) -> Iterator[str]:
    """What a gain of twice the margin takes, and what a proof of equality within the margin."""
    gain = 2 * planned.margin or NO_MARGIN_GAIN
    found = expected(planned)
    if found.gain is not None and found.gain <= gain:
        yield f"A true gain of {points(gain)} over {reference} will probably be shown with what is there."
    else:
        why = "" if planned.margin == 0 else " (twice the margin: a gain as large as the margin cannot be shown to exceed it)"
        yield f"To show a true gain of {points(gain)} over {reference}{why}: {_takes(planned, gain=gain)}."
    if planned.margin == 0:
        return
    if found.equivalence is not None and found.equivalence <= planned.margin:
        yield f"Equal arms will probably be proven equal within the margin of {points(planned.margin)}."
    else:
        yield f"To prove equal arms equal within the margin of {points(planned.margin)}: {_takes(planned, equivalence=planned.margin)}."


def _takes(planned: Design, **goal: float) -> str:
    """ "2,140 questions on documents like these (now 69) with 3 seeds, 1,700 with 5"."""
    tried = dict.fromkeys([planned.seeds, *(seeds for seeds in OTHER_SEEDS if planned.trainings and seeds > planned.seeds)])
    found = {seeds: questions_needed(replace(planned, seeds=seeds), **goal) for seeds in tried}
    known = {seeds: number for seeds, number in found.items() if number is not None}
    if not known:
        return "no number of questions that one would pay for is enough; state a larger margin"
    most, parts = None, []
    for seeds, number in known.items():
        if most is None or number < 0.95 * most:  # more seeds that save nothing are not worth a word
            parts.append((seeds, number))
            most = number
    ask = [f"about {max(number, planned.questions):,} questions" + (f" with {seeds} seeds" if planned.trainings else "") for seeds, number in parts]
    only = f"; with {planned.seeds} seed{'s' * (planned.seeds != 1)} no number is enough" if planned.seeds not in known else ""
    return f"{', or '.join(ask)}, on documents like these (now {planned.questions:,}{f' with {planned.seeds}' if planned.trainings else ''}){only}"


def part_words(part: Part) -> str:
    """What the questions of a part are called."""
    if not part.slice:
        return "all test questions"
    return KINDS.get(part.value, f"{part.slice} {part.value}") + (" (fixed)" if part.fixed else "")


def read_plan(run: Path) -> Plan | None:
    """What a run's folder holds; None where an earlier version made it."""
    path = run / "plan.json"
    return read_record(Plan, path) if path.is_file() else None
