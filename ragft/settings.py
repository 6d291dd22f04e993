"""study.yaml as one flat, typed, complete configuration; every mistake in it is one line with file, line and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator

from ragft import notebook, plugged, recipe, registry
from ragft.armsettings import ArmSettings, Seed, check_arm, check_name, presets
from ragft.cost import Prices
from ragft.errors import InputError, MissingError, unknown
from ragft.files import read_text
from ragft.needs import check_need
from ragft.prompts import Style
from ragft.slicing import checked
from ragft.store import read_json, write_text
from ragft.strict import Strict
from ragft.types import Dtype


class Search(Strict):
    """The budget with which each arm's settings are searched on dev questions, the same for every arm."""

    trials: int = Field(default=4, ge=1, description="Settings tried for each kind of adapter, and for retrieval.")
    train_tokens: int | None = Field(default=None, ge=1, description="Training tokens of a trial; without it a quarter of the study's.")
    dev_questions: int = Field(default=48, ge=1, description="Dev questions that a trial is judged by, at most.")

    def trial_tokens(self, train_tokens: int) -> int:
        """Training tokens of a trial in a study that trains on so many."""
        return self.train_tokens or max(1, train_tokens // 4)


def _loaded(plugins: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """The plugins, which are loaded; of a run that is only read they are not."""
    return plugins if info.context == READING else tuple(map(plugged.load, plugins))


READING = "a run"
Plugins = Annotated[tuple[str, ...], AfterValidator(_loaded)]


class Study(Strict):
    """A study: one domain, one base model, one prompt, and the arms to compare."""

    domain: str = Field(description="The folder with `corpus/` and `questions.jsonl`, as seen from study.yaml.")
    name: str = Field(default="", description="The study's name, of which its runs' folders are made; without it the domain folder's.")
    plugins: Plugins = Field(default=(), description="Files or modules with metrics, retrievers, methods and the like of your own.")
    model: str = Field(
        default="smollm2-135m-instruct",
        description="The model of every arm: an installed package, a folder with safetensors, a .gguf file or a hub id.",
    )
    embedder: str | None = Field(default="all-minilm-l6-v2", description="For search by meaning: an installed package, a folder or a hub id.")
    reranker: str | None = Field(default=None, description="A cross-encoder, for the stage `rerank`: a folder or a hub id.")
    seeds: tuple[Seed, ...] = Field(default=(0, 1, 2), description="Every tuned arm is trained once with each.")
    arms: dict[str, ArmSettings] = Field(
        default_factory=lambda: presets(["base", "oracle", "rag", "lora", "rag+lora", "raft"]),
        description="What is compared: a list of presets, or a mapping of names to settings.",
    )
    reference: str = Field(default="rag", description="The arm that fine-tuning has to beat: RAG without tuning.")
    metric: str = Field(default="match", description="What the verdict is decided by.")
    margin: float = Field(default=0.03, ge=0, le=1, description="The gain you would pay for, as a share of 1: 0.03 is 3 points.")
    alpha: float = Field(default=0.025, gt=0, lt=0.5, description="The error probability, one-sided, over all comparisons together.")
    slices: Annotated[tuple[str, ...], AfterValidator(checked)] = Field(
        default=(), description="Kinds of question to confirm apart, fixed before the run, at most 4: `[kind=exact, retrieval=missed]`."
    )
    limit: int | None = Field(default=None, ge=1, description="Test questions at most, spread over all documents.")
    chunker: str = Field(default="tokens", description="How documents are cut into passages.")
    chunk_tokens: int = Field(default=96, ge=16, description="Tokens of a passage at most.")
    chunk_overlap: int = Field(default=0, ge=0, description="Tokens that a passage shares with the one before.")
    k: int = Field(default=4, ge=1, description="Passages shown to the model at most.")
    context_tokens: int = Field(default=400, ge=32, description="Tokens of the passages shown, at most; the first is kept whatever its length.")
    prompt: Style = Field(default=Style(), description="How questions are asked, the same for every arm.")
    max_new_tokens: int = Field(default=32, ge=1, description="Tokens of an answer at most.")
    batch_size: int = Field(default=32, ge=1, description="Questions answered together; `pipelines/bench_generation.py` says what others take.")
    train_tokens: int = Field(default=40_000, ge=1, description="Training tokens of each adapter and seed.")
    train_batch_size: int = Field(default=8, ge=1, description="Examples of a training step.")
    precision: Literal["float32", "int8", "nf4"] = Field(
        default="float32",
        description="`int8` rounds while answering on a CPU, and is seldom faster; `nf4`: the base of every arm in 4 bits, in training too (QLoRA).",
    )
    search: Search | None = Field(
        default=None, description="Choose settings on dev questions first; without it they are as given, and the methods' own."
    )
    waive_leaks: str = Field(default="", description="Why the study runs though held-out questions leak into training; the report repeats it.")
    general: str | None = Field(default=None, description="A folder like `data/general`, to measure what tuning makes the model forget.")
    needs: dict[str, float | bool] = Field(default_factory=dict, description="What an arm must keep to; needs rule arms out and add no points.")
    costs: Prices = Field(default=Prices(), description="Prices and volumes; they only re-read what was measured.")

    @property
    def base_dtype(self) -> Dtype | None:
        """The number format of the base's weights in every arm; None: what the machine answers in, and a probe for training."""
        return "nf4" if self.precision == "nf4" else None

    def answering(self) -> dict[str, Any]:
        """The settings that an answer depends on; the others only re-read stored answers, in seconds.

        A search chooses settings by the metric, for the reference among others: with one, both shape the answers.
        """
        rereading = {"margin", "alpha", "needs", "costs", "slices", "waive_leaks"} | (set() if self.search else {"metric", "reference"})
        settings = self.model_dump(mode="json", exclude={"domain", "name", "plugins", "general", *rereading})
        code = plugged.code_of(self._answered_with())
        return settings | ({"code": code} if code else {})

    def _answered_with(self) -> Iterator[registry.Entry]:
        """What is registered and shapes the answers."""
        yield registry.lookup("chunker", self.chunker)
        if self.search:
            yield registry.lookup("metric", self.metric)
        for arm in self.arms.values():
            if arm.retriever not in (None, recipe.AUTO):
                yield from (step.entry for step in recipe.steps_of(str(arm.retriever)))
            if arm.system:
                yield recipe.system_of(arm.system).entry
            yield from (registry.lookup(kind, name) for kind, name in (("tuning", arm.tuning), ("format", arm.format)) if name)

    def __repr__(self) -> str:
        return f"Study({self.name or Path(self.domain).name!r}: {', '.join(self.arms)}; {Path(self.model).name})"

    def _repr_html_(self) -> str:
        return notebook.study(self)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """In another process, which works on a study that was sent to it, plugins are loaded there."""
        super().__setstate__(state)
        for plugin in self.plugins:
            plugged.load(plugin)

    @field_validator("arms", mode="before")
    @classmethod
    def _named_arms(cls, value: Any) -> Any:
        """A list of names, or a mapping in which an empty arm of a known name takes that preset."""
        if isinstance(value, list):
            if not all(isinstance(name, str) for name in value):
                raise InputError("arms is a list of names, `arms: [base, rag]`, or a mapping, `arms: {rag: {k: 4}}`; not a list of mappings.")
            return presets(value)
        if isinstance(value, dict):
            known = registry.entries("arm")
            return {name: known[name].make() if not given and name in known else given or {} for name, given in value.items()}
        return value

    @model_validator(mode="after")
    def _names_are_known(self) -> Study:
        if self.name:
            check_name("name", self.name)
        for name, arm in self.arms.items():
            check_arm(name, arm)
        if self.reference not in self.arms:
            raise unknown("arm (as reference)", self.reference, self.arms)
        ref = self.arms[self.reference]
        if ref.tuning or ref.system or ref.retriever in (None, "oracle"):
            raise InputError(
                f"reference '{self.reference}' must be RAG with the study's own model, without tuning: the question is what that adds to it."
            )
        if not registry.lookup("metric", self.metric).facts["score"]:
            scores = [name for name, entry in registry.entries("metric").items() if entry.facts["score"]]
            raise InputError(f"metric '{self.metric}' describes answers and does not score them. Use one of: {', '.join(scores)}.")
        registry.lookup("chunker", self.chunker)
        for need, value in self.needs.items():
            check_need(need, value)
        for seeds in (self.seeds, *(arm.seeds for arm in self.arms.values() if arm.seeds is not None)):
            if len(set(seeds)) != len(seeds) or not seeds:
                raise InputError("seeds must be different whole numbers, at least one: seeds: [0, 1, 2]")
        if self.chunk_overlap >= self.chunk_tokens:
            raise InputError(f"chunk_overlap ({self.chunk_overlap}) must be less than chunk_tokens ({self.chunk_tokens}).")
        return self


def load_study(path: Path | str, changes: list[str] | None = None) -> Study:
    """The study in that file, with `changes` ("arms.rag.k=8") applied; its domain becomes an absolute path.

    The study of a run is read without its plugins, by what the run's manifest says of them (see ragft.plugged).
    Raises MissingError without a file, InputError with file, line and remedy for anything wrong in it.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "study.yaml"
    if not path.is_file():
        raise MissingError(f"{path}: no such study. Make one with: ragft init my-study --corpus docs/")
    text, changes = read_text(path), changes or []
    try:
        return _study(path, text, changes)
    except ValidationError as error:
        place, message = _first_problem(error)
        # the change that brings this very problem is to blame; where it is there without any, the file is
        needed = next(n for n in range(len(changes) + 1) if _problem(path, text, changes[:n]) == message)
        where = f"--set {changes[needed - 1]}" if needed else f"{path}:{_line_of(text, place, message)}"
        raise InputError(f"{where}: {message}") from error


def _study(path: Path, text: str, changes: list[str]) -> Study:
    """The text of that file as a study, with these changes."""
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2025-13-01
        mark = getattr(error, "problem_mark", None)
        raise InputError(f"{path}:{mark.line + 1 if mark else 1}: broken YAML ({getattr(error, 'problem', error)}).") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}:1: a study is a list of `key: value` lines, such as `domain: .`")
    for change in changes:
        _apply(raw, change)
    for key in ("domain", "general"):
        if isinstance(raw.get(key), str):
            raw[key] = str((path.parent / raw[key]).resolve())
    plugins = raw.get("plugins")
    if isinstance(plugins, list):
        raw["plugins"] = [str(path.parent / one) if isinstance(one, str) and plugged.is_file(one) else one for one in plugins]
    arms = raw.get("arms")
    for arm in arms.values() if isinstance(arms, dict) else ():
        options = arm.get("format_options") if isinstance(arm, dict) else None
        if isinstance(options, dict) and isinstance(options.get("domain"), str):
            options["domain"] = str((path.parent / options["domain"]).resolve())
    manifest = path.parent / "manifest.json"
    if not manifest.is_file():
        return Study.model_validate(raw)
    plugged.stand_in(read_json(manifest).get("plugins", ()))
    return Study.model_validate(raw, context=READING)


def _first_problem(error: ValidationError) -> tuple[list[str], str]:
    """Where the first problem is, as keys from the outside in, and what it is."""
    problem = error.errors()[0]
    place = [str(part) for part in problem["loc"]]
    cause = problem.get("ctx", {}).get("error")
    return place, str(cause) if cause is not None else f"{'.'.join(place)}: {problem['msg']} (found: {problem['input']!r})"


def _problem(path: Path, text: str, changes: list[str]) -> str | None:
    """The first problem of the study with these changes, or None."""
    try:
        _study(path, text, changes)
    except ValidationError as error:
        return _first_problem(error)[1]
    return None


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
        # arms: [base, rag] names presets; a setting below one needs the mapping
        if isinstance(found, list) and all(isinstance(name, str) for name in found):
            found = place[part] = dict.fromkeys(found)
        if found is None:
            found = place[part] = _preset(part, change) if path[:1] == ["arms"] and part != "arms" else {}
        if not isinstance(found, dict):
            raise InputError(f"--set {change}: '{part}' has no settings below it.")
        place = found
    try:
        place[last] = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or error
        raise InputError(f"--set {change}: the value is broken YAML ({problem}). Write it as in study.yaml, for example --set seeds=[0,1]") from error


def _preset(name: str, change: str) -> dict[str, Any]:
    try:
        return registry.lookup("arm", name).make()
    except InputError as error:
        raise InputError(f"--set {change}: {error}") from error


def save_study(study: Study, path: Path) -> None:
    """Write the study with every default."""
    write_text(path, yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
