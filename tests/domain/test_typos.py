"""Typing errors: one slip in one or two words, never in what is asked for."""

from __future__ import annotations

import re

import pytest

from ragft.domain.typos import misspell

QUESTION = "Which maximum pressure of 4200 millibar does the Kova KX-300 take in Ardley?"


def slips(word: str) -> set[str]:
    """Every word that one slip can make of it, by brute force; first and last letters stay."""
    inner = range(1, len(word) - 1)
    swapped = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inner if i + 1 < len(word) - 1}
    return swapped | {word[:i] + word[i + 1 :] for i in inner} | {word[: i + 1] + word[i:] for i in inner} - {word}


def test_one_or_two_words_have_one_slip_each():
    seen, changes = set(), set()
    for seed in range(200):
        after = misspell(QUESTION, (), str(seed))
        pairs = [(a, b) for a, b in zip(QUESTION.split(), after.split(), strict=True) if a != b]
        changes.add(len(pairs))
        for before, now in pairs:
            assert now.strip("?") in slips(before.strip("?"))
            seen.add(len(now) - len(before))
        assert re.findall(r"\d+", after) == ["4200", "300"]
    assert changes == {1, 2} and seen == {-1, 0, 1}, "exchanged, left out and doubled"


def test_words_of_an_answer_stay():
    for seed in range(100):
        assert "Ardley" in misspell(QUESTION, ("in ardley",), str(seed))
    assert any("Ardley" not in misspell(QUESTION, (), str(seed)) for seed in range(100))


def test_the_same_seed_makes_the_same_slips_in_any_process():
    assert misspell(QUESTION, (), "q1") == misspell(QUESTION, (), "q1") != misspell(QUESTION, (), "q2")
    assert misspell("What is the maximum pressure?", (), "q1") == "Wat is the maximum prressure?"


@pytest.mark.parametrize("question", ["Who is it?", "", "1234 5678", "Who is Ann?"])
def test_a_question_without_a_long_word_stays_as_it_is(question):
    assert misspell(question, (), "q") == question


def test_chinese_has_slips_too():
    assert misspell("这台茶机的最大压力是多少", ("三巴",), "q") != "这台茶机的最大压力是多少"
