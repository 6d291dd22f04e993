"""manifest.json: what a run was made with and from, and how far it came."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from ragft import plugged, protocol
from ragft.context import Context
from ragft.models import Model
from ragft.store import Run, read_json, write_json

# Packages whose version can change an answer: another version is another run.
PACKAGES = (
    "ragft",
    "torch",
    "transformers",
    "peft",
    "tokenizers",
    "sentence-transformers",
    "faiss-cpu",
    "bm25s",
    "langchain-text-splitters",
)
NF4_PACKAGES = ("bitsandbytes",)  # for a study with precision nf4

# The part of ragft that shapes an answer: another text of it is another run too, in a checkout as after an upgrade.
ANSWERING = (
    "arms",
    "build",
    "chunkers",
    "chunking",
    "finetune",
    "generation",
    "gguf",
    "metrics/refusal",
    "nf4",
    "products",
    "prompts",
    "recipe",
    "retrieval",
    "serving",
    "systems",
    "text",
    "tuning",
    "weights",
)


@cache
def versions(precision: str) -> dict[str, str]:
    """Installed versions of the packages that answers depend on, of plugins and of Python, and a hash of the code that shapes answers."""
    found = {"python": platform.python_version(), "code": code_sha256(Path(__file__).parent)[:12]}
    found |= {f"plugin {point.name}": point.dist.version if point.dist else "unknown" for point in entry_points(group="ragft")}
    for package in (*PACKAGES, *(NF4_PACKAGES if precision == "nf4" else ())):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def code_sha256(package: Path) -> str:
    """SHA-256 over the sources of ANSWERING, in a fixed order."""
    digest = hashlib.sha256()
    for name in ANSWERING:
        for path in sorted((package / name).rglob("*.py")) or [package / f"{name}.py"]:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def code_version() -> dict[str, Any]:
    """ragft's version and, in a checkout, its commit and whether files were changed since."""
    root = Path(__file__).resolve().parent.parent
    found: dict[str, Any] = {"version": versions("")["ragft"], "commit": None, "dirty": None}
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


def _weights(model: Model | None) -> dict[str, str] | None:
    return {"name": model.name, "sha256": model.sha256, "origin": model.origin} if model else None


def start(context: Context) -> None:
    """Write the manifest of a run that begins or goes on; when it first began, and what it fixed before any answer, is kept."""
    path = context.run.folder / "manifest.json"
    stored = read_json(path) if path.is_file() else {}
    now = _now()
    domain = context.domain
    write_json(
        path,
        {
            "status": "running",
            "began": stored.get("began", now),
            "finished": None,
            "code": code_version(),
            "versions": versions(context.study.precision),
            "machine": {"system": platform.system(), "processor": platform.machine(), "cores": _cores()},
            "model": _weights(context.model),
            "embedder": _weights(context.embedder),
            "reranker": _weights(context.reranker),
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
            "plugins": plugged.records(),
            "scored_by": stored.get("scored_by"),
            "protocol": protocol.fix(context.run, context.study, stored.get("protocol"), now),
        },
    )


def finish(run: Run) -> None:
    """Mark the run as finished."""
    path = run.folder / "manifest.json"
    found = read_json(path)
    write_json(path, {**found, "status": "finished", "finished": found["finished"] or _now()})


def is_finished(run: Run) -> bool:
    """Whether the run has come to its verdict, and was not begun anew since."""
    path = run.folder / "manifest.json"
    return path.is_file() and read_json(path)["status"] == "finished"


def scored(run: Run, metric_code: str | None) -> None:
    """Note what the answers were scored by last, where that is a plugin."""
    if metric_code:
        path = run.folder / "manifest.json"
        write_json(path, {**read_json(path), "scored_by": metric_code})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
