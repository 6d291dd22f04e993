"""Material -> what the report's section "Where points are lost" shows: the ladder, knowledge against behaviour, the rescue rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ragft import charts, knowledge, ladder, scoring
from ragft.charts import StackRow
from ragft.ladder import PARTS, Losses
from ragft.material import Material
from ragft.numbers import percent
from ragft.rescue import Rescue, few_words, rescues
from ragft.risk import read_risks
from ragft.store import Run, read_record, write_json

LOST = "losses.json"


@dataclass(frozen=True)
class Lost:
    """What stands in losses.json: where the points of every arm are lost, by one metric. To find out, every answer is read."""

    metric: str
    losses: tuple[Losses, ...]


def write_losses(run: Run, metric: str, losses: Sequence[Losses]) -> None:
    """Write losses.json into the run's folder."""
    write_json(run.folder / LOST, Lost(metric, tuple(losses)))


def read_losses(run: Run, metric: str) -> tuple[Losses, ...]:
    """What the last report found; empty where there is none, or it was about another metric."""
    if not (run.folder / LOST).is_file():
        return ()
    found = read_record(Lost, run.folder / LOST)
    return found.losses if found.metric == metric else ()


def view(m: Material) -> dict[str, Any]:
    """What the templates know."""
    c = m.comparison
    lost = ladder.losses(m.frame, c.metric, m.golds)
    table = scoring.score_table(m.run, c.metric, c.reference)
    exchanged = knowledge.shuffled(table, c.alpha)
    rescued = rescues(m.frame, c.metric, c.reference, _rescuers(m), read_risks(m.run.folder))
    return {
        "parts": PARTS,
        "losses": lost,
        "losses_chart": losses_chart(lost),
        "form": ladder.form_words(lost),
        "ladder": ladder.steps(c, m.base, lost),
        "told": [ladder.told(one, m.arm(one.arm).retriever is not None) for one in lost if one.arm in (c.reference, m.decision.recommend)],
        "knowledge": [one.words for one in knowledge.split(table, c.alpha)],
        "shuffled": [one.words for one in exchanged if not one.broken],
        "broken": [one.words for one in exchanged if one.broken],
        "rescues": rescued,
        "rescue_lines": [rescue_words(one, c.reference) for one in rescued if one.value is not None],
        "rescue_few": few_words(rescued),
    }


def _rescuers(m: Material) -> list[str]:
    """Every tuned arm that could be deployed, and beside them the reference and the model alone."""
    tuned = [arm.name for arm in m.arms if arm.tuning and not arm.control and arm.retriever != "oracle"]
    beside = [name for name in (m.base, m.comparison.reference) if name]
    return list(dict.fromkeys([*beside, *tuned])) if tuned else []


def losses_chart(lost: Sequence[Losses]) -> str:
    """A bar an arm: what was scored, and where the rest went."""
    rows = [StackRow(part.arm, f"{percent(part.share('right'))} scored", part.shares) for part in lost]
    return charts.stacked_chart(rows, PARTS, title="All points of each arm: scored, and lost by cause.")


def rescue_words(found: Rescue, reference: str) -> str:
    """ "rag+lora is right on 40 % (12 % to 68 %) of the 12 questions of which rag's search missed evidence." """
    bounds = "no interval: too few documents" if found.low is None else f"{percent(found.low)} to {percent(found.high)}"
    these = "the one question" if found.n == 1 else f"the {found.n:,} questions"
    return f"{found.arm} is right on {percent(found.value)} ({bounds}) of {these} of which the search of {reference} missed evidence."
