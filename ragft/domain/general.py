"""General knowledge, to measure what tuning makes a model forget: everyday questions, simple instructions, ordinary prose.

A folder with questions.jsonl (as in a domain, all for test), instructions.jsonl and prose.txt. An instruction's result is
checked by a rule: {"id": "i01", "instruction": "Write the word 'river' in capital letters.", "check": "contains", "value": "RIVER"}
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ragft.domain.records import read_records
from ragft.domain.rows import read_jsonl
from ragft.errors import InputError, unknown
from ragft.files import read_text
from ragft.text import language_of
from ragft.types import Gold, Prompt, Question

CHECKS: dict[str, tuple[type, Callable[[str, Any], bool]]] = {
    "contains": (str, lambda text, value: value in text),
    "contains_any": (list, lambda text, value: any(one in text for one in value)),
    "starts_with": (str, lambda text, value: text.startswith(value)),
    "ends_with": (str, lambda text, value: text.endswith(value)),
    "equals_ignoring_case": (str, lambda text, value: _letters(text) == _letters(value)),
    "regex": (str, lambda text, value: re.search(value, text) is not None),
    "max_words": (int, lambda text, value: 0 < len(text.split()) <= value),
    "lines": (int, lambda text, value: sum(bool(line.strip()) for line in text.splitlines()) == value),
}


@dataclass(frozen=True, slots=True)
class Instruction:
    """Something to do, and how its result is checked."""

    id: str
    text: str
    check: str
    value: Any

    @property
    def prompt(self) -> Prompt:
        """The instruction as it is, under the model's own system message."""
        return Prompt("", self.text)

    def followed(self, answer: str) -> bool:
        """Whether the answer does what was asked."""
        return CHECKS[self.check][1](answer.strip(), self.value)


@dataclass(frozen=True)
class General:
    """The general set."""

    questions: tuple[tuple[Question, Gold], ...]
    instructions: tuple[Instruction, ...]
    prose: str

    @cached_property
    def language(self) -> str:
        """That of its questions, whatever a domain's is: "zh" or "en"."""
        return language_of(" ".join(question.text for question, _ in self.questions))


def load_general(folder: Path) -> General:
    """Read and check the folder. Raises InputError or MissingError with file, line and remedy."""
    records = read_records(folder / "questions.jsonl", {})
    questions = tuple(
        (Question(r.id, r.question), Gold(r.id, r.answers, (), "", "test", r.fact, 0, r.kind, "general", question=r.question)) for r in records
    )
    path = folder / "instructions.jsonl"
    instructions = tuple(_instruction(f"{path}:{line}", raw) for line, raw in read_jsonl(path))
    prose = read_text(folder / "prose.txt")
    if not instructions:
        raise InputError(f"{path}: no instruction in it. Write some, one JSON object a line, as data/general has them.")
    if len(prose.split()) < 2:
        raise InputError(f"{folder / 'prose.txt'}: no text in it. A page or two of ordinary prose will do.")
    return General(questions, instructions, prose)


def _instruction(where: str, raw: dict[str, Any]) -> Instruction:
    keys = ("id", "instruction", "check", "value")
    if set(raw) != set(keys):
        raise InputError(f"{where}: an instruction has the keys {', '.join(keys)}; found {', '.join(sorted(raw))}.")
    if raw["check"] not in CHECKS:
        raise InputError(f"{where}: {unknown('check', str(raw['check']), CHECKS)}")
    wanted = CHECKS[raw["check"]][0]
    if type(raw["value"]) is not wanted:
        raise InputError(f"{where}: the value of check '{raw['check']}' must be a {wanted.__name__}, not {raw['value']!r}.")
    return Instruction(raw["id"], raw["instruction"], raw["check"], raw["value"])


def _letters(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
