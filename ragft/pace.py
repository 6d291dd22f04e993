"""How long a study will take on this machine, how much memory and money: from a probe of seconds, which writes nothing into a run.

The index is built on at most PROBE_CHARACTERS of the documents; one batch of questions is answered without and one with
passages; of each kind of adapter a few training rows are computed (ragft/tuning/forecast.py), which trains nothing. What takes
longer is these, so often.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ragft.arms import Composed
from ragft.build import IndexPlan, build_index, make_retriever, open_index
from ragft.context import Context, adapter_name, adapter_plan, arm_seeds, index_plan, searched_adapters, seeds_of, trial_tokens
from ragft.domain import Domain
from ragft.domain.general import load_general
from ragft.errors import RagftError
from ragft.finetune import build_adapter
from ragft.meter import PeakMemory
from ragft.numbers import money, size
from ragft.plan import Step, Work
from ragft.progress import Watcher
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.settings import ArmSettings
from ragft.types import FitReport, Forecast
from ragft.units import MEASURE_QUESTIONS, training_dtype_of

PROBE_CHARACTERS = 400_000
PROBE_QUESTIONS = 16
PROBE_SECONDS = 45.0  # when they are over, kinds of adapter that were not probed are taken to be like the others
LEAST, MOST = 0.6, 1.6  # by which such an estimate was off on machines that had other work too
GIB = 2**30


def probe(context: Context, watcher: Watcher) -> Work:
    """The whole study's work. Raises what a run would raise when the model cannot be loaded."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, watcher.unit("probe", 1, 1) as progress:
        progress(0, 3)
        index, parts, share = _index(context, Path(folder))
        progress(1, 3)
        closed, shown, peak = _answering(context, parts)
        progress(2, 3)
        forecasts, notes = _trainings(context, Path(folder), parts, began)
        progress(3, 3)
    if systems := [name for name, arm in context.study.arms.items() if arm.system]:
        notes.append(f"How long {' and '.join(systems)} will take is not known; it is not in the sum.")
    if share < 1:
        notes.append(f"The index was tried on {100 * share:.0f} % of the documents.")
    steps = tuple(_steps(context, index.seconds / share, closed, shown, forecasts))
    seconds, gib = sum(step.total for step in steps), max([peak, *(found.peak_bytes for found in forecasts.values())]) / GIB
    prices = context.study.costs
    if "machine_per_hour" in prices.supposed:
        hour = money(prices.machine_per_hour, prices.currency)
        notes.append(f"An hour of the machine is taken to cost {hour}, which is a placeholder: state your own price as costs.machine_per_hour.")
    cost = seconds * prices.second(gib)
    return Work(steps, seconds, LEAST * seconds, MOST * seconds, gib, cost, prices.currency, tuple(notes))


def _steps(context: Context, index: float, closed: float, shown: float, forecasts: dict[str, Forecast]) -> Iterator[Step]:
    """Everything that a run does, in its order."""
    study, test = context.study, len(context.domain.split("test"))
    if study.search:
        dev = len(context.domain.sample("dev", study.search.dev_questions))
        yield Step("search of retrieval: a trial", study.search.trials, index + dev * shown)
        part = (trial_tokens(study) or 0) / study.train_tokens
        for kind, name in searched_adapters(context).items():
            yield Step(f"search of {kind}: a trial", study.search.trials, part * forecasts[adapter_name(context, study.arms[name])].seconds)
    if any(arm.retriever or arm.tuning for arm in study.arms.values()):
        yield Step("index", 1, index)
    kinds = {adapter_name(context, arm): len(seeds_of(study, arm)) for arm in study.arms.values() if arm.tuning}
    for kind, seeds in kinds.items():
        yield Step(f"train {kind}", seeds, forecasts[kind].seconds)
    for retrieves, seconds, words in ((False, closed, "without"), (True, shown, "with")):
        times = sum((study.arms[name].retriever is not None) == retrieves and not study.arms[name].system for name, _ in arm_seeds(study))
        if times:
            yield Step(f"answer {test} questions {words} passages", times, test * seconds)
    if kinds:
        general = load_general(Path(study.general)) if study.general else None
        asked = 3 * MEASURE_QUESTIONS + (len(general.questions) + len(general.instructions) if general else 0)
        yield Step("measure an adapter, or the model alone", 1 + sum(kinds.values()), asked * closed)


# ── the probe ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _index(context: Context, folder: Path) -> tuple[FitReport, RetrieverParts, float]:
    """The index of some of the documents, and their share of all, by characters."""
    plan = index_plan(context)
    documents, characters = [], 0
    for document in plan.domain.documents:
        if characters < PROBE_CHARACTERS:
            documents.append(document)
            characters += len(document.text)
    share = characters / sum(len(document.text) for document in plan.domain.documents)
    domain = plan.domain if share == 1 else _only(plan.domain, {document.id for document in documents})
    plan = IndexPlan(domain, plan.model, plan.embedder, plan.chunk_tokens, plan.chunk_overlap, plan.k, plan.chunker)
    fit = build_index(plan, folder)
    return fit, open_index(folder, "probe", context.embedder), share


def _only(domain: Domain, names: set[str]) -> Domain:
    """The domain with some of its documents, and the questions about them."""
    gold = {key: found for key, found in domain.gold.items() if found.document in names}
    documents = tuple(document for document in domain.documents if document.id in names)
    return replace(domain, documents=documents, gold=gold, questions={key: domain.questions[key] for key in gold})


def _answering(context: Context, parts: RetrieverParts) -> tuple[float, float, float]:
    """Seconds a question without and with passages in batches like the run's, and the most bytes of memory."""
    from ragft.serving import load_generator

    study = context.study
    generator = load_generator(context.model.folder, None, study.max_new_tokens, precision=study.precision)
    number = min(study.batch_size, PROBE_QUESTIONS)
    asked = [
        question for question, _ in context.domain.sample("dev", number) or context.domain.sample("train", number) or context.domain.sample("test", 1)
    ]

    def seconds(retriever: Retriever | None) -> float:
        arm = Composed(generator, retriever, study.k, study.context_tokens, context.domain.language, study.batch_size, study.prompt)
        began = time.perf_counter()
        for batch in arm.prepare(asked):
            arm.answer(batch)
        return (time.perf_counter() - began) / len(asked)

    with PeakMemory() as peak:
        seconds(None)  # warms up
        return seconds(None), seconds(make_retriever("bm25", parts)), peak.bytes


class _EnoughError(RagftError):
    """What ends a training before its first step: its forecast is known."""

    def __init__(self, found: Forecast):
        super().__init__("the forecast is known")
        self.found = found


def _trainings(context: Context, index: Path, parts: RetrieverParts, began: float) -> tuple[dict[str, Forecast], list[str]]:
    """What a training of each kind of adapter takes; kinds that the time does not suffice for are taken to be like the others."""
    kinds: dict[str, ArmSettings] = {}
    for arm in context.study.arms.values():
        if arm.tuning:
            kinds.setdefault(adapter_name(context, arm), arm)
    found: dict[str, Forecast] = {}
    for kind, arm in kinds.items():
        if not found or time.perf_counter() - began < PROBE_SECONDS:
            found[kind] = _forecast(context, arm, index, parts)
    left, known = [kind for kind in kinds if kind not in found], [*found.values()]
    if not left:
        return found, []
    usual = Forecast(sum(one.seconds for one in known) / len(known), max(one.peak_bytes for one in known))
    note = f"{len(found)} of {len(kinds)} kinds of adapter were tried; the others are taken to be like them ({size(usual.peak_bytes)})."
    return found | dict.fromkeys(left, usual), [note]


def _forecast(context: Context, arm: ArmSettings, index: Path, parts: RetrieverParts) -> Forecast:
    def stop(found: Forecast) -> None:
        raise _EnoughError(found)

    plan = replace(adapter_plan(context, arm, seeds_of(context.study, arm)[0]), dtype=training_dtype_of(context))
    with tempfile.TemporaryDirectory() as folder:
        try:
            fit = build_adapter(plan, index, parts, Path(folder), announce=stop)
        except _EnoughError as enough:
            return enough.found
        return Forecast(fit.seconds, fit.peak_bytes)  # not even the largest row could be tried beforehand, and yet it trained
