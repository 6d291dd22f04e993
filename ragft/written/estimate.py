"""What a writer will be asked, before anything is sent: calls, tokens and, where prices are given, money.

Of the calls it is a bound, but for calls that fail and are made again: a question that a check leaves out is not asked about any further.
Tokens are a guess. One is taken to be four characters, or one Chinese, Japanese or Korean character: near enough to tell one euro from
twenty, whatever the writer's own tokens are; and what is not written yet, to be as long as such things are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ragft.prompts import closed_book, open_book
from ragft.text import CJK, language_of
from ragft.types import Chunk, Prompt
from ragft.written import ask
from ragft.written.checks import OTHERS
from ragft.written.schema import HELD_OUT, QUESTIONS, TRAIN, Triple

MILLION = 1e6
LATIN = 4  # characters a token
# What a reply is taken to have, in tokens: a question with answer and quote; one wording; three booleans; an answer in a few words
TRIPLE, WORDING, BOOLEANS, ANSWER = 100, 30, 25, 15
SUPPOSED = Triple(question="x" * LATIN * WORDING, answer="x" * LATIN * ANSWER, quote="x")  # stands for a question not yet written
_WIDE = re.compile(f"[{CJK}]")


@dataclass(frozen=True, slots=True)
class Prices:
    """Of the writer, for a million tokens; None: nobody said."""

    read: float | None = None
    written: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Where every question passes every check. `replies_kept`: of an earlier start, not paid again. `cost`: in the prices' unit; None without."""

    writer: str
    documents: int
    passages: int
    calls: int  # at most
    tokens_read: int  # about, as are those that it writes, and the cost
    tokens_written: int
    cost: float | None
    replies_kept: int


def rough_tokens(text: str) -> int:
    """By the rule above."""
    wide = len(_WIDE.findall(text))
    return wide + ceil((len(text) - wide) / LATIN)


def estimate(writer: str, passages: Sequence[Chunk], replies_kept: int, prices: Prices) -> Estimate:
    """For questions about these passages, with all that is asked about each question."""
    calls = read = written = 0
    shown = sum(rough_tokens(chunk.text) for chunk in passages) / max(1, len(passages))
    for chunk in passages:
        language = language_of(chunk.text)
        each = [
            ask.for_critique(SUPPOSED, chunk, language),
            ask.for_wordings(SUPPOSED, chunk, language),
            *[open_book(SUPPOSED.question, [chunk], language)] * (HELD_OUT + 1),  # the last with other passages instead
            closed_book(SUPPOSED.question, language),
        ]
        calls += 1 + QUESTIONS * len(each)
        read += _length(ask.for_questions(chunk, language)) + QUESTIONS * (sum(map(_length, each)) + ceil((OTHERS - 1) * shown))
        written += QUESTIONS * (TRIPLE + BOOLEANS + (TRAIN + HELD_OUT) * WORDING + (HELD_OUT + 2) * ANSWER)
    cost = (read * (prices.read or 0.0) + written * (prices.written or 0.0)) / MILLION
    documents = len({chunk.span.document for chunk in passages})
    known = prices.read is not None or prices.written is not None
    return Estimate(writer, documents, len(passages), calls, read, written, cost if known else None, replies_kept)


def _length(prompt: Prompt) -> int:
    return rough_tokens(prompt.system) + rough_tokens(prompt.user)


def _rounded(tokens: int) -> int:
    """To two digits: more are not known."""
    return int(float(f"{tokens:.2g}"))


def estimate_text(found: Estimate, local: bool) -> str:
    """What is printed before anything is sent."""
    money = (
        f"about {found.cost:,.2f} at the prices given"
        if found.cost is not None
        else "not known. Give --price-read and --price-written per million tokens"
    )
    lines = [
        f"Writer {found.writer}, passages: {found.passages:,}, documents: {found.documents:,}. If no check leaves a question out:",
        f"  at most {found.calls:>12,} calls (those that fail and are made again not counted)",
        f"  about   {_rounded(found.tokens_read):>12,} tokens read",
        f"  about   {_rounded(found.tokens_written):>12,} tokens written (more by a model that thinks before it answers)",
    ]
    if found.replies_kept:
        lines.append(f"          {found.replies_kept:>12,} replies are there from an earlier start and are not asked for again")
    if local:
        return "\n".join([*lines, "Nothing has been run yet. To go on, give the same command with --yes."])
    return "\n".join(
        [*lines, f"Cost: {money}.", "The passages are sent to the writer. Nothing has been sent yet: to go on, give the same command with --yes."]
    )
