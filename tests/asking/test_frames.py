"""Wordings: as many as promised, different, none in both families, grammatical where a rule decides that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ragft.asking.frames import LANGUAGES, backwards, is_noun, key, subject, two_hops, wordings
from ragft.asking.mine import Statement

ORDER_CODE = Statement("a.md", "| Order code | 64-3071 |", "Kova 7", "Order code", "64-3071", "attribute", "code", "en")


@pytest.mark.parametrize(("language", "form"), [(language, form) for language, forms in LANGUAGES.items() for form in forms])
def test_each_family_has_its_own_wordings(language, form):
    train, held_out = LANGUAGES[language][form]
    assert len(set(train)) == 3 and len(set(held_out)) == 2 and not set(train) & set(held_out)


def test_an_attribute():
    asked = wordings(ORDER_CODE)
    assert asked.train[0] == "What is the order code of Kova 7?"
    assert all("64-3071" not in text and "order code" in text and "Kova 7" in text for text in asked.train + asked.held_out)
    assert wordings(replace(ORDER_CODE, attribute="Dimensions")).train[0] == "What are the dimensions of Kova 7?"


def test_a_heading_that_is_no_noun_is_quoted():
    assert wordings(replace(ORDER_CODE, attribute="Next due")).train[0] == 'What is listed as "next due" for Kova 7?'
    assert is_noun("Stock location") and is_noun("下单价格") and not is_noun("what to do")


def test_where_it_stands_is_said():
    asked = wordings(replace(ORDER_CODE, subject="Tuesday", within="Delivery rounds"))
    assert all(text.startswith('According to "Delivery rounds": ') for text in asked.train)


def test_from_the_value_and_over_two_documents():
    assert "64-3071" in backwards(ORDER_CODE).held_out[0] and "Kova 7" not in backwards(ORDER_CODE).held_out[0]
    owner = replace(ORDER_CODE, attribute="Owner", value="Ada Quill")
    room = replace(ORDER_CODE, subject="Ada Quill", attribute="Room", value="9")
    assert two_hops(owner, room).train[0] == "What is the room of the owner of Kova 7?"


def test_words_within_a_sentence():
    assert key("Order code", "en") == "order code" and key("IP rating", "en") == "IP rating" and key("订货号", "zh") == "订货号"
    assert subject(replace(ORDER_CODE, subject="The Kova 7")) == "the Kova 7"
    assert subject(replace(ORDER_CODE, subject="A worker waits ____", form="gap")) == "A worker waits ____"
