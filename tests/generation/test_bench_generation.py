"""The benchmark of answering: what it counts, on a tiny model; its timings are for people."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from tiny import write_domain
from transformers import AutoModelForCausalLM

from ragft.domain import load_domain
from ragft.prompts import render
from ragft.weights import load_tokenizer

sys.path.append(str(Path(__file__).parents[2] / "pipelines"))
import bench_generation as bench


@pytest.fixture(scope="module")
def compared(tiny_model, tmp_path_factory):
    """The sides, an arm with passages, its questions, and what the benchmark says of them."""
    tokenizer = load_tokenizer(tiny_model)
    sides = bench.Sides(tiny_model, tokenizer, AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval(), None)
    domain = load_domain(write_domain(tmp_path_factory.mktemp("bench") / "works"))
    arm = bench.make_arm(domain, tiny_model, "bm25", 4)
    questions = [question for question, _ in domain.split("test")]
    with torch.no_grad():
        return sides, arm, questions, bench.compare(sides, arm, questions, 1)


def test_answers_are_those_of_transformers_and_what_was_not_measured_is_none(compared):
    _, _, questions, found = compared
    assert found["identical_share"] == 1.0 and len(questions) > 4
    assert found["ratio_default"] is None, "LangChain's pipeline did not run"
    assert found["ratio_best"] > 0 and set(found["cpu_seconds_by_own_batch_size"]) == set(bench.OWN_BATCH_SIZES)


def test_every_prompt_token_is_counted_once_a_question(compared):
    sides, arm, questions, found = compared
    prompts = [prompt for batch in arm.prepare(questions) for prompt in batch.prompts]
    alone = sum(len(sides.tokenizer(render(prompt, sides.tokenizer), add_special_tokens=False)["input_ids"]) for prompt in prompts)
    assert found["read_tokens"]["alone"] == alone == found["prompt_tokens"] * len(questions)
    assert 0 < found["read_tokens"]["read"] < alone, "all prompts begin with the instruction"


def test_useful_operations_by_hand(compared):
    sides, *_ = compared
    hidden, inner, layers, heads = 32, 64, 2, 16  # two key-value heads of eight
    weights = layers * (2 * hidden * hidden + 2 * hidden * heads + 3 * hidden * inner)
    vocabulary = len(sides.tokenizer) * hidden
    assert bench.useful_flops(sides.plain, 10, 3) == 2 * weights * 13 + 2 * vocabulary * 3


def test_profile_shares_add_up(compared):
    _, arm, questions, _ = compared
    with torch.no_grad():
        shares = bench.profile(lambda: bench.ask(arm, questions[:2]))
    assert sum(shares.values()) == pytest.approx(1.0) and shares["products"] > 0 and shares["attention"] > 0
