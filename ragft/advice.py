"""The article's advice on fine-tuning methods, each piece confirmed, refuted or undecided by what a run measured.

A status never comes from a point estimate. It comes from one of three things, by these rules:

scores     The paired difference of two arms (docs/statistics.md), alone where both are there alone, else with RAG, else RAFT.
           Each bound has error alpha / n for the n pieces that rest on scores, so that all their intervals hold at once.
           "better than", by the study's margin m:   confirmed low > m     refuted high < m
           "as good as":                             confirmed low > -m    refuted high < -m
           "worse than":                             confirmed high < -m   refuted low > -m
           "better than", by any amount:             confirmed low > 0     refuted high < 0
times      The mean log ratio of seconds to the base over the measured adapters, with Student's t; error alpha / n as above.
           "slower":      confirmed low > 1,     else refuted high < 1.05
           "no slower":   confirmed high < 1.05, refuted low > 1.05
structure  Exact counts of what was trained and what stands in the adapter's file; no interval is needed.

Anything else is undecided; without the arms or the measures it is not measured, and the sentence says how to get it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Literal

import numpy as np

from ragft.compare import Difference, ScoreTable, pairwise
from ragft.measures import BASE, Measures
from ragft.numbers import points
from ragft.stats import t_quantile
from ragft.structure import STRUCTURE, Finding
from ragft.tunedrows import WAYS, TunedRow
from ragft.words import says

Status = Literal["confirmed", "refuted", "undecided", "not measured"]
STATUSES: tuple[Status, ...] = ("confirmed", "refuted", "undecided", "not measured")
Relation = Literal["better", "as good", "worse", "any better"]
SLOWER = 1.05  # a twentieth more time: less is within what two measurements of the same model differ by
LOW_RANK = ("lora", "dora", "rslora", "pissa")  # merged, each is a plain weight matrix
UNTUNED = ""  # the arm with the same passages and no tuning


@dataclass(frozen=True, slots=True)
class Claim:
    """One piece of the article's advice. `mean`, `low` and `high` are shares for scores and ratios for times; None: structure."""

    key: str
    methods: tuple[str, ...]
    text: str
    source: str
    status: Status
    evidence: str
    rests_on: Literal["scores", "times", "structure", "nothing"]
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class OfScores:
    """A piece of advice about two methods' scores; `against`: the first that the study has."""

    key: str
    method: str
    text: str
    source: str
    relation: Relation
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfTimes:
    """A piece of advice about the time of an answer against the base's."""

    key: str
    methods: tuple[str, ...]
    text: str
    source: str
    merged: bool
    slower: bool  # the article says that it is; else that it is not


SCORES = (
    OfScores("adapter-near-full", "adapter", "Adapter tuning comes close to full tuning (0.4 % in its paper).", "1902.00751", "as good", ("full",)),
    OfScores("prefix-suits-qa", "prefix", "Prefix tuning gives good results and suits question answering.", "2101.00190", "better", (UNTUNED,)),
    OfScores("prompt-weak", "prompt", "Prompt tuning is weak on small models.", "2104.08691", "worse", ("full", "lora")),
    OfScores("prompt-suits", "prompt", "Prompt tuning suits fine control of what is generated.", "2104.08691", "better", (UNTUNED,)),
    OfScores("p-tuning-poor", "p-tuning", "P-tuning (v1) is poor on small models.", "2103.10385", "worse", ("full", "lora")),
    OfScores("p-tuning-suits", "p-tuning", "P-tuning suits generative tasks.", "2103.10385", "better", (UNTUNED,)),
    OfScores("v2-good", "p-tuning-v2", "P-tuning v2 is good on small models too: level with full tuning.", "2110.07602", "as good", ("full",)),
    OfScores("v2-better", "p-tuning-v2", "P-tuning v2 is better than v1 on small models.", "2110.07602", "any better", ("p-tuning",)),
    OfScores("lora-near-full", "lora", "LoRA comes near full tuning or exceeds it.", "2106.09685", "as good", ("full",)),
)
TIMES = (
    OfTimes("adapter-slower", ("adapter",), "Adapters make the network deeper, so answers are slower.", "1902.00751", False, True),
    OfTimes("lora-latency", LOW_RANK, "LoRA adds no latency once it is merged.", "2106.09685", True, False),
)
OUT_OF_REACH = (
    ("prompt-grows", ("prompt",), "Prompt tuning nears full tuning as the model grows.", "2104.08691"),
    ("p-tuning-10b", ("p-tuning",), "P-tuning (v1) is level with full tuning only at about 10 billion parameters.", "2103.10385"),
    ("lora-any-task", ("lora",), "LoRA suits any task on large models.", "2106.09685"),
)
TWO_SIZES = "A run has one model and one task. Run the same study with a larger model, or on another domain, and lay the two reports side by side."
ORDER = (
    "adapter-share", "adapter-near-full", "adapter-slower", "adapter-resources",
    "prefix-suits-qa", "prefix-mlp",
    "prompt-weak", "prompt-grows", "prompt-suits", "prompt-weights",
    "p-tuning-poor", "p-tuning-10b", "p-tuning-suits", "p-tuning-controller",
    "v2-good", "v2-better",
    "lora-near-full", "lora-few", "lora-latency", "lora-any-task", "lora-batch", "lora-regularises",
    "unified",
)  # fmt: skip


def advice(
    rows: Sequence[TunedRow],
    table: ScoreTable,
    measures: Mapping[str, Measures],
    tensors: Callable[[TunedRow], Mapping[str, int]],
    *,
    margin: float,
    alpha: float,
) -> tuple[Claim, ...]:
    """Every piece of the article's advice, in the article's order. `tensors`: what stands in a row's adapter file."""
    sound = [row for row in rows if not row.control]
    found = [*_of_scores(sound, table, margin, alpha), *_of_times(rows, measures, alpha)]  # what was learned does not change a time
    for key, methods, text, source, look in STRUCTURE:
        mine = [row for row in sound if not methods or row.method in methods]
        seen = look(mine, tensors) if mine else Finding("not measured", f"This study has no arm with {_tuning(methods)}. {_add(methods)}")
        found.append(Claim(key, methods, text, source, seen.status, seen.words, "nothing" if seen.status == "not measured" else "structure"))
    found += [Claim(key, methods, text, source, "not measured", TWO_SIZES, "nothing") for key, methods, text, source in OUT_OF_REACH]
    return tuple(sorted(found, key=lambda claim: ORDER.index(claim.key)))


def _tuning(methods: Sequence[str]) -> str:
    return f"tuning: {methods[0]}" if methods else "a tuning"


def _add(methods: Sequence[str]) -> str:
    name = methods[0] if methods else "lora"
    return f"Add to its arms: {name}: {{tuning: {name}}}"


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_scores(rows: Sequence[TunedRow], table: ScoreTable, margin: float, alpha: float) -> list[Claim]:
    couples = {spec.key: couple for spec in SCORES if (couple := _couple(spec, rows, table))}
    share = alpha / max(1, len(couples))
    found = {}
    for key, couple in couples.items():
        difference = next(iter(pairwise(table, [couple], alpha=share)), None)
        if difference:
            found[key] = difference
    ways = {row.arm: row.way for row in rows}
    return [_of_score(spec, couples.get(spec.key), found.get(spec.key), ways, margin, len(couples), rows) for spec in SCORES]


def _couple(spec: OfScores, rows: Sequence[TunedRow], table: ScoreTable) -> tuple[str, str] | None:
    """The two arms to compare: in the same way and format, the first way that has both."""
    known = {arm.name for arm in table.arms if arm.scored.any()}
    for way in WAYS:
        for row in (row for row in rows if row.way == way and row.method == spec.method and row.arm in known):
            for wanted in spec.against:
                if wanted == UNTUNED:
                    other = row.untuned
                else:
                    other = next((o.arm for o in rows if (o.method, o.way, o.format) == (wanted, way, row.format) and o.arm in known), None)
                if other in known:
                    return row.arm, str(other)
    return None


def _of_score(
    spec: OfScores,
    couple: tuple[str, str] | None,
    found: Difference | None,
    ways: Mapping[str, str],
    margin: float,
    family: int,
    rows: Sequence[TunedRow],
) -> Claim:
    methods = (spec.method,)
    if couple is None or found is None:
        return Claim(spec.key, methods, spec.text, spec.source, "not measured", _missing(spec, rows), "nothing")
    status = judge(spec.relation, found.low, found.high, margin)
    all_of = "" if found.low is None or family < 2 else f", which holds for all {family} such intervals at once"
    said = says(found).removesuffix(")") + f"{all_of})"
    way = ways[found.arm]
    words = f"{way[0].upper()}{way[1:]}, {said}: {_meaning(spec.relation, status, margin)}."
    return Claim(spec.key, methods, spec.text, spec.source, status, words, "scores", found.estimate.mean, found.low, found.high)


def _missing(spec: OfScores, rows: Sequence[TunedRow]) -> str:
    """Why a piece of advice has no numbers, and what would give them."""
    needed = [spec.method, *(name for name in spec.against[:1] if name)]
    absent = [name for name in needed if not any(row.method == name for row in rows)]
    if absent:
        return f"This study has no arm with {' and '.join(f'tuning: {name}' for name in absent)}. {_add(absent)}"
    other = "an untuned arm with the same passages" if spec.against[0] == UNTUNED else f"an arm of {' or '.join(spec.against)}"
    return f"{spec.method} and {other} were not both scored in the same way (alone, with RAG or RAFT) and format. Add the arm that is missing."


def judge(relation: Relation, low: float | None, high: float | None, margin: float) -> Status:
    """The status of a piece of advice, from both ends of the interval of method - other."""
    if low is None or high is None:
        return "undecided"
    holds, fails = {
        "better": (low > margin, high < margin),
        "as good": (low > -margin, high < -margin),
        "worse": (high < -margin, low > -margin),
        "any better": (low > 0, high < 0),
    }[relation]
    return "confirmed" if holds else "refuted" if fails else "undecided"


def _meaning(relation: Relation, status: Status, margin: float) -> str:
    if status == "undecided":
        return "this many questions and seeds do not settle it"
    by = f"by more than the margin of {points(margin)}"
    return {
        ("better", "confirmed"): f"better {by}",
        ("better", "refuted"): f"not better {by}",
        ("as good", "confirmed"): f"not worse {by}",
        ("as good", "refuted"): f"worse {by}",
        ("worse", "confirmed"): f"worse {by}",
        ("worse", "refuted"): f"not worse {by}",
        ("any better", "confirmed"): "better",
        ("any better", "refuted"): "worse",
    }[relation, status]


# ── times ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_times(rows: Sequence[TunedRow], measures: Mapping[str, Measures], alpha: float) -> list[Claim]:
    ratios = {spec.key: _ratios(spec, rows, measures) for spec in TIMES}
    family = max(1, sum(len(values) > 0 for values in ratios.values()))
    return [_of_time(spec, ratios[spec.key], rows, measures, alpha / family) for spec in TIMES]


def _ratios(spec: OfTimes, rows: Sequence[TunedRow], measures: Mapping[str, Measures]) -> list[float]:
    """Seconds against the base's, one a measured adapter."""
    names = dict.fromkeys(name for row in rows if row.method in spec.methods for name in row.adapters if name in measures)
    seconds = [(measures[name].seconds_merged if spec.merged else measures[name].seconds_unmerged, measures[name].seconds_base) for name in names]
    return [own / base for own, base in seconds if own and base]


def _of_time(spec: OfTimes, ratios: Sequence[float], rows: Sequence[TunedRow], measures: Mapping[str, Measures], alpha: float) -> Claim:
    if not ratios:
        there = any(row.method in spec.methods for row in rows)
        why = "The time of single answers was not measured in this run" if there else f"This study has no arm with {_tuning(spec.methods)}"
        how = "Run the study again: ragft run measures it." if there else _add(spec.methods)
        return Claim(spec.key, spec.methods, spec.text, spec.source, "not measured", f"{why}. {how}", "nothing")
    mean, low, high = ratio_interval(ratios, alpha)
    status: Status = "undecided"
    if low is not None and high is not None:
        if spec.slower:
            status = "confirmed" if low > 1 else "refuted" if high < SLOWER else "undecided"
        else:
            status = "confirmed" if high < SLOWER else "refuted" if low > SLOWER else "undecided"
    between = "no interval: one adapter measured" if low is None else f"interval {low:.2f} to {high:.2f}"
    kind = "merged into the weights" if spec.merged else "unmerged"
    names = ", ".join(dict.fromkeys(row.method for row in rows if row.method in spec.methods))
    noise = measures.get(BASE)
    itself = f" The base against itself: {noise.seconds_unmerged / noise.seconds_base:.2f} times." if noise and noise.seconds_base else ""
    words = f"One answer takes {mean:.2f} times as long as the base's ({between}; {len(ratios)} adapters of {names}, {kind}).{itself}"
    return Claim(spec.key, spec.methods, spec.text, spec.source, status, words, "times", mean, low, high)


def ratio_interval(ratios: Sequence[float], alpha: float) -> tuple[float, float | None, float | None]:
    """The geometric mean of ratios and its interval by Student's t; each bound is wrong with probability `alpha`. One ratio has none."""
    logs = np.array([log(ratio) for ratio in ratios])
    mean = float(logs.mean())
    if len(logs) < 2:
        return exp(mean), None, None
    half = t_quantile(alpha, len(logs) - 1) * float(logs.std(ddof=1)) / len(logs) ** 0.5
    return exp(mean), exp(mean - half), exp(mean + half)
