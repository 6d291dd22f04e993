"""Name -> factory, for everything a study can choose by name. A plugin is one decorated function.

    from ragft.registry import metric

    @metric("gold_mentioned", "The answer contains a reference answer, letter for letter.")
    def gold_mentioned(answer, gold):
        return float(any(g.lower() in answer.text.lower() for g in gold.answers))

Packages outside this one register through the entry-point group `ragft`: the named module is imported at first look-up. What a
study names under `plugins` is loaded with it (ragft.plugged); everything that a plugin is written with is in ragft.plugins.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, TypeVar

from ragft.errors import InputError, unknown

KINDS = ("arm", "chunker", "retriever", "stage", "system", "tuning", "format", "metric")

# The modules that register the built-in entries; imported at first look-up so that `import ragft` stays light.
BUILTIN = {
    "arm": ("ragft.presets",),
    "chunker": ("ragft.chunkers",),
    "retriever": (
        "ragft.retrieval.fusion",
        "ragft.retrieval.bm25",
        "ragft.retrieval.dense",
        "ragft.retrieval.whole",
        "ragft.retrieval.foreign",
        "ragft.retrieval.oracle",
    ),
    "stage": ("ragft.retrieval.stages", "ragft.retrieval.expand"),
    "system": ("ragft.systems.logged", "ragft.systems.chain", "ragft.systems.endpoint", "ragft.systems.copying"),
    "tuning": ("ragft.tuning.methods",),
    "format": ("ragft.tuning.formats",),
    "metric": ("ragft.metrics.answer", "ragft.metrics.retrieval", "ragft.metrics.grounding", "ragft.metrics.citing"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name: `make` is the decorated function, `facts` what `ragft list` also prints."""

    kind: str
    name: str
    make: Callable[..., Any]
    summary: str
    facts: dict[str, Any]


_entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
_loaded: set[str] = set()
PLUGIN = "ragft_plugin_"  # how the modules of a study's plugins begin
STORED = f"{PLUGIN}of_a_run"  # the module of what stands in for a plugin that is not loaded
F = TypeVar("F", bound=Callable[..., Any])


def _register(kind: str, name: str, summary: str, **facts: Any) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        known = _entries[kind].get(name)
        if known is not None and known.make.__module__ != function.__module__ and not _may_take(known.make.__module__, function.__module__):
            raise InputError(f"{kind} '{name}' is registered twice: in {known.make.__module__} and {function.__module__}")
        put(Entry(kind, name, function, summary, facts))
        return function

    return decorate


def _may_take(known: str, module: str) -> bool:
    """Whether a module may take the name of another's: of one that only stands in, and a study's plugin that of another study's."""
    return known == STORED or (known.startswith(PLUGIN) and module.startswith(PLUGIN))


def put(entry: Entry) -> None:
    """Register the entry in the place of whatever has its name."""
    _entries[entry.kind][entry.name] = entry


def outside() -> list[Entry]:
    """What is registered at this moment by other modules than ragft's own."""
    found = [entry for known in _entries.values() for entry in known.values()]
    return [entry for entry in found if entry.make.__module__.partition(".")[0] != "ragft"]


def arm(name: str, summary: str) -> Callable[[F], F]:
    """Register a preset: a function () -> dict of arm settings, used where a study names the arm without settings."""
    return _register("arm", name, summary)


def chunker(name: str, summary: str) -> Callable[[F], F]:
    """Register a chunker: a function (text, size, count_tokens) -> all of the text in pieces of at most `size` tokens, in order."""
    return _register("chunker", name, summary)


def retriever(name: str, summary: str, *, needs: Sequence[str] = ()) -> Callable[[F], F]:
    """Register a retriever: a function (RetrieverParts, **options) -> Retriever. See `ragft.retrieval.base`.

    `needs`, of it and of a stage: what it takes of the parts beside the passages, of "embedder", "reranker" and "model". Options
    are texts, numbers, true or false; their defaults say which.
    """
    return _register("retriever", name, summary, needs=tuple(needs))


def stage(name: str, summary: str, *, needs: Sequence[str] = ()) -> Callable[[F], F]:
    """Register a stage around a retriever: a function (Retriever, RetrieverParts, **options) -> Retriever."""
    return _register("stage", name, summary, needs=tuple(needs))


def system(name: str, summary: str, *, generates: bool = False) -> Callable[[F], F]:
    """Register a whole system: a function (SystemParts, **options) -> System. See `ragft.systems.base`.

    `generates`: it makes a Generator instead, which answers prompts, so that a retriever may be put before it.
    """
    return _register("system", name, summary, generates=generates)


def tuning(
    name: str,
    summary: str,
    *,
    paper: str,
    learning_rate: float,
    form: str = "",
    insertion: str = "",
    modifies: str = "",
    composition: str = "",
    mergeable: bool = False,
    packs: bool = True,
    quantised: bool = False,
) -> Callable[[F], F]:
    """Register a fine-tuning method: a function (**options) -> configuration, such as a peft.PeftConfig.

    `learning_rate` is the one that a study takes unless it names or searches another. The others classify the method
    (see ragft.tuning.methods); `mergeable`: it can be folded into the base's weights and then costs no time. `packs`: what it
    does to a token depends on that token and those it sees only, so that examples may share a row (see ragft.tuning.rows);
    a method of which that is not true is trained one example at a time. `quantised`: it works beside a base whose weights
    are in 4 bits, because it neither writes to them nor computes with them itself.
    """
    view = {"form": form, "insertion": insertion, "modifies": modifies, "composition": composition}
    works = {"mergeable": mergeable, "packs": packs, "quantised": quantised}
    return _register("tuning", name, summary, paper=paper, **view, **works, learning_rate=learning_rate)


def format(name: str, summary: str, *, passages: bool = False, control: bool = False) -> Callable[[F], F]:  # noqa: A001 the field's word
    """Register a training format: a function (TrainingData) -> list[Example]. `passages`: trains on open-book prompts.

    `control`: it should teach nothing that the test asks for, so that its arms are looked at and never recommended.
    """
    return _register("format", name, summary, passages=passages, control=control)


def is_control(form: str | None) -> bool:
    """Whether a format is a control; one that is not registered (any more) is none."""
    known = entries("format")
    return form in known and bool(known[form].facts["control"])


def metric(name: str, summary: str, *, of: str = "answer", score: bool = True) -> Callable[[F], F]:
    """Register a per-question metric: a function (Answer, Gold) -> float | None. None = not applicable, never zero.

    `score`: in [0, 1] and better when higher, so that a study may be decided by it; `of`: "answer", "retrieval", or "grounding",
    which is a function (Answer, Gold, documents) and is handed the corpus' texts by document id, as far as the run has them, or
    "entailment", which is handed what an NLI model said, by question.
    """
    return _register("metric", name, summary, of=of, score=score and of == "answer")


def _load(kind: str) -> None:
    if kind in _loaded:
        return
    _loaded.add(kind)
    for module in BUILTIN[kind]:
        importlib.import_module(module)
    for point in entry_points(group="ragft"):
        point.load()


def entries(kind: str) -> dict[str, Entry]:
    """Every registered entry of a kind, by name, in order of registration."""
    _load(kind)
    return dict(_entries[kind])


def lookup(kind: str, name: str) -> Entry:
    """The entry of that name. Raises InputError with the nearest known name."""
    known = entries(kind)
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]
