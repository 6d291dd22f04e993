"""Where a new study's documents and questions come from, and whether they are fit to compare models by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from ragft.asking.study import make_study
from ragft.audit import Finding
from ragft.dashboard import looks
from ragft.dashboard.kept import stamp_of
from ragft.domain import load_domain
from ragft.domain.readers import LOADERS, MAX_FILE_BYTES
from ragft.domain.scaffold import KINDS, init_study
from ragft.errors import InputError, MissingError, RagftError
from ragft.gate import gate_text, look
from ragft.probe import check_domain
from ragft.settings import Study
from ragft.uploads import LIMITS, Upload, study_folder, upload_study

MADE = "ragft_made"  # a key of the session: what was made of the documents, to be said once
NAME_HELP = "Letters, digits, dashes and underscores."


def show(studies: Path) -> Path | None:
    """The ways in; the study.yaml that one of them led to."""
    ways = st.tabs(["Upload", "A folder on this machine", "A study that is here"])
    found = None
    for way, draw in zip(ways, (_upload, _folder, _there), strict=True):
        with way:
            found = draw(studies) or found
    return found


def _upload(studies: Path) -> Path | None:
    with st.form("upload", border=False):
        documents = st.file_uploader(
            "Documents",
            type=[kind[1:] for kind in LOADERS],
            accept_multiple_files=True,
            max_upload_size=MAX_FILE_BYTES // 10**6,
            help=LIMITS,
        )
        questions = st.file_uploader(
            "Questions and answers, if there are some",
            type=[kind[1:] for kind in KINDS],
            max_upload_size=MAX_FILE_BYTES // 10**6,
            help="Columns: question, answers; better with document, evidence, fact, split (docs/questions.md).",
        )
        name = st.text_input("Name of the study", help=NAME_HELP, key="upload-name")
        skip = st.checkbox("Leave out documents that cannot be read", key="upload-skip")
        st.caption(looks.plain(f"The files are kept in {studies}/ and go nowhere else. {LIMITS}"))
        if not st.form_submit_button("Make the study", icon=":material/upload_file:"):
            return None
    files = [Upload(file.name, file.getvalue()) for file in documents]
    asked = Upload(questions.name, questions.getvalue()) if questions else None
    return _tried(lambda: upload_study(study_folder(studies, name), files, asked, skip_broken=skip))


def _folder(studies: Path) -> Path | None:
    with st.form("folder", border=False):
        corpus = st.text_input("Folder with the documents", help="md, txt, html, csv, jsonl, pdf or docx files; they are copied.")
        questions = st.text_input("File with questions and answers, if there is one", help="csv, tsv or jsonl; outside that folder.")
        name = st.text_input("Name of the study", help=NAME_HELP, key="folder-name")
        skip = st.checkbox("Leave out documents that cannot be read", key="folder-skip")
        if not st.form_submit_button("Make the study", icon=":material/folder_open:"):
            return None

    def make() -> Path:
        if not corpus.strip():
            raise InputError("Which folder? Give the path of the folder that the documents are in.")
        asked = Path(questions.strip()).expanduser() if questions.strip() else None
        return init_study(study_folder(studies, name), Path(corpus.strip()).expanduser(), asked, skip_broken=skip)

    return _tried(make)


def _there(studies: Path) -> Path | None:
    known = sorted(studies.glob("*/study.yaml")) if studies.is_dir() else []
    with st.form("there", border=False):
        picked = st.selectbox(f"In {looks.plain(studies)}", known, index=None, format_func=lambda path: path.parent.name) if known else None
        typed = st.text_input("Its study.yaml, or the folder that it is in")
        if not st.form_submit_button("Open it", icon=":material/file_open:"):
            return None

    def open_it() -> Path:
        if not typed.strip() and picked is None:
            raise InputError("Which study? Give the path of its study.yaml.")
        path = Path(typed.strip()).expanduser() if typed.strip() else Path(str(picked))
        path = path / "study.yaml" if path.is_dir() else path
        if not path.is_file():
            raise MissingError(f"{path}: no such study. Give the path of a study.yaml, or make a study from documents.")
        return path

    return _tried(open_it)


def _tried(make: Callable[[], Path]) -> Path | None:
    try:
        return make()
    except RagftError as error:
        st.error(looks.plain(error), icon=":material/error:")
        return None


# ── is it fit to compare models by? ──────────────────────────────────────────────────────────────────────────────────


def checked(study: Study) -> bool:
    """Show the documents' and questions' checks; False: there are no questions yet."""
    st.header("Documents and questions")
    folder = Path(study.domain)
    if not (folder / "questions.jsonl").is_file():
        _no_questions(folder)
        return False
    if made := st.session_state.pop(MADE, None):
        said = "; ".join(f"{number:,} {what}" for what, number in made.items())
        st.success(looks.plain(f"Made from the documents: {said}. Read some of {folder / 'questions.jsonl'} before you trust them."))
    findings, leaks, said = _findings(str(folder), stamp_of(path for path in folder.rglob("*") if path.is_file()))
    st.caption(said)
    wrong = [finding for finding in findings if not finding.ok]
    if wrong:
        st.warning(f"{len(wrong)} of {len(findings)} checks failed; a run is possible all the same.", icon=":material/warning:")
    else:
        st.success(f"All {len(findings)} checks passed.", icon=":material/check_circle:")
    with st.expander("All checks", expanded=bool(wrong)):
        rows = [{"": "ok" if f.ok else "WRONG", "check": f.name, "found": f.found, "wanted": f.wanted} for f in findings]
        st.dataframe(rows, hide_index=True)
        for finding in wrong:
            st.text("\n".join([f"{finding.name}:", *finding.problems[:20]]))
    with st.expander("Held-out questions that training gives away"):
        st.code(leaks, language=None, wrap_lines=True)
        st.caption("Compared by words here; the run compares meanings, too, and does not start where some must not stay.")
    return True


def _no_questions(folder: Path) -> None:
    st.info(
        "This study has documents and no questions. Rules can make some from tables, records and plain sentences; those that users asked are better.",
        icon=":material/quiz:",
    )
    if st.button("Make questions from the documents", icon=":material/auto_awesome:"):
        with st.spinner("Reading the documents …"):
            st.session_state[MADE] = make_study(folder).counts
        st.rerun()
    st.caption(looks.plain(f"Or write {folder / 'questions.jsonl'}; questions.example.jsonl beside it shows how."))


@st.cache_data(max_entries=8, show_spinner="Reading the documents, checking the questions …")
def _findings(folder: str, changed: int) -> tuple[list[Finding], str, str]:
    """The checks, what leaks, and how much there is."""
    domain = load_domain(folder)
    train, dev, test = (len(domain.split(split)) for split in ("train", "dev", "test"))
    asked = f"{train + dev + test:,} questions: {train:,} to train on, {dev:,} to choose settings by, {test:,} to test."
    said = f"{len(domain.documents):,} documents; {asked}"
    return check_domain(Path(folder), None), gate_text(look(domain, None)), said
