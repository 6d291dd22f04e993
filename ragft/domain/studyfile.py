"""The study.yaml that `ragft init` and `ragft import` write: minimal, commented, and fit for the questions there are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from ragft.domain.records import Record

MAX_NAME = 60  # characters of a title in a file name: at three bytes each, within the 255 that file systems allow


def study_text(folder: Path, about: Sequence[str], records: Sequence[Record]) -> str:
    """A minimal study.yaml with comments; arms that the questions cannot serve are left out, with the reason."""
    arms, reasons = _arms(records)
    head = "".join(f"# {' '.join(line.split())}\n" for line in about)
    return (
        f"{head}"
        "domain: .               # this folder: corpus/ and questions.jsonl\n"
        f"name: {_quoted(safe_name(folder.resolve().name))}\n"
        f"arms: [{', '.join(arms)}]  # the ways of answering that are compared\n"
        f"{reasons}"
        "seeds: [0, 1, 2]        # every fine-tuned arm is trained once a seed\n"
        "reference: rag          # the arm that the others are compared with\n"
        "k: 1                    # passages shown to the model: the small default model reads one best, a larger one 4\n"
        "# train_tokens: 40000   # a seed and fine-tuned arm: two cores learn about 200 a second; try 6000 first\n"
        "# limit: 60             # ask this many test questions at most, spread over the documents\n"
        "# margin: 0.03          # how much better than the reference is worth a change, in the metric\n"
        "# model: smollm2-135m-instruct    # or a hub id, a folder, a GGUF file\n"
    )


def _arms(records: Sequence[Record]) -> tuple[list[str], str]:
    """Names of arms, and comment lines on those left out. Without splits, every split will have its share."""
    if not records:
        return ["base", "rag", "lora", "rag+lora"], "# add oracle and raft once the questions name their evidence\n"

    def some(split: str, evidence: bool = False) -> bool:
        return any(r.split in (split, None) and (r.evidence or not evidence) for r in records)

    wanted = {
        "base": (True, ""),
        "oracle": (some("test", evidence=True), "no evidence on test questions"),
        "rag": (True, ""),
        "lora": (some("train"), "no question in the train split"),
        "rag+lora": (some("train"), "no question in the train split"),
        "raft": (some("train", evidence=True), "no evidence on train questions"),
    }
    missing = [f"# left out: {name} ({why})\n" for name, (there, why) in wanted.items() if not there]
    return [name for name, (there, _) in wanted.items() if there], "".join(missing)


def _quoted(name: str) -> str:
    return f'"{name}"' if not name[0].isalpha() or name.lower() in ("yes", "no", "on", "off", "true", "false", "null", "y", "n") else name


def safe_name(title: str) -> str:
    """A title as a file name: letters and digits of any script, everything else a dash."""
    name = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", title)).strip("-_")
    return name[:MAX_NAME].rstrip("-_") or "document"
