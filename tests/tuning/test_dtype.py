"""The number format of training: chosen by timing, one for a run."""

from __future__ import annotations

import pytest
import torch

from ragft.prompts import closed_book
from ragft.store import read_json, write_json
from ragft.study import prepare
from ragft.tuning import dtype
from ragft.tuning.dtype import TOO_SHORT, choose_dtype, fastest, preferred
from ragft.tuning.rows import encode_example
from ragft.types import Example
from ragft.units import adapter_artifact
from ragft.weights import load_base

EXAMPLES = [Example(closed_book(question, "en"), answer) for question, answer in (("Who leads the service team?", "Mira Holt"), ("How long?", "30"))]


@pytest.mark.parametrize(
    ("plain", "short", "expected"),
    [(1.0, 0.5, "bfloat16"), (1.0, 0.67, "float32"), (0.5, 1.0, "float32"), (1.5, 1.0, "bfloat16"), (TOO_SHORT / 2, TOO_SHORT / 9, "float32")],
)
def test_bfloat16_must_be_clearly_faster(plain, short, expected):
    assert preferred(plain, short) == expected


def test_the_choice_is_that_of_the_timings(tiny_model, monkeypatch):
    seen = []

    def timed(bases, row):
        seen.append([base.model.dtype for base in bases])
        return [0.9, 0.6]

    monkeypatch.setattr(dtype, "fastest", timed)
    found = choose_dtype(tiny_model, EXAMPLES)
    assert (found.dtype, found.seconds_float32, found.seconds_bfloat16) == ("bfloat16", 0.9, 0.6)
    assert seen == [[torch.float32, torch.bfloat16]]


def test_the_slower_of_two_is_timed_slower_and_the_base_is_left_as_it_was(tiny_model, monkeypatch):
    base = load_base(tiny_model)
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    row = [encode_example(example, base.tokenizer) for example in EXAMPLES]
    real, calls = dtype.row_loss, []

    def slow(model, row):
        calls.append(model)
        return sum(real(model, row) for _ in range(20 if len(calls) % 2 else 1))  # the first of each pair does twenty times the work

    monkeypatch.setattr(dtype, "row_loss", slow)
    first, second = fastest([base, base], row)
    assert first > second > 0
    base.clear()
    after = base.model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], value) for name, value in before.items())


def test_all_trainings_of_a_run_take_the_format_that_its_first_found(tiny_study, tmp_path):
    """Also one that goes on on another machine, where the timings would be others."""
    context = prepare(tiny_study, tmp_path / "runs")
    arm, path = context.study.arms["lora"], context.run.folder / "dtype.json"
    first = adapter_artifact(context, arm, 0, lambda done, total: None)
    stored = read_json(path)
    assert stored["dtype"] == first.fit.dtype == "float32", "a tiny model leaves nothing to gain"
    assert stored["seconds_float32"] > 0 and stored["seconds_bfloat16"] > 0
    write_json(path, {**stored, "dtype": "bfloat16"})
    second = adapter_artifact(context, arm, 1, lambda done, total: None)
    again = adapter_artifact(context, arm, 0, lambda done, total: None)
    full = adapter_artifact(context, arm.model_copy(update={"tuning": "full"}), 0, lambda done, total: None)
    assert second.fit.dtype == again.fit.dtype == "bfloat16"
    assert again.folder != first.folder, "the format is part of what an adapter is known by"
    assert full.fit.dtype == "float32", "a step is too small for the weights themselves to be bfloat16"
    assert read_json(path)["dtype"] == "bfloat16"
