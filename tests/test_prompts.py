"""Prompts: one place, one wording, for training and answering."""

from __future__ import annotations

import re

import pytest
from jinja2.exceptions import TemplateError

from ragft.prompts import REFUSAL, Style, citing, closed_book, completion, fit_passages, open_book, render, split_citations
from ragft.types import Chunk, Span


class Chat:
    chat_template = "yes"

    def apply_chat_template(self, conversation, *, tokenize, add_generation_prompt):
        return "".join(f"<{turn['role']}>{turn['content']}" for turn in conversation) + "<assistant>"


class NoSystem(Chat):
    def apply_chat_template(self, conversation, **settings):
        if conversation[0]["role"] == "system":
            raise TemplateError("System role not supported")
        return super().apply_chat_template(conversation, **settings)


class Plain:
    chat_template = None


def chunk(name: str, words: int) -> Chunk:
    return Chunk(name, Span("d", 0, 1), " ".join(["w"] * words), "T")


def test_closed_and_open_book_differ_in_the_passages_only():
    closed, opened = closed_book("Why?", "en"), open_book("Why?", [chunk("a", 2)], "en")
    assert closed.user == "Question: Why?"
    assert opened.user == "[1] T\nw w\n\nQuestion: Why?"
    assert "I don't know" in closed.system and "I don't know" in opened.system


def test_chinese_has_its_own_words():
    assert closed_book("为什么？", "zh").user == "问题：为什么？"
    assert "我不知道" in open_book("为什么？", [], "zh").system


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_permission_to_abstain_the_rest_of_the_instruction_is_the_same(language):
    asked = (("Why?", language), ("Why?", [chunk("a", 2)], language))
    for make, given in zip((closed_book, open_book), asked, strict=True):
        free, strict = make(*given), make(*given, Style(may_abstain=False))
        assert free.user == strict.user and free.system.startswith(strict.system)
        assert REFUSAL[language].rstrip("。.") in free.system and REFUSAL[language].rstrip("。.") not in strict.system


def test_the_order_of_passages_is_a_setting():
    given = [Chunk(name, Span(document, start, start + 1), name, "T") for name, document, start in (("a", "e", 5), ("b", "d", 9), ("c", "d", 3))]
    shown = {order: open_book("Why?", given, "en", Style(order=order)).user for order in ("best-first", "best-last", "document")}
    assert {order: re.findall(r"\[(\d)\] T\n(.)", text) for order, text in shown.items()} == {
        "best-first": [("1", "a"), ("2", "b"), ("3", "c")],
        "best-last": [("1", "c"), ("2", "b"), ("3", "a")],
        "document": [("1", "c"), ("2", "b"), ("3", "a")],  # d before e, and in d what stands first
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42 bar [1]", ("42 bar", (1,))),
        ("42 bar [1][3].", ("42 bar.", (1, 3))),
        ("[2] 42 bar [2, 1]", ("42 bar", (2, 1))),
        ("42巴【1、2】。", ("42巴。", (1, 2))),
        ("42 bar [see page 3] [1999]", ("42 bar [see page 3] [1999]", ())),
        ("array[0] is first", ("array[0] is first", ())),
        ("42 bar [1-3]", ("42 bar", (1, 2, 3))),
        ("42 bar ［1］", ("42 bar", (1,))),
        ("42 bar [Passage 2]", ("42 bar", (2,))),
        ("42 bar (passages 1 and 3)", ("42 bar", (1, 3))),
        ("42 bar (2)", ("42 bar (2)", ())),
        ("42巴（段落1）", ("42巴", (1,))),
        ("42巴【第2段】", ("42巴", (2,))),
    ],
)
def test_citations_are_told_from_the_answer(text, expected):
    assert split_citations(text) == expected


@pytest.mark.parametrize("language", ["en", "zh"])
def test_asked_to_cite_only_the_instruction_with_passages_changes(language):
    given = ("Why?", [chunk("a", 2)], language)
    plain, cited = open_book(*given), open_book(*given, Style(cite=True))
    assert cited.user == plain.user and "[1]" in cited.system and "[1]" not in plain.system
    assert closed_book("Why?", language, Style(cite=True)) == closed_book("Why?", language)


def test_what_is_learned_cites_by_the_numbers_of_the_prompt():
    shown = [Chunk(name, Span("d", number, number + 1), name, "T") for number, name in enumerate("abc")]
    assert citing("42", shown, {"a", "c"}, Style(cite=True)) == "42 [1, 3]"
    assert citing("42", shown, {"a"}, Style(cite=True, order="best-last")) == "42 [3]"
    assert citing("42", shown, (), Style(cite=True)) == citing("42", shown, {"a"}, Style()) == "42"
    assert split_citations(citing("42", shown, {"b"}, Style(cite=True))) == ("42", (2,))


def test_render_goes_through_the_chat_template_or_plain():
    prompt = closed_book("Why?", "en")
    assert render(prompt, Chat()) == f"<system>{prompt.system}<user>{prompt.user}<assistant>"
    assert render(prompt, NoSystem()) == f"<user>{prompt.system}\n\n{prompt.user}<assistant>"
    assert render(prompt, Plain()).endswith("Question: Why?\nAnswer:")
    assert (completion("42", Chat()), completion("42", Plain())) == ("42", " 42")


def test_passages_fill_the_budget_in_order_and_the_first_always_stays():
    chunks = [chunk("a", 5), chunk("b", 5), chunk("c", 1)]
    count = lambda text: len(text.split())  # noqa: E731
    assert [c.id for c in fit_passages(chunks, 12, count)] == ["a", "b"]
    assert [c.id for c in fit_passages(chunks, 1, count)] == ["a"]
    assert fit_passages([], 10, count) == []
