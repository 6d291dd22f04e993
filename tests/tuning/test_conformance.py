"""What must hold for every registered fine-tuning method, on Llama-, Qwen2- and GPT-2-shaped models."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch

from ragft import products, registry
from ragft.generation.decode import greedy
from ragft.prompts import closed_book
from ragft.serving import Served
from ragft.tuning import train
from ragft.tuning.attach import attach, load_attached, sizes_on
from ragft.tuning.rows import encode_example
from ragft.tuning.train import Training, backward, train_adapter
from ragft.types import Example
from ragft.weights import Base, empty_model, load_model, load_tokenizer

# Sizes that fit the tiny models; the rest is the method's own.
SMALL = {
    "adapter": {"size": 8},
    "adapter-pfeiffer": {"size": 8},
    "parallel-adapter": {"size": 8},
    "mam": {"prefix": 5, "size": 8},
    "prefix": {"tokens": 5, "hidden": 16},
    "prompt": {"tokens": 5},
    "p-tuning": {"tokens": 5, "hidden": 16},
    "p-tuning-v2": {"tokens": 5},
    "lora": {"rank": 4},
    "dora": {"rank": 4},
    "rslora": {"rank": 4},
    "pissa": {"rank": 4},
    "vera": {"rank": 16},
    "oft": {"block": 8},
    "boft": {"block": 4, "factors": 1},
}
ABSENT = {("oft", "gpt2"), ("boft", "gpt2")}  # rotations need torch.nn.Linear; GPT-2 has Conv1D
RATE = {"full": 2e-3}
PAIRS = [
    ("What is the maximum pressure of the Kova 30?", "42 bar"),
    ("Who leads the service team?", "Mira Holt"),
    ("How long is the warranty?", "30 months"),
    ("When was the Vela 7 released?", "March 2021"),
]
EXAMPLES = [Example(closed_book(question, "en"), answer) for question, answer in PAIRS]
METHODS = list(registry.entries("tuning"))
everywhere = pytest.mark.parametrize("name", METHODS)


def config(name: str):
    return registry.lookup("tuning", name).make(**SMALL.get(name, {}))


@cache
def base_of(folder: Path) -> Base:
    return Base(load_model(folder), load_tokenizer(folder))


@cache
def rounded_base_of(folder: Path) -> Base:
    return Base(load_model(folder, "bfloat16"), load_tokenizer(folder))


@pytest.fixture
def base(any_tiny_model: Path, name: str) -> Base:
    found = base_of(any_tiny_model)
    if (name, found.model.config.model_type) in ABSENT:
        pytest.skip(f"{name} is not for {found.model.config.model_type}: test_a_method_that_cannot_work_says_so")
    yield found
    found.clear()


def stir(attached, seed: int = 1) -> None:
    """Move every trained weight off its start, so that nothing holds only because the method begins as the identity."""
    torch.manual_seed(seed)
    for weight in attached.weights.values():
        weight.data += 0.1 * weight.data.std().nan_to_num(0.0).clamp(min=0.1) * torch.randn_like(weight)


def next_logits(base: Base, attached, text: str) -> torch.Tensor:
    """Logits after the text, computed at once, without padding and without a cache but for the memory."""
    from transformers import DynamicCache

    ids = torch.tensor([base.tokenizer(text)["input_ids"]])
    memory = attached.memory() if attached else None
    extra = {}
    if memory:
        n = memory[0][0].shape[2]
        extra = {
            "past_key_values": DynamicCache(memory),
            "attention_mask": torch.ones(1, n + ids.shape[1], dtype=torch.long),
            "position_ids": torch.arange(n, n + ids.shape[1])[None],
        }
    with torch.no_grad():
        return base.model(input_ids=ids, **extra).logits[0, -1]


def rows(base: Base) -> list[list[int]]:
    """Prompts of different lengths."""
    return [encode_example(example, base.tokenizer).ids[:-3] for example in EXAMPLES]


@everywhere
def test_loss_falls(base, name, tmp_path, any_tiny_model):
    report = train_adapter(any_tiny_model, config(name), EXAMPLES, tmp_path, Training(0, 6000, 4, RATE.get(name, 1e-2)))
    losses = [loss for _, loss in report.loss]
    assert sum(losses[-3:]) < sum(losses[:3]) - 0.05
    assert report.trainable_parameters == sizes_on(empty_model(any_tiny_model), config(name)).trainable > 0
    assert report.artifact_bytes > 0 and not list(tmp_path.glob("*.bin"))


@everywhere
def test_packed_rows_have_the_gradients_of_single_examples(base, name):
    attached = attach(base, config(name), seed=0)
    stir(attached)
    encoded = [encode_example(example, base.tokenizer) for example in EXAMPLES]
    together = gradients(base, attached, [encoded], packs=registry.lookup("tuning", name).facts["packs"])
    apart = gradients(base, attached, [[example] for example in encoded])
    assert any(gradient.abs().max() > 0 for gradient in apart.values())
    for key, expected in apart.items():
        scale = max(float(expected.abs().max()), 1e-3)
        assert float((together[key] - expected).abs().max()) / scale < 1e-4, key


@everywhere
def test_on_a_base_in_bfloat16_the_loss_is_that_of_float32_but_for_rounding(base, name, any_tiny_model):
    """And what is trained stays float32, its gradients too."""
    encoded = [encode_example(example, base.tokenizer) for example in EXAMPLES]
    rounded = rounded_base_of(any_tiny_model)
    expected, _ = backward(base.model, attach(base, config(name), seed=0), encoded)
    attached = attach(rounded, config(name), seed=0)
    loss, _ = backward(rounded.model, attached, encoded)
    rounded_gradients = [weight.grad for weight in attached.weights.values() if weight.grad is not None]
    rounded.clear()
    assert loss == pytest.approx(expected, rel=0.03)
    assert rounded_gradients and all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in rounded_gradients)


@everywhere
def test_products_by_the_other_library_have_the_same_gradients(base, name, monkeypatch):
    """As training multiplies where oneDNN is faster (see ragft.products)."""
    encoded = [encode_example(example, base.tokenizer) for example in EXAMPLES]
    made = []
    for quick in (False, True):
        monkeypatch.setattr(products, "onednn_is_faster", lambda quick=quick: quick)
        monkeypatch.setattr(products, "MIN_WORK", 0)
        attached = attach(base, config(name), seed=0)
        stir(attached)
        made.append(gradients(base, attached, [encoded]))
    for key, expected in made[0].items():
        scale = max(float(expected.abs().max()), 1e-3)
        assert float((made[1][key] - expected).abs().max()) / scale < 1e-4, key


def gradients(base: Base, attached, groups, packs=True) -> dict[str, torch.Tensor]:
    """Of the summed loss over groups of examples, each group computed on its own."""
    found = {key: torch.zeros_like(weight) for key, weight in attached.weights.items()}
    for group in groups:
        labels = sum(len(example.ids) - example.start for example in group)
        backward(base.model, attached, group, packs=packs)
        for key, weight in attached.weights.items():
            if weight.grad is not None:
                found[key] += weight.grad * labels
                weight.grad = None
    return found


@everywhere
def test_cached_padded_and_batched_generation_is_that_of_single_rows_without_a_cache(base, name):
    attached = attach(base, config(name), seed=0)
    stir(attached)
    asked = rows(base)
    assert len({len(row) for row in asked}) > 1
    with torch.inference_mode():
        memory = attached.memory()
        together = greedy(base.model, asked, 6, set(), memory)
        alone = [greedy(base.model, [row], 6, set(), memory)[0] for row in asked]
    assert together == alone == [slow(base, attached, row, 6) for row in asked]


def slow(base: Base, attached, row: list[int], tokens: int) -> list[int]:
    from transformers import DynamicCache

    made: list[int] = []
    for _ in range(tokens):
        ids = torch.tensor([row + made])
        with torch.no_grad():
            memory, extra = attached.memory(), {}
            if memory:
                n = memory[0][0].shape[2]
                extra = {"past_key_values": DynamicCache(memory), "position_ids": torch.arange(n, n + ids.shape[1])[None]}
            made.append(int(base.model(input_ids=ids, **extra).logits[0, -1].argmax()))
    return made


@everywhere
def test_save_and_load(base, name, tmp_path):
    """Also that what is dropped after training (an MLP, an LSTM, PiSSA's start) changes nothing."""
    attached = attach(base, config(name), seed=0)
    stir(attached)
    trained = next_logits(base, attached, PAIRS[0][0])
    attached.save(tmp_path)
    untuned = base_logits(base)
    loaded = load_attached(base, tmp_path)
    again = next_logits(base, loaded, PAIRS[0][0])
    torch.testing.assert_close(again, trained, rtol=1e-4, atol=2e-5)
    assert not torch.allclose(again, untuned, atol=1e-3)


def base_logits(base: Base) -> torch.Tensor:
    base.clear()
    return next_logits(base, None, PAIRS[0][0])


@everywhere
def test_removed_the_base_is_bit_for_bit_what_it_was(base, name):
    before = {key: value.clone() for key, value in base.model.state_dict().items()}
    names = [key for key, _ in base.model.named_modules()]
    logits = base_logits(base)
    attached = attach(base, config(name), seed=0)
    stir(attached)
    backward(base.model, attached, [encode_example(EXAMPLES[0], base.tokenizer)])
    assert torch.equal(base_logits(base), logits)
    after = base.model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[key], value) for key, value in before.items())
    assert [key for key, _ in base.model.named_modules()] == names
    assert not any(p.requires_grad or p.grad is not None for p in base.model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in base.model.modules())


@everywhere
def test_merged_is_unmerged_and_can_be_taken_out_again(base, name, tmp_path):
    facts = registry.lookup("tuning", name).facts
    logits = base_logits(base)
    attached = attach(base, config(name), seed=0)
    stir(attached)
    attached.save(tmp_path)
    loaded = load_attached(base, tmp_path)
    assert (loaded.merge is not None) == facts["mergeable"]
    if loaded.merge is None:
        return
    unmerged = next_logits(base, loaded, PAIRS[0][0])
    loaded.merge()
    torch.testing.assert_close(next_logits(base, loaded, PAIRS[0][0]), unmerged, rtol=1e-4, atol=5e-5)
    assert torch.equal(base_logits(base), logits)


@everywhere
def test_the_order_of_arms_does_not_matter(base, name, tmp_path):
    """Base, this method and another answer in turn on one base; each as if it were alone."""
    for other, folder in ((name, tmp_path / "a"), ("lora", tmp_path / "b")):
        attached = attach(base, config(other), seed=0)
        stir(attached, seed=len(other))
        attached.save(folder)
    prompts = [example.prompt for example in EXAMPLES]
    alone = {}
    for key in (None, tmp_path / "a", tmp_path / "b"):
        alone[key] = [c.text for c in Served(base, key, 5).complete(prompts)]
        base.clear()
    served = {key: Served(base, key, 5) for key in alone}
    for key in (tmp_path / "b", None, tmp_path / "a", tmp_path / "b", tmp_path / "a", None):
        assert [c.text for c in served[key].complete(prompts)] == alone[key]


@everywhere
def test_resumed_training_is_uninterrupted_training(base, name, tmp_path, any_tiny_model, monkeypatch):
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(train, "CHECKPOINT_SHARE", 0)
    training = Training(0, 2500, 2, 1e-3)
    whole = train_adapter(any_tiny_model, config(name), EXAMPLES, tmp_path / "whole", training)

    def kill(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    state = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        train_adapter(any_tiny_model, config(name), EXAMPLES, tmp_path / "killed", training, checkpoint=state, progress=kill)
    assert state.is_file() and not list((tmp_path / "killed").glob("*.safetensors"))
    steps: list[int] = []
    resumed = train_adapter(
        any_tiny_model, config(name), EXAMPLES, tmp_path / "resumed", training, checkpoint=state, progress=lambda done, total: steps.append(done)
    )
    assert steps[0] > whole.training_tokens / 3, "it went on, and did not begin again"
    assert resumed.loss == whole.loss
    for path in (tmp_path / "whole").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "resumed" / path.name).read_bytes()


@pytest.mark.parametrize(("name", "kind"), sorted(ABSENT))
def test_a_method_that_cannot_work_says_so(name, kind, tmp_path):
    from tiny import save_tiny_model

    with pytest.raises(TypeError, match="Conv1D"):
        sizes_on(empty_model(save_tiny_model(tmp_path, kind)), config(name))


@pytest.mark.parametrize("name", ["lora", "stored lora", "adapter"])
def test_what_fails_while_it_is_put_in_leaves_nothing_behind(tiny_model, tmp_path, monkeypatch, name):
    from peft.tuners.lora.layer import LoraLayer

    from ragft.tuning import adapters

    base = Base(load_model(tiny_model), load_tokenizer(tiny_model))
    before, layers = next_logits(base, None, "What"), [type(module) for module in base.model.modules()]
    method = name.removeprefix("stored ")
    if name != method:
        attach(base, config(method), seed=0).save(tmp_path)
    owner, part = (adapters, "_new_weights") if method == "adapter" else (LoraLayer, "reset_lora_parameters")
    calls, intact = [], getattr(owner, part)

    def failing(*given):
        calls.append(given)
        if len(calls) == 3:
            raise RuntimeError("can't allocate memory")
        return intact(*given)

    with monkeypatch.context() as patched:
        patched.setattr(owner, part, failing)
        with pytest.raises(RuntimeError, match="allocate"):
            load_attached(base, tmp_path) if name != method else attach(base, config(method), seed=0)
    assert [type(module) for module in base.model.modules()] == layers
    assert not any(module._forward_hooks for module in base.model.modules())
    base.clear()
    assert torch.equal(next_logits(base, None, "What"), before)
    attach(base, config(method), seed=0)
    base.clear()
    assert torch.equal(next_logits(base, None, "What"), before)
