"""A system's answers as it logged them: prod.jsonl, one answer a line.

    {"id": "q17", "answer": "42 bar", "contexts": ["…"], "seconds": 1.9, "cost": 0.0004}
    {"question": "How much pressure …?", "answer": "", "error": "timeout"}

`id` or `question` says what was asked. `latency` is read as `seconds`; `prompt_tokens` and `completion_tokens` are read too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from ragft.domain.records import plain
from ragft.domain.rows import read_jsonl
from ragft.errors import InputError, MissingError, unknown
from ragft.registry import system
from ragft.store import file_sha256
from ragft.systems.base import Reply, SystemParts
from ragft.types import Question

KEYS = ("id", "question", "answer", "contexts", "seconds", "latency", "cost", "prompt_tokens", "completion_tokens", "error")
NOT_LOGGED = "no answer to it is in {}"


@dataclass(frozen=True)
class Logged:
    """Answers by id and by question."""

    path: Path
    by_id: Mapping[str, Reply]
    by_question: Mapping[str, Reply]

    def reply(self, questions: Sequence[Question]) -> list[Reply]:
        missing = Reply(error=NOT_LOGGED.format(self.path.name))
        return [self.by_id.get(question.id) or self.by_question.get(plain(question.text)) or missing for question in questions]

    def key(self) -> str:
        return file_sha256(self.path)


@system("answers", "answers that a system logged: answers file.jsonl")
def answers(parts: SystemParts, file: str) -> Logged:
    """Raises InputError at the first line that is wrong, MissingError without a file."""
    path = parts.folder / file
    if not path.is_file():
        raise MissingError(f"{path}: no such file of logged answers. A path is taken from the domain's folder.")
    by_id, by_question = dict[str, Reply](), dict[str, Reply]()
    for line, row in read_jsonl(path):
        where = f"{path}:{line}"
        reply = _reply(where, row)
        for key, known, of in (("id", by_id, str), ("question", by_question, plain)):
            if row.get(key) is None:
                continue
            name = of(str(row[key]))
            if known.setdefault(name, reply) != reply:
                raise InputError(f"{where}: a second answer to {key} {row[key]!r}. Keep one.")
    return Logged(path, by_id, by_question)


def _reply(where: str, row: Mapping[str, Any]) -> Reply:
    for key in row:
        if key not in KEYS:
            raise InputError(f"{where}: {unknown('key', key, KEYS)}")
    if row.get("id") is None and row.get("question") is None:
        raise InputError(f'{where}: an answer needs the "id" or the "question" that it is to.')
    error, text = row.get("error") or "", row.get("answer")
    if not isinstance(error, str) or not (isinstance(text, str) or error):
        raise InputError(f'{where}: "answer" must be a text, or "error" say why there is none.')
    contexts = row.get("contexts") or []
    if not isinstance(contexts, list) or not all(isinstance(context, str) for context in contexts):
        raise InputError(f'{where}: "contexts" must be a list of texts.')
    seconds = _number(where, row, "latency" if row.get("seconds") is None else "seconds")
    read, written = (int(_number(where, row, key) or 0) for key in ("prompt_tokens", "completion_tokens"))
    return Reply(text or "", seconds, read, written, _number(where, row, "cost"), tuple(contexts), error=error)


def _number(where: str, row: Mapping[str, Any], key: str) -> float | None:
    found = row.get(key)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found) or found < 0:
        raise InputError(f'{where}: "{key}" must be a number from 0 on, not {found!r}.')
    return float(found)
