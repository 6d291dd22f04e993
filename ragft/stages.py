"""A study as stages of independent units: the index, the adapters, the answers, the measures; all of them at once, or some now and some later.

    with context.run.locked():
        settled = begin(context, watcher)
        one_after_another(units_of(settled, ["train"]), watcher)

A unit writes its result into the run folder, and one whose result is there for the same inputs is skipped, so that a stage that is
carried out again does what is missing. What comes after the units takes seconds and needs no model (study.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

from ragft import manifest
from ragft.build import Progress
from ragft.context import Context, adapter_name, adapter_plan, arm_seeds
from ragft.errors import NotReadyError
from ragft.gate import pass_gate
from ragft.placement import several_gpus, side_by_side
from ragft.plan import make_plan
from ragft.progress import Watcher
from ragft.rehearsal import rehearse_indexed
from ragft.search import is_settled, search
from ragft.settings import ArmSettings, save_study
from ragft.store import Artifact, fingerprint, write_json, write_jsonl
from ragft.units import (
    adapter_artifact,
    answer_arm,
    index_artifact,
    is_adapter_measured,
    is_arm_answered,
    measure_adapter,
    stored_adapter,
    stored_index,
)

Kind = Literal["index", "train", "answer", "measure"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # in the order in which they are carried out
UNDONE = {"index": "the index is not built", "train": "not trained", "answer": "not all questions answered", "measure": "not measured"}


@dataclass(frozen=True)
class Unit:
    """One piece of work: `work(progress)` does it, or finds it done."""

    label: str
    kind: Kind
    needs: tuple[str, ...]  # labels of units that come first
    work: Callable[[Progress], Any]
    is_done: Callable[[Artifact | None], bool]  # whether its result is there, beside the run's index


Executor = Callable[[list[Unit], Watcher], None]


# ── what there is to do ──────────────────────────────────────────────────────────────────────────────────────────────


def plan_units(context: Context) -> list[Unit]:
    """All units in an order in which each finds what it needs."""
    units, trained = dict[str, Unit](), dict[str, str]()  # by label; the label of the unit that trains an adapter, by the adapter's key
    if any(arm.retriever or arm.tuning for arm in context.study.arms.values()):
        units["index"] = Unit("index", "index", (), partial(_build_index, context), _is_there)
    for name, seed in arm_seeds(context.study):
        arm = context.study.arms[name]
        needs = ["index"] if arm.retriever or arm.tuning else []
        if arm.tuning:
            label = trained.setdefault(_adapter_key(context, arm, seed), f"train {adapter_name(context, arm)} seed {seed}")
            if label not in units:
                done = partial(_is_trained, context, arm, seed)
                units[label] = Unit(label, "train", ("index",), partial(adapter_artifact, context, arm, seed), done)
            needs.append(label)
        label, done = f"answer {name} seed {seed}", partial(is_arm_answered, context, name, seed)
        units[label] = Unit(label, "answer", tuple(needs), partial(answer_arm, context, name, seed), done)
    return [*units.values(), *_measure_units(context, trained)]


def _build_index(context: Context, progress: Progress) -> None:
    """The index, and before the first training a look at what the trainings begin with."""
    index = index_artifact(context, progress)
    if not context.run.has("adapter"):
        rehearse_indexed(context, index)


def _adapter_key(context: Context, arm: ArmSettings, seed: int) -> str:
    """Alike for arms that share an adapter, whatever they call it."""
    return fingerprint(adapter_plan(context, arm, seed).key(""))


def _is_there(index: Artifact | None) -> bool:
    return index is not None


def _is_trained(context: Context, arm: ArmSettings, seed: int, index: Artifact | None) -> bool:
    return stored_adapter(context, arm, seed, index) is not None


def _measure_units(context: Context, trained: Mapping[str, str]) -> Iterator[Unit]:
    """Every distinct adapter and seed once, whatever arms share it, after all answers; and the base, to see a change against."""
    seen = set[str]()
    for name, seed in arm_seeds(context.study):
        arm = context.study.arms[name]
        if not arm.tuning:
            continue
        if not seen:
            yield _measure_unit(context, "base", (), None, 0)
        key = _adapter_key(context, arm, seed)
        if key not in seen:
            seen.add(key)
            yield _measure_unit(context, f"{adapter_name(context, arm)} seed {seed}", (trained[key],), arm, seed)


def _measure_unit(context: Context, what: str, needs: tuple[str, ...], arm: ArmSettings | None, seed: int) -> Unit:
    done = partial(is_adapter_measured, context, arm, seed)
    return Unit(f"measure {what}", "measure", needs, partial(measure_adapter, context, arm, seed), done)


def undone(context: Context, units: Sequence[Unit]) -> list[Unit]:
    """Those whose result is not there for the inputs of now. Nothing is done; what is there is read and checked by its hashes."""
    index = stored_index(context) if units else None
    return [unit for unit in units if not unit.is_done(index)]


def units_of(context: Context, kinds: Sequence[Kind]) -> list[Unit]:
    """The units of these kinds, to be handed to an executor; `context` is what `begin` gave.

    Raises NotReadyError where a unit of an earlier kind is not done: of every kind that comes before the first of these, or of all for none.
    """
    units = plan_units(context)
    earlier = KINDS[: KINDS.index(kinds[0])] if kinds else KINDS
    missing = undone(context, [unit for unit in units if unit.kind in earlier])
    if missing:
        raise _not_ready(context, missing)
    chosen = [unit for unit in units if unit.kind in kinds]
    labels = {unit.label for unit in chosen}
    return [replace(unit, needs=tuple(need for need in unit.needs if need in labels)) for unit in chosen]


def _not_ready(context: Context, missing: Sequence[Unit]) -> NotReadyError:
    kind = min((unit.kind for unit in missing), key=KINDS.index)
    names = [unit.label.removeprefix(f"{kind} ") for unit in missing if unit.kind == kind]
    return NotReadyError(f"{context.run.folder}: {UNDONE[kind]}{'' if kind == 'index' else ': ' + ', '.join(names)}.", kind)


# ── carrying it out ──────────────────────────────────────────────────────────────────────────────────────────────────


def begin(context: Context, watcher: Watcher, kinds: Sequence[Kind] = KINDS) -> Context:
    """What comes before units of these kinds: the leakage gate, what the run is about, and the settings that the study leaves open.

    Only the holder of the run's lock may call it. Raises InputError where held-out questions leak into training, NotReadyError
    where settings are still to be searched and the index, before which that is done, is none of these kinds.
    """
    if "index" not in kinds and not is_settled(context):
        raise NotReadyError(f"{context.run.folder}: the settings that the study searches are not chosen.", "index")
    context.run.sweep()
    pass_gate(context)
    start(context)
    return search(context, watcher)


def start(context: Context) -> None:
    """Write what the run is about: the resolved study, where everything came from, the held-out set."""
    test = context.domain.split("test")
    save_study(context.study, context.run.folder / "study.yaml")
    write_jsonl(context.run.folder / "questions.jsonl", [question for question, _ in test])
    write_jsonl(context.run.folder / "gold.jsonl", [gold for _, gold in test])
    if not (context.run.folder / "plan.json").is_file():  # what was said beforehand stays as it was said
        write_json(context.run.folder / "plan.json", make_plan(context))
    manifest.start(context)


@dataclass(frozen=True)
class Work:
    """What one call of a stage did: labels of units, in their order."""

    done_now: tuple[str, ...]
    done_before: tuple[str, ...]


def carry_out_stage(context: Context, kinds: Sequence[Kind], watcher: Watcher, executor: Executor) -> Work:
    """Carry out the units of these kinds that are missing, and none of another kind. A run that is finished and whole stays as it is.

    Raises BusyError when another process holds the run, NotReadyError where an earlier stage is not through, and as `begin`.
    """
    with context.run.locked():
        searched = is_settled(context)
        if searched and manifest.is_finished(context.run):
            settled = search(context, watcher)
            if not undone(settled, plan_units(settled)):
                return Work((), tuple(unit.label for unit in units_of(settled, kinds)))
        settled = begin(context, watcher, kinds)
        units = units_of(settled, kinds)
        missing = {unit.label for unit in (undone(settled, units) if searched else units)}  # the search has built an index just now
        executor(units, watcher)
    return Work(*(tuple(unit.label for unit in units if (unit.label in missing) is now) for now in (True, False)))


def of_this_machine() -> Executor:
    """The executor that uses all GPUs of this machine; for programs whose main module can be imported (see ragft.placement)."""
    devices = several_gpus()
    if not devices:
        return one_after_another

    def execute(units: list[Unit], watcher: Watcher) -> None:
        from ragft.serving import release

        release()  # what a search left on the first of them
        side_by_side(devices)(units, watcher)

    return execute


def one_after_another(units: list[Unit], watcher: Watcher) -> None:
    """The executor of a single machine."""
    for number, unit in enumerate(units, start=1):
        with watcher.unit(unit.label, number, len(units)) as progress:
            unit.work(progress)
