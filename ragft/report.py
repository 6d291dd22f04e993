"""Run -> report.html (one file, opens offline) and report.md. Needs no model.

    ragft report runs/2026-01-31-manuals-1f2e3d4c5b6a

What the page says is worked out here, in `ladderpage` and in `diagnosis`; charts are in `pictures`, words and layout in `templates/`.
The section "Which fine-tuning?" comes from `guide`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from markupsafe import Markup

from ragft import costpage, diagnosis, dosepage, drilled, examples, guidepage, ladderpage, pictures, plantext, registry, slicewords, trainingpage
from ragft.compare import ArmRow, Comparison, SliceRow
from ragft.cost import ArmCost
from ragft.domain.splits import STRATA
from ragft.drilled import read_drill
from ragft.guide import write_guide
from ragft.judged import read_judged
from ragft.ladder import Losses
from ragft.material import Arm, Material, read_material
from ragft.pages import environment
from ragft.plan import read_plan
from ragft.review import read_review, review_sentences
from ragft.risk import KINDS, read_risks
from ragft.settings import Study
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
    """Write report.html, report.md, guide.json and losses.json beside the run's results; returns the first."""
    m = read_material(run)
    lost = ladderpage.find_losses(m)
    page = {**what_is_known(m, lost), "which": guidepage.view(guide) if (guide := write_guide(m)) else None}
    ladderpage.write_losses(m, lost)
    write_text(run.folder / "report.md", environment(markdown=True).get_template("report.md").render(page))
    write_text(run.folder / "report.html", environment().get_template("report.html").render(page))
    return run.folder / "report.html"


def what_is_known(m: Material, lost: Sequence[Losses]) -> dict[str, Any]:
    """What the templates of the report know, but for "which", the guide."""
    return {**origin(m), **of_arms(m), **of_losses(m, lost), **_followed_up(m), "examples": examples.examples(m)}


def of_arms(m: Material) -> dict[str, Any]:
    """What the templates know that say what the arms are, what they are to each other, what they cost and how they were trained."""
    costs = costpage.view(m)
    return {
        **_verdict(m),
        "metric_summary": registry.lookup("metric", m.comparison.metric).summary,
        "arms": [_arm_view(m, row, costs["costs"].get(row.name)) for row in m.comparison.arms],
        "covered": covered(m.comparison),
        "outcomes": OUTCOMES,
        "arms_chart": pictures.arms(m.comparison, m.decision.recommend),
        "differences": [(d, diagnosis.meaning(d, m.comparison.margin)) for d in m.comparison.challengers],
        "differences_chart": pictures.differences(m.comparison, m.decision.recommend),
        "two_by_twos": [diagnosis.two_by_two(m.comparison, found) for found in m.comparison.interactions],
        "interactions_chart": pictures.interactions(m.comparison),
        "doses": dosepage.view(m.comparison),
        "adapters": trainingpage.adapters(m.arms),
        "formats": {key: entry.summary for key, entry in registry.entries("format").items()},
        **costs,
    }


def of_losses(m: Material, lost: Sequence[Losses]) -> dict[str, Any]:
    """What the templates know that say where points are lost: the ladder, slices, retrieval."""
    return {
        **_verdict(m),
        **ladderpage.view(m, lost),
        "slices": _slices(m.comparison),
        "slice_words": slicewords.slice_words(m.comparison),
        "confirmed": [
            (x, slicewords.phrase(m.comparison, x.slice, x.value), diagnosis.meaning(x.difference, m.comparison.margin))
            for x in m.comparison.confirmed
        ],
        "strata": STRATA,
        "stands_out": slicewords.STANDS_OUT,
        "retrieval": [_retrieval_view(m, arm) for arm in m.arms if arm.retriever],
        "support": _support(m),
        "index_notes": _index_notes(m),
    }


def _verdict(m: Material) -> dict[str, Any]:
    """What most templates know."""
    return {"m": m, "d": m.decision, "c": m.comparison, "no_interval": diagnosis.no_interval}


def origin(m: Material) -> dict[str, Any]:
    """What made_from.html and plan.html know: where the run came from. Reads no answer."""
    plan, review = read_plan(m.run.folder), read_review(m.run)
    return {
        "m": m,
        "reviewed": review_sentences(review) if review else ["Nobody has reviewed them (ragft questions review)."],
        "planned": plantext.view(plan) if plan else None,
        "settings": yaml.safe_dump(_without_places(m.study), sort_keys=False, allow_unicode=True),
    }


def _without_places(study: Study) -> dict[str, Any]:
    """The settings with the names of folders, and not with where they lie on this machine: a report is handed on."""
    found = study.model_dump(mode="json")
    found |= {key: Path(found[key]).name for key in ("domain", "general") if found[key]}
    for options in (arm["format_options"] for arm in found["arms"].values()):
        options |= {key: Path(options[key]).name for key in ("domain",) if key in options}
    return found


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


def _arm_view(m: Material, row: ArmRow, cost: ArmCost | None) -> ArmView:
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
        seconds=cost.seconds_per_question if cost else _mean(part, "seconds"),
        prompt_tokens=_mean(part, "prompt_tokens"),
        cost=_mean(part, "cost"),
        trainable=fit.trainable_parameters if fit else None,
        outcomes=outcomes,
        answers=len(part),
    )


def _mean(frame: pd.DataFrame, column: str) -> float | None:
    values = frame[column].dropna()
    return float(values.mean()) if len(values) else None


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
