"""The training loop: what it learns, what it saves, what it does when it goes wrong."""

from __future__ import annotations

import weakref
from dataclasses import replace

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file

from ragft import registry
from ragft.build import open_index
from ragft.context import adapter_plan
from ragft.errors import DivergedError, InputError
from ragft.finetune import build_adapter
from ragft.prompts import closed_book
from ragft.study import prepare
from ragft.tuning import rows, train
from ragft.tuning.methods import lora
from ragft.tuning.train import Training, train_adapter
from ragft.types import Example
from ragft.units import index_artifact
from ragft.weights import load_model

QUESTIONS = [
    ("What is the maximum pressure of the Kova 30?", "42 bar"),
    ("Who leads the service team?", "Mira Holt"),
    ("How long is the warranty?", "30 months"),
    ("When was the Vela 7 released?", "March 2021"),
]


def examples() -> list[Example]:
    return [Example(closed_book(question, "en"), answer) for question, answer in QUESTIONS]


TRAINING = Training(seed=0, max_tokens=6000, batch_size=4, learning_rate=1e-2)


def fit(model, folder, **changes):
    return train_adapter(model, lora(rank=4), examples(), folder, replace(TRAINING, **changes))


def test_training_lowers_the_loss_and_saves_safetensors(tiny_model, tmp_path):
    report = fit(tiny_model, tmp_path / "a")
    losses = [loss for _, loss in report.loss]
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    assert report.training_tokens <= 6000 and report.loss[-1][0] == report.training_tokens
    lora_model = get_peft_model(load_model(tiny_model), lora(rank=4))
    assert report.trainable_parameters == sum(p.numel() for p in lora_model.parameters() if p.requires_grad)
    assert report.total_parameters == sum(p.numel() for p in lora_model.parameters())
    assert (tmp_path / "a" / "adapter_model.safetensors").stat().st_size == report.artifact_bytes
    assert not list((tmp_path / "a").glob("*.bin"))


def test_same_seed_same_adapter_other_seed_another(tiny_model, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fit(tiny_model, tmp_path / name, seed=seed, max_tokens=800)
    read = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in "abc"]
    assert read[0] == read[1] != read[2]


def test_dev_loss_is_watched_and_changes_nothing(tiny_model, tmp_path):
    seen = []
    report = train_adapter(tiny_model, lora(rank=4), examples(), tmp_path / "a", TRAINING, dev=examples(), watch=lambda *look: seen.append(look))
    assert tuple(seen) == report.dev_loss and len(seen) == train.DEV_LOOKS
    assert [tokens for tokens, _ in seen] == sorted({tokens for tokens, _ in report.loss} & {tokens for tokens, _ in seen})
    assert seen[-1][1] < seen[0][1], "here the dev examples are those that are trained on"
    assert report.loss == fit(tiny_model, tmp_path / "b").loss


def test_a_loss_that_is_no_number_ends_the_training(tiny_model, tmp_path):
    with pytest.raises(InputError, match=r"came apart at step \d+: the loss is (nan|inf)\. Lower learning_rate \(1e\+30\)"):
        fit(tiny_model, tmp_path, learning_rate=1e30)
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_dev_loss_that_is_no_number_ends_the_training(tiny_model, tmp_path, monkeypatch):
    """The last step can spoil the weights after the last loss was taken."""
    monkeypatch.setattr(train, "mean_loss", lambda *given, **rest: float("nan"))
    with pytest.raises(DivergedError, match=r"came apart after [\d,]+ tokens: the dev loss is nan\. Lower learning_rate"):
        train_adapter(tiny_model, lora(rank=4), examples(), tmp_path / "a", TRAINING, dev=examples())
    assert not list(tmp_path.rglob("*.safetensors"))


def test_gradients_that_are_no_numbers_end_the_training_before_they_reach_a_weight(tiny_model, tmp_path, monkeypatch):
    """Also at the last step, whose loss was still one."""

    def spoilt(model, attached, batch, **rest):
        found = backward(model, attached, batch, **rest)
        next(iter(attached.weights.values())).grad[:] = float("nan")
        return found

    backward = train.backward
    monkeypatch.setattr(train, "backward", spoilt)
    with pytest.raises(DivergedError, match=r"came apart at step 1: the gradient's length is nan\. Lower learning_rate"):
        fit(tiny_model, tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_method_that_must_not_be_packed_is_trained_one_example_at_a_time(tiny_model, tmp_path, monkeypatch):
    """A plugin says so in one word; the result is that of packed rows, since LoRA could be packed."""
    sizes: list[int] = []
    monkeypatch.setattr(train, "row_loss", lambda model, row, memory=None: sizes.append(len(row)) or rows.row_loss(model, row, memory))
    packed = fit(tiny_model, tmp_path / "a", max_tokens=800)
    assert max(sizes) == 4
    sizes.clear()
    alone = fit(tiny_model, tmp_path / "b", max_tokens=800, packs=False)
    assert max(sizes) == 1
    assert [loss for _, loss in alone.loss] == pytest.approx([loss for _, loss in packed.loss], rel=1e-4)


def test_what_a_method_says_of_packing_reaches_the_training(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setitem(registry._entries, "tuning", dict(registry.entries("tuning")))
    registry.tuning("alone", "LoRA that is not packed", paper="", learning_rate=1e-3, packs=False)(lambda: lora(rank=4))
    context = prepare(tiny_study, tmp_path / "runs")
    seen = []
    monkeypatch.setattr(train, "train_adapter", lambda *given, **kinds: seen.append(given[4]))
    index = index_artifact(context, lambda done, total: None)
    for tuning in ("alone", "lora"):
        plan = adapter_plan(context, context.study.arms["lora"].model_copy(update={"tuning": tuning}), 0)
        build_adapter(plan, index.folder, open_index(index.folder, index.sha256, None), tmp_path)
    assert [training.packs for training in seen] == [False, True]


def test_a_training_in_bfloat16_says_so_and_goes_on_bit_for_bit(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(train, "CHECKPOINT_SHARE", 0)
    whole = fit(tiny_model, tmp_path / "whole", dtype="bfloat16", max_tokens=2500)
    assert whole.dtype == "bfloat16" and fit(tiny_model, tmp_path / "plain", max_tokens=2500).dtype == "float32"

    def kill(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    training = replace(TRAINING, dtype="bfloat16", max_tokens=2500)
    with pytest.raises(KeyboardInterrupt):
        train_adapter(tiny_model, lora(rank=4), examples(), tmp_path / "killed", training, checkpoint=tmp_path / "state", progress=kill)
    resumed = train_adapter(tiny_model, lora(rank=4), examples(), tmp_path / "resumed", training, checkpoint=tmp_path / "state")
    assert resumed.loss == whole.loss
    read = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("whole", "resumed", "plain")]
    assert read[0] == read[1] != read[2]
    stored = load_file(tmp_path / "whole" / "adapter_model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}


def test_the_same_examples_are_tokenised_once(tiny_model, tmp_path, monkeypatch):
    train._encoded.cache_clear()
    encoded = []
    monkeypatch.setattr(train, "encode_example", lambda example, tokenizer: encoded.append(example) or rows.encode_example(example, tokenizer))
    for name, seed in (("a", 0), ("b", 1)):
        train_adapter(tiny_model, lora(rank=4), examples(), tmp_path / name, replace(TRAINING, seed=seed, max_tokens=800), dev=examples()[:2])
    assert encoded == [*examples(), *examples()[:2]]


OUT_OF_MEMORY = [  # as the machine says it, a graphics card, and a library of its
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.19 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


def no_more_than(limit: int, row_loss, error: Exception = OUT_OF_MEMORY[0]):
    """A row_loss for which the memory holds `limit` examples."""

    def limited(model, row, memory=None):
        if len(row) > limit:
            raise error
        return row_loss(model, row, memory)

    return limited


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["machine", "card", "library"])
def test_out_of_memory_halves_the_batch_with_the_same_result(tiny_model, tmp_path, monkeypatch, error):
    whole = fit(tiny_model, tmp_path / "a", max_tokens=800)
    monkeypatch.setattr(train, "row_loss", no_more_than(1, train.row_loss, error))
    halved = fit(tiny_model, tmp_path / "b", max_tokens=800)
    assert [loss for _, loss in halved.loss] == pytest.approx([loss for _, loss in whole.loss], rel=1e-4)
    assert halved.notes[-1] == "the memory did not hold a batch of 4: it was computed in parts, with the same result"
    assert not any("memory" in note for note in whole.notes)


def test_memory_that_ran_out_once_is_not_filled_again_at_every_step(tiny_model, tmp_path, monkeypatch):
    tried: list[int] = []
    limited = no_more_than(2, train.row_loss)
    monkeypatch.setattr(train, "row_loss", lambda model, row, memory=None: (tried.append(len(row)), limited(model, row, memory))[1])
    report = fit(tiny_model, tmp_path, max_tokens=2000)
    assert len(report.loss) > 2 and tried == [4] + [2] * (2 * len(report.loss))


def test_nothing_of_a_failed_attempt_is_held_while_it_is_tried_in_halves(tiny_model, tmp_path, monkeypatch):
    """Else the memory that ran out would still be full."""
    taken: list[weakref.ref] = []
    real = train.row_loss

    def hungry(model, row, memory=None):
        if len(row) > 1:
            held = torch.ones(1000)  # what had been computed when the memory ran out
            taken.append(weakref.ref(held))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        assert all(reference() is None for reference in taken)
        return real(model, row, memory)

    monkeypatch.setattr(train, "row_loss", hungry)
    fit(tiny_model, tmp_path, max_tokens=800)
    assert len(taken) == 2, "a batch of four, and half of it"


def test_optimiser_that_does_not_fit_is_said(tiny_model, tmp_path, monkeypatch):
    def full(self, closure=None):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.optim.AdamW, "step", full)
    with pytest.raises(InputError, match=r"does not hold the optimiser's state of 4,096 parameters\. Take a tuning that trains fewer"):
        fit(tiny_model, tmp_path)


def test_one_example_that_does_not_fit_is_said(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "row_loss", no_more_than(0, train.row_loss))
    with pytest.raises(InputError, match="does not hold one training example"):
        fit(tiny_model, tmp_path)


def test_another_runtime_error_is_not_taken_for_memory(tiny_model, tmp_path, monkeypatch):
    def broken(model, row, memory=None):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(train, "row_loss", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(tiny_model, tmp_path)
