"""A base in 4 bits (QLoRA): which methods train beside it, that it stays as it is, and a study from end to end. Needs bitsandbytes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from test_conformance import EXAMPLES, METHODS, config, next_logits, rows
from test_export import run_card
from tiny import save_tiny_model, write_domain

from ragft import nf4, registry
from ragft.errors import InputError, MissingError
from ragft.exports import export
from ragft.generation.decode import greedy
from ragft.measuring import twin
from ragft.settings import Study
from ragft.store import read_jsonl_as
from ragft.study import prepare, run
from ragft.tuning.attach import load_attached
from ragft.tuning.train import Training, train_adapter
from ragft.types import Answer, Question
from ragft.weights import Base, load_base, load_model

bnb = pytest.importorskip("bitsandbytes")
ABLE = [name for name in METHODS if registry.lookup("tuning", name).facts["quantised"]]
LOOKED_AT = "What is the maximum pressure"


@pytest.fixture(scope="module", params=["llama", "qwen2", "gpt2"])
def any_model(request, tmp_path_factory) -> Path:
    """Wider than the other tests' models: bitsandbytes rounds blocks of 64 weights."""
    return save_tiny_model(tmp_path_factory.mktemp(f"wide-{request.param}"), request.param, width=64)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("wide") / "tiny-base", width=64)


@pytest.fixture
def base(any_model: Path) -> Base:
    found = load_base(any_model, "nf4")
    yield found
    found.clear()


@cache
def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in load_model(folder, "nf4").named_parameters()}


def test_linear_layers_are_in_four_bits_and_near_what_they_were(any_model):
    exact, rounded = load_model(any_model), load_model(any_model, "nf4")
    packed = {name: layer for name, layer in rounded.named_modules() if isinstance(layer, bnb.nn.Linear4bit)}
    assert len(packed) == (8 if exact.config.model_type == "gpt2" else 14)
    for name, layer in packed.items():
        kept = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        own = exact.get_submodule(name).weight
        own = own.t() if kept.shape != own.shape else own
        error = min(float((kept - way).norm() / way.norm()) for way in ((own, own.t()) if own.shape[0] == own.shape[1] else (own,)))
        assert 0.08 < error < 0.10, "sixteen levels for a normal distribution, in blocks of 64"


@pytest.mark.parametrize("name", ABLE)
def test_a_method_trains_beside_it_and_leaves_it_as_it_was(base, name, tmp_path, any_model):
    before = next_logits(base, None, LOOKED_AT)
    report = train_adapter(any_model, config(name), EXAMPLES, tmp_path, Training(0, 3000, 4, 1e-2, "nf4"))
    losses = [loss for _, loss in report.loss]
    assert report.dtype == "nf4" and sum(losses[-3:]) < sum(losses[:3])
    attached = load_attached(base, tmp_path)
    assert not torch.equal(next_logits(base, attached, LOOKED_AT), before)
    with torch.no_grad():
        asked = rows(base)
        together = greedy(base.model, asked, 6, set(), attached.memory())
        assert together == [greedy(base.model, [row], 6, set(), attached.memory())[0] for row in asked], "a row answers the same in any batch"
    base.clear()
    assert torch.equal(next_logits(base, None, LOOKED_AT), before)
    assert all(torch.equal(p, weights(any_model)[key]) for key, p in base.model.named_parameters())


def test_resumed_training_is_uninterrupted_training(model, tmp_path, monkeypatch):
    from ragft.tuning import train

    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(train, "CHECKPOINT_SHARE", 0)
    given = (model, config("lora"), EXAMPLES), Training(0, 1500, 4, 1e-2, "nf4")
    whole = train_adapter(*given[0], tmp_path / "a", given[1])

    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_adapter(*given[0], tmp_path / "b", given[1], checkpoint=tmp_path / "c", progress=stop)
    again = train_adapter(*given[0], tmp_path / "b", given[1], checkpoint=tmp_path / "c")
    assert again.loss == whole.loss
    assert (tmp_path / "a/adapter_model.safetensors").read_bytes() == (tmp_path / "b/adapter_model.safetensors").read_bytes()


def test_a_twin_shares_the_packed_weights(base):
    other = twin(base.model)
    own = dict(base.model.named_parameters())
    assert all(p.data_ptr() == own[name].data_ptr() for name, p in other.named_parameters())
    ids = torch.tensor(rows(base)[:1])
    assert torch.equal(other(input_ids=ids).logits, base.model(input_ids=ids).logits)


# ── a study ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ARMS = {
    "base": {},
    "rag": {"retriever": "bm25"},
    "lora": {"tuning": "lora", "options": {"rank": 4}, "learning_rate": 0.01},
    "rag+lora": {"tuning": "lora", "options": {"rank": 4}, "learning_rate": 0.01, "retriever": "bm25"},
}


def study_of(root: Path, folder: Path, **changes) -> Study:
    return Study(
        domain=str(write_domain(root / "works")), model=str(folder), embedder=None, seeds=(0,), chunk_tokens=32, context_tokens=96, k=2, limit=5,
        max_new_tokens=6, batch_size=4, train_tokens=1500, train_batch_size=4, **{"arms": ARMS, "precision": "nf4", **changes},
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, model):
    root = tmp_path_factory.mktemp("nf4")
    return run(study_of(root, model), root / "runs").run, root


def answers(found, arm: str) -> list[str]:
    return [a.text for a in sorted(read_jsonl_as(Answer, found.seed_folder(arm, 0) / "answers.jsonl"), key=lambda a: a.question)]


def test_every_arm_answers_with_the_base_in_four_bits(finished, model):
    found, root = finished
    assert not list(found.folder.rglob("dtype.json")), "nothing is left to choose"
    assert '"nf4"' in (found.seed_folder("lora", 0) / "fit.json").read_text()
    exact = run(study_of(root, model, precision="float32"), root / "runs").run
    assert exact.folder != found.folder
    assert answers(found, "base") != answers(exact, "base") and answers(found, "lora") != answers(exact, "lora")
    measured = sorted(path.stem for path in (found.folder / "measures").iterdir())
    assert len(measured) == 2 and measured[-1] == "base"


def test_its_export_is_loaded_over_a_base_in_four_bits(finished, model, tmp_path, monkeypatch):
    found, _ = finished
    monkeypatch.setattr(bnb.nn.modules, "has_avx512bf16", lambda: False)  # its own products for such processors round to bfloat16
    folder = export(found, "lora", tmp_path / "to").folder
    assert "in 4 bits" in (folder / "README.md").read_text()
    answer = run_card(folder, model, monkeypatch)["answer"]
    texts = [q.text for q in sorted(read_jsonl_as(Question, found.folder / "questions.jsonl"), key=lambda q: q.id)]
    assert [answer(text) for text in texts] == answers(found, "lora")
    with pytest.raises(InputError, match="in 4 bits, and nothing is folded into that"):
        export(found, "lora", tmp_path / "merged", merged=True)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ABLE])
def test_a_method_that_writes_to_the_weights_is_refused_before_anything_starts(tmp_path, model, name):
    arms = {"rag": {"retriever": "bm25"}, "other": {"tuning": name}}
    with pytest.raises(InputError, match=rf"^arm 'other': tuning '{name}' does not work beside a base in 4 bits .* Take one of: adapter, .*lora"):
        prepare(study_of(tmp_path, model, arms=arms), tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("*"))


def test_without_bitsandbytes_the_remedy_is_said(tmp_path, model, monkeypatch):
    monkeypatch.setattr(nf4, "find_spec", lambda name: None)
    with pytest.raises(
        MissingError, match=r"precision nf4 needs bitsandbytes, which is not installed\. Install it with: pip install 'ragft\[qlora\]'"
    ):
        prepare(study_of(tmp_path, model), tmp_path / "runs")
