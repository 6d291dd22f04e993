"""What training would only say after hours, said before: the method fits the model, and the budget holds the first batch of each seed.

    rehearse(context)                # before anything: no weights, no index
    rehearse_indexed(context, index) # before the first training: what depends on the passages, too

The batch is the very one that training begins with. Where its examples show retrieved passages, the first look leaves those out,
and so never refuses what would work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import overload

from ragft.build import IndexPlan, token_counter
from ragft.catalogue import sizes
from ragft.context import Context, adapter_name, adapter_plan, index_plan, opened, searched_adapters, seeds_of, trial_tokens
from ragft.errors import InputError
from ragft.finetune import AdapterPlan, training_examples
from ragft.store import Artifact
from ragft.types import Chunk, Example, Gold

MOST_CHARACTERS = 500_000  # of documents that are cut beforehand, in about two seconds
Examples = Callable[[AdapterPlan], Sequence[Example]]


class _LaterError(Exception):
    """The examples are made of passages that are not known yet."""


@dataclass(frozen=True)
class _Kind:
    """Adapters that are trained alike but for the seed."""

    arm: str  # the first that names it
    plans: tuple[AdapterPlan, ...]  # one a seed
    trial_tokens: int | None  # the budget of a trial, with the first seed; None: nothing is searched for it

    @property
    def examples(self) -> tuple[object, ...]:
        """Alike for kinds that are trained from the same examples."""
        plan = self.plans[0]
        shown = (plan.retriever, plan.k) if plan.passages else ()
        return (plan.format, repr(plan.format_options), *shown, [one.seed for one in self.plans], self.trial_tokens)


def rehearse(context: Context) -> None:
    """Raise InputError where an adapter of the study cannot be trained, as far as that shows without an index. Takes a moment."""
    kinds, chunks = list(_kinds(context)), _Chunks(partial(_cut, index_plan(context), context.study.search is None))
    for kind in kinds:
        with_arm(kind.arm, partial(check_method, kind.plans[0]))
    for kind in _different(kinds):
        with_arm(kind.arm, partial(_check_budget, kind, partial(beforehand, chunks=chunks)))


def rehearse_indexed(context: Context, index: Artifact) -> None:
    """Raise InputError where a budget does not hold the first batch, of the very examples that training will see."""
    parts = opened(context, index)
    for kind in _different(_kinds(context)):
        with_arm(kind.arm, partial(_check_budget, kind, partial(training_examples, index=index.folder, parts=parts)))


def with_arm(name: str, check: Callable[[], None]) -> None:
    """Carry out a check; its error says which arm it is about."""
    try:
        check()
    except InputError as error:
        raise InputError(f"arm '{name}': {error}") from error


def _kinds(context: Context) -> Iterator[_Kind]:
    """Each kind of adapter once."""
    searched, seen = searched_adapters(context), set[tuple[str, tuple[int, ...]]]()
    for name, arm in context.study.arms.items():
        if arm.tuning and (kind := (adapter_name(context, arm), seeds_of(context.study, arm))) not in seen:
            seen.add(kind)
            tokens = trial_tokens(context.study) if kind[0] in searched else None
            yield _Kind(name, tuple(adapter_plan(context, arm, seed) for seed in kind[1]), tokens)


def _different(kinds: Iterator[_Kind] | Sequence[_Kind]) -> list[_Kind]:
    """Those of which the first batches differ: methods may share their examples."""
    found: list[_Kind] = []
    for kind in kinds:
        if all(kind.examples != other.examples for other in found):
            found.append(kind)
    return found


def check_method(plan: AdapterPlan) -> None:
    """Attach the method to the model's layers, without its weights. Raises InputError for a method or options that do not fit."""
    sizes(plan.model.folder, plan.tuning, dict(plan.options))


def _check_budget(kind: _Kind, examples: Examples) -> None:
    try:
        tokens = [first_batch_tokens(plan, examples(plan)) for plan in kind.plans]
    except _LaterError:
        return
    plan = kind.plans[0]
    for what, budget, needed in (("train_tokens", plan.train_tokens, max(tokens)), ("search.train_tokens", kind.trial_tokens, tokens[0])):
        if budget is not None and needed > budget:
            raise InputError(
                f"{what} ({budget}) does not hold one batch of {plan.train_batch_size} examples (at least {needed} tokens). "
                "Raise it, or lower train_batch_size."
            )


def first_batch_tokens(plan: AdapterPlan, examples: Sequence[Example]) -> int:
    """Tokens of the batch that a training on these examples begins with; 0 without any."""
    from ragft.tuning.rows import encode_example, shuffled
    from ragft.weights import load_tokenizer

    tokenizer = load_tokenizer(plan.model.folder)
    first = next(shuffled(len(examples), plan.train_batch_size, plan.seed), [])
    return sum(len(encode_example(examples[place], tokenizer).ids) for place in first)


def beforehand(plan: AdapterPlan, chunks: Sequence[Chunk]) -> list[Example]:
    """The examples of a plan before there is an index: the very ones, or without the passages that are to be retrieved."""
    questions, text = plan.domain.split("train"), {document.id: document.text for document in plan.domain.documents}
    gold = {gold.id: _quoted(gold, text) for _, gold in questions} if plan.passages else {}
    data = plan.data(questions, chunks, {question.id: [] for question, _ in questions}, gold)
    return plan.examples(replace(data, fit=lambda chunks: []) if plan.passages else data)


def _quoted(gold: Gold, text: dict[str, str]) -> list[Chunk]:
    """The quoted evidence, as if each piece were a chunk."""
    spans = [piece.spans[0] for piece in gold.evidence]
    return [Chunk(f"{span.document}:{span.start}", span, text[span.document][span.start : span.end], "") for span in spans]


def _cut(index: IndexPlan, settled: bool) -> Sequence[Chunk]:
    """The chunks of an index. Raises _LaterError where it may be cut in another way (not `settled`), or that takes more than a moment."""
    if not settled or sum(len(document.text) for document in index.domain.documents) > MOST_CHARACTERS:
        raise _LaterError
    return index.chunks(index.domain.documents, token_counter(index.model))


class _Chunks(Sequence[Chunk]):
    """Chunks that are cut when a format first looks at them: most formats never do."""

    def __init__(self, cut: Callable[[], Sequence[Chunk]]):
        self._cut = cut

    @cached_property
    def _all(self) -> Sequence[Chunk]:
        return self._cut()

    @overload
    def __getitem__(self, place: int) -> Chunk: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Chunk]: ...
    def __getitem__(self, place: int | slice) -> Chunk | Sequence[Chunk]:
        return self._all[place]

    def __len__(self) -> int:
        return len(self._all)
