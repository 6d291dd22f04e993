"""What is compared: every arm's scores of the same questions by one metric, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

UNANSWERABLE = "unanswerable"  # the stratum of domain.splits


@dataclass(frozen=True)
class ArmScores:
    """One arm's scores by one metric: (seeds, questions), NaN = unscored. The other fields say what fills the slots."""

    name: str
    scores: np.ndarray
    retriever: str | None
    tuning: str | None
    format: str | None = None
    model: str = ""  # arms of another model are whole systems, outside the 2x2
    k: int | None = None  # passages asked for
    adapters: str = ""  # which trained weights the seeds use: arms with the same share them
    control: bool = False  # trained on what should teach nothing that is asked
    dose: float | None = None  # wordings a fact is trained with
    recipe: str = ""  # what arms of one dose-response share beside the other fields: the options of tuning and format
    system: str = ""  # a whole system instead of the study's model: looked at, and outside the 2x2 and the verdict

    @property
    def deployable(self) -> bool:
        return self.retriever != "oracle" and not self.control and not self.system

    @property
    def scored(self) -> np.ndarray:
        """Which questions are scored under every seed."""
        return ~np.isnan(self.scores).any(axis=0)


@dataclass(frozen=True)
class ScoreTable:
    """All arms' scores of the same questions, in the same order."""

    questions: tuple[str, ...]
    documents: tuple[str, ...]  # the cluster of each question
    strata: tuple[str, ...]
    kinds: tuple[str, ...]
    arms: tuple[ArmScores, ...]
    hit: np.ndarray  # (questions,): 1 all evidence was retrieved by the reference, 0 not, NaN not applicable
    applicable: np.ndarray  # (questions,): whether the metric applies; where it does, a score that is not there is one that failed
    writer: tuple[str, ...] = ()  # known or unknown: whether the model that wrote each question knew the answer; "" not asked, () of none

    @property
    def answerable(self) -> np.ndarray:
        """Which questions the corpus answers."""
        return np.array([stratum != UNANSWERABLE for stratum in self.strata])

    def arm(self, name: str) -> ArmScores:
        return next(arm for arm in self.arms if arm.name == name)

    def find(self, *, retriever: bool, tuned: bool) -> list[ArmScores]:
        """The deployable arms with or without a retriever and a tuning."""
        return [a for a in self.arms if a.deployable and (a.retriever is not None) == retriever and (a.tuning is not None) == tuned]

    def restrict(self, keep: np.ndarray) -> ScoreTable:
        """The table of the questions to keep."""

        def pick(column: Sequence[str]) -> tuple[str, ...]:
            return tuple(value for value, kept in zip(column, keep, strict=True) if kept)

        arms = tuple(replace(arm, scores=arm.scores[:, keep]) for arm in self.arms)
        return ScoreTable(
            pick(self.questions), pick(self.documents), pick(self.strata), pick(self.kinds), arms, self.hit[keep], self.applicable[keep],
            pick(self.writer) if self.writer else (),
        )  # fmt: skip


def applies(scored: np.ndarray, declined: np.ndarray) -> np.ndarray:
    """Whether a metric applies to each question, from whether any arm has a score of it, and whether it gave none to an answer that did not fail."""
    return scored | ~declined


def table_of(scores: Mapping[str, np.ndarray], documents: Sequence[str], **slots: Mapping[str, str | None]) -> ScoreTable:
    """A table from plain arrays: arm -> (seeds, questions). `retriever`, `tuning` and `format` map arms to what fills the slot."""

    def slot(kind: str, name: str) -> str | None:
        return slots.get(kind, {}).get(name)

    n = len(documents)
    arms = tuple(
        ArmScores(name, np.atleast_2d(np.asarray(values, dtype=float)), slot("retriever", name), slot("tuning", name), slot("format", name))
        for name, values in scores.items()
    )
    return ScoreTable(tuple(map(str, range(n))), tuple(documents), ("",) * n, ("",) * n, arms, np.full(n, np.nan), np.full(n, True))
