"""Runs abreast: what each came to, in a line, and of some of them the arms and the settings that differ. Reads small files only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from ragft import charts
from ragft.charts import IntervalRow
from ragft.comparison import ArmRow, Comparison
from ragft.numbers import NONE, percent
from ragft.store import read_json

HASH = 12  # digits of a sum that are shown


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run in a line. `score` is that of the recommended arm, a share, with its 95 % interval; None: none can be given."""

    verdict: str
    recommend: str
    metric: str
    score: float
    low: float | None
    high: float | None
    model: str
    domain: str
    questions: int
    began: str


def summary(folder: Path) -> Summary:
    """Raises MissingError or InputError for a run that is not finished or whose files cannot be read."""
    manifest, decision, found = (read_json(folder / f"{name}.json") for name in ("manifest", "decision", "comparison"))
    arm = next(row for row in found["arms"] if row["name"] == decision["recommend"])
    return Summary(
        verdict=decision["verdict"],
        recommend=decision["recommend"],
        metric=found["metric"],
        score=arm["estimate"]["mean"],
        low=arm["low"],
        high=arm["high"],
        model=manifest["model"]["name"],
        domain=manifest["data"]["domain"],
        questions=manifest["data"]["questions"]["test"],
        began=str(manifest["began"]),
    )


def arms_chart(found: Mapping[str, Comparison]) -> Markup:
    """Every arm of every run (label -> its comparison) with its own 95 % interval, those of one name together."""
    names = dict.fromkeys(row.name for one in found.values() for row in one.arms)
    shown = [_interval(f"{name} · {label}", row) for name in names for label, one in found.items() for row in one.arms if row.name == name]
    highest = max((value for row in shown for value in (row.mean, row.high or 0.0)), default=100.0)
    title, unit = "Score of each arm in each run with its 95 % interval.", f"{next(iter(found.values())).metric}, %"
    return charts.interval_chart(shown, charts.axis(0, max(highest, 1)), title=title, unit=unit)


def _interval(label: str, row: ArmRow) -> IntervalRow:
    mean = row.estimate.mean
    if row.low is None or row.high is None:
        return IntervalRow(label, percent(mean), 100 * mean, None, None)
    return IntervalRow(label, f"{percent(mean)} ({100 * row.low:.1f} to {100 * row.high:.1f})", 100 * mean, 100 * row.low, 100 * row.high)


def differing(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Setting -> its value in each run's study.yaml, of those that are not the same in all."""
    flat = [_flat(yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))) for folder in folders]
    return _rows(flat)


def made_from(folders: Sequence[Path]) -> dict[str, list[str]]:
    """What differs in what the runs were made from: weights, data, code and versions, by their manifests."""
    flat = []
    for folder in folders:
        made = read_json(folder / "manifest.json")
        kept = {key: made.get(key) for key in ("model", "embedder", "reranker", "data", "code", "versions", "machine")}
        known = {key: value for key, value in _flat(kept).items() if not key.endswith(".origin")}
        flat.append({key: value[:HASH] if key.endswith("sha256") else value for key, value in known.items()})
    return _rows(flat)


def _rows(flat: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    keys = dict.fromkeys(key for one in flat for key in one)
    rows = {key: [one.get(key, NONE) for one in flat] for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def _flat(value: Any, key: str = "") -> dict[str, str]:
    """ "arms.rag.k" -> "3"."""
    if isinstance(value, Mapping) and value:
        return {name: text for part, inner in value.items() for name, text in _flat(inner, f"{key}.{part}" if key else str(part)).items()}
    if isinstance(value, list):
        return {key: ", ".join(map(str, value)) or NONE}
    return {key: NONE if value in (None, {}, "") else str(value)}
