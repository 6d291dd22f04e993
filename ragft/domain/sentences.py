"""Where a sentence begins and ends, in English and Chinese text: for quotes that stand as evidence."""

from __future__ import annotations

import re
from itertools import pairwise

# A full stop ends no sentence after an initial, an abbreviation or a number in a list: "J. F. Kennedy", "Dr. Holt", "No. 5".
_ABBREVIATION = re.compile(r"(^|[\s(\"'])(\w|[A-Za-z]\.[A-Za-z]|Dr|Mr|Mrs|Ms|St|No|Nos|vs|etc|Jr|Sr|Inc|Ltd|Co|Corp|Prof|Gen|Fig|approx|ca|cf)$")
_END = re.compile(r"[.!?][\"'”’)\]]*(?=\s)|[。！？][”’」』）)\"]*|\n")


MAX_QUOTE = 300  # characters


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, without outer white space."""
    return [part for begin, end in pairwise([0, *_cuts(text), len(text)]) if (part := text[begin:end].strip())]


def _cuts(text: str) -> list[int]:
    """Where its sentences end."""
    return [m.end() for m in _END.finditer(text) if not (m[0].startswith(".") and _ABBREVIATION.search(text[max(0, m.start() - 8) : m.start()]))]


def sentence_around(text: str, start: int, end: int) -> str:
    """The sentence, or the sentences, that hold the characters [start, end); never less than those, no outer white space."""
    cuts = _cuts(text)
    begin = max((cut for cut in cuts if cut <= start), default=0)
    finish = min((cut for cut in cuts if cut >= end), default=len(text))
    return text[begin:finish].strip()


def first_sentence(text: str) -> str:
    """The first line of running text up to its first sentence end."""
    line = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), text.strip())
    begin = text.find(line)
    return sentence_around(text, begin, begin + 1 + len(line) - len(line.lstrip()))[:MAX_QUOTE].strip()
