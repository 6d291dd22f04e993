"""Run -> everything a report is made from, as records. Reads the run's folder only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ragft import ladder, scoring
from ragft.compare import Comparison
from ragft.decide import Decision
from ragft.measures import Measures, read_measures
from ragft.scoretable import ScoreTable
from ragft.searched import Searched, read_searched
from ragft.settings import Study, load_study
from ragft.store import Run, read_json, read_jsonl_as, read_record
from ragft.types import Answer, FitReport, Gold, Question

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Arm:
    """One arm as it ran: what fills its slots, and what was built for each seed."""

    name: str
    retriever: str | None
    k: int | None
    tuning: str | None
    format: str | None
    options: Mapping[str, Any]
    learning_rate: float | None
    asked: str | None  # the retriever as the study names it: perhaps "auto"
    seeds: tuple[int, ...]
    system: str  # a whole system instead of the study's model; "" for all others
    control: bool  # trained on what should teach nothing that is asked
    built: Mapping[int, Mapping[str, Any]]  # seed -> "index" or "adapter" -> its folder and FitReport

    def fit(self, kind: str, seed: int) -> FitReport | None:
        """What building the index or the adapter took; None where the arm has none, or its training came apart."""
        found = self.built[seed].get(kind)
        return FitReport(**found["fit"]) if found and seed not in self.failures else None

    @property
    def failures(self) -> Mapping[int, str]:
        """Seed -> why its training came apart; empty where none did."""
        return scoring.failures(self.built)

    @property
    def passages(self) -> str:
        """What fills the retriever's slot, in words."""
        if self.retriever == "oracle":
            return "the gold passages"
        if self.system and not self.retriever:
            return "its own"
        return f"{self.retriever}, k = {self.k}" if self.retriever else "no passages"

    @property
    def training(self) -> str:
        """What fills the tuning's slot, in words."""
        if self.system:
            return f"system {self.system}"
        extra = [f"{key} = {value}" for key, value in sorted(self.options.items())]
        return ", ".join([f"{self.tuning}, format {self.format}", *extra]) if self.tuning else "not tuned"


@dataclass(frozen=True)
class Material:
    """A finished run, read. What is said of single questions is read when asked for: of a large run that takes seconds."""

    run: Run
    study: Study
    manifest: Mapping[str, Any]
    comparison: Comparison
    decision: Decision
    arms: tuple[Arm, ...]
    searched: Searched | None  # how the settings were chosen, where the study searches them
    measures: Mapping[str, Measures]  # by the adapter folder's name, and "base"; empty where nothing was measured

    @cached_property
    def questions(self) -> Mapping[str, str]:
        """Id -> text."""
        return {question.id: question.text for question in read_jsonl_as(Question, self.run.folder / "questions.jsonl")}

    @cached_property
    def golds(self) -> tuple[Gold, ...]:
        """In the order of the held-out set."""
        return tuple(scoring.read_gold(self.run))

    @cached_property
    def rows(self) -> Mapping[tuple[str, int], Sequence[dict[str, Any]]]:
        """(arm, seed) -> its scores."""
        return {place: scoring.score_rows(self.run, *place) for place in scoring.finished(self.run)}

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The frame of scoring.scores_frame."""
        return scoring.frame_of([(*place, rows) for place, rows in self.rows.items()], self.golds)

    @cached_property
    def told(self) -> pd.DataFrame:
        """The frame with the columns of ladder.with_texts."""
        texts = {place: {key: answer.text for key, answer in _answers(self.run, *place).items()} for place in scoring.finished(self.run)}
        return ladder.with_texts(self.frame, texts, self.golds, self.comparison.metric, self.base)

    @cached_property
    def table(self) -> ScoreTable:
        """The scores by the comparison's metric, as `compare` takes them."""
        return scoring.table_of(self.run, self.rows, self.golds, self.comparison.metric, self.comparison.reference)

    @property
    def base(self) -> str | None:
        """The arm that is neither tuned nor shown passages; None: there is none."""
        return next((arm.name for arm in self.arms if not arm.retriever and not arm.tuning and not arm.system), None)

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def answers(self, arm: Arm) -> dict[str, Answer]:
        """The answers of the arm's lowest seed, by question id."""
        return _answers(self.run, arm.name, arm.seeds[0])


def _answers(run: Run, arm: str, seed: int) -> dict[str, Answer]:
    return {answer.question: answer for answer in read_jsonl_as(Answer, run.seed_folder(arm, seed) / "answers.jsonl")}


def read_material(run: Run) -> Material:
    """Raises MissingError when the run has not come to a verdict."""
    study = load_study(run.folder / "study.yaml")
    finished = scoring.finished(run)
    arms = tuple(_read_arm(run, study, name, tuple(s for a, s in finished if a == name)) for name in dict.fromkeys(a for a, _ in finished))
    return Material(
        run=run,
        study=study,
        manifest=read_json(run.folder / "manifest.json"),
        comparison=read_record(Comparison, run.folder / "comparison.json"),
        decision=read_record(Decision, run.folder / "decision.json"),
        searched=read_searched(run),
        arms=arms,
        measures=read_measures(run.folder),
    )


def _read_arm(run: Run, study: Study, name: str, seeds: tuple[int, ...]) -> Arm:
    found = read_json(run.folder / "arms" / name / "arm.json")
    slots = {key: found[key] for key in ("name", "retriever", "k", "tuning", "format", "options", "learning_rate")}
    built = {seed: read_json(run.seed_folder(name, seed) / "fit.json") for seed in seeds}
    return Arm(
        **slots,
        asked=study.arms[name].retriever if name in study.arms else None,
        seeds=seeds,
        system=found.get("system") or "",
        control=scoring.is_control(found),
        built=built,
    )
