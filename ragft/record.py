"""record.json: what a verdict rests on, as hashes, so that it can be replayed and a change of anything below it shows.

ragft decide runs/2026-01-31-manuals-1f2e3d4c5b6a --replay
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragft.errors import MismatchError, MissingError
from ragft.settings import Study
from ragft.store import Run, file_sha256, fingerprint, read_json, write_json

SETTINGS = ("metric", "reference", "margin", "alpha", "slices", "needs", "costs", "arms", "seeds")
QUESTIONS = ("questions.jsonl", "gold.jsonl", "leaks.json", "review.json")
MEASURED = ("fit.json", "latency.json", "scores.jsonl", "answers.jsonl")  # of every arm and seed
PANELS = ("drill.json", "risks.json")  # a judge decides nothing
VERDICT = ("comparison.json", "decision.json")
MANIFEST = ("model", "data", "arms", "protocol")  # of the manifest, what a verdict reads
WHAT = {
    "arms": "what the arms are, or what they were run on,",
    "questions": "the questions or their gold answers",
    "measured": "the answers, scores or what was measured",
    "verdict": "the stored verdict itself",
}


def write_record(run: Run, study: Study) -> None:
    """Beside the verdict that was just written."""
    found = _state(run, study)
    write_json(run.folder / "record.json", {**found, "hash": fingerprint(found)})


def check_record(run: Run, study: Study) -> str:
    """The record's hash. Raises MissingError where there is none, MismatchError naming what is not as it was when the verdict was made."""
    path = run.folder / "record.json"
    if not path.is_file():
        raise MissingError(f"{path}: this run has no decision record. Make one with: ragft decide {run.folder}")
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise MismatchError(f"{path}: not a decision record. Decide again with: ragft decide {run.folder}")
    said = stored.pop("hash", None)
    if fingerprint(stored) != said:
        raise MismatchError(f"{path}: the record was edited; its hash is no longer that of its entries. Decide again with: ragft decide {run.folder}")
    if missing := [part for part in ("settings", *WHAT) if not isinstance(stored.get(part), dict)]:
        raise MismatchError(
            f"{path}: no decision record of this version ({', '.join(missing)} missing). Decide again with: ragft decide {run.folder}"
        )
    if changed := _changed(stored, _state(run, study)):
        raise MismatchError(
            f"{run.folder}: the record's hash is broken: {'; '.join(changed)}. For a verdict on what is there now: ragft decide {run.folder}"
        )
    return str(said)


def _state(run: Run, study: Study) -> dict[str, Any]:
    values = study.model_dump(mode="json")
    places = sorted(run.folder.glob("arms/*/seed-*"))
    return {
        "settings": {name: values[name] for name in SETTINGS if name in values},
        "arms": _hashes(run.folder, sorted(run.folder.glob("arms/*/arm.json"))) | _of_manifest(run.folder / "manifest.json"),
        "questions": _hashes(run.folder, [run.folder / name for name in QUESTIONS]),
        "measured": _hashes(
            run.folder,
            [
                *(place / name for place in places for name in MEASURED),
                *sorted((run.folder / "measures").glob("*.json")),
                *(run.folder / p for p in PANELS),
            ],
        ),
        "verdict": _hashes(run.folder, [run.folder / name for name in VERDICT]),
    }


def _hashes(folder: Path, paths: list[Path]) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths if path.is_file()}


def _of_manifest(path: Path) -> dict[str, str]:
    found = read_json(path)
    return {f"{path.name}, {name}": fingerprint(found.get(name)) for name in MANIFEST}


def _changed(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    before = stored["settings"]
    sentences = [f"{name} changed" for name, value in now["settings"].items() if fingerprint(before.get(name)) != fingerprint(value)]
    for part, words in WHAT.items():
        names = sorted(stored[part].keys() | now[part].keys())
        if differing := [name for name in names if stored[part].get(name) != now[part].get(name)]:
            more = f" and {len(differing) - 1} other files" if len(differing) > 1 else ""
            sentences.append(f"{words} changed ({differing[0]}{more})")
    return sentences
