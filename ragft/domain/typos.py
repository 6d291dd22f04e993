"""Typing errors, made by rule and seed: in documents and questions, to see what an arm makes of them."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence

from ragft.text import words

_LETTERS = re.compile(r"[^\W\d_]{4,}")  # of any script; a shorter run has no inner letters to spare


def mistype(text: str, share: float, shuffle: random.Random, kept: Collection[str] = ()) -> str:
    """Two neighbouring letters exchanged in that share of the words of four letters and more; the length stays as it is."""

    def slip(found: re.Match[str]) -> str:
        word = found[0]
        if shuffle.random() >= share or word in kept:
            return word
        at = shuffle.randrange(1, len(word) - 1)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return re.sub(r"[A-Za-z]{4,}", slip, text)


def misspell(question: str, answers: Sequence[str], seed: str) -> str:
    """The question with one or two typing errors, each in another word: letters exchanged, one left out, or one doubled.

    Digits and words of an answer stay as they are, and so do first and last letters. As it was where no word is left.
    """
    shuffle = random.Random(seed)
    answering = [set(words(answer)) for answer in answers]
    places = [found for found in _LETTERS.finditer(question) if not any(set(words(found[0])) & known for known in answering)]
    chosen = shuffle.sample(places, min(shuffle.choice((1, 2)), len(places)))
    for found in sorted(chosen, key=lambda place: -place.start()):  # from the end: earlier places do not move
        question = question[: found.start()] + _slip(found[0], shuffle) + question[found.end() :]
    return question


def _slip(word: str, shuffle: random.Random) -> str:
    """The word with one typing error inside it."""
    at = shuffle.randrange(1, len(word) - 2)
    kinds = [word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]]
    if word[at] != word[at + 1]:
        kinds.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    return shuffle.choice(kinds)
