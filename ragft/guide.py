"""Which fine-tuning? Material and measures -> Guide: the tuned arms side by side, the article's advice put to the test.

    guide = make_guide(read_material(run))  # None where no arm is tuned

`ragft report` writes it as guide.json and shows it.

Everything in it is read from the run's folder. What was not measured is absent, and says how to get it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ragft.advice import Claim, advice
from ragft.challenges import Challenge, challenges
from ragft.compare import Difference, ScoreTable, pairwise
from ragft.groups import Grouping, grouping
from ragft.material import Material
from ragft.numbers import points
from ragft.robustness import RobustnessRow, read_robustness
from ragft.searched import Searched
from ragft.store import Run, read_record, write_json
from ragft.tunedrows import FAMILIES, Method, TunedRow, abstained, method_of, stored_by, tuned_rows
from ragft.words import says

PATH = re.compile(r"domain=.*/")  # in a search's name: which folder it is in says nothing to another reader


@dataclass(frozen=True, slots=True)
class Untuned:
    """An arm without tuning that tuned arms of one family are set against."""

    arm: str
    family: str
    score: float
    low: float | None
    high: float | None
    abstained: float | None


@dataclass(frozen=True, slots=True)
class Control:
    """A control arm against the untuned arm with the same passages: trained on what should teach it nothing that is asked."""

    arm: str
    format: str
    low: float | None
    high: float | None
    mean: float
    words: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one search on dev questions chose, and how many settings it tried."""

    what: str
    objective: str
    chosen: Mapping[str, Any]
    value: float
    complete: int
    pruned: int
    failed: int


@dataclass(frozen=True, slots=True)
class Guide:
    """All that the section "Which fine-tuning?" says."""

    model: str
    domain: str
    metric: str
    margin: float
    alpha: float
    questions: int
    documents: int
    methods: tuple[Method, ...]  # of the run's tuned arms, in the study's order
    rows: tuple[TunedRow, ...]
    untuned: tuple[Untuned, ...]
    groupings: tuple[Grouping, ...]  # one a family that has two arms or more
    claims: tuple[Claim, ...]
    challenges: tuple[Challenge, ...]
    robustness: tuple[RobustnessRow, ...]
    controls: tuple[Control, ...]
    searches: tuple[Chosen, ...]
    absent: tuple[str, ...]  # what was not measured, and how to get it

    def method(self, name: str) -> Method:
        return next(method for method in self.methods if method.name == name)

    def of_family(self, family: str) -> tuple[TunedRow, ...]:
        """The rows of a family, controls left out."""
        return tuple(row for row in self.rows if row.way in FAMILIES[family] and not row.control)


def write_guide(m: Material) -> Guide | None:
    """Write guide.json into the run's folder; None, and no file, where no arm is tuned."""
    guide, path = make_guide(m), m.run.folder / "guide.json"
    if guide is None:
        path.unlink(missing_ok=True)
        return None
    write_json(path, guide)
    return guide


def read_guide(run: Run) -> Guide | None:
    """What `write_guide` wrote; None where there is none."""
    path = run.folder / "guide.json"
    return read_record(Guide, path) if path.is_file() else None


def make_guide(m: Material) -> Guide | None:
    """The guide to a run's tuned arms; None where there is none."""
    robust = read_robustness(m.run.folder)
    rows = tuned_rows(m)
    if not rows:
        return None
    c, table = m.comparison, m.table
    groupings = _groupings(rows, table, c.alpha)
    noise = robust.rows if robust and robust.metric == c.metric else ()  # of another metric, they say nothing here
    model, domain = str(m.manifest["model"]["name"]), str(m.manifest["data"]["domain"])
    model = Path(model).name if Path(model).is_absolute() else model  # a hub id keeps its owner
    return Guide(
        model=model,
        domain=domain,
        metric=c.metric,
        margin=c.margin,
        alpha=c.alpha,
        questions=c.questions,
        documents=c.documents,
        methods=tuple(method_of(name) for name in dict.fromkeys(row.method for row in rows)),
        rows=rows,
        untuned=_untuned(m, rows),
        groupings=groupings,
        claims=advice(rows, table, m.measures, _reader(m.run), margin=c.margin, alpha=c.alpha),
        challenges=challenges(
            [row for row in rows if not row.control], groupings, noise, model=model, domain=domain, train_tokens=m.study.train_tokens
        ),
        robustness=noise,
        controls=_controls(rows, table, c.margin, c.alpha),
        searches=_searches(m.searched),
        absent=_absent(rows, noise),
    )


def _searches(found: Searched | None) -> tuple[Chosen, ...]:
    return tuple(
        Chosen(PATH.sub("domain=", one.what), one.objective, one.chosen, one.value, one.count("complete"), one.count("pruned"), one.count("failed"))
        for one in (found.results if found else ())
    )


def _reader(run: Run) -> Callable[[TunedRow], Mapping[str, int]]:
    """What stands in a row's adapter file; each file is looked at once."""

    @cache
    def read(names: tuple[str, ...]) -> Mapping[str, int]:
        return stored_by(run.folder / "artifacts", names)

    return lambda row: read(row.adapters)


def _untuned(m: Material, rows: tuple[TunedRow, ...]) -> tuple[Untuned, ...]:
    """The arms that tuned ones are set against."""
    found: dict[str, Untuned] = {}
    for row in rows:
        own = next((r for r in m.comparison.arms if r.name == row.untuned), None)
        if own and not row.control:
            family = "with passages" if m.arm(own.name).retriever else "alone"
            found[own.name] = Untuned(own.name, family, own.estimate.mean, own.low, own.high, abstained(m, own.name))
    return tuple(found.values())


def _groupings(rows: tuple[TunedRow, ...], table: ScoreTable, alpha: float) -> tuple[Grouping, ...]:
    """The tuned arms of each family with the untuned arms beside them, where there are two or more."""
    found = []
    for family, ways in FAMILIES.items():
        mine = [row for row in rows if row.way in ways and not row.control]
        names = list(dict.fromkeys([*(row.untuned for row in mine if row.untuned), *(row.arm for row in mine)]))
        if len(names) > 1:
            found.append(grouping(table, family, names, alpha))
    return tuple(found)


def _controls(rows: tuple[TunedRow, ...], table: ScoreTable, margin: float, alpha: float) -> tuple[Control, ...]:
    pairs = [(row, (row.arm, row.untuned)) for row in rows if row.control and row.untuned]
    found = []
    for row, (arm, untuned) in pairs:
        for difference in pairwise(table, [(arm, str(untuned))], alpha=alpha / len(pairs)):
            words = f"{says(difference)}: {_control_words(row.format, difference, margin)}"
            found.append(Control(arm, row.format, difference.low, difference.high, difference.estimate.mean, words))
    return tuple(found)


def _control_words(kind: str, found: Difference, margin: float) -> str:
    low, high = found.low, found.high
    if kind == "shuffled":
        if low is not None and low > 0:
            return "a gain from exchanged answers. Something other than training gives answers away; do not trust this run's tuned scores."
        if high is not None and high < margin:
            return f"no gain of {points(margin)} or more, as it should be."
        return "no gain is sure, as it should be; a small one is not excluded."
    if low is not None and low > 0:
        return "a gain without knowledge of these documents: behaviour (form, length, refusals). As much of the other arms' gain may be that."
    if high is not None and high < margin:
        return f"behaviour alone brings no gain of {points(margin)} or more."
    return "whether behaviour alone brings a gain is not settled."


def _absent(rows: tuple[TunedRow, ...], noise: tuple[RobustnessRow, ...]) -> tuple[str, ...]:
    """One sentence for each kind of measurement that no row has."""
    again = "run the study again, with ragft run"
    pipeline = "python pipelines/compare_peft.py STUDY asks for them"
    general = "name a general set in the study (general: data/general) and run it again"
    lacks = [
        (not any(row.latency for row in rows), f"The time of one answer alone, unmerged and merged, was not measured: {again}."),
        (not any(row.forgetting for row in rows), f"What tuning makes the model forget was not measured: {general}."),
        (not any(row.shift for row in rows), f"Where hidden states change was not measured: {again}."),
        (not noise, f"Answers under typing errors and distractors, and on a second domain, are not there: {pipeline}."),
        (not any(row.searched for row in rows), "Learning rates are the methods' own, not searched here: add search: {trials: 4} to the study."),
    ]
    return tuple(words for lacking, words in lacks if lacking)
