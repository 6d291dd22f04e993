"""Files of a corpus folder -> Documents: Markdown, plain text, HTML, CSV, JSON lines, PDF (text layer) and docx."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ragft.errors import InputError, MissingError
from ragft.types import Document

MAX_DOCUMENT_BYTES = 10_000_000  # beyond it one file is a data dump rather than a document: chunks would drown the rest
BLOCKS = ("p div section article header footer main h1 h2 h3 h4 h5 h6 li ul ol table tr pre blockquote dt dd br title").split()


def load_documents(folder: Path) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """Every readable document below `folder`, sorted by path, and notes on files that were left out.

    Raises MissingError when the folder is not there, InputError when a file cannot be read or nothing is left.
    """
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder. A domain needs its documents there ({', '.join(sorted(LOADERS))}).")
    documents: list[Document] = []
    notes: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        name = path.relative_to(folder).as_posix()
        loader = LOADERS.get(path.suffix.lower())
        if loader is None:
            notes.append(f"{name}: left out, no loader for '{path.suffix}' files (known: {', '.join(sorted(LOADERS))})")
            continue
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise InputError(
                f"{path}: {path.stat().st_size / 1e6:.0f} MB is more than the {MAX_DOCUMENT_BYTES / 1e6:.0f} MB allowed for one "
                "document. Split it into several files, or move it out of the corpus."
            )
        found = [d for d in loader(path, name) if d.text.strip()]
        if not found:
            notes.append(f"{name}: left out, it holds no text")
        documents += found
    if not documents:
        raise InputError(f"{folder}: no document with text in it. Put {', '.join(sorted(LOADERS))} files there.")
    return tuple(documents), tuple(notes)


def read_text(path: Path) -> str:
    """The file's text. Raises InputError with the line and the remedy when it is not UTF-8."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x}). Convert it, for example: iconv -f LATIN1 -t UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _title(text: str, name: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first.lstrip("# ").strip() if first.startswith("#") else Path(name).stem.replace("-", " ").replace("_", " ")


def load_text(path: Path, name: str) -> Iterator[Document]:
    text = read_text(path)
    yield Document(name, text, _title(text, name))


def load_html(path: Path, name: str) -> Iterator[Document]:
    """Visible text: one line per block element, table cells joined by ` | `; scripts and styles dropped."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(read_text(path), "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup(["script", "style", "noscript", "template", "title"]):
        tag.decompose()
    for cell in soup(["td", "th"]):
        if cell.find_next_sibling(["td", "th"]) is not None:
            cell.append(" | ")
    for tag in soup(BLOCKS):
        tag.append("\n")
        tag.insert(0, "\n")
    lines = (re.sub(r"\s+", " ", line).strip() for line in soup.get_text().splitlines())
    text = "\n".join(line for line in lines if line)
    yield Document(name, text, title or _title(text, name))


def load_csv(path: Path, name: str) -> Iterator[Document]:
    """One line a row, `column: value; column: value`, so that a row can be read without its header."""
    text = read_text(path)
    reader = csv.DictReader(io.StringIO(text), strict=True)
    rows = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise InputError(f"{path}:{reader.line_num}: this row has not as many cells as the header. Quote cells that hold commas.")
            rows.append("; ".join(f"{column}: {value}" for column, value in row.items() if value))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: broken CSV ({error}). Check the quotes on that line.") from error
    yield Document(name, "\n".join(rows), _title("", name))


def load_jsonl(path: Path, name: str) -> Iterator[Document]:
    """One document a line: an object with `text` and, if given, `id` and `title`."""
    for number, record in read_jsonl(path):
        text = record.get("text")
        if not isinstance(text, str):
            raise InputError(f'{path}:{number}: a document needs a "text" with a string in it.')
        key = f"{name}#{record.get('id', number)}"
        yield Document(key, text, str(record.get("title") or _title(text, key)))


def load_pdf(path: Path, name: str) -> Iterator[Document]:
    """The text layer, page after page."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(path)
        text = "\n\n".join(page.extract_text() for page in reader.pages)
    except (PyPdfError, ValueError) as error:
        raise InputError(f"{path}: this PDF cannot be read ({error}). Export it again, or move it out of the corpus.") from error
    yield Document(name, text, _title("", name))


def load_docx(path: Path, name: str) -> Iterator[Document]:
    """Paragraphs and tables in their order; cells joined by ` | `."""
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from docx.table import Table

    try:
        content = docx.Document(str(path))
    except (PackageNotFoundError, KeyError, ValueError) as error:
        raise InputError(f"{path}: this docx cannot be read. Save it again, or move it out of the corpus.") from error
    lines = []
    for block in content.iter_inner_content():
        if isinstance(block, Table):
            lines += [" | ".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            lines.append(block.text)
    text = "\n".join(lines)
    yield Document(name, text, content.core_properties.title or _title("", name))


def read_jsonl(path: Path) -> Iterator[tuple[int, dict]]:
    """(line number, object) for each line that is not blank. Raises InputError naming the line that is broken."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{number}: broken JSON at column {error.colno} ({error.msg}). One object a line.") from error
        if not isinstance(record, dict):
            raise InputError(f"{path}:{number}: expected an object, {{...}}, found {type(record).__name__}. One object a line.")
        yield number, record


LOADERS: dict[str, Callable[[Path, str], Iterator[Document]]] = {
    ".md": load_text,
    ".txt": load_text,
    ".html": load_html,
    ".htm": load_html,
    ".csv": load_csv,
    ".jsonl": load_jsonl,
    ".pdf": load_pdf,
    ".docx": load_docx,
}
