"""Sheets that people fill in: no cell is a formula, and what a spreadsheet saved is read back."""

from __future__ import annotations

import csv

import pytest

from ragft.errors import InputError
from ragft.sheets import cell, read_sheet, refuse_old, same_text, write_sheet

DANGEROUS = ["=1+1", "+HYPERLINK()", "@SUM(A1)", "-2+3+cmd|' /C calc'!A0", "+49-170-555", "-1*2", "\t=1", "-A1"]
HARMLESS = ["-5 °C", "+3", "-1,200.5", "- a list", "12 bar", "", "a=b", 'say "a,b"\nand more']


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_a_spreadsheet_would_run_is_marked(text):
    assert cell(text) == f"'{text}" and same_text(cell(text), text)


@pytest.mark.parametrize("text", [text for text in HARMLESS if text != "- a list"])
def test_what_it_would_not_run_stays(text):
    assert cell(text) == text


def test_a_sheet_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "s.csv"
    write_sheet(path, ("id", "text"), [(str(i), text) for i, text in enumerate(HARMLESS)])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "the mark by which spreadsheets know UTF-8"
    rows = read_sheet(path, ("id",), ("id", "text"))
    assert [row["id"] for _, row in rows] == [str(i) for i in range(len(HARMLESS))]
    assert all(same_text(row["text"], text) for (_, row), text in zip(rows, HARMLESS, strict=True))
    assert [line for line, _ in rows][:2] == [2, 3]


def test_nul_does_not_make_it_unreadable(tmp_path):
    write_sheet(tmp_path / "s.csv", ("id", "text"), [("1", "a\0b")])
    assert read_sheet(tmp_path / "s.csv", ("id",), ("id", "text")) == [(2, {"id": "1", "text": "ab"})]


def test_semicolons_and_empty_rows_as_spreadsheets_write_them(tmp_path):
    with (tmp_path / "s.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=";").writerows([["id", "text"], ["1", "a,b"], ["", ""], ["2", "c"]])
    assert read_sheet(tmp_path / "s.csv", ("id",), ("id", "text")) == [(2, {"id": "1", "text": "a,b"}), (4, {"id": "2", "text": "c"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,other\n1,a\n", "s.csv:1: there is no column 'text'. Keep the sheet's columns: id, text, note"),
        ("", "s.csv:1: there is no column 'id'"),
        ("id,text\n1,a\n1,b\n", "s.csv:3: the id '1' stands in line 2 already"),
    ],
)
def test_a_broken_sheet_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_sheet(tmp_path / "s.csv", ("id", "text"), ("id", "text", "note"))


def test_a_file_that_is_there_is_left_alone(tmp_path):
    refuse_old(tmp_path / "s.csv", "labels")
    (tmp_path / "s.csv").write_text("")
    with pytest.raises(InputError, match="exists, and may hold labels"):
        refuse_old(tmp_path / "s.csv", "labels")
