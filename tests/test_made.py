"""A domain from folders, files, mappings, lists and DataFrames; every mistake by its row, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import DOCUMENTS, question_lines, write_domain

from ragft.errors import InputError, MissingError
from ragft.made import make_domain

TEXTS = {name.removesuffix(".html"): text for name, text in DOCUMENTS.items()}
ROWS = [{**line, "evidence": [{**e, "document": e["document"].removesuffix(".html")} for e in line.get("evidence", [])]} for line in question_lines()]
SMALL = {"pump.md": "It holds 42 bar.", "valve": "It weighs 3 kg."}
ASKED = [{"question": "How much?", "answers": ["42 bar"]}, {"question": "How heavy?", "answers": "3 kg"}]


def content(domain) -> tuple:
    return {d.id: d.text for d in domain.documents}, domain.questions, domain.gold


def test_a_domain_from_frames_is_the_one_from_files(tmp_path):
    """Everything that can be given by file can be given by row: splits, facts, wordings, evidence, unanswerable questions."""
    texts = {**TEXTS, "faq": "# Questions\n\nThe warranty lasts 30 months.\n"}
    written = write_domain(tmp_path / "files")
    (written / "corpus" / "faq.html").unlink()
    (written / "corpus" / "faq.txt").write_text(texts["faq"])
    lines = (written / "questions.jsonl").read_text().replace("faq.html", "faq.txt")
    (written / "questions.jsonl").write_text(lines)
    from ragft.domain import load_domain

    frame = pd.DataFrame([{"name": name, "text": text} for name, text in texts.items()])
    made = make_domain(tmp_path / "frames", frame, pd.DataFrame(ROWS))
    assert content(made) == content(load_domain(written))
    assert made.sha256 == load_domain(written).sha256
    assert content(make_domain(tmp_path / "lists", texts, ROWS)) == content(made)


def test_folders_and_files_are_taken_as_they_are(tmp_path):
    folder = write_domain(tmp_path / "files")
    (tmp_path / "qa.csv").write_text("question,answers,document\nHow heavy is the Kova 30?,12 kg,pumps/kova.md\n")
    assert len(make_domain(tmp_path / "a", folder / "corpus", tmp_path / "qa.csv").questions) == 1
    rows = [{"question": "How long is the warranty?", "answers": ["30 months"], "document": "faq.html"}]
    made = make_domain(tmp_path / "b", str(folder / "corpus"), rows)
    assert next(iter(made.gold.values())).document == "faq.html", "the name of a file is left as it is"


def test_questions_are_made_where_none_are_given(tmp_path):
    texts = {
        f"pump-{n}.md": f"# Pump K{n}\n\n| part | weight |\n|---|---|\n" + "".join(f"| seal S{n}{i} | {n + i} kg |\n" for i in range(6))
        for n in range(1, 9)
    }
    made = make_domain(tmp_path / "made", texts)
    assert made.split("train") and made.split("test")
    assert all(gold.answers and gold.evidence for gold in made.gold.values() if gold.stratum != "unanswerable")


def test_names_and_cells_as_a_frame_has_them(tmp_path):
    questions = pd.DataFrame(
        [
            {"question": "How much?", "answers": np.array(["42 bar", "42"]), "document": "pump.md", "wording": 0, "split": "test"},
            {"question": "How heavy?", "answers": "3 kg", "document": "valve", "wording": None, "split": "test"},
            {"question": "How old?", "answers": None, "document": pd.NA, "wording": 1, "split": "test"},
            {"question": "How new?", "answers": float("nan"), "document": "valve", "wording": 1, "split": "test"},
        ]
    )
    gold = make_domain(tmp_path / "d", SMALL, questions).gold.values()
    assert [g.answers for g in gold] == [("42 bar", "42"), ("3 kg",), (), ()]
    assert [g.document for g in gold][:2] == ["pump.md", "valve.txt"]
    assert [g.wording for g in gold] == [0, 0, 1, 1]


def test_no_path_of_the_machine_is_left_in_the_study(tmp_path):
    make_domain(tmp_path / "d", SMALL, ASKED)
    text = (tmp_path / "d" / "study.yaml").read_text()
    assert "2 documents from 'documents'" in text and str(tmp_path.parts[1]) not in text.split("domain:")[0]


@pytest.mark.parametrize(
    ("documents", "questions", "said"),
    [
        (
            SMALL,
            [{"question": "x?", "answers": ["1"], "document": "pum.md"}],
            "questions row 1: no document 'pum.md' in the corpus. Did you mean 'pump.md'",
        ),
        (SMALL, [*ASKED, {"question": "x?", "answrs": ["1"]}], "questions row 3: unknown column 'answrs'. Did you mean 'answers'"),
        (SMALL, [{"question": "x?"}], 'questions row 1: a question needs "answers"'),
        (
            SMALL,
            [{"question": "x?", "answers": ["2"], "evidence": ["not there"]}],
            "questions row 1: the evidence stands in no document: «not there»",
        ),
        (SMALL, [{"question": "x?", "answers": pd.Timestamp("2026-01-31")}], "questions row 1: 'answers' holds a Timestamp. Write it as a text"),
        (SMALL, [3], "questions row 1: found int. Give a DataFrame or a list of mappings"),
        (SMALL, 3, "questions: found int. Give a DataFrame"),
        (SMALL, [], "questions: there is none"),
        (SMALL, [ASKED[0], {"question": "how much", "answers": ["3"]}], "questions row 2: this question stands on line 1 with another answer"),
        ([{"name": "a", "txt": "x"}], ASKED, "documents row 1: the column 'text' is missing. Rows of documents have name and text"),
        ([{"name": "a", "text": "x", "date": 1}], ASKED, "documents row 1: unknown column 'date'"),
        ([{"name": "a", "text": "x"}, {"name": "a.txt", "text": "y"}], ASKED, "documents row 2: .*'a.txt' (is there|has another text)"),
        ([{"name": "a", "text": "x"}, {"name": "a", "text": "x"}], ASKED, "documents row 2: there is a document 'a.txt' already"),
        ({"a": 3}, ASKED, "documents row 1: a document is a name and a text, not str and int"),
        ({"../a.md": "x"}, ASKED, "documents row 1: '../a.md' cannot be a document's name"),
        ({}, ASKED, "documents: there is none"),
        (None, ASKED, "documents: found NoneType"),
        ({"a": " "}, ASKED, "documents: no document with text in it"),
    ],
)
def test_mistakes_are_said_by_their_row_and_leave_nothing(tmp_path, documents, questions, said):
    with pytest.raises(InputError, match=said) as raised:
        make_domain(tmp_path / "d", documents, questions)
    assert "/tmp" not in str(raised.value).replace(str(tmp_path), "")
    assert not (tmp_path / "d").exists() and list(tmp_path.iterdir()) == []


def test_files_that_are_not_there_are_missing(tmp_path):
    with pytest.raises(MissingError, match=r"none.csv: no such file"):
        make_domain(tmp_path / "d", SMALL, tmp_path / "none.csv")
    with pytest.raises(MissingError, match="no such folder"):
        make_domain(tmp_path / "d", Path("no-such-folder"), ASKED)


def test_nothing_is_overwritten(tmp_path):
    make_domain(tmp_path / "d", SMALL, ASKED)
    with pytest.raises(InputError, match="already holds a study"):
        make_domain(tmp_path / "d", SMALL, ASKED)
