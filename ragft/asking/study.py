"""A study whose questions are made from its documents by rules.

from ragft.asking.study import make_study
make_study(Path("docs"), Path("my-study"))     # or, after `ragft init`: make_study(Path("my-study"))
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ragft.asking.make import PER_DOCUMENT, make_questions
from ragft.domain import load_domain
from ragft.domain.loaders import load_documents
from ragft.domain.scaffold import init_study
from ragft.errors import InputError
from ragft.leakage import find_leaks
from ragft.store import read_jsonl_as, to_json, write_text
from ragft.types import Split

WITHOUT = ("arms: [base, rag, lora, rag+lora]", "# add oracle and raft once the questions name their evidence\n")  # as `ragft init` writes them


@dataclass(frozen=True)
class MadeStudy:
    """Where the study is, and how many facts and questions of each sort were made or left out."""

    study: Path
    counts: dict[str, int]


def make_study(corpus: Path, out: Path | None = None, per_document: int = PER_DOCUMENT) -> MadeStudy:
    """Make `out` with a copy of the documents and their questions; or, without it, add questions to the study in `corpus`.

    Held-out questions that `ragft questions check` would call leaks are left out. Raises InputError, and changes nothing, where a
    study has questions already, the documents cannot be used or the rules find too little in them.
    """
    if out is None and not ((corpus / "study.yaml").is_file() and (corpus / "corpus").is_dir()):
        raise InputError(f"{corpus}: not a study that `ragft init` made. For a folder of documents say where the study goes: --out my-study")
    if out is None and (corpus / "questions.jsonl").exists():
        raise InputError(f"{corpus / 'questions.jsonl'}: this study has questions already. Move the file away to have new ones made.")
    documents, _ = load_documents(corpus if out else corpus / "corpus")
    made = make_questions(documents, per_document)
    text = "".join(to_json(line) + "\n" for line in made.lines)
    if out:
        with tempfile.TemporaryDirectory() as beside:
            file = Path(beside, "questions-made-by-rules.jsonl")
            file.write_text(text, encoding="utf-8")
            study = init_study(out, corpus, file)
    else:
        write_text(corpus / "questions.jsonl", text)
        study = corpus / "study.yaml"
        before = study.read_text(encoding="utf-8")
        write_text(study, before.replace(WITHOUT[0], "arms: [base, oracle, rag, lora, rag+lora, raft]").replace(WITHOUT[1], ""))
    return MadeStudy(study, _counts(study.parent, made.counts))


def _counts(folder: Path, counts: Counter[str]) -> dict[str, int]:
    """What was made, after leaks are taken out of the question file."""
    leaks = {leak.question for leak in find_leaks(load_domain(folder))}
    if leaks:
        path = folder / "questions.jsonl"
        kept = [line for line in read_jsonl_as(dict, path) if line["id"] not in leaks]
        write_text(path, "".join(to_json(line) + "\n" for line in kept))
    domain = load_domain(folder)
    uses: dict[str, Split] = {"train on": "train", "choose settings by": "dev", "test": "test"}
    splits = {f"questions to {use}": len(domain.split(split)) for use, split in uses.items()}
    return {**{what: number for what, number in counts.items() if number}, "held-out questions that leaked, left out": len(leaks), **splits}
