"""A domain in the making: documents and question lines in memory, checked as a whole, then written as a whole."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ragft.domain import splits
from ragft.domain.domain import check_splits
from ragft.domain.records import SPLITS, Quotes, Record, agree, check_records, make_record, plain
from ragft.domain.studyfile import safe_name, study_text
from ragft.errors import InputError
from ragft.store import to_json
from ragft.types import Document

PARTS = ("corpus", "questions.jsonl", "study.yaml")


def check_free(folder: Path) -> None:
    """Raises InputError where the folder already holds a domain or a study, so that nothing is ever overwritten."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file. Give the name of a new folder.")
    taken = [part for part in PARTS if (folder / part).exists()]
    if taken:
        raise InputError(f"{folder}: already holds a study ({', '.join(taken)}). Give another folder, or move these away first.")


@dataclass(frozen=True, slots=True)
class Entry:
    """One question line and, for errors, where in the input it came from."""

    where: str
    number: int  # the input's line, or a running number
    line: dict[str, Any]


@dataclass
class Draft:
    """What will be written, and what of the input was left out."""

    file: Path  # the input
    documents: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [entry.line for entry in self.entries]

    def text(self) -> str:
        """questions.jsonl."""
        return "".join(to_json(line) + "\n" for line in self.lines)

    def add_document(self, title: str, number: int, text: str) -> str:
        """A text document named after title and number; returns its name. Names stay apart on every file system."""
        name = safe_name(title)
        while f"{name}-{number}.txt".casefold() in self._taken:
            number += 1
        self._taken.add(f"{name}-{number}.txt".casefold())
        self.documents[f"{name}-{number}.txt"] = _unix(text)
        return f"{name}-{number}.txt"

    def add_named(self, name: str, text: str, where: str) -> str:
        """A document of that name; the same name with another text is an error."""
        path = PurePosixPath(unicodedata.normalize("NFC", name))
        if path.is_absolute() or any(part.startswith(".") or re.search(r'[<>:"\\|?*\x00-\x1f]', part) for part in path.parts):
            raise InputError(f"{where}: '{name}' cannot be a document's name. Write a plain file name, such as pumps/kova.md.")
        if self.documents.setdefault(str(path), _unix(text)) != _unix(text):
            raise InputError(f"{where}: the document '{name}' has another text than on an earlier line. Give it another name.")
        return str(path)

    def add_question(self, where: str, line: dict[str, Any], number: int = 0) -> None:
        self.entries.append(Entry(where, number or len(self.entries) + 1, line))

    def settle_repeats(self) -> None:
        """Published sets ask some questions twice. In one document: one question with the answers of both. Over several
        documents: the first where the answers agree, none where they do not. Questions without a text go, too."""
        groups: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            groups[plain(entry.line["question"])].append(entry)
        out: dict[str, list[Entry]] = {
            "without a text": groups.pop("", []),
            "asked twice of one document: their answers were put together": (merged := []),
            "asked of several documents with the same answer: kept once": (repeated := []),
            "asked of several documents with different answers": (unclear := []),
        }
        for group in groups.values():
            first = next((entry for entry in group if entry.line["answers"]), group[0])
            others = [entry for entry in group if entry is not first]
            same = [entry for entry in others if _document(entry.line) == _document(first.line)]
            first.line["answers"] = list(dict.fromkeys(answer for entry in [first, *same] for answer in entry.line["answers"]))
            merged += same
            far = [entry for entry in others if entry not in same]
            if all(agree(entry.line["answers"], first.line["answers"]) for entry in far if entry.line["answers"]):
                repeated += far
            else:
                unclear += [first, *far]
        self.left_out += [f"{len(gone)} {why}" for why, gone in out.items() if gone]
        outside = {id(entry) for gone in out.values() for entry in gone}
        self.entries = [entry for entry in self.entries if id(entry) not in outside]

    def make_splits(self) -> None:
        """Write an explicit split on every line: by document, 40 % train, 15 % dev, 45 % test."""
        used = {str(line.get("id")) for line in self.lines}
        for number, line in enumerate(self.lines, start=1):
            if not line.get("id"):
                line["id"] = next(key for key in (f"q{number:04}", f"question-{number:04}") if key not in used)
        made = splits.make_splits(
            [splits.Item(str(line["id"]), str(line.get("fact") or line["id"]), _document(line), bool(line["answers"])) for line in self.lines]
        )
        for line in self.lines:
            line["split"] = made[str(line["id"])]

    def check(self, documents: Sequence[Document] | None = None) -> list[Record]:
        """The lines as records over these documents (the draft's own unless given). Raises InputError for the first wrong one."""
        if documents is None:
            documents = [Document(name, text, name) for name, text in self.documents.items()]
        quotes = Quotes({document.id: document for document in documents})
        records = [make_record(entry.where, entry.number, entry.line, quotes) for entry in self.entries]
        check_records(self.file, records)
        given = {record.id: record.split for record in records if record.split}
        bare = next((entry.where for entry, record in zip(self.entries, records, strict=True) if not record.split), None)
        if given and bare:
            raise InputError(f'{bare}: no "split" here, but other lines have one. Give it on every line or on none.')
        if given:
            check_splits(self.file, records, given)
        return records


def _document(line: dict[str, Any]) -> str:
    first = next(iter(line.get("evidence") or []), None)
    first = first[0] if isinstance(first, list) and first else first
    return line.get("document") or (str(first.get("document", "")) if isinstance(first, dict) else "")


def _unix(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def write_draft(draft: Draft, folder: Path) -> Path:
    """Check the draft and write it into the folder; returns its study.yaml."""
    records = draft.check()
    counts = ", ".join(f"{sum(record.split == name for record in records)} {name}" for name in SPLITS)
    about = [f"Imported from {draft.file.name!r}: {len(draft.documents)} documents, {len(records)} questions ({counts})."]
    if draft.left_out:
        about.append(f"Left out: {'; '.join(draft.left_out)}.")
    files = {f"corpus/{name}": text for name, text in draft.documents.items()}
    files["questions.jsonl"] = draft.text()
    files["study.yaml"] = study_text(folder, about, records)
    write_files(folder, files, {})
    return folder / "study.yaml"


def write_files(folder: Path, texts: dict[str, str], copies: dict[str, Path]) -> None:
    """Write texts and copy files below the folder, all or nothing: into a folder beside it, then moved."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}). Give a folder that you may write to.") from error
    try:
        for name, text in texts.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        for name, source in copies.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
        folder.mkdir(exist_ok=True)
        for part in sorted(beside.iterdir(), key=lambda path: path.name == "study.yaml"):  # the study last: it says that all is there
            os.replace(part, folder / part.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
