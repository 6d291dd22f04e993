import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.text import cjk_share, language_of, normalise, search_terms, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The pump, at 4.2 bar.", ["the", "pump", "at", "4.2", "bar"]),
        ("42bar", ["42", "bar"]),
        ("1,200 and 1,200,000.5", ["1200", "and", "1200000.5"]),
        ("0,125 is not 125", ["0,125", "is", "not", "125"]),  # a decimal comma is no thousands separator
        ("12345,678", ["12345,678"]),
        ("-5 °C", ["-5", "c"]),
        ("10–20 bar", ["10", "20", "bar"]),  # a range, not a negative number
        ("KX-300 COVID-19", ["kx", "300", "covid", "19"]),
        ("1e-5 and 5e", ["1e-5", "and", "5", "e"]),
        ("6½ m²", ["6", "1/2", "m", "2"]),
        ("10² is not 102", ["10", "2", "is", "not", "102"]),
        ("C++, C# and C", ["c++", "c#", "and", "c"]),
        ("Petra Lund’s café", ["petra", "lund", "s", "café"]),
        ("cafe\u0301", ["café"]),  # the accent as a character of its own
        ("हिन्दी", ["हिन्दी"]),  # vowel signs do not break a word
        ("第49届（NFL）５分", ["第", "49", "届", "nfl", "5", "分"]),
        ("二〇二一年", ["二", "〇", "二", "一", "年"]),
        ("", []),
        ("…!? %", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@given(st.text(string.printable + "中文。４½²–−ßÉ"))
def test_words_are_stable(text):
    assert words(normalise(text)) == words(text) == words(f" {text} ")
    assert all(word and not any(c.isspace() for c in word) for word in words(text))


@given(st.from_regex(r"-?[1-9][0-9]{0,2}(\.[0-9]{1,3})?", fullmatch=True))
def test_a_number_is_one_word_wherever_it_stands(number):
    assert words(f"about {number} bar") == ["about", number, "bar"]
    assert words(f"大约{number.lstrip('-')}巴") == ["大", "约", number.lstrip("-"), "巴"]


def test_language():
    assert cjk_share("") == cjk_share("42") == 0.0
    assert cjk_share("ab中文") == 0.5
    assert language_of("What is the pressure?") == "en"
    assert language_of("Kova 30 的最大压力是多少？") == "zh"


def test_search_terms_pair_chinese_characters_and_drop_signs():
    assert search_terms("超级碗 at -5") == ["超级", "级碗", "at", "5"]
    assert search_terms("压力。泵") == ["压力"]  # no pair across punctuation
    assert search_terms("压力 泵体") == ["压力", "力泵", "泵体"]  # text is broken at any character
    assert search_terms("第49届") == ["49"]  # single characters between numbers say too little
