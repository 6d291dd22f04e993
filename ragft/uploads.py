"""Files that came over the network -> a study's folder. Their names are not trusted: none leaves the folder, none is written over.

from ragft.uploads import study_folder, upload_study
upload_study(study_folder(Path("studies"), "manuals"), [Upload("kova.md", b"...")], Upload("qa.csv", b"..."))
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragft.domain.readers import MAX_DOCUMENT_BYTES, MAX_FILE_BYTES
from ragft.domain.scaffold import init_study
from ragft.domain.studyfile import safe_name
from ragft.errors import InputError
from ragft.numbers import size
from ragft.store import write_text

STUDIES = "studies"  # beside the runs
MAX_NAME_BYTES = 200  # of the 255 that file systems allow
MAX_TOTAL_BYTES = 1_000_000_000
LIMITS = f"A text file may have {size(MAX_DOCUMENT_BYTES)}, a PDF or docx {size(MAX_FILE_BYTES)}, all files together {size(MAX_TOTAL_BYTES)}."


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came: the name is whatever the sender says."""

    name: str
    data: bytes


def studies_folder(runs: Path) -> Path:
    """Where studies that were uploaded are kept: beside the runs."""
    return runs.resolve().parent / STUDIES


def study_folder(studies: Path, name: str) -> Path:
    """The folder of a new study of that name. Raises InputError for a name that is no plain one, and where it is taken."""
    if not name.strip():
        raise InputError("Give the study a name: letters, digits, dashes and underscores.")
    safe = safe_name(name)
    if not safe or safe != unicodedata.normalize("NFC", name.strip()):
        hint = f" For example: {safe}" if safe else ""
        raise InputError(f"{name.strip()!r}: a study's name has letters, digits, dashes and underscores only.{hint}")
    if (studies / safe).exists() or (studies / safe).is_symlink():
        raise InputError(f"{studies / safe}: is there already, and nothing is written over. Give the study another name.")
    return studies / safe


def upload_study(folder: Path, documents: Sequence[Upload], questions: Upload | None = None, *, skip_broken: bool = False) -> Path:
    """Make the study in `folder`, which is new, from what was uploaded; returns its study.yaml. Nothing is left behind where it fails.

    Raises InputError for a name that cannot be a document's, two files of one name, too much data, and as `init_study`.
    """
    if not documents:
        raise InputError("No document was uploaded. Choose some files, then go on.")
    _check_total(documents)
    names = _file_names(documents)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".upload-") as beside:
        corpus = Path(beside, "documents")
        corpus.mkdir()
        for name, file in names.items():
            (corpus / name).write_bytes(file.data)
        asked = None
        if questions is not None:
            asked = Path(beside, "questions", file_name(questions.name))
            asked.parent.mkdir()
            asked.write_bytes(questions.data)
        try:
            study = init_study(folder, corpus, asked, skip_broken=skip_broken, origin="an upload")
        except InputError as error:
            raise type(error)(str(error).replace(f"{beside}/", "")) from error
        write_text(study, study.read_text(encoding="utf-8").replace(f"{beside}/", ""))  # files that it names as left out
    return study


def file_name(name: str) -> str:
    """The name as it is, where it can be a document's. Raises InputError for any other: a path, a hidden file, marks that systems refuse."""
    plain = unicodedata.normalize("NFC", name)
    if not plain.strip() or plain.startswith(".") or re.search(r'[/\\<>:"|?*]', plain) or any(unicodedata.category(c)[0] == "C" for c in plain):
        raise InputError(f"{name!a}: a file cannot have this name here. Rename it, with letters, digits, spaces, dots and dashes.")
    if len(plain.encode()) > MAX_NAME_BYTES:
        raise InputError(f"{plain[:40]}…: the file's name is longer than {MAX_NAME_BYTES} bytes. Rename it.")
    return plain


def _file_names(documents: Sequence[Upload]) -> dict[str, Upload]:
    found: dict[str, Upload] = {}
    seen = set[str]()
    for document in documents:
        name = file_name(document.name)
        if name.casefold() in seen:  # some file systems do not tell them apart
            raise InputError(f"{name}: two of the files are called so. Rename one of them.")
        seen.add(name.casefold())
        found[name] = document
    return found


def _check_total(documents: Sequence[Upload]) -> None:
    total = sum(len(document.data) for document in documents)
    if total > MAX_TOTAL_BYTES:
        raise InputError(f"{size(total)} were uploaded, {size(MAX_TOTAL_BYTES)} at most are taken. Copy the folder to this machine, and point to it.")
