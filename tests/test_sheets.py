"""Sheets that people fill in: no cell is a formula, and what a spreadsheet saved is read back."""

from __future__ import annotations

import csv

import pytest

from ragft import files
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
    rows = read_sheet(path, ("id",), ("id", "text"), ("id", "text"))
    assert [row["id"] for _, row in rows] == [str(i) for i in range(len(HARMLESS))]
    assert all(same_text(row["text"], text) for (_, row), text in zip(rows, HARMLESS, strict=True))
    assert [line for line, _ in rows][:2] == [2, 3]


def test_nul_does_not_make_it_unreadable(tmp_path):
    write_sheet(tmp_path / "s.csv", ("id", "text"), [("1", "a\0b")])
    assert read_sheet(tmp_path / "s.csv", ("id",), ("id", "text"), ("id", "text")) == [(2, {"id": "1", "text": "ab"})]


def test_semicolons_and_empty_rows_as_spreadsheets_write_them(tmp_path):
    with (tmp_path / "s.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=";").writerows([["id", "text"], ["1", "a,b"], ["", ""], ["2", "c"]])
    assert read_sheet(tmp_path / "s.csv", ("id",), ("id", "text"), ("id", "text")) == [(2, {"id": "1", "text": "a,b"}), (4, {"id": "2", "text": "c"})]


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
        read_sheet(tmp_path / "s.csv", ("id", "text"), ("id", "text", "note"), ("id", "note"))


SHEET = ("id", "question", "verdict", "note")
CHINESE, ENGLISH = ["冷却剂的型号是什么？", "Kova 30 用什么泵？"], ["What is the limit?", "How much is it?"]


def saved(path, questions, notes, encoding, delimiter=";"):
    """As a spreadsheet of that country saves it."""
    rows = [SHEET, *([f"q{number}", text, "ok", note] for number, (text, note) in enumerate(zip(questions, notes, strict=True)))]
    with path.open("w", newline="", encoding=encoding, errors="replace") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return path


def read(path, questions):
    known = {f"q{number}": text for number, text in enumerate(questions)}
    return [row["note"] for _, row in read_sheet(path, ("id",), SHEET, ("id", "verdict", "note"), lambda row: known.get(row["id"]))]


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "big5", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_questions_tell_in_which_encoding_a_sheet_was_saved(tmp_path, encoding, delimiter):
    questions = CHINESE if encoding != "big5" else ["冷卻水是什麼？", "泵在哪裡？"]
    notes = ["答案不完整" if encoding != "big5" else "答案不對", ""]
    assert read(saved(tmp_path / "s.csv", questions, notes, encoding, delimiter), questions) == notes


def test_where_they_do_not_tell_it_no_comment_is_guessed(tmp_path):
    message = r"s\.csv:3: not UTF-8, and what is written here cannot be read for sure, .* Save it again from the spreadsheet, as «CSV UTF-8»\."
    with pytest.raises(InputError, match=message):
        read(saved(tmp_path / "s.csv", ENGLISH, ["no", "答案不完整"], "gbk"), ENGLISH)
    with pytest.raises(InputError, match=message):  # in Greek it is another letter, and the sign for degrees is the same
        read(saved(tmp_path / "s.csv", ["40 °C?", "How much?"], ["no", "naïve"], "cp1252"), ["40 °C?", "How much?"])
    assert read(saved(tmp_path / "s.csv", ["40 °C?", "How much?"], ["no", ""], "cp1252"), ["40 °C?", "How much?"]) == ["no", ""]
    assert read(saved(tmp_path / "s.csv", CHINESE, ["no", "naïve"], "gb18030"), CHINESE) == ["no", "naïve"]


def test_a_comment_that_one_of_them_alone_can_read_is_not_taken_for_that(tmp_path, monkeypatch):
    """It may be in an encoding that is none of the usual ones, as Thai is."""
    monkeypatch.setattr(files, "ENCODINGS", ["gb18030"])
    path = saved(tmp_path / "s.csv", ENGLISH, ["no", "\u0e40\u0e01"], "cp874")
    (text,), sure = files.readings(path)
    assert "\u0e40" not in text and not sure
    with pytest.raises(InputError, match="cannot be read for sure"):
        read(path, ENGLISH)


def test_letters_that_an_encoding_has_not_are_noticed(tmp_path):
    """The spreadsheet wrote question marks for them."""
    lost = [CHINESE[0], "El año 冷却"]
    with pytest.raises(InputError, match="in none of the usual encodings are its questions those that were written"):
        read(saved(tmp_path / "s.csv", lost, ["", ""], "gbk"), lost)


def test_what_only_holds_plain_marks_is_read_in_any_encoding(tmp_path):
    path = saved(tmp_path / "s.csv", CHINESE, ["", ""], "gbk")
    assert [row["verdict"] for _, row in read_sheet(path, ("id",), SHEET, ("id", "verdict"))] == ["ok", "ok"]


def test_a_file_that_is_there_is_left_alone(tmp_path):
    refuse_old(tmp_path / "s.csv", "labels")
    (tmp_path / "s.csv").write_text("")
    with pytest.raises(InputError, match="exists, and may hold labels"):
        refuse_old(tmp_path / "s.csv", "labels")
