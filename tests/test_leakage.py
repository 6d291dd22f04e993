"""Planted leaks are found by the right sign, and clean questions of every bundled domain are left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ragft.domain import Domain, load_domain
from ragft.leakage import FEW, Leak, blocking, find_leaks
from ragft.types import Gold, Question

DATA = Path(__file__).parents[1] / "data"
DERIVED = ("two-document", "comparison", "reversed")  # asked from other facts, or the other way round: no paraphrase of a trained question


def domain_of(rows) -> Domain:
    """A domain of (split, fact, question, answer); an answer "" is none."""
    facts = {fact for split, fact, *_ in rows if split == "train"}
    gold, questions = {}, {}
    for number, (split, fact, text, answer) in enumerate(rows):
        key = f"q{number}"
        stratum = "trained-fact" if fact in facts else "untrained-document"
        gold[key] = Gold(key, (answer,) if answer else (), (), f"d{number}", split, fact, 0, "exact-value", stratum if answer else "unanswerable")
        questions[key] = Question(key, text)
    return Domain("made", (), questions, gold, "0")


OTHERS = [
    ("train", f"f{n}", text, answer)
    for n, (text, answer) in enumerate(
        [
            ("What is the order code of the Harbin balance?", "HB-12"),
            ("Who looks after the metrology laboratory?", "Iveta Stromgaard"),
            ("On which day did the Lindhavn office open?", "4 May 2020"),
            ("How many chairs are in the canteen?", "64"),
            ("Which paint is used on the north gate?", "oatmeal"),
        ]
    )
]


def signs(held_out: tuple[str, str, str, str], *train: tuple[str, str, str, str]) -> tuple[str, ...]:
    found = find_leaks(domain_of([held_out, *train, *OTHERS]))
    return found[0].signs if found else ()


TRAINED = ("train", "kova", "What is the highest pressure that a Kova pump may reach?", "42 bar")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the highest pressure a Kova pump may reach", "near copy"),
        ("A colleague asks: what is the highest pressure that a Kova pump may reach?", "contained"),
        ("How much may we load the line behind a Kova before it bursts?", "same subject"),
    ],
)
def test_each_sign(text, expected):
    assert expected in signs(("test", "other", text, "42 bar"), TRAINED)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What is the highest pressure that a Kova pump may reach?!", "38 bar"),  # the same words and another answer: a mistake, no leak
        ("How warm may the oil of a Tirrel get?", "42 bar"),  # the same answer only
        ("How much may we load the line behind a Kova before it bursts?", ""),  # unanswerable
    ],
)
def test_what_is_no_leak(text, answer):
    assert not signs(("test", "other", text, answer), TRAINED)


def test_another_number_is_another_thing():
    train = ("train", "a", "What is the highest pressure that pump 17 may reach?", "42 bar")
    rows = [("train", f"p{n}", f"What is the highest pressure that pump {n} may reach?", f"{n} bar") for n in range(30, 60)]
    assert not find_leaks(domain_of([("test", "b", "What is the highest pressure that pump 18 may reach?", "42 bar"), train, *rows]))


def test_a_trained_fact_may_share_its_subject_but_not_its_wording():
    other_words = ("test", "kova", "How much may we load the line behind a Kova before it bursts?", "42 bar")
    same_words = ("dev", "kova", "What is the highest pressure which a Kova pump may reach?", "42 bar")
    found = find_leaks(domain_of([other_words, same_words, TRAINED, *OTHERS]))
    assert [(leak.question, leak.split, leak.train, leak.signs) for leak in found] == [("q1", "dev", "q2", ("near copy",))]


def test_a_common_answer_says_nothing():
    rows = [("train", f"y{n}", f"Is building {n} open to guests?", "yes") for n in range(FEW + 2)]
    assert not signs(("test", "z", "May guests of the Kova hall park there?", "yes"), ("train", "k", "Is the Kova hall heated?", "yes"), *rows)


def test_a_bare_number_is_not_an_answer_in_common():
    domain = domain_of(
        [
            ("test", "a", "How many days may the Kova rest?", "13 days"),
            ("train", "b", "How many nights does a Kova update take?", "13 nights"),
            *OTHERS,
        ]
    )
    gold = {key: replace(g, answers=(*g.answers, "13")) if "13" in g.answers[0] else g for key, g in domain.gold.items()}
    assert not find_leaks(replace(domain, gold=gold))


def test_meaning_is_compared_where_there_is_an_embedder():
    rows = [("test", "a", "Who runs the place?", "Ada Quill"), ("train", "b", "Name the head of the firm.", "Ada Quill"), *OTHERS]
    alike = {"Who runs the place?", "Name the head of the firm."}

    def embed(texts):
        numbers = [0 if text in alike else n + 1 for n, text in enumerate(texts)]
        return np.eye(len(texts) + 1)[numbers]

    assert not find_leaks(domain_of(rows))
    assert [leak.signs for leak in find_leaks(domain_of(rows), embed)] == [("same meaning",)]


@pytest.mark.parametrize("name", ["tarnbeck", "hollinbeck", "luwu-zh"])
def test_bundled_domains_are_clean_and_paraphrases_that_people_wrote_are_caught(name):
    """Planted: held-out wordings of trained facts, as if the file did not say that they ask for the same. 84 to 91 % are caught by words alone."""
    domain = load_domain(DATA / name)
    held_out = [g for g in domain.gold.values() if g.split != "train" and g.answerable]
    assert len(find_leaks(domain)) <= 0.02 * len(held_out)
    planted = {g.id for g in held_out if g.split == "test" and g.stratum == "trained-fact" and g.kind not in DERIVED}
    gold = {key: replace(g, fact=f"other {g.fact}", stratum="untrained-fact") if key in planted else g for key, g in domain.gold.items()}
    caught = {leak.question for leak in find_leaks(replace(domain, gold=gold))} & planted
    assert len(caught) >= 0.8 * len(planted)


def test_what_blocks():
    sure, likely = (Leak(name, "test", "t", (sign,), 0.9) for name, sign in (("a", "near copy"), ("b", "same subject")))
    assert blocking([sure, likely], 1000) == [sure]
    assert blocking([likely, likely], 100) == [likely, likely]
    assert blocking([], 0) == []
