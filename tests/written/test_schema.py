"""Replies that are read, and replies that are not."""

from __future__ import annotations

import json

import pytest

from ragft.written.schema import NO_JSON, OTHER_FORM, Critique, Paraphrases, Questions, UnreadableError, read_as

ONE = {"question": "What does it weigh?", "answer": "12 kg", "quote": "It weighs 12 kg."}
GOOD = json.dumps({"questions": [ONE]})
FIVE = {"train": ["a", "b", "c"], "held_out": ["d", "e"]}


@pytest.mark.parametrize("reply", [GOOD, f" {GOOD}\n", f"```json\n{GOOD}\n```", f"```\n{GOOD}\n```", json.dumps({"questions": [ONE]}, indent=2)])
def test_what_is_read(reply):
    (one,) = read_as(Questions, reply).questions
    assert one.model_dump() == ONE


def test_a_passage_may_hold_nothing():
    assert read_as(Questions, '{"questions": []}').questions == ()


@pytest.mark.parametrize(
    ("kind", "reply", "reason"),
    [
        (Questions, "", NO_JSON),
        (Questions, "I cannot do that.", NO_JSON),
        (Questions, f"Here they are: {GOOD}", NO_JSON),
        (Questions, f"{GOOD} I hope that helps.", NO_JSON),
        (Questions, f"Sure!\n```json\n{GOOD}\n```", NO_JSON),
        (Questions, GOOD[:-2], NO_JSON),  # cut off
        (Questions, json.dumps([ONE]), OTHER_FORM),
        (Questions, "{}", OTHER_FORM),
        (Questions, json.dumps({"questions": [ONE], "note": "one"}), OTHER_FORM),
        (Questions, json.dumps({"questions": [ONE | {"id": 1}]}), OTHER_FORM),
        (Questions, json.dumps({"questions": [{"question": "What?", "answer": "12 kg"}]}), OTHER_FORM),
        (Questions, json.dumps({"questions": [ONE | {"answer": 12}]}), OTHER_FORM),
        (Questions, json.dumps({"questions": [ONE | {"answer": " "}]}), OTHER_FORM),
        (Questions, json.dumps({"questions": [ONE] * 4}), OTHER_FORM),
        (Paraphrases, json.dumps(FIVE | {"train": ["a", "b"]}), OTHER_FORM),
        (Paraphrases, json.dumps(FIVE | {"held_out": ["d", "e", "f"]}), OTHER_FORM),
        (Critique, '{"answerable": true, "stands_alone": true}', OTHER_FORM),
        (Critique, '{"answerable": "true", "stands_alone": true, "one_answer": true}', OTHER_FORM),
        (Critique, '{"answerable": 1, "stands_alone": true, "one_answer": true}', OTHER_FORM),
    ],
)
def test_what_is_not_read_says_why(kind, reply, reason):
    with pytest.raises(UnreadableError) as error:
        read_as(kind, reply)
    assert error.value.kind == reason and str(error.value)


def test_wordings_and_critique():
    assert read_as(Paraphrases, json.dumps(FIVE)).all == ("a", "b", "c", "d", "e")
    assert read_as(Critique, '{"answerable": true, "stands_alone": false, "one_answer": true}').stands_alone is False
