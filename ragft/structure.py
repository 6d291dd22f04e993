"""What of the article's advice follows from counts: parameters trained, and what stands in an adapter's file.

Counts are exact, so they need no interval. The rule of each stands in its function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ragft.numbers import count, percent, size
from ragft.tunedrows import TunedRow, method_of

ADAPTER_SHARE = 0.036  # of the parameters, at the reference size of 1902.00751
ABOUT = 0.25  # "about" that share: within a quarter of it
FEW = 0.05  # "very few parameters": below a twentieth
SMALL = 0.10  # a file that is small beside the model's: below a tenth
ENCODER = re.compile(r"mlp|lstm|transform|encoder", re.IGNORECASE)  # in the names of an encoder's tensors
EMBEDDINGS = re.compile(r"prompt_embeddings")  # peft's name for stored virtual tokens
LOW_RANK = re.compile(r"lora_[AB]\b")

Tensors = Callable[[TunedRow], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A status and the sentence that says why."""

    status: Literal["confirmed", "refuted", "undecided", "not measured"]
    words: str


def _first(rows: Sequence[TunedRow]) -> TunedRow | None:
    """The first row whose parameters were counted."""
    return next((row for row in rows if row.share is not None), None)


NO_COUNT = Finding("not measured", "The trained parameters were not counted. Run the study again.")
NO_FILE = Finding("not measured", "The adapter's file is no longer in the run's folder. Run the study again.")


def adapter_share(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Confirmed: within a quarter of 3.6 %. The share follows from the bottleneck's size, so the sentence names it."""
    row = _first(rows)
    if row is None or row.share is None:
        return NO_COUNT
    near = abs(row.share - ADAPTER_SHARE) <= ABOUT * ADAPTER_SHARE
    sized = ", ".join(f"{key} {value}" for key, value in sorted(row.options.items())) or "its default size"
    more = "" if near else f"; about {ADAPTER_SHARE / row.share:.1f} times that size would give 3.6 %"
    return Finding(
        "confirmed" if near else "refuted", f"At {sized} it trains {percent(row.share, 2)} of the parameters ({count(row.trainable)}){more}."
    )


def adapter_resources(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Confirmed: what is stored for it has less than a tenth of the model's parameters."""
    row = _first(rows)
    if row is None or row.share is None or row.trainable is None:
        return NO_COUNT
    total, held = row.trainable / row.share, row.stored or row.trainable
    took = f", training took {size(row.peak_bytes)} at most" if row.peak_bytes else ""
    words = f"Its file holds {count(held)} numbers ({size(row.adapter_bytes)}) where the model has {count(total)}{took}."
    return Finding("confirmed" if held < SMALL * total else "refuted", f"{words} The model itself is still needed.")


def few(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Confirmed: below a twentieth of the parameters."""
    row = _first(rows)
    if row is None or row.share is None:
        return NO_COUNT
    return Finding("confirmed" if row.share < FEW else "refuted", f"It trains {percent(row.share, 2)} of the parameters ({count(row.trainable)}).")


def mlp_dropped(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Confirmed: fewer numbers stored than trained, and none of an encoder."""
    row = _first(rows)
    found = tensors(row) if row else {}
    if row is None or row.trainable is None or not found:
        return NO_FILE
    held, encoder = sum(found.values()), [name for name in found if ENCODER.search(name)]
    dropped = held < row.trainable and not encoder
    tail = "no tensor of the MLP is among them. That answers stay the same is tested for every method" if dropped else "the MLP was kept"
    return Finding("confirmed" if dropped else "refuted", f"{count(row.trainable)} numbers were trained and {count(held)} are stored: {tail}.")


def prompt_weights(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Refuted: all that was trained and stored are the virtual tokens' embeddings."""
    row = _first(rows)
    found = tensors(row) if row else {}
    if row is None or row.trainable is None or not found:
        return NO_FILE
    only = all(EMBEDDINGS.search(name) for name in found) and sum(found.values()) == row.trainable
    words = f"What was trained and stored are {count(row.trainable)} numbers"
    tail = ": the embeddings of virtual tokens. No weight of the model changes" if only else ", and not virtual tokens only"
    return Finding("refuted" if only else "confirmed", f"{words}{tail}.")


def controller(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Refuted: the encoder is not in the adapter's file, so nothing controls anything when answering."""
    seen = mlp_dropped(rows, tensors)
    if seen.status == "not measured":
        return seen
    if seen.status == "refuted":
        return Finding("confirmed", "The encoder stands in the adapter's file.")
    row = next(row for row in rows if row.share is not None)
    words = f"{count(row.trainable)} numbers were trained and {count(sum(tensors(row).values()))} are stored"
    return Finding("refuted", f"{words}: the encoder is a reparametrisation of the virtual tokens, dropped after training.")


def _only_low_rank(rows: Sequence[TunedRow], tensors: Tensors, lacks: str) -> Finding:
    row = _first(rows)
    found = tensors(row) if row else {}
    if row is None or not found:
        return NO_FILE
    if not all(LOW_RANK.search(name) for name in found):
        return Finding("undecided", "The adapter's file holds more than the matrices A and B.")
    return Finding("refuted", f"What was trained are the matrices A and B alone ({len(found)} of them), {lacks}")


def large_batch(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Refuted: A and B are all there is, and they were trained with the batches and the optimiser of every other method."""
    return _only_low_rank(
        rows, tensors, "with the same batches, optimiser and steps as every other method: the method has no part for large batches."
    )


def regularises(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Refuted: A and B are all there is, and the loss is that of every other method. Undecided where dropout was switched on."""
    if any(row.options.get("dropout") for row in rows):
        return Finding("undecided", "This study switches LoRA's optional dropout on, which regularises.")
    return _only_low_rank(rows, tensors, "with the same loss as every other method and no dropout: the method adds no term of regularisation.")


def unified(rows: Sequence[TunedRow], tensors: Tensors) -> Finding:
    """Confirmed: all methods of the run have the view's four columns, and each measured one changes hidden states in some layer."""
    methods = [method_of(name) for name in dict.fromkeys(row.method for row in rows)]
    blank = [m.name for m in methods if not all((m.form, m.insertion, m.modifies, m.composition))]
    still = [row.arm for row in rows if row.shift and not any(value > 0 for value in row.shift)]
    measured = dict.fromkeys(row.method for row in rows if row.shift)
    if blank or still:
        said = [f"not classified: {', '.join(blank)}"] * bool(blank) + [f"no hidden state changed: {', '.join(still)}"] * bool(still)
        return Finding("refuted", f"{'; '.join(said).capitalize()}.")
    placed = f"All methods of this study ({len(methods)}) have a place in its four columns"
    if not measured:
        return Finding("undecided", f"{placed}. How far each moves hidden states was not measured: run the study again.")
    classes = len({(m.form, m.insertion, m.modifies, m.composition) for m in methods})
    return Finding("confirmed", f"{placed}, in {classes} classes; each of the {len(measured)} that were measured changes hidden states.")


STRUCTURE: tuple[tuple[str, tuple[str, ...], str, str, Callable[[Sequence[TunedRow], Tensors], Finding]], ...] = (
    ("adapter-share", ("adapter",), "Adapters train about 3.6 % of the parameters.", "1902.00751", adapter_share),
    ("adapter-resources", ("adapter",), "Adapters suit tight resources, such as mobile deployment.", "1902.00751", adapter_resources),
    ("prefix-mlp", ("prefix",), "The MLP that produces the prefix is dropped after training.", "2101.00190", mlp_dropped),
    ("prompt-weights", ("prompt",), "Prompt tuning tunes the model's weights.", "2104.08691", prompt_weights),
    ("p-tuning-controller", ("p-tuning",), "P-tuning's LSTM and MLP control the virtual tokens.", "2103.10385", controller),
    ("lora-few", ("lora",), "LoRA trains very few parameters.", "2106.09685", few),
    ("lora-batch", ("lora",), "LoRA optimises for large batches.", "2106.09685", large_batch),
    ("lora-regularises", ("lora",), "LoRA regularises.", "2106.09685", regularises),
    ("unified", (), "All methods are modifications Δh of a hidden state, told apart by four columns.", "2110.04366", unified),
)  # fmt: skip
