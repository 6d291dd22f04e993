"""replies.jsonl: every reply of a writer, on the disk as soon as it came, so that a job that was killed goes on and pays for none twice.

    replies = Replies(writer, folder / "replies.jsonl")
    found = replies.ask("questions", prompts, lambda reply: read_as(Questions, reply), progress)     # None where a reply failed

A reply is stored under its writer and its prompt, also one that cannot be read. A call that failed is not, and is made again by the
next start.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ragft.errors import InputError
from ragft.files import naming_a_full_disk
from ragft.progress import Advance
from ragft.store import fingerprint, to_json, write_jsonl
from ragft.types import Prompt
from ragft.written.schema import UnreadableError
from ragft.written.writer import Failed, Writer

FILE = "replies.jsonl"
BATCH = 16  # prompts after which the failures are looked at
MOST_FAILED = 0.5  # of the replies to one sort of prompt: beyond it the writer is broken, or too weak, and what is left would be chosen by that
FAILED_CALL = "failed calls"

T = TypeVar("T")


class Replies:
    """Asks a writer. `sent` counts prompts that were sent, `failures` what failed, by sort of prompt and reason."""

    def __init__(self, writer: Writer, path: Path):
        self.writer, self.path = writer, path
        self.sent, self.failures = 0, Counter[str]()
        self._known = _stored(path)

    def __len__(self) -> int:
        return len(self._known)

    def ask(self, what: str, prompts: Sequence[Prompt], read: Callable[[str], T], progress: Advance) -> list[T | None]:
        """What `read` makes of the reply to each prompt, in order; None for a failure: no reply, or one with which it raises UnreadableError.

        Raises InputError where more than MOST_FAILED of the first ones fail.
        """
        found: list[T | None] = []
        failed = 0
        for first in range(0, len(prompts), BATCH):
            part = prompts[first : first + BATCH]
            calls, last = self._send(what, part, partial(_count, progress, first, len(prompts))), ""
            for prompt in part:
                key = self._key(prompt)
                reply: str | Failed = self._known[key] if key in self._known else calls[prompt]
                value, why = self._read(what, reply, read)
                found.append(value)
                if why:
                    failed, last = failed + 1, why
            if failed > MOST_FAILED * len(found):
                raise InputError(
                    f"writer {self.writer.about}: {failed} of the first {len(found)} replies about {what} failed ({last}). Take a stronger one, or "
                    "leave --writer out: rules need no model. Or mend it and give the same command; "
                    f"{self.path} keeps the replies that came: read them there, and delete it to have them asked for again."
                )
        return found

    def _key(self, prompt: Prompt) -> str:
        return fingerprint([self.writer.about, prompt.system, prompt.user])

    def _send(self, what: str, prompts: Sequence[Prompt], count: Callable[[int], None]) -> dict[Prompt, Failed]:
        """Send those whose reply is not there, each once, and store what comes; returns those that failed. `count` is told how many are there."""
        new = [prompt for prompt in dict.fromkeys(prompts) if self._key(prompt) not in self._known]
        failed, there = {}, len(prompts) - len(new)
        if new:
            self._make_room()
        self.sent += len(new)
        count(there)
        for number, (place, reply) in enumerate(self.writer.replies(new), start=1):
            if isinstance(reply, Failed):
                failed[new[place]] = reply
            else:
                self._store(what, self._key(new[place]), reply)
            count(there + number)
        return failed

    def _make_room(self) -> None:
        """Where replies cannot be kept, none is asked for."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}). Give a folder that you may write to.") from error

    def _store(self, what: str, key: str, reply: str) -> None:
        self._known[key] = reply
        with naming_a_full_disk(self.path.parent), self.path.open("a", encoding="utf-8") as file:
            file.write(to_json({"key": key, "about": what, "writer": self.writer.about, "reply": reply}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, what: str, reply: str | Failed, read: Callable[[str], T]) -> tuple[T | None, str]:
        """The value, or None and why."""
        if isinstance(reply, Failed):
            self.failures[f"{FAILED_CALL}, {what}"] += 1
            return None, reply.why
        try:
            return read(reply), ""
        except UnreadableError as error:
            self.failures[f"replies that {error.kind}, {what}"] += 1
            return None, f"they {error.kind}: {error}"


def _count(progress: Advance, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _stored(path: Path) -> dict[str, str]:
    """Reply by key. What a kill left of a torn line is dropped from the file."""
    if not path.is_file():
        return {}
    raw = path.read_bytes()
    rows = list(_whole_lines(raw))
    if not raw.endswith(b"\n") or raw.count(b"\n") != len(rows):
        write_jsonl(path, rows)
    return {row["key"]: row["reply"] for row in rows}


def _whole_lines(raw: bytes) -> Iterator[dict[str, Any]]:
    for line in raw.split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:  # torn by a kill or a full disk; or the end of the file
            continue
        if isinstance(row, dict) and isinstance(row.get("key"), str) and isinstance(row.get("reply"), str):
            yield row
