"""So many trials of one search, kept by Optuna in SQLite as they end: proposed, pruned, repeated after a kill.

The next settings are a function of the trials that ended and of nothing else. So a search that was killed and goes on
proposes what it would have proposed, and its budget is of ended trials: one that a kill cut off is tried again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from ragft.errors import DivergedError, RagftError
from ragft.progress import Advance
from ragft.searched import State, TrialRow

RANDOM_TRIALS = 3  # before the sampler (TPE) leans on what the trials before gave
PACE = 1.5  # curves grow flatter, so that a pace that is kept to the end is already generous
DRAWS = 64  # for settings that were not tried yet, before the list is gone through
STATES: dict[TrialState, State] = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
TIE, CURVE, MISSING, FAILED = "tie", "curve", "missing", "failed"  # what an attempt may note of its trial (user attributes)
Settings = dict[str, Any]
Pruned = optuna.TrialPruned  # what an attempt raises to end early

optuna.logging.set_verbosity(optuna.logging.ERROR)
# "experimental" are the paired pruner and the sampler of fixed values; the user can do nothing about it
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class NoValueError(RagftError):
    """What an attempt raises that comes to no value; it says why."""


@dataclass(frozen=True)
class Task:
    """One search. `attempt` carries out a trial and returns its value.

    Equal values are ranked by what it noted as TIE, higher first; what it noted as MISSING, failed answers, is only reported.
    """

    name: str
    maximize: bool
    space: Mapping[str, BaseDistribution]
    firsts: tuple[Settings, ...]  # tried in this order before anything is proposed
    settings: tuple[Settings, ...]  # all that may be tried; none: whatever lies in the space
    pruner: optuna.pruners.BasePruner
    attempt: Callable[[Settings, Trial, Advance], float]

    @property
    def direction(self) -> StudyDirection:
        return StudyDirection.MAXIMIZE if self.maximize else StudyDirection.MINIMIZE


class Pace(optuna.pruners.BasePruner):
    """Ends a falling curve that would not come down to the best finished one, even at PACE times the pace of its last stretch.

    `end` is the step at which a curve ends. Being behind is no reason: with warm-up and decay, SmolLM2-135M was behind at three
    looks of four with the learning rate that won in the end (docs/search.md).
    """

    def __init__(self, end: int):
        self._end = end

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        finished = [t.value for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if t.value is not None]
        last = sorted(trial.intermediate_values.items())[-2:]
        if len(last) < 2 or not finished:
            return False
        (before, was), (now, value) = last
        pace = max(0.0, was - value) / (now - before)
        return value - PACE * pace * max(0, self._end - now) > min(finished)


@contextmanager
def opened(path: Path) -> Iterator[optuna.storages.RDBStorage]:
    """The storage in that SQLite file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def carry_out(
    task: Task, storage: optuna.storages.BaseStorage, budget: int, watch: Callable[[int], AbstractContextManager[Advance]]
) -> list[FrozenTrial]:
    """The task's trials, in their order: those stored, and new ones up to the budget. `watch` is told each new one's number."""
    study = optuna.create_study(study_name=task.name, storage=storage, direction=task.direction, pruner=task.pruner, load_if_exists=True)
    for cut_off in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(cut_off.number, state=TrialState.FAIL)
    while len(done := _ended(study)) < budget and (settings := propose(task, done)) is not None:
        with watch(len(done) + 1) as progress:
            _try(task, study, settings, progress)
    return done


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    """All but those that a kill cut off."""
    return [t for t in study.trials if t.state in STATES and (t.state != TrialState.FAIL or FAILED in t.user_attrs)]


def _try(task: Task, study: optuna.Study, settings: Settings, progress: Advance) -> None:
    study.sampler = optuna.samplers.PartialFixedSampler(settings, optuna.samplers.RandomSampler(0))
    trial = study.ask(dict(task.space))
    try:
        value = task.attempt(settings, trial, progress)
        if not isfinite(value):  # Optuna would take the trial for one that was cut off, and try it for ever
            raise NoValueError(f"its value is {value}.")
        study.tell(trial, value)
    except Pruned:
        study.tell(trial, state=TrialState.PRUNED)
    except (DivergedError, NoValueError) as error:
        trial.set_user_attr(FAILED, str(error))
        study.tell(trial, state=TrialState.FAIL)


def propose(task: Task, done: Sequence[FrozenTrial]) -> Settings | None:
    """The settings to try after these trials; None where all have been tried."""
    if len(done) < len(task.firsts):
        return task.firsts[len(done)]
    sampler = optuna.samplers.TPESampler(seed=len(done), n_startup_trials=RANDOM_TRIALS)
    memory = optuna.create_study(direction=task.direction, sampler=sampler)
    memory.add_trials(done)
    tried = [trial.params for trial in done]
    for _ in range(DRAWS):
        drawn = {name: _tidy(value, task.space[name]) for name, value in memory.ask(dict(task.space)).params.items()}
        if drawn not in tried and (not task.settings or drawn in task.settings):
            return drawn
    return next((settings for settings in task.settings if settings not in tried), None)


def _tidy(value: Any, distribution: BaseDistribution) -> Any:
    """A number of two significant digits, which a person can write into a study."""
    if not isinstance(distribution, FloatDistribution):
        return value
    return min(max(float(f"{value:.2g}"), distribution.low), distribution.high)


def best(task: Task, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The trial with the best value, the earliest of equals; None where none came to its end."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    sign = -1 if task.maximize else 1
    return min(complete, key=lambda t: (sign * _value(t), -t.user_attrs.get(TIE, 0.0), t.number), default=None)


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None  # of a complete trial
    return trial.value


def row(number: int, trial: FrozenTrial) -> TrialRow:
    """The trial as a record."""
    curve = trial.user_attrs.get(CURVE) or sorted(trial.intermediate_values.items())
    return TrialRow(
        number=number,
        params=trial.params,
        value=trial.value if trial.state == TrialState.COMPLETE else None,
        state=STATES[trial.state],
        curve=tuple((step, value) for step, value in curve),
        missing=trial.user_attrs.get(MISSING, 0),
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
    )
