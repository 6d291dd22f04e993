"""Held-out questions found by what they are and by how the arms fared on them: a table of marks, and sieves over it. No files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragft.ladder import RIGHT
from ragft.types import Gold

if TYPE_CHECKING:
    import pandas as pd

MARKS = {"right": "right, or rightly refused", "wrong": "wrong", "refused": "refused, though the documents answer it", "error": "failed"}
RETRIEVAL = {"hit": "all the evidence was found", "miss": "some or all of it was not"}
UNMARKED = ""  # the metric does not apply
FACTS = ("question", "document", "stratum", "kind")


@dataclass(frozen=True, slots=True)
class Sieve:
    """What is looked for; "" anywhere: everything. With an arm, `mark` and `retrieval` are that arm's; without one, any arm's."""

    text: str = ""  # words that all stand in the question, an answer, the id or the document's name; case does not matter
    stratum: str = ""
    kind: str = ""
    arm: str = ""
    mark: str = ""  # of MARKS
    retrieval: str = ""  # of RETRIEVAL


@dataclass(frozen=True)
class Board:
    """A row a question, in the order of the held-out set. `marks` and `retrieval` have a column an arm; `facts` has those of FACTS."""

    facts: pd.DataFrame
    marks: pd.DataFrame
    retrieval: pd.DataFrame
    searched: np.ndarray  # what a text is looked for in, in small letters


def board(frame: pd.DataFrame, metric: str, golds: Sequence[Gold], questions: Mapping[str, str]) -> Board:
    """The marks of one seed an arm. The frame is that of scoring.scores_frame with one seed of each arm."""
    import pandas as pd

    keys = [gold.id for gold in golds]
    rows = [(questions[gold.id], gold.document, gold.stratum, gold.kind) for gold in golds]
    facts = pd.DataFrame(rows, columns=list(FACTS), index=keys)
    searched = ["\n".join((gold.id, questions[gold.id], *gold.answers, gold.document)).lower() for gold in golds]
    marked = frame.assign(_mark=_marks(frame, metric), _found=_found(frame))
    made = {}
    for column in ("_mark", "_found"):
        by_arm = {arm: part.set_index("question")[column].reindex(keys) for arm, part in marked.groupby("arm", sort=False)}
        made[column] = pd.DataFrame(by_arm, index=keys)
    return Board(facts, made["_mark"], made["_found"], np.array(searched, dtype=object))


def _marks(frame: pd.DataFrame, metric: str) -> np.ndarray:
    score, outcome = frame[metric].to_numpy(dtype=float), frame["outcome"].to_numpy(dtype=object)
    cases = {"error": outcome == "error", UNMARKED: np.isnan(score), "right": score >= RIGHT, "refused": outcome == "abstained"}
    return np.select(list(cases.values()), list(cases), "wrong")


def _found(frame: pd.DataFrame) -> np.ndarray:
    recall = frame["recall@k"].to_numpy(dtype=float)
    return np.select([np.isnan(recall), recall == 1], [UNMARKED, "hit"], "miss")


def sift(found: Board, sieve: Sieve) -> list[str]:
    """The ids of the questions that pass, in their order."""
    keep = np.full(len(found.facts), True)
    for word in sieve.text.lower().split():
        keep &= np.array([word in text for text in found.searched], dtype=bool)
    for name in ("stratum", "kind"):
        if wanted := getattr(sieve, name):
            keep &= (found.facts[name] == wanted).to_numpy()
    for table, wanted in ((found.marks, sieve.mark), (found.retrieval, sieve.retrieval)):
        if wanted:
            shown = table[[sieve.arm]] if sieve.arm else table
            keep &= (shown == wanted).any(axis=1).to_numpy()
    return [key for key, kept in zip(found.facts.index, keep, strict=True) if kept]
