"""Words of a text, for scoring and for lexical search, in English and Chinese alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

# Han, kana and Hangul are segmented by character, the published rule of CMRC 2018 (々 and 〇 belong to the Han script).
CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
_CJK_CHARACTER = re.compile(f"[{CJK}]")
_KANA_HANGUL = re.compile("[\u3041-\u30fa\uac00-\ud7af]")  # Japanese and Korean are asked in English, not in Chinese
# Vowel signs and accents that stand as characters of their own (Hindi, Thai, Arabic …): part of a word, but no \w for `re`.
_MARKS = "".join(c for c in map(chr, range(0x300, 0x1B00)) if unicodedata.category(c) in ("Mn", "Mc"))
_LETTERS = rf"[^\W\d_{CJK}](?:[^\W\d_{CJK}]|[{_MARKS}])*"
# A number keeps its sign, decimal point, inner separators and exponent: 4.2 is never 42. After a letter or a digit, as in
# KX-300 and 10-20, the dash is no sign. C++ and C# keep what tells them from C.
_NUMBER = r"(?:(?<!\w)[-+])?\d+(?:[.,:/]\d+)*(?:e[-+]?\d+\b)?"
_WORD = re.compile(rf"[{CJK}]|{_NUMBER}|{_LETTERS}(?:\+\+|#(?!\w))?")
_BETWEEN_CJK = re.compile(rf"(?<=[{CJK}])[^\w\s]+(?=[{CJK}])")  # punctuation: what stands on either side of it is no word
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
    """ "zh" where a third of the letters are CJK (each says as much as a few Latin ones) and hardly any kana or Hangul, else "en"."""
    other = len(_KANA_HANGUL.findall(text)) / max(1, len(_CJK_CHARACTER.findall(text)))
    return "zh" if cjk_share(text) > 1 / 3 and other < 0.1 else "en"


def search_terms(text: str) -> list[str]:
    """Terms for BM25: lower-case words, and pairs of CJK characters that stand side by side (single ones say too little)."""
    return [term for part in _BETWEEN_CJK.split(text) for term in _terms(words(part))]


def _terms(tokens: list[str]) -> Iterator[str]:
    for term in pairs_of_cjk(tokens):
        if not _CJK_CHARACTER.match(term):
            yield term.lstrip("+-")
        elif len(term) > 1:
            yield term


def pairs_of_cjk(tokens: Sequence[str]) -> Iterator[str]:
    """The tokens of `words`, with the pairs of each run of CJK characters in its place; one that stands alone stays."""
    run = ""
    for token in [*tokens, ""]:
        if token and _CJK_CHARACTER.match(token):
            run += token
            continue
        if run:
            yield from (run[place : place + 2] for place in range(max(1, len(run) - 1)))
        if token:
            yield token
        run = ""


def is_cjk(token: str) -> bool:
    """Whether a token of `words` is a CJK character."""
    return _CJK_CHARACTER.match(token) is not None
