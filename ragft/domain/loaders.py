"""The files of a corpus folder -> Documents. What each kind of file is read by stands in ragft.domain.readers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

from ragft.domain.readers import CONTAINERS, LOADERS, MAX_DOCUMENT_BYTES, MAX_FILE_BYTES, Source, check_size
from ragft.errors import InputError, MissingError
from ragft.types import Document

Report = Callable[[InputError], None]  # what is done about a file that cannot be read


def refuse(error: InputError) -> None:
    """Raise it: a corpus that lacks a document must not pass for the whole."""
    raise error


def load_documents(folder: Path, *, skip_broken: bool = False) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """Every readable document below `folder`, sorted by path, and notes on files that were left out or read by a guess.

    Raises MissingError when the folder is not there, InputError when a file cannot be read or nothing is left; with
    `skip_broken`, a file that cannot be read is left out and its error is one of the notes.
    """
    documents: dict[str, Document] = {}
    notes: list[str] = []
    report = (lambda error: notes.append(f"left out: {error}")) if skip_broken else refuse
    for path, name in corpus_files(folder, report):
        source = Source(path, name)
        try:
            found = _read(source, documents)
        except InputError as error:
            report(error)
        else:
            notes += source.notes
            documents |= found
    if not documents:
        raise InputError(f"{folder}: no document with text in it. Put {', '.join(sorted(LOADERS))} files there.")
    return tuple(documents.values()), tuple(notes)


def _read(source: Source, known: dict[str, Document]) -> dict[str, Document]:
    """The documents of one file by id, none of which is known. Why there are none is noted."""
    path, kind = source.path, source.path.suffix.lower()
    loader = LOADERS.get(kind)
    if loader is None:
        source.notes.append(f"{source.name}: left out, no loader for '{path.suffix}' files (known: {', '.join(sorted(LOADERS))})")
        return {}
    check_size(path, path.stat().st_size, MAX_FILE_BYTES if kind in CONTAINERS else MAX_DOCUMENT_BYTES)
    found: dict[str, Document] = {}
    for document in loader(source):
        if document.text.strip():
            check_size(path, len(document.text), MAX_DOCUMENT_BYTES, " of text")
            if document.id in known or document.id in found:
                raise InputError(f"{path}: two documents are called '{document.id}'. Every document needs its own name: rename one.")
            found[document.id] = document
    if not found:
        hint = " (a scan? It needs text recognition first)" if kind == ".pdf" else ""
        source.notes.append(f"{source.name}: left out, it holds no text{hint}")
    return found


def corpus_files(folder: Path, report: Report = refuse) -> list[tuple[Path, str]]:
    """The files below `folder` with their names, sorted; names that start with a dot, and all below them, are left out.

    A name is the path below the folder with `/`, in Unicode NFC, so that a file from a Mac has the name one types.
    Reports a symbolic link that leaves the folder, because what lies there is not part of the corpus, and a name that cannot be shown.
    """
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise MissingError(f"{folder}: {what}. A domain needs its documents there ({', '.join(sorted(LOADERS))}).")
    root, found = folder.resolve(), []
    for path in folder.rglob("*"):
        below = path.relative_to(folder)
        if any(part.startswith(".") for part in below.parts):
            continue
        if error := _strays(path, below, root):
            report(error)
        elif path.is_file():
            found.append((path, unicodedata.normalize("NFC", below.as_posix())))
    return sorted(found, key=lambda entry: entry[1])


def _strays(path: Path, below: Path, root: Path) -> InputError | None:
    """Why the path cannot be part of the corpus at `root`."""
    if path.is_symlink():
        try:
            target = path.resolve()
        except RuntimeError:  # Python's word for a loop
            return InputError(f"{path}: a symbolic link that leads to itself. Remove it.")
        if not target.exists() or not target.is_relative_to(root):
            where = "outside the corpus" if target.exists() else "to nothing"
            return InputError(f"{path}: a symbolic link that leads {where} ({target}). Copy the file there instead, or remove the link.")
    if path.is_file() and any(unicodedata.category(c) in ("Cc", "Cs") for c in str(below)):  # it breaks tables and, where it is no Unicode, files
        return InputError(f"{path.parent}: the file name {path.name!a} cannot be shown. Rename it.")
    return None
