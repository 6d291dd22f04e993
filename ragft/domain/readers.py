"""One file of a corpus -> its Documents: Markdown, plain text, HTML, CSV, JSON lines, PDF (text layer) and docx."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ragft.domain.rows import read_csv, read_jsonl
from ragft.errors import InputError
from ragft.files import read_any_text
from ragft.types import Document

if TYPE_CHECKING:
    from docx.text.paragraph import Paragraph
    from pypdf import PageObject

MAX_DOCUMENT_BYTES = 10_000_000  # beyond it one document is a data dump: its chunks would drown the rest
MAX_FILE_BYTES = 200_000_000  # of files that hold more than one document's text: pictures, fonts, many records
BLOCKS = "p div section article header footer main h1 h2 h3 h4 h5 h6 li ul ol table tr pre blockquote dt dd br".split()  # noqa: SIM905
PAGE_BREAK = "\n\n"


@dataclass(frozen=True)
class Source:
    """A file, its name in the corpus, and what a reader of the results should know about how it was read."""

    path: Path
    name: str
    notes: list[str] = field(default_factory=list)

    def text(self, path: Path | None = None) -> str:
        """Its text, whatever it is encoded in; a guess is noted."""
        text, encoding = read_any_text(path or self.path)
        if encoding:
            odd = next((word for word in text.split() if not word.isascii()), "no letter but ASCII")  # a no-break space may be all
            self.notes.append(f"{self.name}: not UTF-8, read as {encoding}, by which it says «{odd[:20]}»; if that is wrong, save it as UTF-8")
        return text


def check_size(path: Path, size: int, allowed: int, what: str = "") -> None:
    """Raise InputError for more than a document may have; `what` it is the size of, if not of the file."""
    if size > allowed:
        raise InputError(
            f"{path}: {size / 1e6:.0f} MB{what} is more than the {allowed / 1e6:.0f} MB allowed for one document. "
            "Split it into several files, or move it out of the corpus."
        )


def _title(text: str, name: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first.lstrip("# ").strip() if first.startswith("#") else Path(name).stem.replace("-", " ").replace("_", " ")


def load_text(source: Source) -> Iterator[Document]:
    text = source.text()
    yield Document(source.name, text, _title(text, source.name))


def load_html(source: Source) -> Iterator[Document]:
    """Visible text: one line per block element, `#` before headings, ` | ` between cells, `: ` after a term; scripts and styles dropped."""
    from bs4 import BeautifulSoup, NavigableString
    from bs4.exceptions import ParserRejectedMarkup

    try:
        soup = BeautifulSoup(source.text(), "html.parser")
    except ParserRejectedMarkup as error:
        raise _broken(source, "HTML", "Save it again", error) from error
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup(["script", "style", "noscript", "template", "title"]):
        tag.decompose()
    for node in soup.find_all(string=True):
        if "\n" in node and node.find_parent("pre") is None and type(node) is NavigableString:
            node.replace_with(node.replace("\n", " "))  # a line break in the source is no line break on the page
    for cell in soup(["td", "th"]):
        if cell.find_next_sibling(["td", "th"]) is not None:
            cell.append(" | ")
    for term in soup("dt"):
        told = term.find_next_sibling(["dt", "dd"])
        if told is not None and told.name == "dd" and told.find(BLOCKS) is None and not term.get_text().rstrip().endswith((":", "：")):
            term.append(": ")
            term.extend(list(told.contents))
            told.decompose()
    for tag in soup(BLOCKS):
        tag.append("\n")
        tag.insert(0, f"\n{'#' * int(tag.name[1])} " if re.fullmatch("h[1-6]", tag.name) and tag.get_text(strip=True) else "\n")
    lines = (re.sub(r"\s+", " ", line).strip() for line in soup.get_text().splitlines())
    text = "\n".join(line for line in lines if line)
    yield Document(source.name, text, title or _title(text, source.name))


def load_csv(source: Source) -> Iterator[Document]:
    """One line a row, `column: value; column: value`, so that a row can be read without its header."""
    rows = ["; ".join(f"{column}: {value}" for column, value in row.items() if value) for _, row in read_csv(source.path, source.text)]
    yield Document(source.name, "\n".join(rows), _title("", source.name))


def load_jsonl(source: Source) -> Iterator[Document]:
    """One document a line: an object with `text` and, if given, `id` and `title`."""
    seen: dict[str, int] = {}
    for number, record in read_jsonl(source.path, source.text):
        text = record.get("text")
        if not isinstance(text, str):
            raise InputError(f'{source.path}:{number}: a document needs a "text" with a string in it.')
        key = f"{source.name}#{record.get('id', number)}"
        if key in seen:
            raise InputError(f"{source.path}:{number}: the document id '{record.get('id', number)}' was used on line {seen[key]}. Give it another.")
        seen[key] = number
        yield Document(key, text, str(record.get("title") or _title(text, key)))


def load_pdf(source: Source) -> Iterator[Document]:
    """The text layer, page after page."""
    from pypdf import PdfReader

    try:
        reader = PdfReader(source.path)
        if reader.is_encrypted and not reader.decrypt(""):  # many are encrypted with no password, only against changes
            raise InputError(f"{source.path}: this PDF is encrypted. Save it without a password, or move it out of the corpus.")
        pages = [_clean(page.extract_text()) for page in reader.pages]
        bare = sum(not text.strip() and _has_picture(page) for text, page in zip(pages, reader.pages, strict=True))
    except InputError:
        raise
    except Exception as error:  # damaged files fail in many ways inside pypdf
        raise _broken(source, "PDF", "Export it again", error) from error
    if bare and any(text.strip() for text in pages):
        source.notes.append(f"{source.name}: {bare} of {len(pages)} pages are pictures without text (scans?); what stands on them is not read")
    starts, end = list[int](), 0
    for text in pages:
        starts.append(end)
        end += len(text) + len(PAGE_BREAK)
    yield Document(source.name, PAGE_BREAK.join(pages), _title("", source.name), tuple(starts))


def _has_picture(page: PageObject) -> bool:
    from pypdf.generic import DictionaryObject

    none = DictionaryObject()
    shown = page.get("/Resources", none).get_object().get("/XObject", none).get_object()
    return any(part.get_object().get("/Subtype") == "/Image" for part in shown.values())


def load_docx(source: Source) -> Iterator[Document]:
    """Paragraphs and tables in their order, `#` before headings; cells joined by ` | `."""
    import docx
    from docx.table import Table

    lines = []
    try:
        with zipfile.ZipFile(source.path) as parts:  # a small file may unpack to more than the memory holds
            check_size(source.path, sum(part.file_size for part in parts.infolist()), MAX_FILE_BYTES, " when unpacked")
        content = docx.Document(str(source.path))
        for block in content.iter_inner_content():
            if isinstance(block, Table):
                lines += [" | ".join(cell.text for cell in row.cells) for row in block.rows]
            else:
                lines.append(_mark(block) + block.text)
    except InputError:
        raise
    except Exception as error:  # zip, XML and python-docx each have their own errors for a damaged file
        raise _broken(source, "docx", "Save it again", error) from error
    text = _clean("\n".join(lines))
    yield Document(source.name, text, content.core_properties.title or _title(text, source.name))


def _mark(paragraph: Paragraph) -> str:
    """`## ` before a heading of the second level, as in Markdown; nothing before other text."""
    style = paragraph.style.name if paragraph.style is not None and paragraph.text.strip() else None
    level = re.fullmatch(r"Heading ([1-6])|(Title)", style or "")
    return "" if level is None else "#" * int(level[1] or 1) + " "


def _broken(source: Source, what: str, remedy: str, error: Exception) -> InputError:
    said = (str(error) or type(error).__name__).splitlines()[0]
    return InputError(f"{source.path}: this {what} cannot be read ({said}). {remedy}, or move it out of the corpus.")


def _clean(text: str) -> str:
    """Without NUL characters and lone surrogates, which damaged fonts give and no UTF-8 file can hold."""
    return text.encode("utf-8", "ignore").decode("utf-8").replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")


LOADERS: dict[str, Callable[[Source], Iterator[Document]]] = {
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
