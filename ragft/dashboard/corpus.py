"""The page "Corpus and leakage": the documents, the questions about them, what training gives away, and where the run came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from ragft import corpus
from ragft.dashboard import address, looks, runs
from ragft.dashboard.kept import kept, stamp_of
from ragft.diagnosis import marked
from ragft.domain.splits import STRATA
from ragft.gate import read_gate
from ragft.material import Material
from ragft.report import origin
from ragft.scoring import own_chunks
from ragft.store import Run
from ragft.types import Chunk, Document

HIGH = 320  # pixels of the table


@dataclass(frozen=True)
class Held:
    """A run's documents and chunks."""

    listed: Sequence[corpus.Listed]
    chunks: Sequence[Chunk]


def show() -> None:
    run = runs.current()
    st.title("Corpus and leakage")
    m = runs.material(run)
    parts = st.tabs(["Documents", "Questions", "Leakage", "Made from", "Planned before"], key=address.TAB, bind="query-params")
    with parts[0]:
        _documents(m)
    with parts[1]:
        _questions(m)
    with parts[2]:
        _leaks(run)
    with parts[3]:
        looks.section("made_from.html", origin(m))
    with parts[4]:
        looks.section("plan.html", origin(m))


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _documents(m: Material) -> None:
    held = _held(m.run)
    if not held.listed:
        st.info("No arm of this run retrieves and no question names a document, so the run does not say what its documents are.")
        return
    characters, chunks = (sum(getattr(one, what) for one in held.listed) for what in ("characters", "chunks"))
    cut = f" with {characters:,} characters, cut into {chunks:,} chunks." if chunks else "; the run holds no index, so their sizes are not known."
    st.caption(f"{len(held.listed):,} documents{cut}")
    keys = [one.id for one in held.listed]
    if st.session_state.get("document") not in keys:
        st.session_state["document"] = address.asked("document", lambda key: key in keys)

    def pick() -> None:
        if rows := st.session_state["documents"]["selection"]["rows"]:
            st.session_state["document"] = keys[rows[0]]

    columns = ("title", "characters", "chunks", "questions") if chunks else ("questions",)
    table = {"document": keys, **{what: [asdict(one)[what] for one in held.listed] for what in columns}}
    st.dataframe(table, key="documents", height=HIGH, hide_index=True, on_select=pick, selection_mode="single-row")
    address.say("document", st.session_state["document"])
    if st.session_state["document"]:
        _document(m, held, st.session_state["document"])
    else:
        st.caption("Choose a document to read it, with the evidence of the held-out questions marked.")


@kept("Reading the index …", entries=4)
def _held(run: Run) -> Held:
    chunks = own_chunks(run)
    return Held(corpus.documents(chunks, runs.material(run).golds), chunks)


@st.cache_resource(max_entries=2, show_spinner="Reading the documents …")
def _corpus(domain: str, changed: int) -> dict[str, Document] | None:
    return corpus.corpus_of(domain)


def _document(m: Material, held: Held, key: str) -> None:
    chunks = [chunk for chunk in held.chunks if chunk.span.document == key]
    found, evidence = _corpus(m.study.domain, stamp_of(Path(m.study.domain, "corpus").rglob("*"))), corpus.evidence_in(key, m.golds)
    spans = [span for own in evidence.values() for span in own]
    document = found.get(key) if found else None
    if document and corpus.is_unchanged(document, chunks):
        parts = [("", corpus.as_read(document, spans))]
    else:
        place, gone = looks.plain(m.study.domain), "does not hold this document any more" if found else "is not there any more"
        why = f"{place} holds another version of this document than the run saw" if document else f"{place} {gone}"
        st.info(f"{why}. Shown is what the run's index holds of it, chunk by chunk." if chunks else f"{why}, and the run holds no chunks of it.")
        parts = [(chunk.heading, marked(chunk.text, chunk.span, spans)) for chunk in sorted(chunks, key=lambda chunk: chunk.span.start)]
    questions = [(one, m.questions[one], f"questions?{urlencode({'run': m.run.folder.name, 'id': one})}") for one in evidence]
    title = next((one.title for one in held.listed if one.id == key), "")
    looks.section("document.html", {"document": key, "title": title, "parts": parts, "questions": questions})


# ── questions, leaks ─────────────────────────────────────────────────────────────────────────────────────────────────


def _questions(m: Material) -> None:
    counts = m.manifest["data"]["questions"]
    asked = ", ".join(f"{number:,} {split}" for split, number in counts.items())
    st.caption(f"{looks.plain(asked)} questions. Below: the test questions, which the verdict rests on.")
    found = corpus.questions_table(m.golds)
    strata = [key for key in STRATA if any(key in row for row in found.values())]
    table = {"kind": [kind or "(none given)" for kind in found], **{key: [row.get(key, 0) for row in found.values()] for key in strata}}
    st.dataframe({**table, "all": [sum(row.values()) for row in found.values()]}, hide_index=True)
    for key in strata:
        looks.say("<b>{}</b>: {}.", key, STRATA[key])


def _leaks(run: Run) -> None:
    gate = read_gate(run.folder)
    looks.say("A held-out question leaks when one could answer it by copying a training answer. The gate looks before anything is trained.")
    looks.section("leaks.html", {"gate": gate, "stop": {pair.leak.question for pair in gate.blocking} if gate else set()})
