"""The work of a study's units: build the index, train one adapter, answer with one arm and seed, measure one adapter.

Each takes values and paths, writes into the run folder, and shares nothing else, so that units (stages.py) can be placed
anywhere that sees the folder. The result is stored; where it is there for the same inputs, nothing is done, and `is_...` says so beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ragft import registry
from ragft.answerlog import AnswerLog
from ragft.arms import Arm, Composed, latencies
from ragft.build import IndexPlan, Progress, build_index, make_retriever, resolve_retriever
from ragft.context import Context, adapter_plan, index_plan, learning_rate, opened, seeds_of
from ragft.domain.general import General, load_general
from ragft.errors import DivergedError
from ragft.finetune import AdapterPlan, build_adapter, closed_book_examples
from ragft.generation import Generator
from ragft.measures import BASE, is_measured, measures_path
from ragft.meter import PeakMemory
from ragft.numbers import rough, size
from ragft.outside import make_system, system_arm
from ragft.progress import say
from ragft.prompts import closed_book
from ragft.retrieval.base import Retriever
from ragft.settings import ArmSettings
from ragft.store import Artifact, file_sha256, fingerprint, read_json, read_record, write_json
from ragft.types import Dtype, FitReport, Forecast, Prompt, Question, TrainingDtype
from ragft.untrained import Untrained

PROBE_QUESTIONS = 4  # training questions whose row decides on the number format: about 150 tokens
MEASURE_QUESTIONS = 8  # dev questions on which an adapter's shift is measured; the first of them for its latency
ANSWERS, DONE = "answers.jsonl", "done.json"  # of one arm and seed
INDEX_TIMINGS, MOST_AGAIN = 3, 30.0  # an index is built so often, to see how much its seconds vary, where that takes no more seconds than this
LATENCY_QUESTIONS = 12  # asked one at a time by each arm: what one user waits cannot be read off a batch


def index_artifact(context: Context, progress: Progress, previous: Path | None = None) -> Artifact:
    """The index, shared by all arms; with `previous`, an index over other documents, as an update of that."""
    plan = index_plan(context)

    def build(folder: Path) -> FitReport:
        fit = build_index(plan, folder, progress, previous)
        times = min(INDEX_TIMINGS - 1, int(MOST_AGAIN // max(fit.seconds, 1e-3)))
        return replace(fit, again=tuple(_timed_again(context, plan, progress, previous) for _ in range(times)))

    return context.run.artifact("index", fingerprint(plan.key()), build)


def stored_index(context: Context) -> Artifact | None:
    """The index, if it is built."""
    return context.run.stored("index", fingerprint(index_plan(context).key()))


def _timed_again(context: Context, plan: IndexPlan, progress: Progress, previous: Path | None) -> float:
    with context.run.scratch() as folder:
        return build_index(plan, folder, progress, previous).seconds


def adapter_artifact(context: Context, arm: ArmSettings, seed: int, progress: Progress) -> Artifact:
    """The adapter of an arm's method, format and seed, shared by all arms that name the same.

    A training that comes apart is stored too, as a report that says so and no weights: the same settings would come
    apart again, and the other arms go on.
    """
    plan = replace(adapter_plan(context, arm, seed), dtype=training_dtype(context))
    index = index_artifact(context, progress)
    key = fingerprint(plan.key(index.sha256))
    checkpoint = context.run.checkpoint("adapter", key)

    def build(folder: Path) -> FitReport:
        parts = opened(context, index)
        known, began = _forecast_of_another_seed(context, arm, plan, index.sha256), time.perf_counter()
        try:
            return build_adapter(plan, index.folder, parts, folder, progress, checkpoint, announce=partial(_announce, progress), expected=known)
        except DivergedError as error:
            say(progress, f"{error} Its answers will count as errors.")
            write_json(folder / "failed.json", {"adapter": key, "why": str(error)})
            return FitReport(seconds=time.perf_counter() - began, peak_bytes=0, failed=str(error))

    artifact = context.run.artifact("adapter", key, build)
    checkpoint.unlink(missing_ok=True)
    return artifact


def stored_adapter(context: Context, arm: ArmSettings, seed: int, index: Artifact | None) -> Artifact | None:
    """The adapter of an arm and seed, if it is trained beside that index; also one whose training came apart."""
    if index is None or not (context.study.base_dtype or _dtype_path(context).is_file()):
        return None  # no number format is chosen before the first training
    plan = replace(adapter_plan(context, arm, seed), dtype=training_dtype(context))
    return context.run.stored("adapter", fingerprint(plan.key(index.sha256)))


def training_dtype(context: Context) -> Dtype:
    """The number format of all trainings of the run: as its first training found it, also where the run goes on elsewhere."""
    if context.study.base_dtype:
        return context.study.base_dtype
    path = _dtype_path(context)
    if not path.is_file():
        write_json(path, _probed_dtype(context))
    return read_record(TrainingDtype, path).dtype


def _dtype_path(context: Context) -> Path:
    return context.run.folder / "dtype.json"


def training_dtype_of(context: Context) -> Dtype:
    """The same for a study that is not run yet; nothing is written."""
    return context.study.base_dtype or _probed_dtype(context).dtype


def _probed_dtype(context: Context) -> TrainingDtype:
    from ragft.tuning.dtype import choose_dtype

    return choose_dtype(
        context.model.folder, closed_book_examples(context.domain.split("train")[:PROBE_QUESTIONS], context.domain.language, context.study.prompt)
    )


def _forecast_of_another_seed(context: Context, arm: ArmSettings, plan: AdapterPlan, index_sha256: str) -> Forecast | None:
    """What the same adapter took with a seed that is trained already."""
    for seed in seeds_of(context.study, arm):
        found = context.run.stored("adapter", fingerprint(replace(plan, seed=seed).key(index_sha256)))
        if found is not None and not found.fit.failed:
            return Forecast(found.fit.seconds, found.fit.peak_bytes)
    return None


def _announce(progress: Progress, found: Forecast) -> None:
    """What a training will take, in a line of its own; and whether the memory holds that."""
    from ragft.tuning.forecast import shortage

    lack = shortage(found)
    say(progress, f"about {rough(found.seconds)}, {size(found.peak_bytes)} of memory at most{f'; {lack}' if lack else ''}")


def answer_arm(context: Context, name: str, seed: int, progress: Progress) -> None:
    """Answer all test questions with one arm and seed, batch by batch; batches already stored are not asked again."""
    arm = context.study.arms[name]
    index = index_artifact(context, progress) if arm.retriever or arm.tuning else None
    adapter = adapter_artifact(context, arm, seed, progress) if arm.tuning else None
    inputs = _answer_inputs(context, arm, index, adapter)
    folder = context.run.seed_folder(name, seed)
    if _is_whole(folder, inputs):
        return
    start_over_unless(folder, inputs)
    _store_fit(context, name, arm, seed, index if arm.retriever else None, adapter)
    composed = system_arm(context, arm, _retriever(context, arm, index)) if arm.system else compose(context, arm, index, adapter)
    questions = [question for question, _ in context.domain.split("test")]
    ask(composed, questions, folder, progress)
    # a system's own seconds are known or not; asking it again could cost money, and reading a log takes no time at all
    if seed == seeds_of(context.study, arm)[0] and not arm.system and not (adapter and adapter.fit.failed):
        step = max(1, len(questions) // LATENCY_QUESTIONS)
        with PeakMemory() as peak:
            alone = latencies(composed, questions[::step][:LATENCY_QUESTIONS])
        write_json(folder / "latency.json", {"seconds": alone, "peak_bytes": peak.bytes})
    mark_answered(folder, inputs)


def _answer_inputs(context: Context, arm: ArmSettings, index: Artifact | None, adapter: Artifact | None) -> str:
    """Of all that an arm's answers depend on within a run."""
    return fingerprint(
        {
            "arm": arm.model_dump(mode="json"),
            "index": index.sha256 if index and arm.retriever else None,
            "adapter": adapter.sha256 if adapter else None,
            **({"system": make_system(context, arm.system).key()} if arm.system else {}),
            "questions": [question.text for question, _ in context.domain.split("test")],
        }
    )


def _is_whole(folder: Path, inputs: str) -> bool:
    """Whether all that `answer_arm` leaves is there."""
    return is_answered(folder, inputs) and (folder / "fit.json").is_file() and (folder.parent / "arm.json").is_file()


def is_arm_answered(context: Context, name: str, seed: int, index: Artifact | None) -> bool:
    """Whether one arm and seed has answered all test questions, with the adapter and the index that are there."""
    arm = context.study.arms[name]
    adapter = stored_adapter(context, arm, seed, index) if arm.tuning else None
    if (arm.tuning and adapter is None) or (arm.retriever and index is None):
        return False
    return _is_whole(context.run.seed_folder(name, seed), _answer_inputs(context, arm, index, adapter))


def measure_adapter(context: Context, arm: ArmSettings | None, seed: int, progress: Progress) -> None:
    """Measure the arm's adapter of that seed (None: the base); nothing to do where that is stored for the same inputs, or there are no weights."""
    adapter = adapter_artifact(context, arm, seed, progress) if arm else None
    if adapter and adapter.fit.failed:
        return
    path, general, prompts = _measures_path(context, adapter), _general(context), _measure_prompts(context)
    inputs = _measure_inputs(context, adapter, general, prompts)
    if is_measured(path, inputs):
        return
    from ragft.measuring import measure

    progress(0, 1)
    folder = adapter.folder if adapter else None
    write_json(path, measure(context.model.folder, folder, prompts, general, inputs, progress, context.study.base_dtype))


def _measures_path(context: Context, adapter: Artifact | None) -> Path:
    return measures_path(context.run.folder, adapter.folder.name if adapter else BASE)


def _general(context: Context) -> General | None:
    return load_general(Path(context.study.general)) if context.study.general else None


def _measure_prompts(context: Context) -> list[Prompt]:
    asked = context.domain.sample("dev", MEASURE_QUESTIONS) or context.domain.sample("train", MEASURE_QUESTIONS)
    return [closed_book(question.text, context.domain.language, context.study.prompt) for question, _ in asked]


def _measure_inputs(context: Context, adapter: Artifact | None, general: General | None, prompts: Sequence[Prompt]) -> str:
    dtype = context.study.base_dtype
    asked_of = {"model": context.model.sha256, "adapter": adapter.sha256 if adapter else None, **({"dtype": dtype} if dtype else {})}
    return fingerprint({**asked_of, "general": general, "prompts": prompts})


def is_adapter_measured(context: Context, arm: ArmSettings | None, seed: int, index: Artifact | None) -> bool:
    """Whether the arm's adapter of that seed (None: the base) is measured, or came apart and so has nothing to measure."""
    adapter = stored_adapter(context, arm, seed, index) if arm else None
    if arm and adapter is None:
        return False
    if adapter and adapter.fit.failed:
        return True
    return is_measured(_measures_path(context, adapter), _measure_inputs(context, adapter, _general(context), _measure_prompts(context)))


def is_answered(folder: Path, inputs: str) -> bool:
    """Whether the folder holds all answers that these inputs give, as they were written."""
    log, done = folder / ANSWERS, folder / DONE
    return log.is_file() and done.is_file() and read_json(done) == {"inputs": inputs, "answers": file_sha256(log)}


def mark_answered(folder: Path, inputs: str) -> None:
    """Note that all answers are there, and what gave them."""
    write_json(folder / DONE, {"inputs": inputs, "answers": file_sha256(folder / ANSWERS)})


def ask(arm: Arm, questions: Sequence[Question], folder: Path, progress: Progress) -> None:
    """Answer the questions batch by batch into the folder's log; batches already stored are not asked again."""
    batches = arm.prepare(questions)
    log = AnswerLog(folder / ANSWERS, [batch.ids for batch in batches])
    finished = sum(map(len, log.done.values()))
    progress(finished, len(questions))
    for batch in batches:
        if batch.number not in log.done:
            log.append(batch.number, arm.answer(batch))
            finished += len(batch.ids)
            progress(finished, len(questions))


def start_over_unless(folder: Path, inputs: str) -> None:
    """Drop answers that other inputs gave (another adapter, another index): old results never stand for new inputs."""
    note = folder / "inputs.json"
    if not note.is_file() or read_json(note) != inputs:
        for stale in folder.glob("*.json*"):
            stale.unlink()
        write_json(note, inputs)


def _store_fit(context: Context, name: str, arm: ArmSettings, seed: int, index: Artifact | None, adapter: Artifact | None) -> None:
    built = {kind: artifact for kind, artifact in (("index", index), ("adapter", adapter)) if artifact}
    fit = {kind: {"folder": f"artifacts/{artifact.folder.name}", "sha256": artifact.sha256, "fit": artifact.fit} for kind, artifact in built.items()}
    write_json(context.run.seed_folder(name, seed) / "fit.json", fit)
    resolved = arm.model_copy(
        update={
            "retriever": resolve_retriever(arm.retriever, index.folder) if arm.retriever and index else None,
            "k": (arm.k or context.study.k) if arm.retriever else None,
            "format": (arm.format or context.default_format) if arm.tuning else None,
            "learning_rate": learning_rate(arm) if arm.tuning else None,
        }
    )
    write_json(
        context.run.folder / "arms" / name / "arm.json",
        {"name": name, "model": arm.system or context.model.sha256, "control": registry.is_control(arm.format), **resolved.model_dump(mode="json")},
    )


def _retriever(context: Context, arm: ArmSettings, index: Artifact | None) -> Retriever | None:
    if not arm.retriever or not index:
        return None
    evidence = {gold.id: gold.evidence for _, gold in context.domain.split("test")}
    return make_retriever(resolve_retriever(arm.retriever, index.folder), opened(context, index), evidence)


def compose(context: Context, arm: ArmSettings, index: Artifact | None, adapter: Artifact | None) -> Composed:
    """The arm's slots filled: the only place where an arm is put together."""
    from ragft.serving import load_generator

    study = context.study
    retriever = _retriever(context, arm, index)
    why = adapter.fit.failed if adapter else ""
    weights = adapter.folder if adapter and not why else None
    generator: Generator = load_generator(context.model.folder, weights, study.max_new_tokens, precision=study.precision)
    if why:
        generator = Untrained(generator, why)
    return Composed(generator, retriever, arm.k or study.k, study.context_tokens, context.domain.language, study.batch_size, study.prompt)
