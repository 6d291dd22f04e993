"""The base model's linear layers in 4 bits, by bitsandbytes: NF4 with double quantisation, as in QLoRA (Dettmers et al., 2305.14314).

Weights are unpacked for each product, which is computed in the dtype that the other weights have. bitsandbytes is optional:
pip install 'ragft[qlora]'.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from ragft.errors import MissingError


def check_nf4() -> None:
    """Raise MissingError where bitsandbytes is not installed."""
    if find_spec("bitsandbytes") is None:
        raise MissingError("precision nf4 needs bitsandbytes, which is not installed. Install it with: pip install 'ragft[qlora]'")


def quantization(compute: torch.dtype) -> BitsAndBytesConfig:
    """For `from_pretrained`: all linear layers but the projection on the vocabulary."""
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute)


def keep_layout(model: Any) -> None:
    """On some processors bitsandbytes lays the weights out anew at the first product, in place; the shared base must stay as it is."""
    from bitsandbytes.nn import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False
