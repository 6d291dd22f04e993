"""Material -> one record for each tuned arm: what kind of method it is, what it took, how it scores, what it forgets.

Nothing is judged here; ragft.advice and ragft.groups do that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from ragft import registry
from ragft.material import Arm, Material
from ragft.measures import BASE, Measures
from ragft.scoring import failure_words
from ragft.types import FitReport

Way = Literal["alone", "with RAG", "RAFT"]
WAYS: tuple[Way, ...] = ("alone", "with RAG", "RAFT")
FAMILIES: dict[str, tuple[Way, ...]] = {"alone": ("alone",), "with passages": ("with RAG", "RAFT")}  # arms that are told apart from one another


@dataclass(frozen=True, slots=True)
class Method:
    """What the registry says of a method: the four columns of the unified view (2110.04366), and its paper."""

    name: str
    summary: str
    paper: str
    form: str
    insertion: str
    modifies: str
    composition: str
    mergeable: bool


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one closed-book answer alone, means over the measured adapters; None: the method cannot be merged."""

    base: float
    unmerged: float
    merged: float | None
    adapters: int


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The general set against the base, means over the measured adapters."""

    loss_change: float  # nats a token of ordinary prose; above 0: worse
    kl: float  # KL(tuned ‖ base), nats a token
    questions_change: float  # share of general questions answered right
    questions_base: float  # that share without an adapter
    instructions_change: float  # share of instructions followed
    questions: int
    adapters: int


@dataclass(frozen=True, slots=True)
class TunedRow:
    """One tuned arm. Figures of training are means over seeds. None: not measured, or not applicable."""

    arm: str
    label: str  # short: the method's name where one arm has it in this way
    method: str
    way: Way
    format: str
    options: Mapping[str, Any]
    adapters: tuple[str, ...]  # folder names, one a seed; arms with the same share their training
    untuned: str | None  # the arm with the same passages and no tuning
    trainable: float | None
    share: float | None  # of all parameters
    stored: int | None  # parameters in the adapter's file: fewer than trained where an encoder is dropped
    adapter_bytes: float | None
    training_seconds: float | None
    tokens_per_second: float | None
    peak_bytes: float | None
    learning_rate: float | None
    searched: bool  # whether the learning rate was searched in this run
    score: float | None
    low: float | None
    high: float | None
    seed_means: tuple[float, ...]
    abstained: float | None
    latency: Latency | None
    forgetting: Forgetting | None
    shift: tuple[float, ...]  # by layer: ‖h_tuned - h_base‖ / ‖h_base‖
    failed: str = ""  # which trainings came apart, and why
    control: bool = False


def method_of(name: str) -> Method:
    """A registered method's facts."""
    entry = registry.lookup("tuning", name)
    facts = entry.facts
    words = {key: str(facts[key]) for key in ("paper", "form", "insertion", "modifies", "composition")}
    return Method(name=name, summary=entry.summary, **words, mergeable=bool(facts["mergeable"]))


def tuned_rows(m: Material) -> tuple[TunedRow, ...]:
    """Every tuned arm that could be deployed, in the study's order."""
    tuned = [arm for arm in m.arms if arm.tuning and arm.retriever != "oracle"]
    shared = [(arm.tuning, way_of(arm)) for arm in tuned if not arm.control]
    return tuple(_row(m, arm, shared.count((arm.tuning, way_of(arm))) > 1) for arm in tuned)


def way_of(arm: Arm) -> Way:
    """Whether a tuned arm answers without passages, with them, or was also trained with them."""
    if not arm.retriever:
        return "alone"
    return "RAFT" if registry.lookup("format", str(arm.format)).facts["passages"] else "with RAG"


def adapters_of(arm: Arm) -> tuple[str, ...]:
    """The folder names of an arm's adapters, one a seed."""
    return tuple(Path(arm.built[seed]["adapter"]["folder"]).name for seed in arm.seeds)


def _row(m: Material, arm: Arm, ambiguous: bool) -> TunedRow:
    fits = [fit for seed in arm.seeds if (fit := arm.fit("adapter", seed))]
    found = next((row for row in m.comparison.arms if row.name == arm.name), None)
    names = adapters_of(arm)
    measured = [m.measures[name] for name in names if name in m.measures]
    seconds, tokens = _mean(fits, "seconds"), _mean(fits, "training_tokens")
    trainable, total = _mean(fits, "trainable_parameters"), _mean(fits, "total_parameters")
    stored = stored_by(m.run.folder / "artifacts", names)
    return TunedRow(
        arm=arm.name,
        label=arm.name if ambiguous or arm.control else str(arm.tuning),
        method=str(arm.tuning),
        way=way_of(arm),
        format=str(arm.format),
        options=dict(arm.options),
        adapters=names,
        untuned=next((a.name for a in m.arms if not a.tuning and (a.retriever, a.k) == (arm.retriever, arm.k)), None),
        trainable=trainable,
        share=trainable / total if trainable and total else None,
        stored=sum(stored.values()) if stored else None,
        adapter_bytes=_mean(fits, "artifact_bytes"),
        training_seconds=seconds,
        tokens_per_second=tokens / seconds if tokens and seconds else None,
        peak_bytes=_mean(fits, "peak_bytes"),
        learning_rate=arm.learning_rate,
        searched=_was_searched(m, arm),
        score=found.estimate.mean if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        seed_means=found.seed_means if found else (),
        abstained=abstained(m, arm.name),
        latency=_latency(measured),
        forgetting=_forgetting(measured, m.measures.get(BASE)),
        shift=_shift(measured),
        failed=failure_words(arm.failures),
        control=arm.control,
    )


def abstained(m: Material, arm: str) -> float | None:
    """The share of an arm's answers that decline."""
    values = m.frame[m.frame["arm"] == arm]["abstained"].dropna()
    return float(values.mean()) if len(values) else None


def _was_searched(m: Material, arm: Arm) -> bool:
    """Whether a search of this run chose the arm's learning rate."""
    found = m.searched.results if m.searched else ()
    return any(one.chosen.get("learning_rate") == arm.learning_rate and _is_for(m, one.arm, arm) for one in found)


def _is_for(m: Material, first: str, arm: Arm) -> bool:
    """Whether a search made for arm `first` chose for this arm too: it has the same adapters, or is a control for it."""
    other = next((other for other in m.arms if other.name == first and other.tuning), None)
    controls = other is not None and arm.control and (other.tuning, other.options) == (arm.tuning, arm.options)
    return other is not None and (adapters_of(other) == adapters_of(arm) or controls)


def _mean(fits: Sequence[FitReport], field: str) -> float | None:
    """The mean over seeds; a FitReport has 0 where nothing was counted."""
    values = [getattr(fit, field) for fit in fits]
    return fmean(values) if values and any(values) else None


def _latency(measured: Sequence[Measures]) -> Latency | None:
    if not measured:
        return None
    merged = [found.seconds_merged for found in measured if found.seconds_merged is not None]
    return Latency(
        base=fmean(found.seconds_base for found in measured),
        unmerged=fmean(found.seconds_unmerged for found in measured),
        merged=fmean(merged) if merged else None,
        adapters=len(measured),
    )


def _forgetting(measured: Sequence[Measures], base: Measures | None) -> Forgetting | None:
    """None unless the adapters and the base were all asked the general set."""
    found = [general for one in measured if (general := one.general)]
    if not found or base is None or base.general is None:
        return None
    start = base.general
    return Forgetting(
        loss_change=fmean(one.prose_loss for one in found) - start.prose_loss,
        kl=fmean(one.kl for one in found),
        questions_change=fmean(one.questions_right for one in found) - start.questions_right,
        questions_base=start.questions_right,
        instructions_change=fmean(one.instructions_followed for one in found) - start.instructions_followed,
        questions=start.questions,
        adapters=len(found),
    )


def _shift(measured: Sequence[Measures]) -> tuple[float, ...]:
    layers = [one.shift for one in measured if one.shift]
    return tuple(fmean(values) for values in zip(*layers, strict=True))


def stored_by(artifacts: Path, names: Sequence[str]) -> dict[str, int]:
    """The tensors of the first of these adapters that has any: one whose training came apart has none."""
    return next((found for name in names if (found := stored_tensors(artifacts / name))), {})


def stored_tensors(folder: Path) -> dict[str, int]:
    """Name -> number of elements of every tensor in an adapter's folder, from the files' headers; empty where there is none."""
    from safetensors import safe_open

    found: dict[str, int] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 not a mapping
                elements = 1
                for side in file.get_slice(name).get_shape():
                    elements *= side
                found[name] = elements
    return found
