"""Wordings made by rules: different, many, the same for the same seed, and grammatical where a clause is turned round."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ragft.domain import load_domain
from ragft.text import words
from ragft.tuning.paraphrase import paraphrases

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the base price for milk?", {"Tell me what the base price for milk is.", "Give me the base price for milk."}),
        ("Who is the cellar master of Hollinbeck?", {"Do you know who the cellar master of Hollinbeck is?"}),
        ("Who chairs the trustees of the Bobbin Trust?", {"Remind me who chairs the trustees of the Bobbin Trust."}),
        ("May I bring my dog?", {"A colleague asks: May I bring my dog?", "May I bring my dog? Please answer briefly."}),
    ],
)
def test_by_hand(question, expected):
    assert expected <= set(paraphrases(question, "en", 99, 0))


@pytest.mark.parametrize(
    "question",
    ["When was the first vat of Smeel made?", "What is the mould of the cheese called?", "Which three tests does the lab take?", "What is Korvid?"],
)
def test_what_the_rules_cannot_turn_round_is_left_whole(question):
    assert all(question in text for text in paraphrases(question, "en", 99, 0))


def test_chinese_frames():
    assert {"请问，保修期有多长？", "保修期有多长？请直接回答。"} <= set(paraphrases("保修期有多长？", "zh", 99, 0))


def test_the_seed_decides_and_taken_wordings_are_left_out():
    question = "What is the base price for milk?"
    assert paraphrases(question, "en", 5, 0) == paraphrases(question, "en", 5, 0) != paraphrases(question, "en", 5, 1)
    first = paraphrases(question, "en", 1, 0)[0]
    assert first not in paraphrases(question, "en", 99, 0, lambda text: text == first)


@pytest.mark.parametrize("name", ["tarnbeck", "hollinbeck", "luwu-zh"])
def test_bundled_questions_have_sixteen_wordings_and_none_is_held_out(name):
    domain = load_domain(DATA / name)
    held_out = {tuple(words(question.text)) for split in ("dev", "test") for question, _ in domain.split(split)}
    for question, _ in domain.split("train"):
        made = paraphrases(question.text, domain.language, 99, 0)
        assert len({tuple(words(text)) for text in [question.text, *made]}) == len(made) + 1 >= 17
        assert not held_out & {tuple(words(text)) for text in made}
        assert all(re.search("[?.？。]$", text) for text in made)
