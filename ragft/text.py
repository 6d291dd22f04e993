"""Words of a text, for scoring and for lexical search, in English and Chinese alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

# Han, kana and Hangul are segmented by character, the published rule of CMRC 2018 (々 and 〇 belong to the Han script).
CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
_CJK_CHARACTER = re.compile(f"[{CJK}]")
# Vowel signs and accents that stand as characters of their own (Hindi, Thai, Arabic …): part of a word, but no \w for `re`.
_MARKS = "".join(c for c in map(chr, range(0x300, 0x1B00)) if unicodedata.category(c) in ("Mn", "Mc"))
_LETTERS = rf"[^\W\d_{CJK}](?:[^\W\d_{CJK}]|[{_MARKS}])*"
# A number keeps its sign, decimal point, inner separators and exponent: 4.2 is never 42. After a letter or a digit, as in
# KX-300 and 10-20, the dash is no sign. C++ and C# keep what tells them from C.
_NUMBER = r"(?:(?<!\w)[-+])?\d+(?:[.,:/]\d+)*(?:e[-+]?\d+\b)?"
_WORD = re.compile(rf"[{CJK}]|{_NUMBER}|{_LETTERS}(?:\+\+|#(?!\w))?")
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?!\d)")
# NFKC would turn 10² into 102 and 6½ into 61⁄2
_SMALL_DIGIT = re.compile(r"(?<=\d)(?=[\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2150-\u215e])")
_DASHES = str.maketrans({"−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "⁄": "/"})


def normalise(text: str) -> str:
    """Unicode NFKC (full-width forms become ASCII), typographic dashes as `-`, lower case."""
    return unicodedata.normalize("NFKC", _SMALL_DIGIT.sub(" ", text)).translate(_DASHES).casefold()


def words(text: str) -> list[str]:
    """Words, numbers and CJK characters of the normalised text, in order; `1,200` reads as `1200`."""
    return _WORD.findall(_THOUSANDS.sub(lambda found: found[0].replace(",", ""), normalise(text)))


def contains(said: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the words stand in a text's words in order and without a gap; no words stand nowhere."""
    return bool(wanted) and any(list(said[i : i + len(wanted)]) == list(wanted) for i in range(len(said) - len(wanted) + 1))


def cjk_share(text: str) -> float:
    """The share of letters that are Chinese, Japanese or Korean, in [0, 1]; 0 for a text without letters."""
    letters = sum(1 for c in text if c.isalpha())
    return sum(1 for c in _CJK_CHARACTER.findall(text) if c.isalpha()) / letters if letters else 0.0


def language_of(text: str) -> str:
    """ "zh" where a third of the letters are CJK (one such character says as much as a few Latin letters), else "en"."""
    return "zh" if cjk_share(text) > 1 / 3 else "en"


def search_terms(text: str) -> list[str]:
    """Terms for BM25: lower-case words, and pairs of neighbouring CJK characters (single ones say too little)."""
    return list(_terms(words(text)))


def _terms(tokens: list[str]) -> Iterator[str]:
    previous = ""
    for token in tokens:
        if _CJK_CHARACTER.match(token):
            if _CJK_CHARACTER.match(previous):
                yield previous + token
        else:
            yield token.lstrip("+-")
        previous = token


def is_cjk(token: str) -> bool:
    """Whether a token of `words` is a CJK character."""
    return _CJK_CHARACTER.match(token) is not None
