"""What is planted: another answer of the same kind and shape, nowhere the right one, and a word that nobody says by chance."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ragft.domain.planted import canary, contradicted, obeyed, order, other_answer
from ragft.text import contains, words
from ragft.types import Gold


def gold(key: str, *answers: str, kind: str = "value") -> Gold:
    return Gold(key, answers, (), "d", "test", key, 0, kind, "trained-fact")


def test_a_value_becomes_that_of_another_question_which_reads_alike():
    pool = [gold("a", "17 bar"), gold("b", "9 kg"), gold("c", "8 bar", kind="other"), gold("q", "42 bar")]
    assert other_answer(gold("q", "42 bar", "42"), pool) == "17 bar"
    assert (
        other_answer(gold("q", "3 May 2021", kind="date"), [gold("a", "17 June 1998", kind="date"), gold("b", "1998", kind="date")]) == "17 June 1998"
    )


def test_a_name_is_taken_from_the_same_kind_with_as_many_words():
    pool = [
        gold("a", "Ostby", kind="person"),
        gold("b", "Jonas Reed", kind="person"),
        gold("c", "Port Ellery", kind="place"),
        gold("d", "17 bar", kind="person"),
    ]
    assert other_answer(gold("q", "Mira Holt", "Holt", kind="person"), pool) == "Jonas Reed"
    assert other_answer(gold("q", "Mira Holt", kind="person"), pool[:1]) == "Ostby"
    assert other_answer(gold("q", "Mira Holt", kind="person"), pool[2:]) is None


def test_what_would_be_right_is_never_taken():
    pool = [gold("a", "Holt", kind="person"), gold("b", "the Mira Holt", kind="person"), gold("c", "mira holt", kind="person")]
    assert other_answer(gold("q", "Mira Holt", "Holt", kind="person"), pool) is None
    same_fact = gold("c", "Jonas Reed", kind="person")
    assert other_answer(Gold("q", ("Mira Holt",), (), "d", "test", "c", 0, "person", "trained-fact"), [same_fact]) is None
    assert other_answer(gold("q", "19 July 2025", "19 July", kind="date"), []).endswith(" July 2025"), "another year would leave 19 July right"


@pytest.mark.parametrize("key", [f"q{n}" for n in range(40)])
def test_a_changed_number_keeps_its_shape(key):
    def made(*answers: str) -> str:
        found = other_answer(gold(key, *answers), [])
        assert found is not None
        return found

    assert re.fullmatch(r"[1-9]\d bar", made("42 bar")) and made("42 bar") != "42 bar" and int(made("42 bar").split()[0]) <= 84
    assert re.fullmatch(r"[1-9] kg", made("9 kg", "9")) and made("9 kg") != "9 kg"
    assert re.fullmatch(r"[1-9]\.8 mbar", made("0.8 mbar"))
    assert 10 <= int(made("19 July 2025").split()[0]) <= 28
    assert made("2025年3月6日").endswith("年3月6日") and made("2025年3月6日")[:4] != "2025"
    assert int(made("3月6日").split("月")[0]) in range(1, 10)
    assert re.fullmatch(r"(1\d|2[0-3]):35", made("18:35"))
    assert re.fullmatch(r"(0[1-9]|1[0-6]):35", made("08:35"))
    assert re.fullmatch(r"LAT-\d{4}", made("LAT-1184", "1184"))
    assert re.fullmatch(r"0(0[1-9]|1[0-4])", made("007"))


values = some.one_of(
    some.from_regex(r"\A[0-9]{1,4}( bar| kg| July 2025|:30|%)?\Z"),
    some.text("ABab 北京", min_size=1, max_size=6),
    some.just("1,200 metres"),
    some.just("零点八"),
)


@given(some.text(max_size=4), some.lists(values, min_size=1, max_size=3), some.lists(values, max_size=5))
def test_it_neither_holds_nor_stands_in_a_right_answer(key, answers, others):
    pool = [gold(f"o{number}", other) for number, other in enumerate(others)]
    found = other_answer(gold(key, *answers), pool)
    assert found == other_answer(gold(key, *answers), pool), "the same every time"
    if found is not None:
        assert words(found)
        for right in answers:
            assert not contains(words(found), words(right)) and not contains(words(right), words(found))


@pytest.mark.parametrize(
    ("text", "answers", "planted", "expected"),
    [
        ("It takes 42 bar, not 142 bar.", ("42 bar",), "17 bar", "It takes 17 bar, not 142 bar."),
        ("Led by Mira Holt. Ask Holt, or Holthouse.", ("Mira Holt", "Holt"), "Jonas Reed", "Led by Jonas Reed. Ask Jonas Reed, or Holthouse."),
        ("Changed every 14 months.", ("14 months", "every 14 months"), "30 months", "Changed every 30 months."),
        ("In THE LOOP pump.", ("the loop pump", "loop pump"), "x\\1", "In x\\1."),
        ("分机是317。另一个是3175。", ("317",), "402", "分机是402。另一个是3175。"),
        ("设计者是厉鸣筝，人称厉工。", ("厉鸣筝",), "戚九皋", "设计者是戚九皋，人称厉工。"),
        ("The value 4.2 is not 4.25 or 14.2.", ("4.2",), "5.1", "The value 5.1 is not 4.25 or 14.2."),
        ("It costs €.", ("€",), "$", None),  # no words to tell the answers apart by
        ("It takes forty-two bar.", ("42 bar",), "17 bar", None),
        ("Up to 1200 m, that is 1,200 m.", ("1200 m",), "900 m", None),  # still there, spelt in another way
        ("Only 3.42 bar.", ("42 bar",), "17 bar", None),
    ],
)  # fmt: skip
def test_every_right_answer_of_a_passage_is_replaced_or_none(text, answers, planted, expected):
    assert contradicted(text, answers, planted) == expected


def test_a_canary_is_the_questions_own_and_found_in_any_case():
    assert canary("q1") == canary("q1") != canary("q2")
    assert all(re.fullmatch(r"([A-Z][AEIOU]){4}", canary(f"q{n}")) for n in range(50)) and len({canary(f"q{n}") for n in range(300)}) == 300
    assert canary("q1") in order("q1", "en") and canary("q1") in order("q1", "zh") and order("q1", "en") != order("q1", "zh")
    assert obeyed(f"The word is {canary('q1').lower()}.", "q1")
    assert not obeyed(canary("q1"), "q2") and not obeyed("", "q1")
