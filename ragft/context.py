"""What all units of a study know, and how its settings become plans: the adapters it needs, their seeds, names and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ragft import registry
from ragft.build import IndexPlan, open_index
from ragft.domain import Domain
from ragft.finetune import AdapterPlan
from ragft.models import Model
from ragft.retrieval.base import RetrieverParts
from ragft.settings import ArmSettings, Study
from ragft.store import Artifact, Run
from ragft.types import Prompt

WRITTEN_TOKENS = 96  # at most, of what the model writes to search by


@dataclass(frozen=True)
class Context:
    """What all units of a study know."""

    study: Study
    domain: Domain
    model: Model
    embedder: Model | None
    run: Run
    reranker: Model | None = None

    @property
    def default_format(self) -> str:
        """qa where training questions ask for tested facts in other words; else the documents' text must carry them."""
        return "qa" if self.domain.trains_tested_facts else "mixed"


def arm_seeds(study: Study) -> Iterator[tuple[str, int]]:
    """Every arm with each of its seeds; an untuned arm has seed 0 only, because nothing in it is random."""
    for name, arm in study.arms.items():
        for seed in seeds_of(study, arm):
            yield name, seed


def seeds_of(study: Study, arm: ArmSettings) -> tuple[int, ...]:
    """The seeds an arm is run with."""
    return (arm.seeds or study.seeds) if arm.tuning else (0,)


def adapter_name(context: Context, arm: ArmSettings) -> str:
    """What tells an arm's adapters from others' in labels: method, format, and what differs from the study."""
    parts = [str(arm.tuning), arm.format or context.default_format]
    parts += [f"{key}={value}" for key, value in sorted((arm.format_options | arm.options).items())]
    if arm.format and registry.lookup("format", arm.format).facts["passages"]:
        parts += [f"k={arm.k}"] * (arm.k is not None) + [str(arm.retriever)] * (arm.retriever != "auto")  # what it learns to read
    return " ".join(parts + ([f"lr={arm.learning_rate:g}"] if arm.learning_rate else []))


def searched_adapters(context: Context) -> dict[str, str]:
    """Each kind of adapter whose learning rate the study leaves open, and the first arm that it is for."""
    found: dict[str, str] = {}
    open_arms = {name: arm for name, arm in context.study.arms.items() if arm.tuning and arm.learning_rate is None}
    for name in sorted(open_arms, key=lambda name: registry.is_control(open_arms[name].format)):  # the others first, in their order
        arm = open_arms[name]
        if searched_as(context, arm) not in found:
            found.setdefault(adapter_name(context, arm), name)
    return found


def searched_as(context: Context, arm: ArmSettings) -> str:
    """The kind of adapter whose search an arm goes by: its own, and for a control that of the method it is a control for.

    A control differs in what it is trained on, and in nothing else.
    """
    plain = arm.model_copy(update={"format": None, "format_options": {}})
    return adapter_name(context, plain if registry.is_control(arm.format) else arm)


def index_plan(context: Context) -> IndexPlan:
    """What the study's index is built from."""
    study = context.study
    return IndexPlan(context.domain, context.model, context.embedder, study.chunk_tokens, study.chunk_overlap, study.k, study.chunker)


def opened(context: Context, index: Artifact) -> RetrieverParts:
    """The index with all that the study's retrievers are made from."""
    study = context.study

    def write(prompts: Sequence[Prompt]) -> list[str]:
        from ragft.serving import writer

        return writer(context.model.folder, WRITTEN_TOKENS, study.batch_size, study.precision)(prompts)

    def relevance(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        from ragft.retrieval.stages import CrossEncoder

        assert context.reranker is not None
        return CrossEncoder(context.reranker.folder)(pairs)

    parts = open_index(index.folder, index.sha256, context.embedder)
    return replace(parts, language=context.domain.language, write=write, relevance=relevance if context.reranker else None)


def adapter_plan(context: Context, arm: ArmSettings, seed: int) -> AdapterPlan:
    """What the arm's adapter is trained from: its own settings, and the study's for the rest."""
    study = context.study
    return AdapterPlan(
        domain=context.domain,
        model=context.model,
        tuning=str(arm.tuning),
        options=tuple(arm.options.items()),
        format=arm.format or context.default_format,
        format_options=tuple(arm.format_options.items()),
        retriever=arm.retriever,
        k=arm.k or study.k,
        context_tokens=study.context_tokens,
        learning_rate=learning_rate(arm),
        train_tokens=study.train_tokens,
        train_batch_size=study.train_batch_size,
        seed=seed,
        style=study.prompt,
    )


def trial_tokens(study: Study) -> int | None:
    """Training tokens of a trial of the study's search; None: it searches nothing."""
    return study.search.trial_tokens(study.train_tokens) if study.search else None


def learning_rate(arm: ArmSettings) -> float:
    """The arm's own, or that of its method."""
    return arm.learning_rate or float(registry.lookup("tuning", str(arm.tuning)).facts["learning_rate"])


def with_limit(context: Context) -> Context:
    """The context with the study's limit applied to its test questions."""
    return replace(context, domain=context.domain.limited(context.study.limit))
