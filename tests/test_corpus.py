"""Documents of a run, and the evidence in them."""

from __future__ import annotations

from ragft import corpus
from ragft.types import Chunk, Document, Evidence, Gold, Span


def gold(key: str, document: str, *spans: Span, kind: str = "exact", stratum: str = "trained-fact") -> Gold:
    return Gold(key, ("a",), tuple(Evidence((span,)) for span in spans), document, "test", key, 0, kind, stratum)


def test_documents_are_those_that_were_cut_and_those_that_are_asked_about():
    chunks = [Chunk("b:0", Span("b.md", 0, 40), "x" * 40, "Pumps > Limits"), Chunk("b:1", Span("b.md", 35, 90), "x" * 55, "Pumps > Heat")]
    found = corpus.documents(chunks, [gold("q1", "b.md"), gold("q2", "b.md"), gold("q3", "a.md"), gold("q4", "")])
    assert found == [corpus.Listed("a.md", "", 0, 0, 1), corpus.Listed("b.md", "Pumps", 90, 2, 2)]


def test_a_question_counts_in_every_document_that_holds_evidence_of_it():
    found = corpus.documents([], [gold("q1", "a.md", Span("a.md", 2, 4), Span("b.md", 0, 3), Span("b.md", 5, 6))])
    assert [(one.id, one.questions) for one in found] == [("a.md", 1), ("b.md", 1)]


def test_questions_by_kind_and_stratum():
    golds = [gold("q1", "a", kind="who"), gold("q2", "a"), gold("q3", "a", stratum="unanswerable"), gold("q4", "a")]
    assert corpus.questions_table(golds) == {"exact": {"trained-fact": 2, "unanswerable": 1}, "who": {"trained-fact": 1}}


def test_evidence_of_one_document_only():
    golds = [gold("q1", "a.md", Span("a.md", 2, 4), Span("b.md", 0, 3)), gold("q2", "b.md", Span("b.md", 5, 6)), gold("q3", "a.md")]
    assert corpus.evidence_in("a.md", golds) == {"q1": [Span("a.md", 2, 4)]}
    assert corpus.as_read(Document("a.md", "abcdef", "A"), [Span("a.md", 2, 4)]) == [("ab", False), ("cd", True), ("ef", False)]


def test_a_changed_document_is_known_by_its_chunks():
    document = Document("a.md", "abcdef", "A")
    assert corpus.is_unchanged(document, [Chunk("1", Span("a.md", 0, 3), "abc", ""), Chunk("2", Span("a.md", 3, 6), "def", "")])
    assert not corpus.is_unchanged(document, [Chunk("1", Span("a.md", 0, 3), "abc", ""), Chunk("2", Span("a.md", 3, 6), "dex", "")])


def test_a_folder_that_is_gone(tmp_path):
    assert corpus.corpus_of(tmp_path) is None
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.md").write_text("# A\n\nText.")
    assert list(corpus.corpus_of(tmp_path)) == ["a.md"]
