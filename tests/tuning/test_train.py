"""The training loop: what it learns and what it saves."""

from __future__ import annotations

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from ragft.prompts import closed_book
from ragft.tuning.methods import lora
from ragft.tuning.train import train_adapter
from ragft.types import Example
from ragft.weights import load_model, load_tokenizer

QUESTIONS = [
    ("What is the maximum pressure of the Kova 30?", "42 bar"),
    ("Who leads the service team?", "Mira Holt"),
    ("How long is the warranty?", "30 months"),
    ("When was the Vela 7 released?", "March 2021"),
]


def examples() -> list[Example]:
    return [Example(closed_book(question, "en"), answer) for question, answer in QUESTIONS]


def fit(model, folder, seed=0, tokens=6000):
    folder.mkdir()
    return train_adapter(model, lora(rank=4), examples(), folder, seed=seed, max_tokens=tokens, batch_size=4, learning_rate=1e-2)


def test_training_lowers_the_loss_and_saves_safetensors(tiny_model, tmp_path):
    report = fit(tiny_model, tmp_path / "a")
    losses = [loss for _, loss in report.loss]
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    assert report.training_tokens <= 6000 and report.loss[-1][0] == report.training_tokens
    assert report.trainable_parameters == sum(p.numel() for p in get_peft_model(load_model(tiny_model), lora(rank=4)).parameters() if p.requires_grad)
    assert (tmp_path / "a" / "adapter_model.safetensors").stat().st_size == report.artifact_bytes
    assert not list((tmp_path / "a").glob("*.bin"))


def test_same_seed_same_adapter_other_seed_another(tiny_model, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fit(tiny_model, tmp_path / name, seed, tokens=800)
    read = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in "abc"]
    assert read[0] == read[1] != read[2]


def test_saved_adapter_is_the_trained_one_and_base_weights_are_untouched(tiny_model, tmp_path):
    fit(tiny_model, tmp_path / "a", tokens=800)
    base, loaded = load_model(tiny_model), PeftModel.from_pretrained(load_model(tiny_model), tmp_path / "a")
    ids = torch.tensor([load_tokenizer(tiny_model)("The Kova 30 is a pump.")["input_ids"]])
    with torch.no_grad():
        tuned = loaded(input_ids=ids).logits
        with loaded.disable_adapter():
            assert torch.equal(loaded(input_ids=ids).logits, base(input_ids=ids).logits)
        merged = loaded.merge_and_unload()(input_ids=ids).logits
    assert not torch.allclose(tuned, base(input_ids=ids).logits)
    torch.testing.assert_close(merged, tuned, rtol=1e-4, atol=1e-5)


def test_lora_configuration():
    config = lora(rank=4)
    assert isinstance(config, LoraConfig)
    assert (config.r, config.lora_alpha, config.target_modules) == (4, 8, "all-linear")
