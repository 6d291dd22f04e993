"""The methods that are the project's own, bottlenecks and mix-and-match: their parts in a model, and their files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ragft.store import write_json
from ragft.tuning.adapters import Bottlenecks, insert_bottlenecks
from ragft.tuning.virtual import memory_of_tensor, memory_shape
from ragft.weights import Memory

CONFIG, WEIGHTS = "adapter.json", "adapter.safetensors"


@dataclass(frozen=True)
class Mam:
    """Mix-and-match (He et al., 2110.04366, section 4.6): a short prefix in attention, bottlenecks beside the feed-forward."""

    prefix: int  # virtual positions
    bottlenecks: Bottlenecks


@dataclass(frozen=True)
class Full:
    """Every weight of the model is trained: the reference."""


@dataclass(frozen=True)
class Parts:
    """What an own method put into a model."""

    weights: dict[str, torch.nn.Parameter]
    memory: Callable[[], Memory | None]
    remove: Callable[[], None]


def insert(model: Any, config: Bottlenecks | Mam) -> Parts:
    """Put the method's parts into the model. Raises as `insert_bottlenecks`."""
    if isinstance(config, Bottlenecks):
        inserted = insert_bottlenecks(model, config)
        return Parts(inserted.weights, lambda: None, inserted.remove)
    prefix = torch.nn.Parameter(torch.zeros(memory_shape(model, config.prefix), device=model.device))
    inserted = insert_bottlenecks(model, config.bottlenecks)
    return Parts({**inserted.weights, "memory": prefix}, lambda: memory_of_tensor(prefix, model.dtype), inserted.remove)


def save(weights: dict[str, torch.nn.Parameter], config: Bottlenecks | Mam, folder: Path) -> None:
    """adapter.safetensors and adapter.json."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.detach().cpu().contiguous() for name, weight in weights.items()}, folder / WEIGHTS)
    write_json(folder / CONFIG, {"method": type(config).__name__, **asdict(config)})


def load(folder: Path) -> tuple[Bottlenecks | Mam, dict[str, torch.Tensor]]:
    """The configuration and the tensors that `save` wrote."""
    found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if found.pop("method") == "Mam":
        return Mam(found["prefix"], _bottlenecks(found["bottlenecks"])), load_file(folder / WEIGHTS)
    return _bottlenecks(found), load_file(folder / WEIGHTS)


def _bottlenecks(found: dict[str, Any]) -> Bottlenecks:
    return Bottlenecks(**{**found, "places": tuple(found["places"])})
