"""What the benchmark of training counts: against torch's own counter, on a tiny model; TRL is not needed for it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from peft import get_peft_model
from torch.utils.flop_counter import FlopCounterMode

from ragft.prompts import closed_book
from ragft.tuning.methods import lora
from ragft.tuning.rows import encode_example
from ragft.types import Example
from ragft.weights import load_model, load_tokenizer

PATH = Path(__file__).parents[2] / "pipelines" / "bench_training.py"
PAIRS = [("Who leads the service team?", "Mira Holt"), ("How long is the warranty?", "30 months")]


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_training", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def encoded(folder):
    return [encode_example(Example(closed_book(question, "en"), answer), load_tokenizer(folder)) for question, answer in PAIRS]


def test_needed_products_are_those_that_torch_counts(bench, tiny_model):
    """Attention is computed as plain products here, so that torch counts it, its masked half too."""
    model = get_peft_model(load_model(tiny_model), lora(rank=bench.RANK))
    model.get_base_model().set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        for one in encoded(tiny_model):
            given = model.get_input_embeddings()(torch.tensor([one.ids[:-1]])).requires_grad_(True)  # so that the first layer is as the others
            logits = model(inputs_embeds=given, logits_to_keep=torch.arange(one.start - 1, len(one.ids) - 1)).logits
            logits.sum().backward()
    alone, computed = bench.needed_gflop(tiny_model, encoded(tiny_model))
    assert computed < 0.8 * alone, "two questions share the instruction"
    masked = sum(6 * model.config.num_hidden_layers * model.config.hidden_size * (len(one.ids) - 1) ** 2 for one in encoded(tiny_model)) / 1e9
    assert alone + masked == pytest.approx(counter.get_total_flops() / 1e9, rel=0.005)


def test_gradients_are_those_of_the_textbook_form(bench, tiny_model):
    found = bench.gradient_differences(tiny_model, encoded(tiny_model))
    assert 0 < found["max_rel_diff"] < 1e-5
    assert 0 < found["float32_rounding_of_a_matrix"] < 1e-4 and 0 < found["max_rel_diff_of_a_matrix"] < 1e-4


def test_the_rate_of_this_machine_is_a_rate(bench, tiny_model, monkeypatch):
    monkeypatch.setattr(bench, "MATRIX_SECONDS", 0.05)
    assert bench.matrix_gflops(tiny_model) > 0


def test_the_other_sides_have_nothing_of_ours(bench, tiny_model):
    """Neither the layers nor the products: else the ratio and the gradients would compare us with ourselves."""
    layers = [module for module in bench.plain_model(tiny_model).modules() if isinstance(module, torch.nn.Linear)]
    assert layers and all(type(layer) is torch.nn.Linear for layer in layers)
