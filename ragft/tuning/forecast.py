"""How long a training will take and how much memory, from a few of its own rows computed before it starts. It trains nothing.

seconds = seconds of a computed token, there and back · computed tokens of all rows
        + seconds of a token that is only looked at · tokens looked at
        + seconds of a step of the optimiser · steps
bytes   = the most in use while the largest row was computed, its gradients included
        + the optimiser's two moments of every trained weight
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ragft.meter import PeakMemory, available_bytes, resident_bytes
from ragft.numbers import size
from ragft.tuning.attach import Attached
from ragft.tuning.rows import Encoded, computed_tokens, row_loss
from ragft.types import Forecast
from ragft.weights import is_out_of_memory

SAMPLE_ROWS = 4
SAMPLE_SECONDS = 3.0  # no further row is begun after it …
SAMPLE_SHARE = 0.02  # … or after this share of what training will take
SAMPLE_WEIGHTS = 2_000_000  # trained parameters on which a step of the optimiser is timed
MOMENT_BYTES = 8  # AdamW keeps two float32 numbers a parameter

Row = Sequence[Encoded]


def forecast(model: Any, attached: Attached, rows: Sequence[Row], looks: Sequence[Row], steps: int) -> Forecast | None:
    """What training on these rows in so many steps will take; `looks`: the rows of all looks at dev examples together.

    The weights, their gradients and torch's random state are afterwards what they were. None: not even the largest row
    fits into the memory, so nothing could be measured.
    """
    sample, everything = sampled(rows), sum(map(computed_tokens, rows))
    try:
        with _random_state_kept(), PeakMeter() as peak:
            rough = _seconds(model, attached, sample[0]) / computed_tokens(sample[0]) * everything  # the largest: for the memory, and to warm up
            timed = _timed(model, attached, sample[1:] or sample, min(SAMPLE_SECONDS, SAMPLE_SHARE * rough))
            looked = _seconds(model, attached, looks[0], learn=False) / computed_tokens(looks[0]) if looks else 0.0
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None
    finally:
        for weight in attached.weights.values():
            weight.grad = None
    weights = list(attached.weights.values())
    learned = sum(seconds for _, seconds in timed) / sum(tokens for tokens, _ in timed)
    seconds = learned * everything + looked * sum(map(computed_tokens, looks)) + steps * step_seconds(weights)
    return Forecast(seconds, peak.bytes + MOMENT_BYTES * sum(weight.numel() for weight in weights))


def sampled(rows: Sequence[Row]) -> list[Row]:
    """The row with most computed tokens, then rows evenly spread over all sizes."""
    order = sorted(rows, key=computed_tokens, reverse=True)
    count = min(SAMPLE_ROWS - 1, len(order) - 1)
    return [order[0], *(order[1 + (2 * n + 1) * (len(order) - 1) // (2 * count)] for n in range(count))]


def _timed(model: Any, attached: Attached, rows: Sequence[Row], budget: float) -> list[tuple[int, float]]:
    """Computed tokens and seconds of the first rows, one at least, none begun after so many seconds."""
    found: list[tuple[int, float]] = []
    for row in rows:
        if not found or sum(seconds for _, seconds in found) < budget:
            found.append((computed_tokens(row), _seconds(model, attached, row)))
    return found


def _seconds(model: Any, attached: Attached, row: Row, *, learn: bool = True) -> float:
    began = time.perf_counter()
    with torch.set_grad_enabled(learn):
        loss = row_loss(model, row, attached.memory())
        if learn:
            loss.backward()
    loss.item()  # on a GPU: wait for it
    if learn and loss.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def step_seconds(weights: Sequence[torch.nn.Parameter]) -> float:
    """Seconds of one step of the optimiser, timed on copies of the first weights without gradients that would move them."""
    copies: list[torch.nn.Parameter] = []
    room = SAMPLE_WEIGHTS
    for weight in weights:
        if room <= 0:
            break
        copies.append(torch.nn.Parameter(torch.zeros(min(weight.numel(), room), device=weight.device)))
        copies[-1].grad = torch.zeros_like(copies[-1])
        room -= copies[-1].numel()
    optimizer = torch.optim.AdamW(copies)
    optimizer.step()  # takes the moments
    began = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(copies, 1.0).item()
    optimizer.step()
    if copies[0].is_cuda:
        torch.cuda.synchronize()
    share = sum(weight.numel() for weight in weights) / sum(copy.numel() for copy in copies)
    return share * (time.perf_counter() - began)


def shortage(found: Forecast) -> str:
    """In words, where the memory does not hold the training; "" where it does, or where that is not known."""
    if torch.cuda.is_available():
        room: int | None = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()  # what is free, and what torch has already
    else:
        free, own = available_bytes(), resident_bytes()
        room = None if free is None or own is None else free + own
    if room is None or found.peak_bytes <= room:
        return ""
    return f"only {size(room)} can be had: close other programs, lower context_tokens or the method's size, or take a smaller model"


class PeakMeter:
    """As PeakMemory, of the graphics card where there is one: the most that tensors took inside the block."""

    def __init__(self) -> None:
        self._machine, self.bytes = PeakMemory(), 0

    def __enter__(self) -> PeakMeter:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        else:
            self._machine.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if torch.cuda.is_available():
            self.bytes = torch.cuda.max_memory_allocated()
        else:
            self._machine.__exit__(*error)
            self.bytes = self._machine.bytes


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """What the block draws at random (dropout) changes no later draw."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield
