"""The closed-book and the open-book prompt. The same two functions make the prompts for training and for answering.

Every arm without passages uses `closed_book`, every arm with passages `open_book`; the instruction is the same in both
but for the passages, so that two arms differ in what they know and not in what they were told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from typing import Literal, Protocol

from pydantic import Field

from ragft.strict import Strict
from ragft.types import Chunk, Prompt

REFUSAL = {"en": "I don't know.", "zh": "我不知道。"}

_SYSTEM = {"en": "Answer the question in a few words.", "zh": "请用几个词简短回答问题。"}
_SYSTEM_OPEN = {"en": "Answer the question in a few words, using the passages.", "zh": "请根据给出的段落，用几个词简短回答问题。"}
_MAY_ABSTAIN = {"en": " If you do not know the answer, reply: I don't know.", "zh": "如果不知道答案，请回答：我不知道。"}
_MAY_ABSTAIN_OPEN = {"en": " If they do not hold the answer, reply: I don't know.", "zh": "如果段落中没有答案，请回答：我不知道。"}
_CITE = {"en": " Cite the passages that you use by their numbers, like [1].", "zh": "用方括号里的编号注明所用的段落，例如[1]。"}
_WORD = r"(?:passages?|段落|第)"
_NUMBERS = r"[1-9]\d?(?:\s*(?:[-–,，、;；&]|and|和|至)\s*[1-9]\d?)*"
_CITED = re.compile(rf"\s*(?:[\[［【]\s*{_WORD}?\s*({_NUMBERS})\s*段?[\]］】]|[(（]\s*{_WORD}\s*({_NUMBERS})\s*段?[)）])", re.I)
_RANGE = re.compile(r"(\d+)\s*[-–至]\s*(\d+)")
_QUESTION = {"en": "Question: {0}", "zh": "问题：{0}"}
_NO_PASSAGES = {"en": "(no passages)", "zh": "（没有段落）"}


class Style(Strict):
    """How a study asks, every arm alike."""

    may_abstain: bool = Field(default=True, description='Whether the instruction says to reply "I don\'t know" where the answer is not known.')
    cite: bool = Field(default=False, description="Whether arms that are shown passages are told to cite them by number.")
    order: Literal["best-first", "best-last", "document"] = Field(
        default="best-first", description="Of the passages in the prompt; `document`: as they stand in the corpus."
    )


DEFAULT = Style()


def closed_book(question: str, language: str, style: Style = DEFAULT) -> Prompt:
    """The prompt of arms that retrieve nothing."""
    return Prompt(_SYSTEM[language] + _MAY_ABSTAIN[language] * style.may_abstain, _QUESTION[language].format(question))


def open_book(question: str, passages: Sequence[Chunk], language: str, style: Style = DEFAULT) -> Prompt:
    """The prompt of arms that retrieve: numbered passages, each under its heading, in the style's order; then the question.

    `passages` come best first.
    """
    shown = [f"[{number}] {passage(chunk)}" for number, chunk in enumerate(numbered(passages, style), start=1)]
    body = "\n\n".join(shown) or _NO_PASSAGES[language]
    system = _SYSTEM_OPEN[language] + _CITE[language] * style.cite + _MAY_ABSTAIN_OPEN[language] * style.may_abstain
    return Prompt(system, f"{body}\n\n{_QUESTION[language].format(question)}")


def numbered(passages: Sequence[Chunk], style: Style) -> list[Chunk]:
    """The passages, which come best first, in the order in which the prompt numbers them."""
    if style.order == "document":
        return sorted(passages, key=lambda chunk: (chunk.span.document, chunk.span.start))
    return list(reversed(passages)) if style.order == "best-last" else list(passages)


def citing(answer: str, passages: Sequence[Chunk], holding: Container[str], style: Style) -> str:
    """An answer to learn: in a study that asks for citations, with the numbers of those passages whose ids are `holding` it."""
    numbers = [number for number, chunk in enumerate(numbered(passages, style), start=1) if style.cite and chunk.id in holding]
    return answer + (f" [{', '.join(map(str, numbers))}]" if numbers else "")


def split_citations(text: str) -> tuple[str, tuple[int, ...]]:
    """An answer without its citations, such as [1], [1, 3], [2-4], (passage 2) and 【2】, and the numbers that it cites, each once, in order."""
    numbers: list[int] = []
    for found in _CITED.finditer(text):
        group = _RANGE.sub(lambda ends: " ".join(map(str, range(int(ends[1]), int(ends[2]) + 1))), found[1] or found[2])
        numbers += map(int, re.findall(r"\d+", group))
    return _CITED.sub("", text).strip(), tuple(dict.fromkeys(numbers))


def passage(chunk: Chunk) -> str:
    """A chunk as the model and the embedder see it: where it stands, then its text."""
    return f"{chunk.heading}\n{chunk.text}"


def fit_passages(chunks: Sequence[Chunk], budget: int, count_tokens: Callable[[str], int]) -> list[Chunk]:
    """The first chunks whose passages together take at most `budget` tokens; the first is kept whatever its length."""
    kept: list[Chunk] = []
    used = 0
    for chunk in chunks:
        used += count_tokens(passage(chunk))
        if kept and used > budget:
            break
        kept.append(chunk)
    return kept


class Tokenizer(Protocol):
    """What this module needs of a transformers tokenizer."""

    chat_template: str | None

    def apply_chat_template(self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool) -> str: ...


def render(prompt: Prompt, tokenizer: Tokenizer) -> str:
    """The exact text for the model: through its chat template, or plain where it has none.

    A template that refuses the system role gets the instruction at the head of the user's turn.
    """
    if not tokenizer.chat_template:
        return f"{prompt.system}\n\n{prompt.user}\nAnswer:"
    from jinja2.exceptions import TemplateError

    user = {"role": "user", "content": prompt.user}
    try:
        turns = [{"role": "system", "content": prompt.system}, user]
        return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except TemplateError:
        turns = [{"role": "user", "content": f"{prompt.system}\n\n{prompt.user}"}]
        return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def completion(text: str, tokenizer: Tokenizer) -> str:
    """The answer as it follows `render`: after a plain prompt it starts with a space."""
    return text if tokenizer.chat_template else " " + text
