"""manifest.json: what a run was made with and from, and how far it came."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ragft.store import Run, read_json, write_json
from ragft.units import Context

# Packages whose version can change an answer: another version is another run.
PACKAGES = ("ragft", "torch", "transformers", "peft", "tokenizers", "sentence-transformers", "faiss-cpu", "bm25s", "langchain-text-splitters")


@cache
def versions() -> dict[str, str]:
    """Installed versions of PACKAGES, and of Python."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def code_version() -> dict[str, Any]:
    """ragft's version and, in a checkout, its commit and whether files were changed since."""
    root = Path(__file__).resolve().parent.parent
    found: dict[str, Any] = {"version": versions()["ragft"], "commit": None, "dirty": None}
    if (root / ".git").exists():
        commit = _git(root, "rev-parse", "HEAD")
        if commit:
            found |= {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--", "ragft"))}
    return found


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def start(context: Context) -> None:
    """Write the manifest of a run that begins or goes on; when it first began is kept."""
    path = context.run.folder / "manifest.json"
    began = read_json(path)["began"] if path.is_file() else _now()
    domain, model, embedder = context.domain, context.model, context.embedder
    write_json(
        path,
        {
            "status": "running",
            "began": began,
            "finished": None,
            "code": code_version(),
            "versions": versions(),
            "machine": {"system": platform.system(), "processor": platform.machine(), "cores": _cores()},
            "model": {"name": model.name, "sha256": model.sha256, "origin": model.origin},
            "embedder": {"name": embedder.name, "sha256": embedder.sha256, "origin": embedder.origin} if embedder else None,
            "data": {
                "domain": domain.name,
                "sha256": domain.sha256,
                "documents": len(domain.documents),
                "language": domain.language,
                "questions": {split: len(domain.split(split)) for split in ("train", "dev", "test")},
                "trains_tested_facts": domain.trains_tested_facts,
                "notes": domain.notes,
            },
            "seeds": context.study.seeds,
            "arms": list(context.study.arms),
        },
    )


def finish(run: Run) -> None:
    """Mark the run as finished."""
    path = run.folder / "manifest.json"
    found = read_json(path)
    write_json(path, {**found, "status": "finished", "finished": found["finished"] or _now()})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
