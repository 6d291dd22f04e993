"""A new study from a folder of documents and, where there are some, questions.

from ragft.domain.scaffold import init_study
init_study(Path("my-study"), corpus=Path("docs"), questions=Path("faq.csv"))     # returns my-study/study.yaml
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ragft.domain.draft import Draft, check_free, write_files
from ragft.domain.loaders import corpus_files, load_documents
from ragft.domain.records import Quotes, Record, shorten
from ragft.domain.sentences import first_sentence
from ragft.domain.studyfile import study_text
from ragft.domain.tables import TableQuestion, read_questions
from ragft.errors import InputError
from ragft.store import to_json
from ragft.types import Document

UNASKED = "Write questions.jsonl before the first run; questions.example.jsonl shows how."  # in study.yaml, while there is none
KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl"}


def init_study(folder: Path, corpus: Path, questions: Path | None = None, *, skip_broken: bool = False, origin: str = "") -> Path:
    """Make `folder` with a copy of the documents, the questions and a study.yaml, which is returned.

    `origin` is what study.yaml says that the documents came from; "": that folder. A document that cannot be read is an error, or
    with `skip_broken` left out and named in study.yaml. Without questions, questions.example.jsonl shows two lines about the
    team's own documents. Raises InputError or MissingError, and writes
    nothing, when the documents or the questions cannot be used or the folder holds a study.
    """
    folder, corpus = Path(folder), Path(corpus)
    check_free(folder)
    documents, notes = load_documents(corpus, skip_broken=skip_broken)
    used = {document.id.split("#")[0] for document in documents} | {document.id for document in documents}
    copies = {f"corpus/{name}": path for path, name in corpus_files(corpus, lambda error: None) if name in used}
    about = [f"{len(documents)} documents from {origin or repr(str(corpus))}.", *notes]
    texts: dict[str, str] = {}
    records: list[Record] = []
    if questions is None:
        texts["questions.example.jsonl"] = "".join(to_json(line) + "\n" for line in example_lines(documents))
        about.append(UNASKED)
    else:
        questions = Path(questions)
        if questions.resolve().is_relative_to(corpus.resolve()):
            raise InputError(f"{questions}: the questions lie among the documents, so every answer could be looked up. Move them out of {corpus}.")
        draft = _read(questions, documents)
        records = draft.check(documents)
        texts["questions.jsonl"] = draft.text()
        about.append(asked_from(len(records), questions.name))
    texts["study.yaml"] = study_text(folder, about, records)
    write_files(folder, texts, copies)
    return folder / "study.yaml"


def asked_from(number: int, file: str) -> str:
    """What study.yaml says of the questions."""
    return f"{number} questions from {file!r}."


def _read(file: Path, documents: Sequence[Document]) -> Draft:
    """The questions as a draft without documents of its own; evidence without a document is looked up in all of them."""
    if file.is_file() and file.suffix.lower() not in KINDS:
        raise InputError(f"{file}: questions are read from {', '.join(sorted(KINDS))} files. Save them as one of these.")
    draft, quotes = Draft(file), Quotes({document.id: document for document in documents})
    for question in read_questions(file, KINDS.get(file.suffix.lower(), "jsonl")):
        if question.contexts:
            raise InputError(f'{question.where}: a "context" here, but the documents come from --corpus. Drop that column, or use: ragft import')
        draft.add_question(question.where, {**question.line, **_located(question, documents, quotes)}, question.number)
    return draft


def _located(question: TableQuestion, documents: Sequence[Document], quotes: Quotes) -> dict[str, Any]:
    """The line's evidence with the document that holds each quote."""
    pieces = question.line.get("evidence")
    return {"evidence": [_with_document(question.where, piece, documents, quotes) for piece in pieces]} if pieces else {}


def _with_document(where: str, piece: Any, documents: Sequence[Document], quotes: Quotes) -> Any:
    if isinstance(piece, list):
        return [_with_document(where, place, documents, quotes) for place in piece]
    if not isinstance(piece, dict) or "document" in piece or not isinstance(piece.get("quote"), str):
        return piece
    holders = [document.id for document in documents if quotes.find(document.id, piece["quote"])]
    if len(holders) != 1:
        held = f"in {len(holders)} documents ({', '.join(holders[:3])} …)" if holders else "in no document"
        raise InputError(
            f"{where}: the evidence stands {held}: «{shorten(piece['quote'])}». "
            + ('Name one with "document".' if holders else "Copy the quote from the document, letter for letter.")
        )
    return {"document": holders[0], **piece}


def example_lines(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Two lines to write one's own after: a question with an answer and evidence, and one that the documents do not answer."""
    document = max(documents, key=lambda d: min(len(first_sentence(d.text)), 80))
    quote = first_sentence(document.text)
    return [
        {
            "id": "q1",
            "question": f"Replace this: what would a colleague ask about {document.title}?",
            "answers": [shorten_words(quote), "another way to say it"],
            "evidence": [{"document": document.id, "quote": quote}],
        },
        {
            "id": "q2",
            "question": f"Replace this: what does {document.title} not say, though a colleague may ask?",
            "answers": [],
            "document": document.id,
            "reason": "An empty list of answers: the documents do not answer it, and the right answer is to say so.",
        },
    ]


def shorten_words(text: str, number: int = 6) -> str:
    """The first words of a text, or of one without spaces the first characters."""
    return " ".join(text.split()[:number])[:40]
