"""A study whose questions are made from its documents: by rules here, by a model in ragft.written.

from ragft.asking.study import make_study
make_study(Path("docs"), Path("my-study"))     # or, after `ragft init`: make_study(Path("my-study"))
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragft.asking.lines import Made
from ragft.asking.make import PER_DOCUMENT, make_questions
from ragft.domain import load_domain
from ragft.domain.draft import check_free
from ragft.domain.loaders import load_documents
from ragft.domain.scaffold import UNASKED, asked_from, init_study
from ragft.errors import InputError
from ragft.leakage import find_leaks
from ragft.store import to_json, write_text

WITHOUT = ("arms: [base, rag, lora, rag+lora]", "# add oracle and raft once the questions name their evidence\n")  # as `ragft init` writes them
USES = {"train": "train on", "dev": "choose settings by", "test": "test"}


@dataclass(frozen=True)
class MadeStudy:
    """Where the study is, and how many facts and questions of each sort were made or left out. `notes`: files that were not or not wholly read."""

    study: Path
    counts: dict[str, int]
    notes: tuple[str, ...] = ()


def make_study(corpus: Path, out: Path | None = None, per_document: int = PER_DOCUMENT) -> MadeStudy:
    """Make `out` with a copy of the documents and their questions; or, without it, add questions to the study in `corpus`.

    Held-out questions that leak by their words are left out; `ragft questions check` compares meanings, too. Raises InputError, and
    changes nothing, where a study has questions already, the documents cannot be used or the rules find too little in them.
    """
    source = find_source(corpus, out)
    documents, notes = load_documents(source)
    return write_made(make_questions(documents, per_document), corpus, out, "questions-made-by-rules.jsonl", notes)


def find_source(corpus: Path, out: Path | None) -> Path:
    """The folder of the documents. Raises InputError where there is no place for their questions."""
    if out is None and not ((corpus / "study.yaml").is_file() and (corpus / "corpus").is_dir()):
        raise InputError(f"{corpus}: not a study that `ragft init` made. For a folder of documents say where the study goes: --out my-study")
    if out is None and (corpus / "questions.jsonl").exists():
        raise InputError(f"{corpus / 'questions.jsonl'}: this study has questions already. Move the file away to have new ones made.")
    if out:
        check_free(out)
        if out.resolve().is_relative_to(corpus.resolve()):
            raise InputError(
                f"{out}: lies among the documents, so what is written there would be read as one of them. Give a folder outside {corpus}."
            )
    return corpus if out else corpus / "corpus"


def write_made(made: Made, corpus: Path, out: Path | None, name: str, notes: Sequence[str] = ()) -> MadeStudy:
    """The study with these questions but for those that leak; `name` is what study.yaml says that they came from."""
    source = find_source(corpus, out)
    with tempfile.TemporaryDirectory() as beside:
        file = Path(beside, name)
        lines, counts = _without_leaks(made, source, file)
        _write(file, lines)
        if out:
            return MadeStudy(init_study(out, source, file), counts, tuple(notes))
    _write(corpus / "questions.jsonl", lines)
    study = corpus / "study.yaml"
    text = study.read_text(encoding="utf-8")
    for before, now in ((UNASKED, asked_from(len(lines), name)), (WITHOUT[0], "arms: [base, oracle, rag, lora, rag+lora, raft]"), (WITHOUT[1], "")):
        text = text.replace(before, now)
    write_text(study, text)
    return MadeStudy(study, counts, tuple(notes))


def _write(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    write_text(path, "".join(to_json(line) + "\n" for line in lines))


def _without_leaks(made: Made, source: Path, file: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The lines without held-out questions that leak, and what was made; found by making the study beside `file` first."""
    _write(file, made.lines)
    domain = load_domain(init_study(file.parent / "study", source, file).parent)
    leaks = {leak.question for leak in find_leaks(domain)}
    lines = [line for line in made.lines if line["id"] not in leaks]
    splits = Counter(line["split"] for line in lines)
    counts = {what: number for what, number in made.counts.items() if number} | {"held-out questions that leaked, left out": len(leaks)}
    return lines, counts | {f"questions to {use}": splits[split] for split, use in USES.items()}
