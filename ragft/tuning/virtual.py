"""Virtual positions before every text: what prefix tuning, prompt tuning and P-tuning train, as keys and values per layer."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

import torch
from peft import PeftModel, PeftType

from ragft.prompts import closed_book
from ragft.weights import Base, Memory


def memory_of_peft(base: Base, tuned: PeftModel) -> Memory:
    """The memory of a peft prompt-learning model: given as keys and values (prefix), or computed from embeddings by the base."""
    prompt: Any = tuned.get_prompt(batch_size=1)
    if tuned.active_peft_config.peft_type == PeftType.PREFIX_TUNING:
        return [(layer.keys, layer.values) for layer in prompt.layers]
    return _memory_of(base, inputs_embeds=prompt.to(base.model.dtype))


def memory_of_tensor(stacked: torch.Tensor, dtype: torch.dtype) -> Memory:
    """A memory kept in one tensor (layers, 2, key-value heads, positions, head size)."""
    return [(layer[0:1].to(dtype), layer[1:2].to(dtype)) for layer in stacked]


def memory_shape(model: Any, positions: int) -> tuple[int, ...]:
    """(layers, 2, key-value heads, positions, head size) of a model."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return (config.num_hidden_layers, 2, heads, positions, size)


@torch.no_grad()
def start_from_text(base: Base, weights: dict[str, torch.nn.Parameter], kind: str | None) -> None:
    """Give virtual positions the state that the instruction's words would have, where the method trains that state itself.

    A start from words beats a random one by far on little data (Lester, 2104.08691, section 3.2; Li & Liang, 2101.00190,
    section 7.4). `kind`: "embeddings" (positions, hidden size), "prefix" (peft's flat layout: positions, layers x 2 x
    heads x head size), "memory" (see memory_of_tensor); None: nothing to do.
    """
    if kind is None:
        return
    (weight,) = [p for name, p in weights.items() if name.endswith("embedding.weight" if kind != "memory" else "memory")]
    positions = weight.shape[-2] if kind == "memory" else weight.shape[0]
    words = base.tokenizer(closed_book("", "en").system, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([list(islice(cycle(words), positions))], device=base.model.device)
    if kind == "embeddings":
        weight.copy_(base.model.get_input_embeddings()(ids)[0])
        return
    stacked = torch.stack([torch.cat([keys, values]) for keys, values in _memory_of(base, input_ids=ids)])
    weight.copy_(stacked if kind == "memory" else stacked.permute(3, 0, 1, 2, 4).reshape(weight.shape))


def _memory_of(base: Base, **inputs: torch.Tensor) -> Memory:
    cache = base.model(**inputs, use_cache=True, logits_to_keep=1).past_key_values
    return [(layer.keys, layer.values) for layer in cache.layers]
