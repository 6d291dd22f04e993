"""What a run fixes before any answer is there, and what was changed since: choosing after looking undoes the stated certainty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragft import plugged, registry
from ragft.comparison import Comparison
from ragft.numbers import points
from ragft.settings import Study
from ragft.store import Run, fingerprint, read_json

CHANGEABLE = ("metric", "margin", "alpha", "reference", "needs", "slices")  # within a run: other arms or seeds are another run
FIXED = (*CHANGEABLE, "arms", "seeds")


def fix(run: Run, study: Study, stored: Mapping[str, Any] | None, now: str) -> Mapping[str, Any]:
    """The manifest's entry: as stored once an answer is there, else the study's values with their fingerprint."""
    if stored and any(run.folder.glob("arms/*/seed-*/answers.jsonl")):
        return stored
    code = metric_code(study)
    values = study.model_dump(mode="json", include=set(FIXED)) | ({"metric_code": code} if code else {})
    return {"fixed": now, "values": values, "fingerprint": fingerprint(values)}


def metric_code(study: Study) -> str | None:
    """The hash of a plugin's code that the study is decided by; None: the metric is ragft's own."""
    return next(iter(plugged.code_of([registry.lookup("metric", study.metric)]).values()), None)


def changes(run: Run, study: Study, found: Comparison) -> list[str]:
    """What the comparison and the study's needs have other than was fixed, a sentence each."""
    manifest = read_json(run.folder / "manifest.json")
    stored, scored_by = manifest.get("protocol"), manifest.get("scored_by")
    if not stored:
        return []
    first = {"slices": [], **stored["values"]}  # a run of before slices could be fixed
    now = {
        **{name: getattr(found, name) for name in ("metric", "margin", "alpha", "reference")},
        **study.model_dump(mode="json", include={"needs"}),
        "slices": list(found.confirmatory),
    }
    sentences = [
        f"{name} changed after answers were seen: {_change(name, first[name], now[name])}. The stated certainty holds for the first value only."
        for name in CHANGEABLE
        if now[name] != first[name]
    ]
    if found.metric == first["metric"] and scored_by and scored_by != first.get("metric_code"):
        sentences.append(f"The code of {found.metric} changed after answers were seen. The stated certainty holds for the first version only.")
    if fingerprint(stored["values"]) != stored["fingerprint"]:
        sentences.append("What was fixed before the run was edited in manifest.json since: its fingerprint is no longer that of the values.")
    return sentences


def _change(name: str, first: Any, now: Any) -> str:
    if name == "margin":
        return f"{100 * first:g} → {points(now)}"
    return f"{_plain(first)} → {_plain(now)}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{key} {asked}" for key, asked in value.items()]
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)
