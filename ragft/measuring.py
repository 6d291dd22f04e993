"""Takes the measurements of measures.py on a model with an adapter, beside the same model without it.

The untuned model is a twin of the shared base: modules of its own over the base's tensors, so it takes no memory, and
both can be asked in turn without attaching and removing anything. Attaching never writes into those tensors (weights.Base).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from torch.nn.functional import kl_div, log_softmax, nll_loss
from transformers import DynamicCache

from ragft import registry
from ragft.domain.general import General
from ragft.generation import Generator
from ragft.generation.decode import greedy
from ragft.generation.hf import HFGenerator
from ragft.measures import GeneralScores, Measures
from ragft.prompts import closed_book, render
from ragft.tuning.attach import load_attached
from ragft.types import Answer, Dtype, Prompt
from ragft.weights import Base, Memory, encode, load_base

ANSWER_TOKENS, GENERAL_BATCH = 48, 32  # new tokens at most; prompts together
PROSE_TOKENS, CHUNK_TOKENS = 1536, 256  # read of the prose, at once
LATENCY_PROMPTS, LATENCY_TOKENS = 4, 16
SLOW_SECONDS = 6.0  # for two tokens; the default model takes a tenth of one on two cores
SHIFT_PROMPTS = 8

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reader:
    """A model that reads and answers: with an adapter or without, and its virtual positions, if any."""

    model: Any
    memory: Memory | None = None


def measure(
    model: Path,
    adapter: Path | None,
    prompts: Sequence[Prompt],
    general: General | None,
    inputs: str,
    progress: Progress = lambda done, total: None,
    dtype: Dtype | None = None,
) -> Measures:
    """Measure the adapter of that folder (None: the base) on these prompts, at least one, and on the general set if any.

    `dtype` of the base's weights; None: that of answering. The base model is as it was afterwards.
    """
    base = load_base(model, dtype)
    base.clear()
    untuned, rows = Reader(twin(base.model)), [encode(base.tokenizer, render(prompt, base.tokenizer)) for prompt in prompts]
    try:
        # merged where it can be, the way it would be served
        tuned, merged = _attached(base, adapter, merge=dtype != "nf4")
        scores = general_scores_of(base, tuned, untuned, general, progress) if general else None
        shift = layer_shift(tuned, untuned, rows[:SHIFT_PROMPTS])
        readers = {"base": untuned, "unmerged": tuned}
        if merged:
            readers["merged"] = Reader(twin(base.model))
            readers["unmerged"], _ = _attached(base, adapter, merge=False)
        seconds = latency(readers, rows[:LATENCY_PROMPTS])
    finally:
        base.clear()
    return Measures(inputs, seconds["unmerged"], seconds.get("merged"), seconds["base"], scores, shift)


def _attached(base: Base, adapter: Path | None, merge: bool) -> tuple[Reader, bool]:
    """The base with the adapter on it, and whether that was folded into the weights."""
    if adapter is None:
        base.clear()
        return Reader(base.model), False
    attached = load_attached(base, adapter)
    merged = merge and attached.merge is not None
    if merged and attached.merge is not None:
        attached.merge()
    with torch.inference_mode():
        return Reader(base.model, attached.memory()), merged


def twin(model: Any) -> Any:
    """Another model over the tensors that this one's parameters have now, whatever is attached to this one later.

    A weight in 4 bits is shared as it is: its data are never exchanged.
    """
    shared = {id(w): torch.nn.Parameter(w.data, requires_grad=False) if type(w) is torch.nn.Parameter else w for w in model.parameters()}
    return copy.deepcopy(model, shared)


# ── what is forgotten ────────────────────────────────────────────────────────────────────────────────────────────────


def general_scores_of(base: Base, tuned: Reader, untuned: Reader, general: General, progress: Progress) -> GeneralScores:
    """The general set with the tuned model, and how far its words on the prose are from the untuned model's."""
    generator = HFGenerator(base.model, base.tokenizer, ANSWER_TOKENS, tuned.memory)
    right, followed = general_marks(general, generator, progress)
    loss, kl, tokens = prose_scores(tuned, untuned, encode(base.tokenizer, general.prose)[:PROSE_TOKENS])
    return GeneralScores(loss, tokens, kl, fmean(right), len(right), followed, len(general.instructions), right)


def general_shares(general: General, generator: Generator, progress: Progress) -> tuple[float, float]:
    """The share of questions right (closed-book, as in a study) and of instructions followed."""
    right, followed = general_marks(general, generator, progress)
    return fmean(right), followed


def general_marks(general: General, generator: Generator, progress: Progress) -> tuple[tuple[bool, ...], float]:
    """Which questions are right, in their order, and the share of instructions followed."""
    questions = [closed_book(question.text, general.language) for question, _ in general.questions]
    texts = _complete(generator, [*questions, *(one.prompt for one in general.instructions)], progress)
    match = registry.lookup("metric", "match").make
    asked = zip(texts[: len(questions)], general.questions, strict=True)
    right = tuple(match(Answer(gold.id, text, "ok", None, "", None, 0), gold) == 1.0 for text, (_, gold) in asked)
    done = [one.followed(text) for text, one in zip(texts[len(questions) :], general.instructions, strict=True)]
    return right, fmean(done)


def _complete(generator: Generator, prompts: Sequence[Prompt], progress: Progress) -> list[str]:
    """The answers, in order; prompts of one length together, as in a study."""
    texts: dict[int, str] = {}
    progress(0, len(prompts))
    order = sorted(range(len(prompts)), key=lambda i: (prompts[i].system, -generator.length(prompts[i])))
    for first in range(0, len(order), GENERAL_BATCH):
        chosen = order[first : first + GENERAL_BATCH]
        found = generator.complete([prompts[i] for i in chosen])
        texts |= {i: completion.text for i, completion in zip(chosen, found, strict=True)}
        progress(len(texts), len(prompts))
    return [texts[i] for i in range(len(prompts))]


@torch.inference_mode()
def prose_scores(tuned: Reader, untuned: Reader, ids: Sequence[int]) -> tuple[float, float, int]:
    """Loss and KL(tuned ‖ untuned), nats a token, and the tokens: all but the first of each chunk, at least one.

    Chunks are the same for every method, so that all predict the same tokens after the same words.
    """
    size = min(CHUNK_TOKENS, int(getattr(tuned.model.config, "max_position_embeddings", 2048)) // 2)
    loss, kl, tokens = 0.0, 0.0, 0
    for first in range(0, len(ids) - 1, size):
        chunk = ids[first : first + size]
        if len(chunk) < 2:
            break
        targets = torch.tensor(chunk[1:], device=tuned.model.device)
        words = log_softmax(_read(tuned, chunk).logits[0, :-1].float(), dim=-1)
        before = log_softmax(_read(untuned, chunk).logits[0, :-1].float(), dim=-1)
        loss += float(nll_loss(words, targets, reduction="sum"))
        kl += float(kl_div(before, words, reduction="sum", log_target=True))
        tokens += len(targets)
    return loss / tokens, kl / tokens, tokens


def _read(reader: Reader, ids: Sequence[int], **wanted: bool) -> Any:
    """The model's output on the tokens, which stand after the reader's virtual positions; those are not in the output."""
    virtual = reader.memory[0][0].shape[2] if reader.memory else 0
    positions = torch.arange(virtual, virtual + len(ids), device=reader.model.device)[None]
    return reader.model(
        input_ids=torch.tensor([list(ids)], device=reader.model.device),
        position_ids=positions,
        past_key_values=DynamicCache(reader.memory) if reader.memory else None,
        use_cache=bool(reader.memory),
        **wanted,
    )


# ── where the model is changed ───────────────────────────────────────────────────────────────────────────────────────


@torch.inference_mode()
def layer_shift(tuned: Reader, untuned: Reader, rows: Sequence[Sequence[int]]) -> tuple[float, ...]:
    """For each layer's output, mean ‖h_tuned - h_untuned‖ / ‖h_untuned‖ over all tokens of the rows.

    transformers gives the last layer's after the model's last normalisation.
    """
    parts = []
    # of twins: transformers leaves its hooks in a model whose hidden states were asked for, and the base must have none
    readers = [Reader(twin(reader.model), reader.memory) for reader in (tuned, untuned)]
    for row in rows:
        pairs = zip(*(_read(reader, row, output_hidden_states=True).hidden_states[1:] for reader in readers), strict=True)
        parts.append(torch.stack([(h.float() - h0.float()).norm(dim=-1)[0] / h0.float().norm(dim=-1)[0] for h, h0 in pairs]))
    return tuple(torch.cat(parts, dim=1).mean(dim=1).tolist())


# ── what a user waits ────────────────────────────────────────────────────────────────────────────────────────────────


def latency(readers: dict[str, Reader], rows: Sequence[Sequence[int]]) -> dict[str, float]:
    """Median seconds of one row answered alone, by reader: all in turn, so that a busy moment hits each alike.

    No token ends an answer: whoever says more must not be taken for slower. Of a reader that takes more than SLOW_SECONDS
    for two tokens, as BOFT does unmerged, the seconds are those of its two tokens, times as many: minutes would tell no more.
    """
    first = {name: _seconds(reader, rows[0], 2) for name, reader in readers.items()}  # also what is done once
    seconds = {name: [found * LATENCY_TOKENS / 2] if found > SLOW_SECONDS else [] for name, found in first.items()}
    asked = [name for name, found in seconds.items() if not found]
    for row in rows:
        for name in asked:
            seconds[name].append(_seconds(readers[name], row, LATENCY_TOKENS))
    return {name: median(found) for name, found in seconds.items()}


def _seconds(reader: Reader, row: Sequence[int], tokens: int) -> float:
    began = time.perf_counter()
    greedy(reader.model, [row], tokens, set(), reader.memory)
    return time.perf_counter() - began
