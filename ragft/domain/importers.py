"""Data sets in their published formats -> a domain folder with a study: corpus/, questions.jsonl and study.yaml.

    from ragft.domain.importers import import_data
    import_data("squad", Path("xquad.en.json"), Path("xquad-en"))      # returns xquad-en/study.yaml

Everything is read and checked in memory first, so a wrong input leaves nothing behind. What had to be left out (the
same question asked of two paragraphs, an empty question) is counted in the first lines of study.yaml.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ragft.domain import splits
from ragft.domain.draft import Draft, check_free, write_draft
from ragft.domain.sentences import sentence_around
from ragft.domain.tables import TableQuestion, read_questions
from ragft.errors import InputError, MissingError, unknown
from ragft.files import read_text


def import_data(kind: str, file: Path, folder: Path) -> Path:
    """Import `file` into `folder`; returns the study.yaml written.

    Raises InputError naming file and line or entry, MissingError where there is no file; then nothing is written.
    """
    if kind not in IMPORTERS:
        raise unknown("format", kind, IMPORTERS)
    return IMPORTERS[kind](Path(file), Path(folder))


def import_squad(file: Path, folder: Path) -> Path:
    """SQuAD 1.1 or 2.0, and CMRC, DRCD, XQuAD in that format: a document a paragraph, the answer's sentence as evidence."""
    check_free(folder)
    draft = Draft(file)
    articles = _list(_object(file, _read_json(file)), "data", str(file))
    seen: dict[str, str] = {}
    for number, article in enumerate(articles):
        place = f"{file}: data[{number}]"
        title = str(_object(place, article).get("title") or "document").replace("_", " ").strip()
        for paragraph_number, paragraph in enumerate(_list(article, "paragraphs", place)):
            at = f"{place}.paragraphs[{paragraph_number}]"
            name = draft.add_document(title, paragraph_number + 1, _string(_object(at, paragraph), "context", at))
            for where, qa in _entries(at, paragraph):
                if qa["id"] in seen:
                    raise InputError(f"{where}: this id was used before, in {seen[qa['id']]}. Every question needs its own id.")
                seen[qa["id"]] = where
                draft.add_question(where, _squad_question(where, qa, name, draft.documents[name]))
    draft.settle_repeats()
    draft.make_splits()
    return write_draft(draft, folder)


def _entries(at: str, paragraph: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, question) of a paragraph, with ids as texts."""
    for number, qa in enumerate(_list(paragraph, "qas", at)):
        where = f"{at}.qas[{number}]"
        key = _object(where, qa).get("id")
        if key is None or isinstance(key, dict | list):
            raise InputError(f'{where}: "id" is missing. Every question needs its own id.')
        yield f"{where} (id {key})", {**qa, "id": str(key)}


def _squad_question(where: str, qa: dict[str, Any], document: str, context: str) -> dict[str, Any]:
    line: dict[str, Any] = {"id": qa["id"], "question": _string(qa, "question", where, empty=True).strip()}
    if qa.get("is_impossible"):
        return {**line, "kind": "unanswerable", "answers": [], "document": document}
    given = _list(qa, "answers", where)
    if not given:
        raise InputError(f'{where}: no answers. Mark a question that the paragraph does not answer with "is_impossible": true.')
    texts = [_string(_object(where, answer), "text", where) for answer in given]
    start = _answer_start(where, given[0], texts[0], context)
    quote = sentence_around(context, start, start + len(texts[0]))
    return {**line, "answers": list(dict.fromkeys(text.strip() for text in texts)), "evidence": [{"document": document, "quote": quote}]}


def _answer_start(where: str, answer: dict[str, Any], text: str, context: str) -> int:
    """Where the answer stands: at its answer_start, or at the place nearest to it (published files are off by one here and there)."""
    start = answer.get("answer_start", 0)
    if type(start) is not int:
        raise InputError(f'{where}: "answer_start" must be a whole number.')
    if context.startswith(text, max(0, start)):
        return max(0, start)
    places = [i for i in range(len(context)) if context.startswith(text, i)]
    if not places:
        raise InputError(f"{where}: the answer «{text[:60]}» is not in the paragraph. Copy it from there, letter for letter.")
    return min(places, key=lambda place: abs(place - start))


def import_pubmedqa(file: Path, folder: Path) -> Path:
    """PubMedQA's labelled part: a document an abstract, yes/no/maybe; test_ground_truth.json beside it gives the test split."""
    check_free(folder)
    draft = Draft(file)
    for key, entry in _object(str(file), _read_json(file)).items():
        where = f"{file}: entry {key}"
        contexts, labels = _list(_object(where, entry), "CONTEXTS", where), entry.get("LABELS") or []
        answer = entry.get("final_decision")
        if answer not in ("yes", "no", "maybe"):
            raise InputError(f'{where}: "final_decision" must be yes, no or maybe, found {answer!r}.')
        sections = [f"## {labels[i]}\n\n{text}" if i < len(labels) and labels[i] else str(text) for i, text in enumerate(contexts)]
        name = draft.add_named(f"{key}.md", "\n\n".join([f"# PubMed {key}", *sections]) + "\n", where)
        line = {"id": key, "kind": "yes-no", "question": _string(entry, "QUESTION", where).strip(), "answers": [answer]}
        draft.add_question(where, {**line, "evidence": [{"document": name}]})
    draft.settle_repeats()
    truth = file.parent / "test_ground_truth.json"
    if truth.is_file():
        _official_splits(draft, truth)
    else:
        draft.make_splits()
    return write_draft(draft, folder)


def _official_splits(draft: Draft, truth: Path) -> None:
    """The published test ids are the test split; the others are dealt to train and dev in the usual proportion."""
    test = _object(str(truth), _read_json(truth))
    lines = {line["id"]: line for line in draft.lines}
    for key, answer in test.items():
        if key not in lines or lines[key]["answers"] != [answer]:
            raise InputError(f"{truth}: entry {key} does not fit {draft.file.name}: use the two files of one release, or move this one away.")
    rest = sorted((key for key in lines if key not in test), key=splits.order)
    dev = round(len(rest) * splits.DEV_SHARE / (splits.DEV_SHARE + splits.TRAIN_SHARE))
    for line in draft.lines:
        line["split"] = "test" if line["id"] in test else "dev" if line["id"] in rest[:dev] else "train"


def import_jsonl(file: Path, folder: Path) -> Path:
    """One object a line: question, answers (or answer), context or contexts, and what questions.jsonl knows."""
    return _import_table(file, folder, "jsonl")


def import_csv(file: Path, folder: Path) -> Path:
    """The same columns as import_jsonl; several answers separated by `|`, no answer = unanswerable."""
    return _import_table(file, folder, "csv")


def _import_table(file: Path, folder: Path, kind: str) -> Path:
    check_free(folder)
    draft = Draft(file)
    read = list(read_questions(file, kind))
    if not any(question.contexts for question in read):
        raise InputError(
            f'{file}: no line has a "context", so there are no documents. Give your documents: '
            f"ragft init {folder} --corpus DOCUMENTS --questions {file}"
        )
    names: dict[str, str] = {}
    for question in read:
        documents = [_context_document(draft, question, text, names) for text in question.contexts]
        draft.add_question(question.where, _with_evidence(question, {name: draft.documents[name] for name in documents}), question.number)
    if not any("split" in line for line in draft.lines):
        draft.make_splits()
    return write_draft(draft, folder)


def _context_document(draft: Draft, question: TableQuestion, text: str, names: dict[str, str]) -> str:
    """The document made of that context: one for equal texts, named as the line says where it has one context."""
    given = question.line.get("document") if len(question.contexts) == 1 else None
    if given:
        name = draft.add_named(given if given.endswith((".txt", ".md")) else f"{given}.txt", text, question.where)
        question.line["document"] = name
        return name
    if text not in names:
        names[text] = draft.add_document("context", len(names) + 1, text)
    return names[text]


def _with_evidence(question: TableQuestion, contexts: dict[str, str]) -> dict[str, Any]:
    """The line with evidence found in its own contexts: the quotes given, else the sentence around an answer that stands there."""
    line = question.line
    if not contexts:
        return line
    if line.get("evidence"):
        line["evidence"] = [_placed(piece, contexts) for piece in line["evidence"]]
        return line
    for name, text in contexts.items():
        for answer in line["answers"]:
            start = text.find(answer)
            if start >= 0:
                return {**line, "evidence": [{"document": name, "quote": sentence_around(text, start, start + len(answer))}]}
    if line["answers"] and len(contexts) == 1:
        return {**line, "evidence": [{"document": next(iter(contexts))}]}
    return {"document": next(iter(contexts)), **line}


def _placed(piece: Any, contexts: dict[str, str]) -> Any:
    """A piece of evidence without a document belongs to the line's context that holds its quote."""
    if isinstance(piece, list):
        return [_placed(place, contexts) for place in piece]
    if not isinstance(piece, dict) or "document" in piece:
        return piece
    flat = " ".join(str(piece.get("quote", "")).split())
    holder = next((name for name, text in contexts.items() if flat in " ".join(text.split())), next(iter(contexts)))
    return {"document": holder, **piece}


# ── reading JSON with the entry in every error ───────────────────────────────────────────────────────────────────────


def _read_json(file: Path) -> Any:
    if not file.is_file():
        raise MissingError(f"{file}: no such file. Give the path of the data set.")
    try:
        return json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}: broken JSON at column {error.colno} ({error.msg}). Download the file again.") from error


def _object(where: str | Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object, {{...}}, found {type(value).__name__}. Is this the format you named?")
    return value


def _list(value: dict[str, Any], key: str, where: str) -> list[Any]:
    if not isinstance(value.get(key), list):
        raise InputError(f'{where}: "{key}" must be a list. Is this the format you named?')
    return value[key]


def _string(value: dict[str, Any], key: str, where: str, empty: bool = False) -> str:
    if not isinstance(value.get(key), str) or not (empty or value[key].strip()):
        raise InputError(f'{where}: "{key}" must be a text. Is this the format you named?')
    return value[key]


IMPORTERS: dict[str, Callable[[Path, Path], Path]] = {
    "squad": import_squad,
    "pubmedqa": import_pubmedqa,
    "jsonl": import_jsonl,
    "csv": import_csv,
}
