"""A domain in a few lines: `make(documents, lines)` writes it, `load(…)` also reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragft.domain import Domain, load_domain

KOVA = "# Kova 30\n\nThe Kova 30 has a maximum pressure of 42 bar.\nIt weighs 12 kg.\n"


def write(folder: Path, documents: dict[str, str | bytes], lines: list[dict[str, Any]] | str) -> Path:
    for name, content in documents.items():
        path = folder / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    text = lines if isinstance(lines, str) else "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "questions.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    def made(lines, documents=None) -> Path:
        return write(tmp_path / "domain", {"pumps/kova.md": KOVA} if documents is None else documents, lines)

    return made


@pytest.fixture
def load(make: Callable[..., Path]) -> Callable[..., Domain]:
    return lambda *arguments: load_domain(make(*arguments))


@pytest.fixture
def public() -> Path:
    """The shared data sets, beside the repository."""
    folder = Path(__file__).parents[2] / ".." / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets are not beside this repository (../shared/data)")
    return folder.resolve()
