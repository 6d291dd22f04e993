"""What training would only say after the index and many answers, said before: the method fits the model, the budget holds a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from ragft.build import IndexPlan, token_counter
from ragft.catalogue import sizes
from ragft.domain import Domain
from ragft.errors import InputError
from ragft.finetune import AdapterPlan
from ragft.types import Chunk, Gold

SAMPLE = 200  # training questions and chunks that are encoded: enough to know how short the shortest are


def rehearse(index: IndexPlan, plan: AdapterPlan, trial_tokens: int | None = None) -> None:
    """Raise InputError where the adapter of this plan could not be trained. Takes a moment: no weights, no index.

    `trial_tokens` is the budget of a trial, where settings are searched first.
    """
    check_method(plan)
    least = least_batch_tokens(index, plan)
    for what, budget in (("train_tokens", plan.train_tokens), ("search.train_tokens", trial_tokens)):
        if budget is not None and least > budget:
            raise InputError(f"{what} ({budget}) does not hold one batch of {plan.train_batch_size} examples (at least {least} tokens). Raise it.")


def check_method(plan: AdapterPlan) -> None:
    """Attach the method to the model's layers, without its weights. Raises InputError for a method or options that do not fit."""
    sizes(plan.model.folder, plan.tuning, dict(plan.options))


def least_batch_tokens(index: IndexPlan, plan: AdapterPlan) -> int:
    """Tokens of a batch of the shortest training examples, of a sample and without retrieved passages: hardly any batch has fewer."""
    from ragft.tuning.rows import encode_example
    from ragft.weights import load_tokenizer

    count = token_counter(plan.model)
    questions = sorted(plan.domain.split("train"), key=lambda pair: not pair[1].evidence)[:SAMPLE]  # raft needs one with evidence
    chunks = () if plan.passages else tuple(islice(_chunks(index, count), SAMPLE))
    gold = {gold.id: _evidence(plan.domain, gold) for _, gold in questions}
    tokenizer = load_tokenizer(plan.model.folder)
    examples = plan.examples(plan.data(questions, chunks, {question.id: [] for question, _ in questions}, gold))
    return sum(sorted(len(encode_example(example, tokenizer).ids) for example in examples)[: plan.train_batch_size])


def _chunks(index: IndexPlan, count: Callable[[str], int]) -> Iterator[Chunk]:
    for document in index.domain.documents:
        yield from index.chunks([document], count)


def _evidence(domain: Domain, gold: Gold) -> list[Chunk]:
    """The quoted evidence itself, as if each piece were a chunk."""
    text = {document.id: document.text for document in domain.documents}
    spans = [piece.spans[0] for piece in gold.evidence]
    return [Chunk(f"{span.document}:{span.start}", span, text[span.document][span.start : span.end], "") for span in spans]
