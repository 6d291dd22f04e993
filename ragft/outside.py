"""Whole systems in a study: what a line such as "answers prod.jsonl" stands for, as an arm."""

from __future__ import annotations

from pathlib import Path

from ragft import recipe
from ragft.arms import Arm, Composed
from ragft.build import token_counter
from ragft.context import Context
from ragft.retrieval.base import Retriever
from ragft.settings import ArmSettings
from ragft.systems.base import System, SystemParts, Whole
from ragft.systems.endpoint import Endpoint


def make_system(context: Context, line: str) -> System | Endpoint:
    """What the line stands for in this study. Raises InputError or MissingError where it cannot be had."""
    study, step = context.study, recipe.system_of(line)
    train = tuple((question, gold) for question, gold in context.domain.split("train") if gold.answerable)
    parts = SystemParts(train, context.domain.language, study.max_new_tokens, Path(study.domain), token_counter(context.model))
    made: System | Endpoint = step.entry.make(parts, **step.options)
    return made


def system_arm(context: Context, arm: ArmSettings, retriever: Retriever | None) -> Arm:
    """The system as an arm; of one that is a model, asked the study's prompts, with the retriever's passages where it has one."""
    study, made = context.study, make_system(context, str(arm.system))
    if isinstance(made, Endpoint):
        return Composed(made, retriever, arm.k or study.k, study.context_tokens, context.domain.language, study.batch_size, study.prompt)
    return Whole(made, study.batch_size, context.domain.language, study.prompt)
