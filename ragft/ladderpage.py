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
from ragft.store import Run, file_sha256, fingerprint, read_record, write_json

LOST = "losses.json"


@dataclass(frozen=True)
class Lost:
    """What stands in losses.json: where the points of every arm are lost, by one metric. To find out, every answer is read."""

    metric: str
    losses: tuple[Losses, ...]
    inputs: str = ""  # of the answers and scores that were read; runs of earlier versions do not say


def find_losses(m: Material) -> tuple[Losses, ...]:
    """Where the points of every arm are lost; reads every answer."""
    return ladder.losses(m.told, m.comparison.metric, m.golds)


def write_losses(m: Material, losses: Sequence[Losses]) -> None:
    """Write losses.json into the run's folder."""
    write_json(m.run.folder / LOST, Lost(m.comparison.metric, tuple(losses), _inputs(m.run)))


def read_losses(run: Run, metric: str) -> tuple[Losses, ...]:
    """What the last report found; empty where there is none, or it was about another metric."""
    found = _stored(run)
    return found.losses if found and found.metric == metric else ()


def losses_of(m: Material) -> tuple[Losses, ...]:
    """What the last report found of these very answers and scores, else found anew."""
    found = _stored(m.run)
    same = found and found.metric == m.comparison.metric and found.inputs == _inputs(m.run)
    return found.losses if found and same else find_losses(m)


def _stored(run: Run) -> Lost | None:
    return read_record(Lost, run.folder / LOST) if (run.folder / LOST).is_file() else None


def _inputs(run: Run) -> str:
    places = [run.seed_folder(*place) / name for place in scoring.finished(run) for name in ("answers.jsonl", "scores.jsonl")]
    return fingerprint([(path.relative_to(run.folder).as_posix(), file_sha256(path)) for path in [run.folder / "gold.jsonl", *places]])


def view(m: Material, lost: Sequence[Losses]) -> dict[str, Any]:
    """What the templates know."""
    c, table = m.comparison, m.table
    exchanged = knowledge.shuffled(table, c.alpha)
    rescued = rescues(m.frame, c.metric, c.reference, _rescuers(m), read_risks(m.run.folder))
    return {
        "parts": PARTS,
        "losses": lost,
        "losses_chart": losses_chart(lost),
        "form": ladder.form_words(lost, c.margin),
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
