"""Make the Word and PDF documents of a domain's corpus from their Markdown sources.

    python data/make_documents.py data/tarnbeck

reads DOMAIN/sources/<folder>/<stem>.md and writes DOMAIN/corpus/<folder>/<stem>.docx for the folders in WORD_FOLDERS, .pdf for all
others. It needs reportlab and python-docx (pip install reportlab python-docx). The same sources give the same bytes, whenever it is run.

A source may hold headings (`#`, `##`), paragraphs of one line, pipe tables with a header row, and lists (`* ` or `1. `), no inline markup.
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

import docx
from docx.shared import Mm
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate

WORD_FOLDERS = {"handbook", "policies", "minutes"}
AUTHOR = "Tarnbeck Instruments"
DATE = datetime(2025, 9, 1, 9, 0, 0)  # stands in every .docx; a PDF gets reportlab's own fixed date
MARKS = {"title": r"# ", "heading": r"## ", "bullet": r"\* ", "number": r"\d+\. ", "text": ""}
WORD_STYLES = {"title": "Title", "heading": "Heading 1", "bullet": "List Bullet", "number": "List Number", "text": "Normal"}

TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=11, leading=15.5, spaceAfter=8)
TITLE = ParagraphStyle("title", TEXT, fontName="Helvetica-Bold", fontSize=18, leading=23, spaceAfter=14)
HEADING = ParagraphStyle("heading", TEXT, fontName="Helvetica-Bold", fontSize=13, spaceBefore=10, spaceAfter=5, keepWithNext=1)
ITEM = ParagraphStyle("item", TEXT, leftIndent=16, spaceAfter=4)
PDF_STYLES = {"title": TITLE, "heading": HEADING, "bullet": ITEM, "number": ITEM, "text": TEXT}
CELL, CELL_BOLD, CELL_HEIGHT = ("Helvetica", 10), ("Helvetica-Bold", 10), 19

Rows = list[list[str]]
Block = tuple[str, str | Rows]  # the kind (one of MARKS, or table) and the text or the rows


def read_blocks(source: Path) -> list[Block]:
    """The blocks of a source in their order."""
    blocks: list[Block] = []
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            row = [cell.strip() for cell in line.strip("|").split("|")]
            if not blocks or blocks[-1][0] != "table":
                blocks.append(("table", []))
            if not all(set(cell) <= set("-:") for cell in row):  # not the line below the header
                blocks[-1][1].append(row)
        elif line.strip():
            kind = next(kind for kind, mark in MARKS.items() if re.match(mark, line))
            blocks.append((kind, re.sub(MARKS[kind], "", line, count=1)))
    return blocks


def write_word(blocks: list[Block], title: str, target: Path) -> None:
    document = docx.Document()
    document.sections[0].page_width, document.sections[0].page_height = Mm(210), Mm(297)
    properties = document.core_properties
    properties.title, properties.author, properties.last_modified_by, properties.comments = title, AUTHOR, AUTHOR, ""
    properties.created = properties.modified = DATE
    for kind, content in blocks:
        if kind == "table":
            table = document.add_table(0, len(content[0]), "Table Grid")
            for row in content:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.paragraphs[0].add_run(text).bold = row is content[0]
            document.add_paragraph()
        else:
            document.add_paragraph(content, WORD_STYLES[kind])
    buffer = io.BytesIO()
    document.save(buffer)
    with zipfile.ZipFile(buffer) as saved, zipfile.ZipFile(target, "w") as dated:  # python-docx dates the members today
        for name in saved.namelist():
            dated.writestr(zipfile.ZipInfo(name, DATE.timetuple()[:6]), saved.read(name), zipfile.ZIP_DEFLATED)


def write_pdf(blocks: list[Block], title: str, target: Path) -> None:
    """On A4, without page headers and footers: they would come between the paragraphs in the text layer."""
    margins = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), 25 * mm)
    story: list[Flowable] = []
    number = 0
    for kind, content in blocks:
        number = number + 1 if kind == "number" else 0
        bullet = {"bullet": "-", "number": f"{number}."}.get(kind)
        story.append(RowTable(content) if kind == "table" else Paragraph(escape(content), PDF_STYLES[kind], bullet))
    SimpleDocTemplate(str(target), pagesize=A4, title=title, author=AUTHOR, invariant=1, **margins).build(story)


class RowTable(Flowable):
    """A table with lines, its columns as wide as their longest cell.

    Every row is one text object, which is one line of the text layer; reportlab's own Table ends a line after each cell.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows, self.height, self.spaceAfter = rows, CELL_HEIGHT * len(rows), 12
        self.edges = [0.0]
        for column in zip(*rows, strict=True):
            self.edges.append(self.edges[-1] + max(stringWidth(cell, *CELL_BOLD) for cell in column) + 16)

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        if self.edges[-1] > width:
            raise SystemExit(f"This table is too wide for the page; shorten its cells: {self.rows[0]}")
        return self.edges[-1], self.height

    def draw(self) -> None:
        self.canv.setLineWidth(0.4)
        self.canv.grid(self.edges, [n * CELL_HEIGHT for n in range(len(self.rows) + 1)])
        for number, row in enumerate(self.rows):
            line = self.canv.beginText()
            line.setFont(*(CELL if number else CELL_BOLD))
            for left, cell in zip(self.edges, row, strict=False):
                line.setTextOrigin(left + 8, self.height - number * CELL_HEIGHT - 13)
                line.textOut(f"{cell} ")
            self.canv.drawText(line)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the .docx and .pdf documents of a domain from its Markdown sources.")
    parser.add_argument("domain", type=Path, help="folder with sources/; the documents go into its corpus/")
    domain = parser.parse_args().domain
    for source in sorted((domain / "sources").rglob("*.md")):
        suffix, write = (".docx", write_word) if source.parent.name in WORD_FOLDERS else (".pdf", write_pdf)
        target = (domain / "corpus" / source.relative_to(domain / "sources")).with_suffix(suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        blocks = read_blocks(source)
        write(blocks, next(text for kind, text in blocks if kind == "title"), target)
        print(target)


if __name__ == "__main__":
    main()
