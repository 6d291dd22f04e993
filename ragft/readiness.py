"""What would only fail after an hour, said at once: data that an arm lacks, a precision that is not there, training that cannot begin."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ragft import recipe, registry, slicing
from ragft.build import make_retriever, token_counter
from ragft.context import Context, index_plan
from ragft.domain.general import load_general
from ragft.errors import InputError, MissingError
from ragft.outside import make_system
from ragft.prompts import passage
from ragft.recipe import steps_of
from ragft.rehearsal import rehearse
from ragft.retrieval.base import RetrieverParts
from ragft.settings import ArmSettings
from ragft.types import Chunk, Evidence, Span


def check_study(context: Context) -> None:
    """Raise InputError or MissingError where the study cannot be carried out."""
    if context.study.search and not context.domain.split("dev"):
        raise InputError('search chooses settings by dev questions, and there is none. Mark some with "split": "dev", or leave search out.')
    if context.study.general:
        load_general(Path(context.study.general))
    _check_precision(context.study.precision)
    _check_slices(context)
    for name, arm in context.study.arms.items():
        _check_arm(context, name, arm)
    if not (context.run.folder / "manifest.json").is_file():  # a run that began has passed: its folder is that of these very settings
        rehearse(context)


def _check_slices(context: Context) -> None:
    """Whether each slice fixed beforehand can hold a question of those that will be asked."""
    study = context.study
    golds = [gold for _, gold in context.domain.limited(study.limit).split("test")]
    slicing.check_occur(study.slices, {"stratum": [gold.stratum for gold in golds], "kind": [gold.kind for gold in golds]})
    for name in study.slices:
        dimension, _ = slicing.parts(name)
        if dimension == "retrieval" and not any(gold.evidence for gold in golds):
            raise InputError(f"slice '{name}' needs evidence on test questions, and there is none. Add evidence, or leave this slice out.")
        if dimension == "base" and all(arm.retriever or arm.tuning or arm.system for arm in study.arms.values()):
            raise InputError(f"slice '{name}' needs an arm that is the model alone. Add base: {{}} to the arms, or leave this slice out.")
        if dimension == "writer" and all(gold.closed_book is None for gold in golds):
            raise InputError(f"slice '{name}' needs questions that a model wrote (closed_book), and there is none. Leave this slice out.")


def _check_precision(precision: str) -> None:
    if precision == "int8":
        from ragft.generation.int8 import check_int8
        from ragft.weights import device

        check_int8(device())
    if precision == "nf4":
        from ragft.nf4 import check_nf4

        check_nf4()


def _check_arm(context: Context, name: str, arm: ArmSettings) -> None:
    """What the arm needs of the domain, the embedder and the precision; and whether its system can be had."""
    if arm.system:
        try:
            make_system(context, arm.system)
        except (InputError, MissingError) as error:
            raise type(error)(f"arm '{name}': {error}") from error
    if arm.tuning and context.study.base_dtype == "nf4" and not registry.lookup("tuning", arm.tuning).facts["quantised"]:
        able = ", ".join(key for key, entry in registry.entries("tuning").items() if entry.facts["quantised"])
        raise InputError(f"arm '{name}': tuning '{arm.tuning}' does not work beside a base in 4 bits (precision: nf4). Take one of: {able}.")
    if arm.tuning and not context.domain.split("train"):
        raise InputError(f"arm '{name}' is fine-tuned, but no question is in the train split. Mark some, or leave the tuned arms out.")
    if arm.retriever == "oracle" and not any(gold.evidence for _, gold in context.domain.split("test")):
        raise InputError(f"arm '{name}' needs evidence on test questions, and there is none. Add evidence, or leave this arm out.")
    form = arm.format or (context.default_format if arm.tuning else None)
    if form == "raft" and not any(gold.evidence for _, gold in context.domain.split("train")):
        raise InputError(f"arm '{name}' needs evidence on training questions, and there is none. Add evidence, or leave this arm out.")
    wanted = recipe.needs(arm.retriever) if arm.retriever not in (None, recipe.AUTO) else set()
    for need, there in (("embedder", context.embedder), ("reranker", context.reranker)):
        if need in wanted and there is None:
            raise InputError(f"arm '{name}': retriever '{arm.retriever}' needs {_a(need)}. Set {need}, or use retriever: bm25.")
    if arm.retriever not in (None, recipe.AUTO):
        _check_room(context, name, arm, arm.retriever)
        _check_retriever(context, name, arm.retriever)


def _check_room(context: Context, name: str, arm: ArmSettings, line: str) -> None:
    """Whether passages around a hit have room beside it. A k that is to be searched may have."""
    k = arm.k or (None if context.study.search else context.study.k)
    if k == 1 and steps_of(line)[-1].name == recipe.NEIGHBOURS:
        raise InputError(
            f"arm '{name}': with k: 1 the stage {recipe.NEIGHBOURS} adds nothing, for neighbours count against k. "
            "Set k to 2 or more (3 for both sides), or leave the stage out."
        )


def _check_retriever(context: Context, name: str, line: str) -> None:
    """What would only show when the retriever is made, such as a share above 1 or a module that is not there; and whether all fits."""
    chunk, one = Chunk("", Span("", 0, 1), "x", ""), np.ones((1, 1), dtype=np.float32)
    parts = RetrieverParts(
        (chunk,), one, lambda texts: one, language=context.domain.language, write=lambda prompts: [], relevance=lambda pairs: one[0]
    )
    try:
        make_retriever(line, parts, {"": (Evidence((chunk.span,)),)})
    except (InputError, MissingError) as error:
        raise type(error)(f"arm '{name}': {error}") from error
    if steps_of(line)[0].name != "long-context":
        return
    count, allowed = token_counter(context.model), context.study.context_tokens
    tokens = sum(count(passage(chunk)) for chunk in index_plan(context).chunks(context.domain.documents, count))
    if tokens > allowed:
        raise InputError(
            f"arm '{name}': the whole corpus takes {tokens:,} tokens, and context_tokens allows {allowed:,}. "
            "Raise it, if the model can read so much, or use a retriever that searches."
        )


def _a(need: str) -> str:
    return f"an {need}" if need[0] in "aeiou" else f"a {need}"
