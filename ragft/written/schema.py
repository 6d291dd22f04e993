"""What a writer must reply, as JSON and nothing else. Nothing is repaired: a reply in another form is a failure with its reason."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

QUESTIONS = 3  # of a passage at most: a fourth is rarely worth asking
TRAIN, HELD_OUT = 3, 2  # wordings of a question, as the rules have them
NO_JSON, OTHER_FORM = "are no JSON", "have another form than asked for"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


class UnreadableError(ValueError):
    """A reply that is not what was asked for. `kind` is NO_JSON or OTHER_FORM."""

    def __init__(self, kind: str, why: str):
        super().__init__(why)
        self.kind = kind


class _Reply(BaseModel):
    # not ragft.strict: its check of keys would make pydantic read JSON as Python values, among which a strict list is no tuple
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Triple(_Reply):
    """A question, its answer, and what states it."""

    question: Text
    answer: Text
    quote: Text


class Questions(_Reply):
    """What a passage can be asked; none is a reply, too."""

    questions: tuple[Triple, ...] = Field(max_length=QUESTIONS)


class Paraphrases(_Reply):
    """Other wordings of a question: for training, and held out."""

    train: tuple[Text, ...] = Field(min_length=TRAIN, max_length=TRAIN)
    held_out: tuple[Text, ...] = Field(min_length=HELD_OUT, max_length=HELD_OUT)

    @property
    def all(self) -> tuple[str, ...]:
        return self.train + self.held_out


class Critique(_Reply):
    """What the writer thinks of a question when it is asked as a critic."""

    answerable: bool
    stands_alone: bool
    one_answer: bool


R = TypeVar("R", bound=_Reply)


def read_as(kind: type[R], reply: str) -> R:
    """The reply as JSON of that kind; a fence of ``` around it is taken off. Raises UnreadableError."""
    reply = reply.strip()
    fenced = _FENCED.fullmatch(reply)
    try:
        return kind.model_validate_json(fenced[1] if fenced else reply)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnreadableError(
            NO_JSON if first["type"] == "json_invalid" else OTHER_FORM, f"{where}: {first['msg']}" if where else first["msg"]
        ) from error
