"""The general set: its files are checked, and each rule accepts what was asked and nothing else."""

from __future__ import annotations

import json

import pytest

from ragft.domain.general import CHECKS, Instruction, load_general
from ragft.errors import InputError


@pytest.mark.parametrize(
    ("check", "value", "right", "wrong"),
    [
        ("contains", "RIVER", "It is RIVER.", "river"),
        ("contains_any", ["red", "blue"], "a blue sky", "a green sky"),
        ("starts_with", "Yes", " Yes, it can.", "I say Yes"),
        ("ends_with", "!", "Hello!", "Hello! there"),
        ("equals_ignoring_case", "The sun is warm", "the sun is warm.", "the sun is very warm"),
        ("regex", r"(?i)^\W*yes\b", "YES it is", "well, yes"),
        ("max_words", 3, "Rex", "a name for a dog"),
        ("lines", 2, "one\n\ntwo\n", "one"),
    ],
)
def test_each_rule(check, value, right, wrong):
    asked = Instruction("i", "Do it.", check, value)
    assert asked.followed(right) and not asked.followed(wrong) and not asked.followed("")
    assert asked.prompt.user == "Do it." and asked.prompt.system == ""


def test_every_rule_has_its_case():
    (marks,) = test_each_rule.pytestmark
    assert {case[0] for case in marks.args[1]} == set(CHECKS)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "questions.jsonl").write_text(json.dumps({"id": "g1", "kind": "colours", "question": "What colour is grass?", "answers": ["green"]}))
    (tmp_path / "instructions.jsonl").write_text(json.dumps({"id": "i1", "instruction": "Say hi.", "check": "contains", "value": "hi"}))
    (tmp_path / "prose.txt").write_text("A walk to the market.")
    return tmp_path


def test_loading(folder):
    general = load_general(folder)
    ((question, gold),) = general.questions
    assert (question.text, gold.answers, gold.stratum, gold.question) == ("What colour is grass?", ("green",), "general", "What colour is grass?")
    assert [one.text for one in general.instructions] == ["Say hi."] and general.prose == "A walk to the market."


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "i1", "instruction": "Say hi."}, ":1: an instruction has the keys id, instruction, check, value"),
        ({"id": "i1", "instruction": "Say hi.", "check": "contain", "value": "hi"}, "unknown check 'contain'. Did you mean 'contains'?"),
        ({"id": "i1", "instruction": "Say hi.", "check": "lines", "value": "2"}, "the value of check 'lines' must be a int, not '2'"),
    ],
)
def test_a_wrong_instruction_is_one_line(folder, row, said):
    (folder / "instructions.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError) as caught:
        load_general(folder)
    assert said in str(caught.value) and "\n" not in str(caught.value)
