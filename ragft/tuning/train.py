"""The one training loop: packed rows, loss on the answers only, so many tokens and not one more; goes on where it was killed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from ragft.errors import DivergedError, InputError
from ragft.numbers import percent
from ragft.tuning.attach import Attached, Config, attach, sizes
from ragft.tuning.forecast import PeakMeter, forecast
from ragft.tuning.own import Full
from ragft.tuning.rows import Encoded, encode_example, pack, plan_batches, row_loss
from ragft.types import Dtype, Example, FitReport, Forecast
from ragft.weights import Base, is_out_of_memory, load_base, load_tokenizer

WARMUP_SHARE = 0.1
MAX_GRADIENT_NORM = 1.0
CHECKPOINT_SECONDS = 60.0
CHECKPOINT_SHARE = 20  # the next checkpoint waits this many times as long as the last one took
DEV_LOOKS = 5  # how often the loss on dev examples is taken


@dataclass(frozen=True)
class Training:
    """How an adapter is trained: every number that its weights depend on, but for the examples and the method."""

    seed: int
    max_tokens: int
    batch_size: int
    learning_rate: float
    dtype: Dtype = "float32"  # of the base's weights; what is trained is float32 always
    packs: bool = True  # whether examples may share a row with this method


@dataclass
class _State:
    """How far a training has come."""

    step: int
    done: int  # training tokens
    seconds: float
    loss: list[tuple[int, float]]
    dev_loss: list[tuple[int, float]]


def train_adapter(
    model: Path,
    config: Config,
    examples: Sequence[Example],
    folder: Path,
    training: Training,
    *,
    dev: Sequence[Example] = (),
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    watch: Callable[[int, float], None] = lambda tokens, dev_loss: None,
    announce: Callable[[Forecast], None] | None = None,
    expected: Forecast | None = None,
) -> FitReport:
    """Train an adapter on at most `max_tokens` tokens of the examples and save it (safetensors) in `folder`.

    `progress` is told (training tokens so far, training tokens in all), `watch` each loss on the `dev` examples (it may
    raise, to end a training that is not worth its time). `announce` is told beforehand what (the rest of) the training will
    take: as `expected`, or as a few rows show in seconds; it changes nothing in the weights. With `checkpoint`, a file, the
    state is written there from time to time and a training that was killed goes on from it, to the same weights bit for bit.
    Raises InputError when there is nothing to train on, the budget does not hold one batch, or the memory does not hold a
    single example or the optimiser's state, DivergedError when the loss is no longer a number.
    """
    dtype: Dtype = "float32" if isinstance(config, Full) else training.dtype  # each weight of the base is then trained itself
    base = load_base(model, dtype)
    encoded, held_out = _encoded(model, tuple(examples)), _encoded(model, tuple(dev))
    plan = plan_batches(encoded, training.max_tokens, training.batch_size, training.seed)
    total = sum(len(encoded[i].ids) for batch in plan for i in batch)
    with PeakMeter() as peak, _attached(base, config, training.seed) as attached:
        if announce is not None and expected is None:
            rows = [row for batch in plan for row in _rows([encoded[i] for i in batch], training.packs)]
            looks = _rows(held_out, training.packs) * min(DEV_LOOKS, len(plan))
            expected = forecast(base.model, attached, rows, looks, len(plan))
        run = _Loop(base, attached, training, len(plan), checkpoint)
        if announce is not None and expected is not None:
            announce(replace(expected, seconds=expected.seconds * (1 - run.state.done / total)))
        for number in range(run.state.step, len(plan)):
            run.step([encoded[i] for i in plan[number]])
            progress(run.state.done, total)
            if held_out and _is_look(number + 1, len(plan)):
                watch(*run.look(held_out))
            run.keep()
        attached.save(folder)
        found = sizes(base.model, attached)
    return FitReport(
        seconds=run.spent(),
        peak_bytes=peak.bytes,
        trainable_parameters=found.trainable,
        total_parameters=found.total,
        training_tokens=total,
        examples=len(encoded),
        artifact_bytes=sum(p.stat().st_size for p in folder.glob("*.safetensors")),
        estimated_seconds=expected.seconds if expected else None,
        estimated_peak_bytes=expected.peak_bytes if expected else None,
        loss=tuple(run.state.loss),
        dev_loss=tuple(run.state.dev_loss),
        notes=(*_coverage(plan, len(encoded), training.max_tokens), *run.notes),
        dtype=dtype,
    )


@lru_cache(maxsize=4)  # seeds and methods that learn the same, and the dev examples of all
def _encoded(model: Path, examples: tuple[Example, ...]) -> list[Encoded]:
    tokenizer = load_tokenizer(model)
    return [encode_example(example, tokenizer) for example in examples]


class _Loop:
    """The optimiser around one attached method, and its checkpoints."""

    def __init__(self, base: Base, attached: Attached, training: Training, steps: int, checkpoint: Path | None):
        self._model, self._attached, self._checkpoint = base.model, attached, checkpoint
        self._packs, self._halvings = training.packs, 0
        self._weights = list(attached.weights.values())
        self._optimizer = torch.optim.AdamW(self._weights, lr=training.learning_rate, weight_decay=0.0)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: _rate(step, steps))
        self._advice = f"Lower learning_rate ({training.learning_rate:g})."
        self.state, self.notes = _State(0, 0, 0.0, [], []), list[str]()
        self._began = time.perf_counter()
        self._next_checkpoint = self._began + CHECKPOINT_SECONDS
        if checkpoint is not None and checkpoint.is_file():
            self._restore(checkpoint)

    def step(self, batch: Sequence[Encoded]) -> None:
        """One step of the optimiser. Raises DivergedError when the loss is no longer a number."""
        loss, self._halvings = backward(self._model, self._attached, batch, packs=self._packs, halvings=self._halvings)
        if not isfinite(loss):
            raise DivergedError(f"training came apart at step {self.state.step + 1}: the loss is {loss}. {self._advice}")
        if self._halvings and not self.notes:
            self.notes.append(f"the memory did not hold a batch of {len(batch)}: it was computed in parts, with the same result")
        try:
            length = float(torch.nn.utils.clip_grad_norm_(self._weights, MAX_GRADIENT_NORM))
            if not isfinite(length):
                raise DivergedError(f"training came apart at step {self.state.step + 1}: the gradient's length is {length}. {self._advice}")
            self._optimizer.step()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            trained = sum(weight.numel() for weight in self._weights)
            raise InputError(f"the memory does not hold the optimiser's state of {trained:,} parameters. Take a tuning that trains fewer.") from error
        self._schedule.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.state.step += 1
        self.state.done += sum(len(e.ids) for e in batch)
        self.state.loss.append((self.state.done, loss))

    def look(self, held_out: Sequence[Encoded]) -> tuple[int, float]:
        """Training tokens so far, and the loss on the dev examples. Raises DivergedError when that is no longer a number."""
        loss = mean_loss(self._model, self._attached, held_out, packs=self._packs)
        if not isfinite(loss):
            raise DivergedError(f"training came apart after {self.state.done:,} tokens: the dev loss is {loss}. {self._advice}")
        self.state.dev_loss.append((self.state.done, loss))
        return self.state.dev_loss[-1]

    def spent(self) -> float:
        """Seconds of training, those before a kill included."""
        return self.state.seconds + time.perf_counter() - self._began

    def keep(self) -> None:
        """Write a checkpoint when it is time."""
        began = time.perf_counter()
        if self._checkpoint is None or began < self._next_checkpoint:
            return
        temporary = self._checkpoint.with_suffix(".writing")
        torch.save(
            {
                "weights": {name: weight.data for name, weight in self._attached.weights.items()},
                "optimizer": self._optimizer.state_dict(),
                "schedule": self._schedule.state_dict(),
                "random": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
                "state": vars(replace(self.state, seconds=self.spent())),
            },
            temporary,
        )
        os.replace(temporary, self._checkpoint)
        now = time.perf_counter()
        self._next_checkpoint = now + max(CHECKPOINT_SECONDS, CHECKPOINT_SHARE * (now - began))

    def _restore(self, checkpoint: Path) -> None:
        stored = torch.load(checkpoint, weights_only=True, map_location=self._model.device)
        for name, weight in self._attached.weights.items():
            weight.data.copy_(stored["weights"][name])
        self._optimizer.load_state_dict(stored["optimizer"])
        self._schedule.load_state_dict(stored["schedule"])
        machine, *cards = (state.cpu() for state in stored["random"])
        torch.set_rng_state(machine)
        torch.cuda.set_rng_state_all(cards)
        self.state = _State(**stored["state"])


@contextmanager
def _attached(base: Base, config: Config, seed: int) -> Iterator[Attached]:
    """The method on the base for the time of the block."""
    try:
        yield attach(base, config, seed)
    finally:
        base.clear()


def backward(model: Any, attached: Attached, batch: Sequence[Encoded], *, packs: bool = True, halvings: int = 0) -> tuple[float, int]:
    """Add the gradients of the mean loss per label token of the batch; returns that loss (nats) and how often it was halved.

    Out of memory, the batch is computed in halves: the same sum. It begins with so many `halvings`, as the batch before
    needed, so that the same memory does not run out at every step. Raises InputError where one example is too much.
    """
    labels = sum(len(e.ids) - e.start for e in batch)
    parts = [list(batch)]
    for _ in range(halvings):
        parts = _halved(parts)
    while True:
        try:
            return sum(_accumulate(model, attached, part, labels, packs) for part in parts), halvings
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        if all(len(part) == 1 for part in parts):
            raise InputError("the memory does not hold one training example. Lower context_tokens or the method's size, or take a smaller model.")
        for weight in attached.weights.values():
            weight.grad = None  # of the parts that were computed before the memory ran out
        parts, halvings = _halved(parts), halvings + 1


def _halved(parts: list[list[Encoded]]) -> list[list[Encoded]]:
    """Each part in two; one of a single example stays."""
    return [half for part in parts for half in (part[: len(part) // 2], part[len(part) // 2 :]) if half]


def _accumulate(model: Any, attached: Attached, part: Sequence[Encoded], labels: int, packs: bool) -> float:
    loss = 0.0
    for row in _rows(part, packs):
        share = row_loss(model, row, attached.memory()) / labels
        share.backward()
        loss += share.item()
    return loss


def _rows(examples: Sequence[Encoded], packs: bool) -> list[list[Encoded]]:
    return pack(examples) if packs else [[example] for example in examples]


@torch.no_grad()
def mean_loss(model: Any, attached: Attached, examples: Sequence[Encoded], *, packs: bool = True) -> float:
    """The mean loss per label token (nats), without training on it."""
    labels = sum(len(e.ids) - e.start for e in examples)
    memory = attached.memory()
    return sum(row_loss(model, row, memory).item() for row in _rows(examples, packs)) / labels


def _is_look(step: int, steps: int) -> bool:
    """At DEV_LOOKS steps, evenly spread, the last one included."""
    return step * DEV_LOOKS // steps > (step - 1) * DEV_LOOKS // steps


def _coverage(plan: Sequence[Sequence[int]], examples: int, max_tokens: int) -> tuple[str, ...]:
    passes = sum(map(len, plan)) / examples
    return () if passes >= 1 else (f"the budget of {max_tokens:,} tokens covered {percent(passes, 0)} of the training examples once",)


def _rate(step: int, steps: int) -> float:
    """Linear warm-up, then linear decay to zero, as a factor of the learning rate."""
    warmup = max(1, round(WARMUP_SHARE * steps))
    return (step + 1) / warmup if step < warmup else max(0.0, (steps - step) / max(1, steps - warmup))
