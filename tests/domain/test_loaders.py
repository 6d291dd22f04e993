import io
import os
import re
import unicodedata
import zipfile

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from ragft.chunking import chunk_documents
from ragft.domain import loaders, readers
from ragft.domain.loaders import load_documents
from ragft.domain.rows import read_jsonl
from ragft.errors import InputError, MissingError
from ragft.files import read_text


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "corpus").mkdir()
    return tmp_path / "corpus"


def put(corpus, name, content):
    path = corpus / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def only(corpus):
    (document,), notes = load_documents(corpus)
    assert notes == ()
    return document


def test_names_titles_and_order(corpus):
    put(corpus, "b/two.md", "\n\n## Two words\n\nText.")
    put(corpus, "a-first_one.txt", "No heading.")
    put(corpus, "notes.xyz", "?")
    put(corpus, "empty.md", "")
    put(corpus, "blank.txt", " \n\n")
    put(corpus, ".hidden/x.md", "not part of it")
    put(corpus, "b/.draft.md", "not part of it")
    documents, notes = load_documents(corpus)
    assert [(d.id, d.title) for d in documents] == [("a-first_one.txt", "a first one"), ("b/two.md", "Two words")]
    assert [note.split(":")[0] for note in notes] == ["blank.txt", "empty.md", "notes.xyz"]


def test_line_ends_and_byte_order_mark(corpus):
    put(corpus, "a.md", b"\xef\xbb\xbf# Kova\r\n\r\nText.\rMore.\r\n")
    assert (only(corpus).text, only(corpus).title) == ("# Kova\n\nText.\nMore.\n", "Kova")


def test_html(corpus):
    put(
        corpus,
        "faq.html",
        "<html><head><title>The FAQ</title><script>no()</script><style>no{}</style></head><body><h1>Pumps</h1><p>It  has\n<b>42</b> bar.<br>Really."
        "</p><ul><li>one</li><li>two</li></ul><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><!-- no --></body></html>",
    )
    assert (only(corpus).title, only(corpus).text) == ("The FAQ", "# Pumps\nIt has 42 bar.\nReally.\none\ntwo\na | b\n1 | 2")


def test_definition_lists(corpus):
    put(corpus, "a.html", "<dl><dt>Order code</dt><dd><b>64-3071</b></dd><dt>Fits:</dt><dd>Kova</dd><dt>Bays</dt><dd><ul><li>one</li></ul></dd></dl>")
    assert only(corpus).text.splitlines() == ["Order code: 64-3071", "Fits:", "Kova", "Bays", "one"]


def test_csv_rows_can_be_read_without_their_header(corpus):
    put(corpus, "parts.csv", 'part,price,note\nseal,"1,20",\n"O-ring ""A""",3,"two\nlines"\n')
    assert only(corpus).text == 'part: seal; price: 1,20\npart: O-ring "A"; price: 3; note: two\nlines'


def test_csv_with_semicolons(corpus):
    put(corpus, "parts.csv", "part;price\nseal;1,20\n")
    assert only(corpus).text == "part: seal; price: 1,20"


def test_jsonl_is_a_document_a_line(corpus):
    put(corpus, "faq.jsonl", '{"id": "k1", "title": "Kova", "text": "42 bar"}\n\n{"text": "12 kg"}\n')
    documents, _ = load_documents(corpus)
    assert [(d.id, d.title, d.text) for d in documents] == [("faq.jsonl#k1", "Kova", "42 bar"), ("faq.jsonl#3", "faq", "12 kg")]


def test_docx_keeps_the_order_of_paragraphs_and_tables(corpus):
    import docx

    made = docx.Document()
    made.add_paragraph("First.")
    table = made.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    made.add_paragraph("Last.")
    made.save(str(corpus / "x.docx"))
    assert only(corpus).text == "First.\na | b\nLast."


def test_headings_of_a_docx_are_marked_as_in_markdown(corpus):
    docx = pytest.importorskip("docx")
    made = docx.Document()
    made.add_heading("Kova 30", 0)
    made.add_heading("Limits", 2)
    made.add_heading("", 2)
    made.add_paragraph("At most 42 bar.")
    made.save(str(corpus / "x.docx"))
    assert (only(corpus).title, only(corpus).text) == ("Kova 30", "# Kova 30\n## Limits\n\nAt most 42 bar.")


def one_page_pdf(text: str) -> bytes:
    """The smallest PDF with a text layer."""
    stream = f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(out)


def test_pdf_text_layer(corpus):
    put(corpus, "kova-30.pdf", one_page_pdf("42 bar"))
    assert (only(corpus).text.strip(), only(corpus).title) == ("42 bar", "kova 30")


def pdf_of(pages: list[str], password: str | None = None) -> bytes:
    writer = PdfWriter()
    for text in pages:
        writer.append(PdfReader(io.BytesIO(one_page_pdf(text))))
    if password is not None:
        writer.encrypt(password, "owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_the_pages_of_a_pdf(corpus):
    put(corpus, "kova.pdf", pdf_of(["42 bar", "", "12 kg"]))
    document = only(corpus)
    assert [document.text[start:].strip()[:6] for start in document.pages] == ["42 bar", "12 kg", "12 kg"]
    assert document.pages[0] == 0 < document.pages[1] < document.pages[2]
    chunks = chunk_documents([document], 2, 0, lambda text: len(text.split()))
    assert [(chunk.text, chunk.page) for chunk in chunks] == [("42 bar", 1), ("12 kg", 3)]
    put(corpus, "kova.md", "text")
    assert [chunk.page for chunk in chunk_documents(load_documents(corpus)[0], 9, 0, lambda text: len(text.split()))] == [None, 1]


def test_pages_that_are_pictures_are_said(corpus):
    picture = PdfWriter(clone_from=io.BytesIO(one_page_pdf("")))
    image = StreamObject()
    image.update({NameObject("/Type"): NameObject("/XObject"), NameObject("/Subtype"): NameObject("/Image")})
    picture.pages[0][NameObject("/Resources")][NameObject("/XObject")] = DictionaryObject({NameObject("/I"): picture._add_object(image)})
    writer = PdfWriter()
    for part in (one_page_pdf("42 bar"), written(picture), one_page_pdf("")):
        writer.append(PdfReader(io.BytesIO(part)))
    put(corpus, "kova.pdf", written(writer))
    (document,), notes = load_documents(corpus)
    assert notes == ("kova.pdf: 1 of 3 pages are pictures without text (scans?); what stands on them is not read",)
    assert len(document.pages) == 3


def written(writer: PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("algorithm", ["AES-128", "AES-256"])
def test_pdfs_encrypted_as_it_is_done_today(corpus, algorithm):
    writer = PdfWriter(clone_from=io.BytesIO(one_page_pdf("42 bar")))
    writer.encrypt("", "owner", algorithm=algorithm)
    put(corpus, "kova.pdf", written(writer))
    assert only(corpus).text.strip() == "42 bar"


def test_encrypted_pdfs(corpus):
    """Against changes only, it can be read by all; with a password to open, by nobody here."""
    put(corpus, "open.pdf", pdf_of(["42 bar"], ""))
    assert only(corpus).text.strip() == "42 bar"
    put(corpus, "shut.pdf", pdf_of(["42 bar"], "secret"))
    with pytest.raises(InputError, match=r"shut.pdf: this PDF is encrypted. Save it without a password"):
        load_documents(corpus)


def test_a_docx_that_unpacks_to_more_than_memory_is_refused_before_it_is(corpus, monkeypatch):
    monkeypatch.setattr(readers, "MAX_FILE_BYTES", 1_000_000)
    monkeypatch.setattr(loaders, "MAX_FILE_BYTES", 1_000_000)
    with zipfile.ZipFile(corpus / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("word/document.xml", " " * 2_000_000)
    assert (corpus / "bomb.docx").stat().st_size < 10_000
    with pytest.raises(InputError, match=r"bomb.docx: 2 MB when unpacked is more than the 1 MB allowed"):
        load_documents(corpus)


LETTERS = [
    ("cp1252", "La température de la pièce est de 20 °C après l'étalonnage."),
    ("cp1252", "Die Prüfung der Maßhaltigkeit erfolgt nach Übergabe. Größe: 30 µm."),
    ("cp1252", "The pump costs 30 £ — “quoted”"),
    ("gb18030", "设备的校准每十二个月进行一次，由质量部门负责。"),
    ("cp932", "装置の校正は12か月ごとに行われる。"),
    ("euc_jp", "装置の校正は12か月ごとに行われる。"),
    ("big5", "校正週期為十二個月。"),
    ("euc_kr", "기기 교정은 매년 수행됩니다."),
    ("cp1251", "Калибровка прибора проводится раз в год."),
]


@pytest.mark.parametrize(("encoding", "text"), LETTERS)
@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.csv"])
def test_letters_of_other_encodings_are_found_and_it_is_said(corpus, name, encoding, text):
    put(corpus, name, {"a.txt": text, "a.html": f"<p>{text}", "a.csv": f"note\n{text}\n"}[name].encode(encoding))
    (document,), (note,) = load_documents(corpus)
    assert text in document.text
    assert note.startswith(f"{name}: not UTF-8, read as {encoding}, by which it says «") and "\n" not in note


def test_a_no_break_space_alone_is_read_and_said(corpus):
    put(corpus, "a.txt", b"42\xa0bar and 12\xa0kg, at most, as the manual says.")
    (document,), (note,) = load_documents(corpus)
    assert "42\u00a0bar" in document.text and "read as cp1252" in note


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_no_guess(corpus, encoding):
    put(corpus, "a.txt", "pièce 校".encode(encoding))
    assert only(corpus).text == "pièce 校"


def test_a_broken_file_is_left_out_only_when_asked(corpus, tmp_path):
    put(corpus, "a.md", "text")
    put(corpus, "b.pdf", "no pdf")
    put(corpus, "c.jsonl", '{"id": 1, "text": "x"}\n{"id": 1, "text": "y"}\n')
    put(tmp_path, "secret.txt", "outside")
    (corpus / "d.txt").symlink_to(tmp_path / "secret.txt")
    put(corpus, "e\nf.md", "text")
    with pytest.raises(InputError):
        load_documents(corpus)
    documents, notes = load_documents(corpus, skip_broken=True)
    assert [document.id for document in documents] == ["a.md"]
    for said in ("b.pdf: this PDF cannot be read", "c.jsonl:2: the document id '1'", "d.txt: a symbolic link that leads outside", "cannot be shown"):
        assert sum(said in note and note.startswith("left out: ") for note in notes) == 1
    (corpus / "a.md").unlink()
    with pytest.raises(InputError, match="no document with text"):
        load_documents(corpus, skip_broken=True)


def test_a_pdf_without_text_is_a_note_that_says_why(corpus):
    put(corpus, "a.md", "text")
    put(corpus, "scan.pdf", one_page_pdf(""))
    _, notes = load_documents(corpus)
    assert notes == ("scan.pdf: left out, it holds no text (a scan? It needs text recognition first)",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.md", b"\xef\xbb\xbfone\n\xff", "a.md:2: not UTF-8 (byte 0xff)"),
        ("a.md", "Die Größe beträgt 30".encode() + b"\xff", "a.md:1: not UTF-8 (byte 0xff)"),
        ("a.txt", "text".encode("utf-16") + b"x", "a.txt: begins as UTF-16 and does not go on so"),
        ("a.txt", b"one\ntwo\0", "a.txt:2: binary data"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", "a.csv:3: this row has not as many cells as the header"),
        ("a.csv", "a,b\n1\n", "a.csv:2: this row has not as many cells"),
        ("a.csv", 'a,b\n1,2\n3,"4\n', "a.csv:3: broken CSV"),
        ("a.csv", "a,a\n1,2\n", "a.csv:1: the column name 'a' is empty or used twice"),
        ("a.jsonl", '{"text": "x"}\n{"text": \n', "a.jsonl:2: broken JSON at column"),
        ("a.jsonl", '["text"]\n', "a.jsonl:1: expected an object"),
        ("a.jsonl", '{"body": "x"}\n', 'a.jsonl:1: a document needs a "text"'),
        ("a.jsonl", '{"id": 1, "text": "x"}\n{"id": 1, "text": "y"}\n', "a.jsonl:2: the document id '1' was used on line 1"),
        ("a.jsonl", '{"text": "\\ud800"}\n', "a.jsonl:1: half of a character"),
        ("a.pdf", b"no pdf", "a.pdf: this PDF cannot be read"),
        ("a.pdf", one_page_pdf("x")[:200], "a.pdf: this PDF cannot be read"),
        ("a.docx", b"no docx", "a.docx: this docx cannot be read"),
        ("a.docx", b"PK\x03\x04 broken", "a.docx: this docx cannot be read"),
        ("a\nb.md", "x", "cannot be shown. Rename it"),
        ("e.md", "", "no document with text in it. Put"),
    ],
)
def test_bad_files_are_one_line_with_file_and_remedy(corpus, name, content, message):
    put(corpus, name, content)
    with pytest.raises(InputError) as caught:
        load_documents(corpus)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_huge_document_is_refused_before_it_is_read(corpus):
    put(corpus, "dump.txt", b"x" * 20_000_000)
    with pytest.raises(InputError, match=r"dump.txt: 20 MB is more than the 10 MB allowed .* Split it"):
        load_documents(corpus)


def test_a_large_file_of_small_documents_is_fine(corpus, monkeypatch):
    monkeypatch.setattr(loaders, "MAX_DOCUMENT_BYTES", 50)
    put(corpus, "many.jsonl", '{"text": "short"}\n' * 10)
    assert len(load_documents(corpus)[0]) == 10
    put(corpus, "one.jsonl", f'{{"text": "{"x" * 51}"}}\n')
    with pytest.raises(InputError, match=r"one\.jsonl"):
        load_documents(corpus)


def test_missing_folder(tmp_path):
    with pytest.raises(MissingError, match=r"no such folder\. A domain needs its documents there \(\.csv"):
        load_documents(tmp_path / "corpus")
    (tmp_path / "file").write_text("x")
    with pytest.raises(MissingError, match="not a folder"):
        load_documents(tmp_path / "file")


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_links_that_leave_the_corpus_are_refused(corpus, tmp_path, kind):
    put(corpus, "a.md", "text")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key.txt").write_text("secret")
    target = {"file": tmp_path / "secret/key.txt", "folder": tmp_path / "secret", "nothing": tmp_path / "gone"}[kind]
    os.symlink(target, corpus / "link.txt")
    with pytest.raises(InputError, match=r"link.txt: a symbolic link that leads (outside the corpus|to nothing).*Copy the file"):
        load_documents(corpus)


def test_a_link_to_itself(corpus):
    put(corpus, "a.md", "text")
    os.symlink(corpus / "b.md", corpus / "b.md")
    with pytest.raises(InputError, match=r"b.md: a symbolic link that leads to itself. Remove it."):
        load_documents(corpus)
    assert [document.id for document in load_documents(corpus, skip_broken=True)[0]] == ["a.md"]


def test_markup_that_no_parser_takes(corpus):
    put(corpus, "a.md", "text")
    put(corpus, "b.html", "<p>x</p><![foo[ bar")
    with pytest.raises(InputError, match=r"b.html: this HTML cannot be read \(.*\). Save it again"):
        load_documents(corpus)
    assert [document.id for document in load_documents(corpus, skip_broken=True)[0]] == ["a.md"]


def test_links_within_the_corpus_and_to_the_corpus_are_fine(corpus, tmp_path):
    put(corpus, "a.md", "text")
    os.symlink(corpus / "a.md", corpus / "b.md")
    os.symlink(corpus, tmp_path / "other")
    assert [d.id for d in load_documents(tmp_path / "other")[0]] == ["a.md", "b.md"]


def test_names_are_composed_unicode(corpus):
    put(corpus, unicodedata.normalize("NFD", "café.md"), "text")
    assert only(corpus).id == unicodedata.normalize("NFC", "café.md")


def test_unreadable(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_text(tmp_path)


def test_read_jsonl_counts_lines_as_an_editor_does(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes('{"a": "\u2028"}\r\n\r\n{"a": 2}'.encode())
    assert list(read_jsonl(path)) == [(1, {"a": "\u2028"}), (3, {"a": 2})]
    assert re.search("é", read_text(path)) is None
