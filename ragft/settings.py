"""study.yaml as one flat, typed, complete configuration; every mistake in it is one line with file, line and remedy."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ragft import registry
from ragft.decide import NEEDS
from ragft.errors import InputError, MissingError, unknown
from ragft.store import write_text


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                raise unknown("key", str(key), cls.model_fields)
        return values


class ArmSettings(_Strict):
    """What fills the slots of one arm. None in `k`, `format` and `learning_rate` means the study's value."""

    retriever: str | None = None
    k: int | None = Field(None, ge=1)
    tuning: str | None = None
    format: str | None = None
    options: dict[str, Any] = {}  # the tuning method's own, such as rank
    learning_rate: float | None = Field(None, gt=0)


class Costs(_Strict):
    """The user's prices and volumes; see ragft.cost.Prices."""

    currency: str = "EUR"
    machine_per_hour: float = Field(default=0.10, ge=0)
    questions_per_month: float = Field(default=10_000, gt=0)
    updates_per_month: float = Field(default=1, ge=0)
    months: float = Field(default=12, gt=0)


class Study(_Strict):
    """A study: one domain, one base model, one prompt, and the arms to compare."""

    domain: str
    name: str = ""  # "" = the domain folder's name
    model: str = "smollm2-135m-instruct"
    embedder: str | None = "all-minilm-l6-v2"
    seeds: tuple[int, ...] = (0, 1, 2)
    arms: dict[str, ArmSettings] = Field(default_factory=lambda: presets(["base", "oracle", "rag", "lora", "rag+lora", "raft"]))
    reference: str = "rag"
    metric: str = "match"
    margin: float = Field(0.03, ge=0, le=1)
    alpha: float = Field(0.025, gt=0, lt=0.5)
    limit: int | None = Field(None, ge=1)  # test questions at most, spread over all documents
    chunk_tokens: int = Field(96, ge=16)
    chunk_overlap: int = Field(0, ge=0)
    k: int = Field(4, ge=1)
    context_tokens: int = Field(400, ge=32)
    max_new_tokens: int = Field(32, ge=1)
    batch_size: int = Field(16, ge=1)
    train_tokens: int = Field(40_000, ge=1)  # per adapter and seed
    train_batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    needs: dict[str, float | bool] = {}
    costs: Costs = Costs()

    def answering(self) -> dict[str, Any]:
        """The settings that an answer depends on; the others only re-read stored answers, in seconds."""
        return self.model_dump(mode="json", exclude={"domain", "name", "reference", "metric", "margin", "alpha", "needs", "costs"})

    @field_validator("arms", mode="before")
    @classmethod
    def _named_arms(cls, value: Any) -> Any:
        """A list of names, or a mapping in which an empty arm of a known name takes that preset."""
        if isinstance(value, list):
            return presets(value)
        if isinstance(value, dict):
            known = registry.entries("arm")
            return {name: known[name].make() if not given and name in known else given or {} for name, given in value.items()}
        return value

    @model_validator(mode="after")
    def _names_are_known(self) -> Study:
        for name, arm in self.arms.items():
            _check_arm(name, arm)
        if self.reference not in self.arms:
            raise unknown("arm (as reference)", self.reference, self.arms)
        ref = self.arms[self.reference]
        if ref.tuning or ref.retriever in (None, "oracle"):
            raise InputError(f"reference '{self.reference}' must be a RAG arm without tuning: the question is what fine-tuning adds to it.")
        if not registry.lookup("metric", self.metric).facts["score"]:
            scores = [name for name, entry in registry.entries("metric").items() if entry.facts["score"]]
            raise InputError(f"metric '{self.metric}' describes answers and does not score them. Use one of: {', '.join(scores)}.")
        for need, value in self.needs.items():
            if need not in NEEDS:
                raise unknown("need", need, NEEDS)
            if isinstance(value, bool) != (need in ("citations", "access_control")):
                raise InputError(f"need '{need}' takes {'true or false' if not isinstance(value, bool) else 'a number'}, not {value}.")
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise InputError("seeds must be different whole numbers, at least one: seeds: [0, 1, 2]")
        if self.chunk_overlap >= self.chunk_tokens:
            raise InputError(f"chunk_overlap ({self.chunk_overlap}) must be less than chunk_tokens ({self.chunk_tokens}).")
        return self


def presets(names: list[str]) -> dict[str, ArmSettings]:
    """Arm settings by name. Raises InputError for a name that is no preset."""
    return {name: ArmSettings(**registry.lookup("arm", name).make()) for name in names}


def _check_arm(name: str, arm: ArmSettings) -> None:
    if "/" in name or name.startswith(".") or not name.strip():
        raise InputError(f"arm '{name}': a name becomes a folder; leave out slashes and leading dots.")
    if arm.retriever not in (None, "auto", *registry.entries("retriever")):
        raise unknown("retriever", str(arm.retriever), ["auto", *registry.entries("retriever")])
    if arm.tuning is None:
        if arm.format or arm.options or arm.learning_rate:
            raise InputError(f"arm '{name}': format, options and learning_rate belong to a tuned arm. Add tuning: lora, or remove them.")
        return
    method = registry.lookup("tuning", arm.tuning)
    for option in arm.options:
        if option not in inspect.signature(method.make).parameters:
            raise unknown(f"option of {arm.tuning}", option, inspect.signature(method.make).parameters)
    if arm.format and registry.lookup("format", arm.format).facts["passages"] and not arm.retriever:
        raise InputError(f"arm '{name}': format '{arm.format}' trains on passages, so the arm needs a retriever. Add retriever: auto.")


def load_study(path: Path | str, changes: list[str] | None = None) -> Study:
    """The study in that file, with `changes` ("arms.rag.k=8") applied; its domain becomes an absolute path.

    Raises MissingError without a file, InputError with file, line and remedy for anything wrong in it.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "study.yaml"
    if not path.is_file():
        raise MissingError(f"{path}: no such study. Make one with: ragft init my-study --corpus docs/")
    text = path.read_text(encoding="utf-8")
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError(f"{path}:{mark.line + 1 if mark else 1}: broken YAML ({getattr(error, 'problem', error)}).") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}:1: a study is a list of `key: value` lines, such as `domain: .`")
    for change in changes or []:
        _apply(raw, change)
    if isinstance(raw.get("domain"), str):
        raw["domain"] = str((path.parent / raw["domain"]).resolve())
    try:
        return Study.model_validate(raw)
    except ValidationError as error:
        raise InputError(_first_problem(path, text, error)) from error


def _first_problem(path: Path, text: str, error: ValidationError) -> str:
    problem = error.errors()[0]
    place = [str(part) for part in problem["loc"]]
    cause = problem.get("ctx", {}).get("error")
    message = str(cause) if cause is not None else f"{'.'.join(place)}: {problem['msg']} (found: {problem['input']!r})"
    return f"{path}:{_line_of(text, place, message)}: {message}"


def _line_of(text: str, place: list[str], message: str) -> int:
    """The line that a message is about: of the name it quotes, else of the key at `place`, else of a key it mentions."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return 1
    node = root
    for part in place:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in pairs if key.value == part), node)
    words = [*re.findall(r"'([^']+)'", message), *reversed(place), *re.findall(r"\w+", message)]
    for scope in (node, root):
        lines = dict(reversed(list(_scalars(scope))))  # the first line of each
        found = next((lines[word] for word in words if word in lines), None)
        if found is not None:
            return found
    return 1


def _scalars(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Every key and plain value below a node, with its line."""
    if isinstance(node, yaml.ScalarNode):
        yield node.value, node.start_mark.line + 1
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        for part in child if isinstance(child, tuple) else (child,):
            yield from _scalars(part)


def _apply(raw: dict[str, Any], change: str) -> None:
    """One `key=value` or `arms.rag.k=8`; the value is read as YAML."""
    key, equals, value = change.partition("=")
    if not equals:
        raise InputError(f"--set {change}: write it as key=value, for example --set margin=0.05")
    *path, last = key.strip().split(".")
    place = raw
    for part in path:
        found = place.get(part)
        if isinstance(found, list):  # arms: [base, rag] names presets; a setting below one needs the mapping
            found = place[part] = dict.fromkeys(found)
        if found is None:
            found = place[part] = registry.lookup("arm", part).make() if path[:1] == ["arms"] and part != "arms" else {}
        if not isinstance(found, dict):
            raise InputError(f"--set {change}: '{part}' has no settings below it.")
        place = found
    place[last] = yaml.safe_load(value)


def save_study(study: Study, path: Path) -> None:
    """Write the study with every default."""
    write_text(path, yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
