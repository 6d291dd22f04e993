"""Words of a text, for scoring and for lexical search, in English and Chinese alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Han, kana and Hangul: scripts written without spaces are segmented by character, the published rule of CMRC 2018.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_CJK_CHARACTER = re.compile(f"[{CJK}]")
# A number keeps its decimal point, sign and inner separators: 4.2 must never become 42.
_WORD = re.compile(rf"[{CJK}]|[-+]?\d+(?:[.,:/]\d+)*|[^\W\d_{CJK}]+|\d+", re.UNICODE)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def normalise(text: str) -> str:
    """Unicode NFKC (full-width forms become ASCII), typographic dashes as `-`, lower case."""
    text = unicodedata.normalize("NFKC", text).replace("−", "-").replace("–", "-").replace("—", "-")
    return text.casefold()


def words(text: str) -> list[str]:
    """Words, numbers and CJK characters of the normalised text, in order; `1,200` reads as `1200`."""
    return _WORD.findall(_THOUSANDS.sub("", normalise(text)))


def cjk_share(text: str) -> float:
    """The share of letters that are Chinese, Japanese or Korean, in [0, 1]; 0 for a text without letters."""
    letters = sum(1 for c in text if c.isalpha())
    return len(_CJK_CHARACTER.findall(text)) / letters if letters else 0.0


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
