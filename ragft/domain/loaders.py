"""Files of a corpus folder -> Documents: Markdown, plain text, HTML, CSV, JSON lines, PDF (text layer) and docx."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from ragft.errors import InputError, MissingError
from ragft.files import read_text
from ragft.types import Document

MAX_DOCUMENT_BYTES = 10_000_000  # beyond it one document is a data dump: its chunks would drown the rest
MAX_FILE_BYTES = 200_000_000  # of files that hold more than one document's text: pictures, fonts, many records
BLOCKS = "p div section article header footer main h1 h2 h3 h4 h5 h6 li ul ol table tr pre blockquote dt dd br".split()  # noqa: SIM905


def load_documents(folder: Path) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """Every readable document below `folder`, sorted by path, and notes on files that were left out.

    Raises MissingError when the folder is not there, InputError when a file cannot be read or nothing is left.
    """
    documents: dict[str, Document] = {}
    notes: list[str] = []
    for path, name in corpus_files(folder):
        loader = LOADERS.get(path.suffix.lower())
        if loader is None:
            notes.append(f"{name}: left out, no loader for '{path.suffix}' files (known: {', '.join(sorted(LOADERS))})")
            continue
        _check_size(path, path.stat().st_size, MAX_FILE_BYTES if path.suffix.lower() in CONTAINERS else MAX_DOCUMENT_BYTES)
        found = [d for d in loader(path, name) if d.text.strip()]
        if not found:
            hint = " (a scan? It needs text recognition first)" if path.suffix.lower() == ".pdf" else ""
            notes.append(f"{name}: left out, it holds no text{hint}")
        for document in found:
            _check_size(path, len(document.text), MAX_DOCUMENT_BYTES)
            if document.id in documents:
                raise InputError(f"{path}: two documents are called '{document.id}'. Every document needs its own name: rename one.")
            documents[document.id] = document
    if not documents:
        raise InputError(f"{folder}: no document with text in it. Put {', '.join(sorted(LOADERS))} files there.")
    return tuple(documents.values()), tuple(notes)


def corpus_files(folder: Path) -> list[tuple[Path, str]]:
    """The files below `folder` with their names, sorted; names that start with a dot, and all below them, are left out.

    A name is the path below the folder with `/`, in Unicode NFC, so that a file from a Mac has the name one types.
    Raises InputError for a symbolic link that leaves the folder: what lies there is not part of the corpus.
    """
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise MissingError(f"{folder}: {what}. A domain needs its documents there ({', '.join(sorted(LOADERS))}).")
    root, found = folder.resolve(), []
    for path in folder.rglob("*"):
        below = path.relative_to(folder)
        if any(part.startswith(".") for part in below.parts):
            continue
        if path.is_symlink():
            target = path.resolve()
            if not target.exists() or not target.is_relative_to(root):
                where = "outside the corpus" if target.exists() else "to nothing"
                raise InputError(f"{path}: a symbolic link that leads {where} ({target}). Copy the file there instead, or remove the link.")
        if path.is_file():
            found.append((path, unicodedata.normalize("NFC", below.as_posix())))
    for path, name in found:
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):  # it breaks tables and, where it is no Unicode, files
            raise InputError(f"{path.parent}: the file name {path.name!a} cannot be shown. Rename it.")
    return sorted(found, key=lambda entry: entry[1])


def _check_size(path: Path, size: int, allowed: int) -> None:
    if size > allowed:
        raise InputError(
            f"{path}: {size / 1e6:.0f} MB is more than the {allowed / 1e6:.0f} MB allowed for one document. "
            "Split it into several files, or move it out of the corpus."
        )


def _title(text: str, name: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first.lstrip("# ").strip() if first.startswith("#") else Path(name).stem.replace("-", " ").replace("_", " ")


def load_text(path: Path, name: str) -> Iterator[Document]:
    text = read_text(path)
    yield Document(name, text, _title(text, name))


def load_html(path: Path, name: str) -> Iterator[Document]:
    """Visible text: one line per block element, `#` before headings, cells joined by ` | `; scripts and styles dropped."""
    from bs4 import BeautifulSoup, NavigableString

    soup = BeautifulSoup(read_text(path), "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup(["script", "style", "noscript", "template", "title"]):
        tag.decompose()
    for node in soup.find_all(string=True):
        if "\n" in node and node.find_parent("pre") is None and type(node) is NavigableString:
            node.replace_with(node.replace("\n", " "))  # a line break in the source is no line break on the page
    for cell in soup(["td", "th"]):
        if cell.find_next_sibling(["td", "th"]) is not None:
            cell.append(" | ")
    for tag in soup(BLOCKS):
        tag.append("\n")
        tag.insert(0, f"\n{'#' * int(tag.name[1])} " if re.fullmatch("h[1-6]", tag.name) and tag.get_text(strip=True) else "\n")
    lines = (re.sub(r"\s+", " ", line).strip() for line in soup.get_text().splitlines())
    text = "\n".join(line for line in lines if line)
    yield Document(name, text, title or _title(text, name))


def load_csv(path: Path, name: str) -> Iterator[Document]:
    """One line a row, `column: value; column: value`, so that a row can be read without its header."""
    rows = ["; ".join(f"{column}: {value}" for column, value in row.items() if value) for _, row in read_csv(path)]
    yield Document(name, "\n".join(rows), _title("", name))


def read_csv(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row by column) for each row; columns separated by commas or, where the header has none, `;` or tabs."""
    text = read_text(path)
    header = text.split("\n", 1)[0]
    delimiter = next((d for d in ",;\t" if d in header), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter, restkey="")
    line = 2
    try:
        for column in reader.fieldnames or ():
            if not column.strip() or list(reader.fieldnames or ()).count(column) > 1:
                raise InputError(f"{path}:1: the column name {column!r} is empty or used twice. Give every column its own name.")
        for row in reader:
            if "" in row or None in row.values():
                raise InputError(f"{path}:{line}: this row has not as many cells as the header. Quote cells that hold commas.")
            yield line, {column.strip(): value for column, value in row.items()}
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: broken CSV ({error}). Check the quotes on that line.") from error


def load_jsonl(path: Path, name: str) -> Iterator[Document]:
    """One document a line: an object with `text` and, if given, `id` and `title`."""
    seen: dict[str, int] = {}
    for number, record in read_jsonl(path):
        text = record.get("text")
        if not isinstance(text, str):
            raise InputError(f'{path}:{number}: a document needs a "text" with a string in it.')
        key = f"{name}#{record.get('id', number)}"
        if key in seen:
            raise InputError(f"{path}:{number}: the document id '{record.get('id', number)}' was used on line {seen[key]}. Give it another.")
        seen[key] = number
        yield Document(key, text, str(record.get("title") or _title(text, key)))


def load_pdf(path: Path, name: str) -> Iterator[Document]:
    """The text layer, page after page."""
    from pypdf import PdfReader

    try:
        text = "\n\n".join(page.extract_text() for page in PdfReader(path).pages)
    except Exception as error:  # damaged and encrypted files fail in many ways inside pypdf
        raise InputError(f"{path}: this PDF cannot be read ({_first_line(error)}). Export it again, or move it out of the corpus.") from error
    yield Document(name, _clean(text), _title("", name))


def load_docx(path: Path, name: str) -> Iterator[Document]:
    """Paragraphs and tables in their order; cells joined by ` | `."""
    import docx
    from docx.table import Table

    lines = []
    try:
        content = docx.Document(str(path))
        for block in content.iter_inner_content():
            if isinstance(block, Table):
                lines += [" | ".join(cell.text for cell in row.cells) for row in block.rows]
            else:
                lines.append(block.text)
    except Exception as error:  # zip, XML and python-docx each have their own errors for a damaged file
        raise InputError(f"{path}: this docx cannot be read ({_first_line(error)}). Save it again, or move it out of the corpus.") from error
    yield Document(name, _clean("\n".join(lines)), content.core_properties.title or _title("", name))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _clean(text: str) -> str:
    """Without NUL characters and lone surrogates, which damaged fonts give and no UTF-8 file can hold."""
    return text.encode("utf-8", "ignore").decode("utf-8").replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")


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
        if _SURROGATE.search(line) and not _is_unicode(record):
            raise InputError(f"{path}:{number}: half of a character (\\ud800 … \\udfff alone). Write the file again as UTF-8.")
        yield number, record


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


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
CONTAINERS = (".jsonl", ".pdf", ".docx")
