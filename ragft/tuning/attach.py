"""Puts a method's trainable parts into the shared base model; `Base.clear` takes them out, and the base is what it was.

A configuration is plain data: a `PeftConfig`, `Bottlenecks`, `Mam` or `Full`. Three kinds of parts cover every method:
modules in the layers, virtual positions before the text (a `Memory`), and the base's own weights. Soft prompts are
reduced to a memory too: keys and values of virtual tokens depend on the virtual tokens only, so they are computed once
by running the embeddings through the model. Padding, packing and decoding are then the same code for every method;
peft's own way of laying out soft prompts is wrong for padded rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file

from ragft.errors import InputError
from ragft.store import read_json, write_json
from ragft.tuning import own
from ragft.tuning.adapters import Bottlenecks
from ragft.tuning.fused import fuse
from ragft.tuning.own import Full, Mam
from ragft.tuning.virtual import memory_of_peft, start_from_text
from ragft.weights import Base, Memory, load_model

Config = PeftConfig | Bottlenecks | Mam | Full


@dataclass(frozen=True)
class Attached:
    """A base model with one method's trainable parts in place."""

    weights: dict[str, torch.nn.Parameter]  # what is trained, by name
    memory: Callable[[], Memory | None]  # virtual positions before the text; differentiable; None: the method has none
    save: Callable[[Path], None]  # an adapter folder: safetensors and a JSON configuration
    merge: Callable[[], None] | None  # fold into the base's weights, until the base is cleared; None: cannot


def no_memory() -> None:
    """The memory of a method without virtual positions."""


def attach(base: Base, config: Config, seed: int) -> Attached:
    """A new, untrained instance of the method on the base, which is cleared first.

    Raises TypeError or ValueError (from peft or from here) where the method does not fit the model.
    """
    base.clear()
    torch.manual_seed(seed)
    attached = _insert(base, config)
    for weight in attached.weights.values():
        weight.data = weight.data.float()  # the optimiser's steps are too small for bfloat16
    start_from_text(base, attached.weights, _start(config))
    return attached


def _start(config: Config) -> str | None:
    """What of the method can begin as the instruction's words; an encoder (P-tuning, prefix with an MLP) begins as it is drawn."""
    if isinstance(config, Mam):
        return "memory"
    if isinstance(config, PromptTuningConfig):
        return "embeddings"
    return "prefix" if isinstance(config, PrefixTuningConfig) and not config.prefix_projection else None


def load_attached(base: Base, folder: Path) -> Attached:
    """The stored instance of an adapter folder on the base, which is cleared first; for answering, not for training."""
    base.clear()
    if (folder / "adapter_config.json").is_file():
        with _put_in(base.model):
            tuned = PeftModel.from_pretrained(base.model, folder, is_trainable=False)
        return _peft(base, tuned)
    if (folder / own.CONFIG).is_file():
        config, stored = own.load(folder)
        attached = _insert(base, config)
        for name, weight in attached.weights.items():
            weight.data = stored[name].to(weight.device)
            weight.requires_grad_(False)
        return attached
    if (folder / "config.json").is_file():
        return _load_full(base, folder)
    raise InputError(f"{folder}: no adapter (neither adapter_config.json, {own.CONFIG} nor config.json). Run the study again.")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Parameters that are trained, and all: the model's own with those that were added."""

    trainable: int
    total: int


def sizes(model: Any, attached: Attached) -> Sizes:
    """Of a model with a method attached. A weight that two names share counts once."""
    trainable = {id(weight): weight.numel() for weight in attached.weights.values()}
    everything = {id(weight): weight.numel() for weight in model.parameters()}
    return Sizes(sum(trainable.values()), sum((everything | trainable).values()))


def sizes_on(model: Any, config: Config) -> Sizes:
    """Of the method on a model, which may be on the meta device and is used up.

    Raises TypeError or ValueError where the method does not fit.
    """
    if isinstance(config, LoraConfig) and _rewrites_base(config):
        config = replace(config, init_lora_weights=True)  # the same shapes; a singular value decomposition needs real weights
    return sizes(model, _insert(Base(model, None), config))


def _insert(base: Base, config: Config) -> Attached:
    if isinstance(config, PeftConfig):
        with _put_in(base.model):
            tuned = get_peft_model(base.model, config)
        fuse(tuned)
        return _peft(base, tuned)
    if isinstance(config, Full):
        return _full(base)
    parts = own.insert(base.model, config)
    base.occupy(parts, parts.remove)
    return Attached(parts.weights, parts.memory, lambda folder: own.save(parts.weights, config, folder), None)


@contextmanager
def _put_in(model: Any) -> Iterator[None]:
    """Around peft's putting its layers into the model: without its remarks on its own defaults, and if it fails, they are taken out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing that a user of a study can act on
        try:
            yield
        except BaseException:
            _take_out(model)
            raise


def _take_out(model: Any) -> None:
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, BaseTunerLayer):
                setattr(parent, name, layer.get_base_layer())


# ── peft ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _peft(base: Base, tuned: PeftModel) -> Attached:
    config = tuned.active_peft_config
    weights = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
    if config.is_prompt_learning:
        base.occupy(tuned, lambda: None)  # nothing was put into the base
        return Attached(weights, lambda: memory_of_peft(base, tuned), lambda folder: _save_peft(tuned, folder), None)
    for module in tuned.modules():
        if isinstance(module, BaseTunerLayer):
            module.train()  # dropout of the method, not of the base
    merged = False

    def merge() -> None:
        nonlocal merged
        merged = True
        tuned.merge_and_unload(safe_merge=True)  # safe: into new tensors, so that the base's own stay as they are

    base.occupy(tuned, lambda: None if merged else _drop(tuned))
    start = {name: weight.detach().clone() for name, weight in weights.items()} if _rewrites_base(config) else {}
    save = (lambda folder: _save_as_lora(tuned, start, folder)) if start else (lambda folder: _save_peft(tuned, folder))
    return Attached(weights, no_memory, save, merge)


def _drop(tuned: PeftModel) -> None:
    tuned.unload()


def _rewrites_base(config: Config) -> bool:
    """PiSSA and its kin take a part out of the base's weights and train that."""
    return isinstance(config, LoraConfig) and isinstance(config.init_lora_weights, str)


def _save_peft(tuned: PeftModel, folder: Path) -> None:
    tuned.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    _sort_sets(folder)


def _sort_sets(folder: Path) -> None:
    """peft keeps names of layers in sets and writes them as they come, which differs from process to process."""
    path = folder / "adapter_config.json"
    found = read_json(path)
    write_json(path, {key: sorted(value) if key.endswith("_modules") and isinstance(value, list) else value for key, value in found.items()})


def _save_as_lora(tuned: PeftModel, start: dict[str, torch.Tensor], folder: Path) -> None:
    """ΔW = s·(B·A − B₀·A₀) as a plain LoRA of twice the rank, which fits the base as it was before B₀·A₀ was taken out."""
    config, state = tuned.active_peft_config, get_peft_model_state_dict(tuned, save_embedding_layers=False)
    first = {name.replace(".default", ""): value for name, value in start.items()}
    joined = {}
    for name, value in state.items():
        rows = "lora_A" in name  # A is (rank, in), B is (out, rank)
        joined[name] = torch.cat([value, first[name] if rows else -first[name]], dim=0 if rows else 1).contiguous().cpu()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(joined, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    replace(config, r=2 * config.r, lora_alpha=2 * config.lora_alpha, init_lora_weights=True, inference_mode=True).save_pretrained(str(folder))
    _sort_sets(folder)


# ── every weight ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _full(base: Base) -> Attached:
    weights = dict(base.model.named_parameters())
    for weight in weights.values():
        weight.data = weight.data.clone()  # the base's own tensors stay as they are
        weight.requires_grad_(True)
    base.occupy(weights, lambda: None)
    return Attached(weights, no_memory, lambda folder: base.model.save_pretrained(str(folder), safe_serialization=True), lambda: None)


def _load_full(base: Base, folder: Path) -> Attached:
    stored = dict(load_model(folder).named_parameters())
    for name, parameter in base.model.named_parameters():
        parameter.data = stored[name].data
    base.occupy(stored, lambda: None)
    return Attached({}, no_memory, lambda to: base.model.save_pretrained(str(to), safe_serialization=True), lambda: None)
