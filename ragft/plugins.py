"""All that a plugin is written with: one decorated function, and the records that it is handed and gives.

    from ragft.plugins import Answer, Gold, metric

    @metric("gold_mentioned", "the answer holds a reference answer, letter for letter")
    def gold_mentioned(answer: Answer, gold: Gold) -> float:
        return float(any(known.lower() in answer.text.lower() for known in gold.answers))

A study takes it from a file, `plugins: [my_metric.py]`; in Python, where it was defined before the study was made, it is there
already. docs/plugins.md has the contract of each kind, examples/ one of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragft.errors import InputError, unknown
from ragft.registry import KINDS, arm, chunker, entries, format, metric, retriever, stage, system, tuning  # noqa: A004 the field's word
from ragft.retrieval.base import Retriever, RetrieverParts, ranked, top
from ragft.systems.base import Reply, System, SystemParts
from ragft.tuning.formats import TrainingData, target
from ragft.types import Answer, Chunk, Evidence, Example, Gold, Hit, Prompt, Question, Span

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Answer",
    "Chunk",
    "Evidence",
    "Example",
    "Gold",
    "Hit",
    "InputError",
    "Prompt",
    "Question",
    "Reply",
    "Retriever",
    "RetrieverParts",
    "Span",
    "System",
    "SystemParts",
    "TrainingData",
    "arm",
    "chunker",
    "format",
    "known",
    "metric",
    "ranked",
    "retriever",
    "stage",
    "system",
    "target",
    "top",
    "tuning",
]


def known(kind: str) -> pd.DataFrame:
    """What a study can name of a kind, such as "metric" or "tuning": a row each, with what is said of it. Raises InputError for another kind."""
    import pandas as pd

    if kind not in KINDS:
        raise unknown("kind of plugin", kind, KINDS)
    found = entries(kind).values()
    return pd.DataFrame([{"name": entry.name, "summary": entry.summary, **entry.facts} for entry in found]).set_index("name")
