"""Bottleneck adapters: small modules put into a model by forward hooks, without touching transformers' own classes.

No maintained library has them beside transformers 5. One bottleneck of width r at hidden size d has 2·d·r + r + d weights.

    sequential (Houlsby et al., 1902.00751, figure 2):  h <- h + W_up·σ(W_down·h)     h: the sub-layer's output
    parallel (He et al., 2110.04366, table 1):          h <- h + s·W_up·ReLU(W_down·x)   x: the sub-layer's input

The sequential one stands after the sub-layer's projection and before its skip connection is added. The up-projection
begins at zero, so that an untrained adapter is the identity, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch.nn.functional import gelu, linear, relu

from ragft.errors import InputError

Place = Literal["attention", "feed-forward"]
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"gelu": gelu, "relu": relu}
MARK = "_ragft_bottlenecks"  # set on a model that has them


@dataclass(frozen=True)
class Bottlenecks:
    """Where bottlenecks go and what they compute."""

    size: int  # r, the bottleneck's width
    places: tuple[Place, ...]
    insertion: Literal["sequential", "parallel"]
    scale: float  # s; 1 in the sequential forms
    activation: str  # a key of ACTIVATIONS


@dataclass(frozen=True)
class Inserted:
    """Bottlenecks in a model."""

    weights: dict[str, torch.nn.Parameter]  # by name, such as "layers.3.attention.down.weight"; float32
    remove: Callable[[], None]


def insert_bottlenecks(model: Any, config: Bottlenecks) -> Inserted:
    """Put fresh bottlenecks into every layer of the model, drawn by torch's generator.

    Raises InputError for a model whose layers are not of a known shape, ValueError for a size below one, an unknown
    activation, or a model that already has them.
    """
    if config.size < 1:
        raise ValueError(f"size must be at least 1, not {config.size}")
    if config.activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {config.activation}")
    if hasattr(model, MARK):
        raise ValueError("this model already has bottlenecks")
    hidden = model.config.get_text_config().hidden_size
    made = [(name, sub, _new_weights(hidden, config.size, next(sub.parameters()).device)) for name, sub in _sublayers(model, config.places)]
    weights = {f"{name}.{part}": weight for name, _, own in made for part, weight in own.items()}
    # only now that all the memory is there, so that nothing is left in the model where it is not
    handles = [sub.register_forward_hook(partial(_add, config, own), with_kwargs=True) for _, sub, own in made]
    setattr(model, MARK, True)

    def remove() -> None:
        for handle in handles:
            handle.remove()
        delattr(model, MARK)

    return Inserted(weights, remove)


def _sublayers(model: Any, places: tuple[Place, ...]) -> Iterator[tuple[str, torch.nn.Module]]:
    """The named sub-layers of every layer, attention before feed-forward."""
    names: dict[str, str] = {}
    body = getattr(model, "model", None)
    layers = getattr(body, "layers", None)
    if layers is not None and all(hasattr(layer, "self_attn") and hasattr(layer, "mlp") for layer in layers):
        names = {"attention": "self_attn", "feed-forward": "mlp"}  # Llama, Qwen2 and their kin
    else:
        layers = getattr(getattr(model, "transformer", None), "h", None)
        if layers is not None and all(hasattr(layer, "attn") and hasattr(layer, "mlp") for layer in layers):
            names = {"attention": "attn", "feed-forward": "mlp"}  # GPT-2
    if not names:
        kind = getattr(model.config, "model_type", "unknown")
        raise InputError(
            f"bottleneck adapters know the layers of Llama-, Qwen2- and GPT-2-shaped models, not of '{kind}'. Take another tuning, such as lora."
        )
    for number, layer in enumerate(layers or ()):
        for place in ("attention", "feed-forward"):
            if place in places:
                yield f"layers.{number}.{place}", getattr(layer, names[place])


def _new_weights(hidden: int, size: int, device: torch.device) -> dict[str, torch.nn.Parameter]:
    """W_down as Kaiming draws it, the rest zero: the start of LoRA, which He et al. take over (2110.04366, section 4.1)."""
    down = torch.empty(size, hidden, device=device)
    torch.nn.init.kaiming_uniform_(down, a=5**0.5)
    return {
        "down.weight": torch.nn.Parameter(down),
        "down.bias": torch.nn.Parameter(torch.zeros(size, device=device)),
        "up.weight": torch.nn.Parameter(torch.zeros(hidden, size, device=device)),
        "up.bias": torch.nn.Parameter(torch.zeros(hidden, device=device)),
    }


def _add(
    config: Bottlenecks, own: dict[str, torch.nn.Parameter], sublayer: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Any:
    """The forward hook: the sub-layer's output with the bottleneck's added. Attention's output is a tuple."""
    h = output[0] if isinstance(output, tuple) else output
    given = args[0] if args else kwargs["hidden_states"]
    x = (h if config.insertion == "sequential" else given).float()
    inner = ACTIVATIONS[config.activation](linear(x, own["down.weight"], own["down.bias"]))
    change = config.scale * linear(inner, own["up.weight"], own["up.bias"])
    changed = h + change.to(h.dtype)
    return (changed, *output[1:]) if isinstance(output, tuple) else changed
