"""How a study spells a retriever: one registered name, its options, and the stages around it, as one line of text.

    bm25
    hybrid dense_share=0.7
    hybrid dense_share=0.7 + rerank depth=30 + neighbours
    langchain my_module:retriever

The first step finds passages, each further one is a stage around all before it. A value without a name is that of the step's
first option; one with spaces or quotes is written in quotes. The line is the retriever's identity: arms with the same line, in
its normal form, are handed the same passages. In study.yaml it may also be a mapping, `{hybrid: {dense_share: 0.7}, rerank: {depth: 30}}`.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ragft import registry
from ragft.errors import InputError, unknown

AUTO = "auto"  # what the index, or a search, chooses on dev questions
ORACLE = "oracle"  # the ceiling, by whose name an arm is known not to be one that could be deployed
NEIGHBOURS = "neighbours"
PLUS = "+"
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Step:
    """A registered retriever, stage or system with its options."""

    name: str
    options: dict[str, Scalar] = field(default_factory=dict)
    system: bool = field(default=False, compare=False)

    @property
    def kind(self) -> str:
        return "system" if self.system else "retriever" if self.name in registry.entries("retriever") else "stage"

    @property
    def entry(self) -> registry.Entry:
        return registry.lookup(self.kind, self.name)


def steps_of(text: str) -> tuple[Step, ...]:
    """The steps of a line, the retriever first; no options that are not known, and none that is lacking.

    Raises InputError for a line that cannot be read, with the nearest known name where one is wrong.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"retriever '{text}': a quotation mark is not closed.") from error
    groups: list[list[str]] = [[]]
    for word in words:
        if word == PLUS:
            groups.append([])
        else:
            groups[-1].append(word)
    if not all(groups):
        raise InputError(f"retriever '{text}': write a retriever, then stages, with + between them, such as: hybrid + rerank")
    found = tuple(_step(group, "stage" if place else "retriever") for place, group in enumerate(groups))
    if found[0].name == ORACLE and len(found) > 1:
        raise InputError(f"retriever '{text}': {ORACLE} hands out the gold passages and nothing else; it takes no stages.")
    return found


def system_of(text: str) -> Step:
    """The step of a line that names a whole system, such as "answers prod.jsonl". Raises InputError as `steps_of`."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"system '{text}': a quotation mark is not closed.") from error
    if not words:
        raise InputError(f"a system is one of: {', '.join(registry.entries('system'))}.")
    return _step(words, "system")


def normal_system(given: Any) -> Any:
    """What a study.yaml says for a system, a text or a mapping of one entry, in its normal form; what is neither as it is."""
    if isinstance(given, Mapping) and len(given) == 1:
        given = next(_line(str(name), value) for name, value in given.items())
    return spelled((system_of(given),)) if isinstance(given, str) else given


def _step(words: list[str], kind: str) -> Step:
    name, *given = words
    known = registry.entries(kind)
    if kind == "system" and name not in known:
        raise unknown(kind, name, known)
    if name not in known:
        other = "stage" if kind == "retriever" else "retriever"
        if name in registry.entries(other):
            place = "first" if other == "retriever" else "after a retriever, as in: hybrid + " + name
            raise InputError(f"'{name}' is a {other}, which comes {place}.")
        raise unknown(kind, name, [AUTO, *known] if kind == "retriever" else known)
    allowed = options_of(known[name])
    options: dict[str, Scalar] = {}
    for word in given:
        option, equals, value = word.partition("=")
        if not equals or not option.isidentifier():
            option, value = next(iter(allowed), ""), word
        if option not in allowed:
            raise unknown(f"option of {name}", option or word, list(allowed))
        options[option] = _typed(name, option, value, allowed[option])
    lacking = [option for option, parameter in allowed.items() if parameter.default is parameter.empty and option not in options]
    if lacking:
        raise InputError(f"{kind} '{name}' needs {lacking[0]}: {name} {lacking[0]}=…")
    return Step(name, options, kind == "system")


def options_of(entry: registry.Entry) -> dict[str, inspect.Parameter]:
    """The options of a registered retriever, stage or system: all parameters but those that ragft itself fills."""
    parameters = inspect.signature(entry.make).parameters
    return dict(list(parameters.items())[2 if entry.kind == "stage" else 1 :])


TYPES: dict[type, tuple[Callable[[str], Any], str]] = {
    bool: ({"true": True, "false": False}.__getitem__, "true or false"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    str: (str, "a text"),
}


def _typed(step: str, option: str, value: str, parameter: inspect.Parameter) -> Scalar:
    """The value as what the option's default is; without a default it is a text. Raises InputError where it is none."""
    read, kind = TYPES[str if parameter.default is parameter.empty else type(parameter.default)]
    try:
        found = read(value)
    except (ValueError, KeyError) as error:
        raise InputError(f"option {option} of {step} must be {kind}, not '{value}'.") from error
    if isinstance(found, float) and not isfinite(found):
        raise InputError(f"option {option} of {step} must be {kind}, not '{value}'.")
    return found


def spelled(steps: tuple[Step, ...]) -> str:
    """The normal form of a line: `steps_of(spelled(steps)) == steps`; what has its default value is left out."""
    return f" {PLUS} ".join(" ".join(_words(step)) for step in steps)


def _words(step: Step) -> Iterator[str]:
    yield step.name
    for place, (option, parameter) in enumerate(options_of(step.entry).items()):
        if option in step.options and step.options[option] != parameter.default:
            value = step.options[option]
            text = str(value).lower() if isinstance(value, bool) else str(value)
            bare = place == 0 and parameter.default is parameter.empty and "=" not in text and text != PLUS
            yield shlex.quote(text) if bare else f"{option}={shlex.quote(text)}"


def normal(given: Any) -> Any:
    """What a study.yaml says for a retriever, a text or a mapping, in its normal form; `auto` and what is neither as it is.

    Raises InputError as `steps_of`.
    """
    if isinstance(given, Mapping):
        given = f" {PLUS} ".join(_line(str(name), value) for name, value in given.items())
    if not isinstance(given, str) or given == AUTO:
        return given
    return spelled(steps_of(given))


def _line(name: str, value: Any) -> str:
    """One entry of a mapping: its options, the value of its first option, or nothing."""
    if value is None or value == {}:
        return name
    if isinstance(value, Mapping):
        return " ".join([name, *(f"{option}={shlex.quote(_text(name, found))}" for option, found in value.items())])
    return f"{name} {shlex.quote(_text(name, value))}"


def _text(name: str, value: Any) -> str:
    if not isinstance(value, Scalar):
        raise InputError(f"an option of {name} is a text, a number, true or false, not {value!r}.")
    return str(value).lower() if isinstance(value, bool) else str(value)


def needs(text: str) -> set[str]:
    """What the line's steps are built with beside the passages: "embedder", "reranker", "model". `auto` may choose by an embedder."""
    return {"embedder"} if text == AUTO else {need for step in steps_of(text) for need in step.entry.facts["needs"]}
