"""Run -> report.html (one file, opens offline) and report.md. Needs no model.

    ragft report runs/2026-01-31-manuals-1f2e3d4c5b6a

What the page says is worked out here, in `ladderpage` and in `diagnosis`; charts are in `charts`, words and layout in `templates/`.
The section "Which fine-tuning?" comes from `guide`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from markupsafe import Markup

from ragft import (
    charts,
    costpage,
    diagnosis,
    dosepage,
    drilled,
    examples,
    guidepage,
    ladderpage,
    numbers,
    plantext,
    registry,
    slicewords,
    trainingpage,
)
from ragft.charts import IntervalRow
from ragft.compare import ArmRow, Comparison, SliceRow
from ragft.domain.splits import STRATA
from ragft.drilled import read_drill
from ragft.guide import write_guide
from ragft.judged import read_judged
from ragft.material import Arm, Material, read_material
from ragft.numbers import percent, signed
from ragft.pages import environment
from ragft.plan import read_plan
from ragft.review import read_review, review_sentences
from ragft.risk import KINDS, read_risks
from ragft.store import Run, write_text
from ragft.types import OUTCOMES
from ragft.words import covered

if TYPE_CHECKING:
    import pandas as pd

SECTIONS = (
    ("verdict", "Verdict"),
    ("arms", "Arms"),
    ("differences", "Differences"),
    ("two-by-two", "RAG × fine-tuning"),
    ("losses", "Where points are lost"),
    ("slices", "By kind of question"),
    ("retrieval", "Retrieval"),
    ("training", "Training"),
    ("cost", "Cost and time"),
    ("drill", "Update drill"),
    ("risks", "Risks"),
    ("judges", "Judges"),
    ("which-tuning", "Which fine-tuning?"),
    ("examples", "Worked examples"),
    ("plan", "Planned before"),
    ("made-from", "Made from"),
)


def write_report(run: Run) -> Path:
    """Write report.html, report.md and guide.json beside the run's results; returns the first."""
    m = read_material(run)
    page = {**what_is_known(m), "which": guidepage.view(guide) if (guide := write_guide(m)) else None}
    write_text(run.folder / "report.md", environment(markdown=True).get_template("report.md").render(page))
    write_text(run.folder / "report.html", environment().get_template("report.html").render(page))
    return run.folder / "report.html"


def what_is_known(m: Material) -> dict[str, Any]:
    """What the templates of the report and of the dashboard know, but for "which", the guide."""
    return {
        **origin(m),
        "d": m.decision,
        "c": m.comparison,
        "metric_summary": registry.lookup("metric", m.comparison.metric).summary,
        "arms": [_arm_view(m, row) for row in m.comparison.arms],
        "covered": covered(m.comparison),
        "outcomes": OUTCOMES,
        "arms_chart": arms_chart(m.comparison, m.decision.recommend),
        "differences": [(d, diagnosis.meaning(d, m.comparison.margin)) for d in m.comparison.challengers],
        "differences_chart": _differences_chart(m.comparison, m.decision.recommend),
        "two_by_twos": [diagnosis.two_by_two(m.comparison, found) for found in m.comparison.interactions],
        "interactions_chart": _interactions_chart(m.comparison),
        **ladderpage.view(m),
        "slices": _slices(m.comparison),
        "slice_words": slicewords.slice_words(m.comparison),
        "confirmed": [
            (x, slicewords.phrase(m.comparison, x.slice, x.value), diagnosis.meaning(x.difference, m.comparison.margin))
            for x in m.comparison.confirmed
        ],
        "doses": dosepage.view(m.comparison),
        "strata": STRATA,
        "stands_out": slicewords.STANDS_OUT,
        "retrieval": [_retrieval_view(m, arm) for arm in m.arms if arm.retriever],
        "support": _support(m),
        "index_notes": _index_notes(m),
        "adapters": trainingpage.adapters(m.arms),
        "formats": {key: entry.summary for key, entry in registry.entries("format").items()},
        **costpage.view(m),
        **_followed_up(m),
        "examples": examples.examples(m),
        "no_interval": diagnosis.no_interval,
    }


def origin(m: Material) -> dict[str, Any]:
    """What made_from.html and plan.html know: where the run came from. Reads no answer."""
    plan, review = read_plan(m.run.folder), read_review(m.run)
    return {
        "m": m,
        "reviewed": review_sentences(review) if review else ["Nobody has reviewed them (ragft questions review)."],
        "planned": plantext.view(plan) if plan else None,
        "settings": yaml.safe_dump({**m.study.model_dump(mode="json"), "domain": Path(m.study.domain).name}, sort_keys=False, allow_unicode=True),
    }


def _followed_up(m: Material) -> dict[str, Any]:
    """What was tried on the run after it was finished, and the sections with their numbers: those that hold something, and what could be tried."""
    drill, risks = read_drill(m.run.folder), read_risks(m.run.folder)
    judges = read_judged(m.run)
    names = [section for section in SECTIONS if section[0] != "judges" or judges]
    return {
        "drill": drilled.view(drill) if drill else None,
        "risks": risks if risks and risks.metric == m.comparison.metric else None,
        "kinds": KINDS,
        "judges": judges,
        "sections": names,
        "heads": {key: f"{number} · " for number, (key, _) in enumerate(names, start=1)},
        "places": {key: Markup('<a href="#{}">section {}</a>').format(key, number) for number, (key, _) in enumerate(names, start=1)},
    }


def _index_notes(m: Material) -> list[str]:
    """What `retriever: auto` stands for, unless a search chose the retriever, and how far a search by meaning looks."""
    notes = dict.fromkeys(note for arm in m.arms for fit in [arm.fit("index", arm.seeds[0])] if fit for note in fit.notes)
    return [note for note in notes if not (m.searched and note.startswith("retriever auto"))]


# ── arms and differences ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ArmView:
    """One line of the table of arms. Rates are shares; None: not applicable."""

    arm: Arm
    row: ArmRow
    abstained: float | None
    false_answers: float | None
    seconds: float | None
    prompt_tokens: float | None
    cost: float | None  # of a question, where a system states it
    trainable: int | None
    outcomes: dict[str, int]
    answers: int


def _arm_view(m: Material, row: ArmRow) -> ArmView:
    arm, part = m.arm(row.name), m.frame[m.frame["arm"] == row.name]
    fit = arm.fit("adapter", arm.seeds[0])
    outcomes: dict[str, int] = {outcome: int((part["outcome"] == outcome).sum()) for outcome in OUTCOMES}
    if sum(outcomes.values()) != len(part):
        raise AssertionError(f"{row.name}: outcomes {outcomes} do not add up to {len(part)} answers")
    return ArmView(
        arm=arm,
        row=row,
        abstained=_mean(part, "abstained"),
        false_answers=_mean(part, "false_answer"),
        seconds=_mean(part, "seconds"),
        prompt_tokens=_mean(part, "prompt_tokens"),
        cost=_mean(part, "cost"),
        trainable=fit.trainable_parameters if fit else None,
        outcomes=outcomes,
        answers=len(part),
    )


def _mean(frame: pd.DataFrame, column: str) -> float | None:
    values = frame[column].dropna()
    return float(values.mean()) if len(values) else None


def arms_chart(found: Comparison, recommend: str) -> str:
    """A dot and an interval for each arm, small dots for single seeds."""
    rows = []
    for row in found.arms:
        low, high = _hundred(row.low), _hundred(row.high)
        interval = f", {diagnosis.no_interval(row.estimate)}" if low is None or high is None else f" ({low:.1f} to {high:.1f})"
        dots = tuple(100 * mean for mean in row.seed_means) if len(row.seed_means) > 1 else ()
        mean = row.estimate.mean
        rows.append(IntervalRow(row.name, percent(mean) + interval, 100 * mean, low, high, dots, row.name == recommend))
    highest = max((value for row in rows for value in (row.mean, row.high or 0.0, *row.dots)), default=100.0)
    title, unit = "Score of each arm with its 95 % interval.", f"{found.metric}, % of {found.questions} questions"
    return charts.interval_chart(rows, charts.axis(0, max(highest, 1)), title=title, unit=unit)


def _differences_chart(found: Comparison, recommend: str) -> str:
    rows = [_signed_row(d.arm, d.estimate.mean, d.low, d.high, diagnosis.no_interval(d.estimate), d.arm == recommend) for d in found.challengers]
    title = f"Each arm minus {found.reference}, with simultaneous intervals; the band is the margin of {100 * found.margin:g} points either way."
    return _signed_chart(rows, 100 * found.margin, title)


def _interactions_chart(found: Comparison) -> str:
    rows = [
        _signed_row(f"{i.rag} with {i.tuned}", i.estimate.mean, i.low, i.high, diagnosis.no_interval(i.estimate), False) for i in found.interactions
    ]
    return _signed_chart(rows, 100 * found.margin, "What both together bring beyond the plain sum, with its interval.")


def _signed_row(label: str, mean: float, low: float | None, high: float | None, otherwise: str, strong: bool) -> IntervalRow:
    note = f"{signed(mean)}, {otherwise}" if low is None else f"{signed(mean)} ({numbers.span(low, high)})"
    return IntervalRow(label, note, 100 * mean, _hundred(low), _hundred(high), strong=strong)


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _signed_chart(rows: Sequence[IntervalRow], margin: float, title: str) -> str:
    values = [value for row in rows for value in (row.mean, row.low, row.high) if value is not None]
    scale = charts.axis(min(-margin, *values), max(margin, *values)) if values else charts.axis(-margin, margin)
    return charts.interval_chart(rows, scale, title=title, unit="percentage points", band=(-margin, margin), signed=True)


# ── slices, retrieval ────────────────────────────────────────────────────────────────────────────────────────────────


def _slices(found: Comparison) -> dict[str, dict[str, dict[str, SliceRow]]]:
    """slice -> value -> arm -> row, of what tells questions apart."""
    tables: dict[str, dict[str, dict[str, SliceRow]]] = {}
    for row in found.slices:
        tables.setdefault(row.slice, {}).setdefault(row.value, {})[row.arm] = row
    return {name: values for name, values in tables.items() if len(values) > 1}


def _retrieval_view(m: Material, arm: Arm) -> dict[str, Any]:
    """Retrieval does not depend on the training seed, so one seed says it all."""
    part = m.frame[(m.frame["arm"] == arm.name) & (m.frame["seed"] == arm.seeds[0])]
    means = {name: _mean(part, name) for name in ("recall@k", "precision@k", "mrr", "map", "ndcg@k", "sufficiency")}
    return {"arm": arm, "n": int(part["recall@k"].notna().sum()), **means}


SUPPORT = {
    "groundedness": "grounded",
    "entailment": "entailed",
    "cites": "cites a passage",
    "citation_precision": "right citations",
    "citation_recall": "evidence cited",
}


def _support(m: Material) -> dict[str, Any]:
    """How far the answers of each arm are supported by what it was shown, over all its seeds; of each column that any arm has a value in."""
    rows: list[dict[str, Any]] = []
    for arm in m.arms:
        part = m.frame[(m.frame["arm"] == arm.name) & m.frame["outcome"].isin(["ok", "truncated"])]
        if part[list(SUPPORT)].notna().any(axis=None):
            rows.append({"arm": arm.name, "n": len(part), "values": {name: _mean(part, name) for name in SUPPORT}})
    return {"rows": rows, "columns": {name: said for name, said in SUPPORT.items() if any(row["values"][name] is not None for row in rows)}}
