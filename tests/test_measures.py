"""What is measured of an adapter: against loops written by hand, on every shape of model, and once for all arms that share it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import DynamicCache

from ragft import measuring, registry, stages
from ragft.domain.general import General, Instruction, load_general
from ragft.errors import InputError
from ragft.generation.hf import HFGenerator
from ragft.material import read_material
from ragft.measures import BASE, GeneralScores, read_measures
from ragft.measuring import Reader, general_shares, latency, layer_shift, measure, prose_scores, twin
from ragft.meter import peak_bytes
from ragft.prompts import closed_book, render
from ragft.settings import Study
from ragft.store import read_json
from ragft.study import prepare, run
from ragft.tuning.attach import attach, load_attached
from ragft.tuning.train import Training, train_adapter
from ragft.types import Example, Gold, Question
from ragft.weights import Base, encode, load_base, load_model, load_tokenizer

SMALL = {"lora": {"rank": 4}, "adapter": {"size": 8}, "prefix": {"tokens": 5, "hidden": 16}, "full": {}}
methods = pytest.mark.parametrize("name", SMALL)
PROSE = "The Kova 30 is a dosing pump. Mira Holt leads the service team. Their office is in Ardley. It weighs 12 kg. " * 3
PROMPTS = [closed_book(text, "en") for text in ("What is the maximum pressure of the Kova 30?", "Who leads the service team?")]
GENERAL = General(
    ((Question("g1", "What colour is grass?"), Gold("g1", ("green",), (), "", "test", "g1", 0, "colour", "general")),),
    (Instruction("i1", "Say hi.", "max_words", 1000), Instruction("i2", "Say hi.", "contains", "no answer has this")),
    PROSE,
)


@pytest.fixture
def stirred(any_tiny_model: Path, name: str, tmp_path: Path) -> tuple[Path, Path]:
    """A model and the folder of an adapter whose weights were moved off their start."""
    base = load_base(any_tiny_model)
    attached = attach(base, registry.lookup("tuning", name).make(**SMALL[name]), seed=0)
    torch.manual_seed(1)
    for weight in attached.weights.values():
        weight.data += 0.3 * weight.data.std().nan_to_num(0.0).clamp(min=0.1) * torch.randn_like(weight)
    attached.save(tmp_path / "adapter")
    base.clear()
    return any_tiny_model, tmp_path / "adapter"


def alone(base: Base, folder: Path | None) -> Reader:
    """A base of its own, with the adapter of that folder on it, not merged."""
    attached = load_attached(base, folder) if folder else None
    with torch.no_grad():
        return Reader(base.model, attached.memory() if attached else None)


def fresh(model: Path) -> Base:
    return Base(load_model(model), load_tokenizer(model))


def outputs(reader: Reader, ids: list[int]):
    """By transformers itself, with an attention mask of ones over the virtual positions."""
    given = {}
    if reader.memory:
        n = reader.memory[0][0].shape[2]
        given = {"past_key_values": DynamicCache(reader.memory), "attention_mask": torch.ones(1, n + len(ids), dtype=torch.long)}
    with torch.no_grad():
        return reader.model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids]), output_hidden_states=True, **given)


@methods
def test_loss_and_divergence_are_those_of_loops_by_hand(stirred, name):
    model, folder = stirred
    ids = encode(load_tokenizer(model), PROSE)[:90]
    tuned, untuned = alone(fresh(model), folder), alone(fresh(model), None)
    measured = prose_scores(tuned, untuned, ids)
    divergence = 0.0
    after, before = (outputs(reader, ids).logits[0, :-1].double().softmax(-1) for reader in (tuned, untuned))
    for p, q in zip(after, before, strict=True):
        divergence += float(sum(p * (p.log() - q.log())))
    assert measured[2] == len(ids) - 1
    assert measured[0] == pytest.approx(float(outputs(tuned, ids).loss), rel=1e-5)
    assert measured[1] == pytest.approx(divergence / (len(ids) - 1), rel=1e-3) and measured[1] > 1e-3
    assert prose_scores(untuned, untuned, ids)[:2] == (pytest.approx(float(outputs(untuned, ids).loss), rel=1e-5), 0.0)


def test_the_first_token_of_each_chunk_is_not_scored(tiny_model, monkeypatch):
    reader = alone(fresh(tiny_model), None)
    ids = encode(load_tokenizer(tiny_model), PROSE)[:71]
    monkeypatch.setattr(measuring, "CHUNK_TOKENS", 30)
    loss, _, tokens = prose_scores(reader, reader, ids)
    parts = [ids[:30], ids[30:60], ids[60:]]
    assert tokens == sum(len(part) - 1 for part in parts) == 68
    assert loss == pytest.approx(sum(float(outputs(reader, part).loss) * (len(part) - 1) for part in parts) / 68, rel=1e-5)
    assert prose_scores(reader, reader, ids[:61])[2] == 58, "a last chunk of one token predicts nothing"


@methods
def test_shift_is_that_of_a_loop_by_hand(stirred, name):
    model, folder = stirred
    tokenizer = load_tokenizer(model)
    rows = [encode(tokenizer, render(prompt, tokenizer)) for prompt in PROMPTS]
    tuned, untuned = alone(fresh(model), folder), alone(fresh(model), None)
    found = layer_shift(tuned, untuned, rows)
    for layer, value in enumerate(found, start=1):
        ratios = []
        for row in rows:
            after, before = (outputs(reader, row).hidden_states[layer][0] for reader in (tuned, untuned))
            ratios += [float((h - h0).square().sum().sqrt() / h0.square().sum().sqrt()) for h, h0 in zip(after, before, strict=True)]
        assert len(ratios) == sum(map(len, rows))
        assert value == pytest.approx(sum(ratios) / len(ratios), rel=1e-3) and value > 1e-3
    assert len(found) == 2


@methods
def test_all_measures_of_an_adapter_and_the_base_restored(stirred, name):
    model, folder = stirred
    base = load_base(model)
    before = {key: value.clone() for key, value in base.model.state_dict().items()}
    found = measure(model, folder, PROMPTS, GENERAL, "key")
    assert base.holds is None
    assert base.model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in base.model.state_dict().items())
    assert not any(module._forward_hooks for module in base.model.modules())
    # the same as without merging and without a twin, on models of their own
    ids = encode(base.tokenizer, PROSE)
    tuned, untuned = alone(fresh(model), folder), alone(fresh(model), None)
    loss, kl, tokens = prose_scores(tuned, untuned, ids)
    assert found.general == GeneralScores(
        pytest.approx(loss, rel=1e-4),
        tokens,
        pytest.approx(kl, rel=1e-3),
        found.general.questions_right,
        1,
        0.5,
        2,
        (found.general.questions_right == 1.0,),
    )
    rows = [encode(base.tokenizer, render(prompt, base.tokenizer)) for prompt in PROMPTS]
    assert found.shift == pytest.approx(layer_shift(tuned, untuned, rows), rel=1e-3)
    assert (found.seconds_merged is not None) == registry.lookup("tuning", name).facts["mergeable"]
    assert min(found.seconds_base, found.seconds_unmerged, found.seconds_merged or 1.0) > 0


@pytest.mark.parametrize("name", registry.entries("tuning"))
def test_every_method_can_be_measured(tiny_model, tmp_path, name):
    base = load_base(tiny_model)
    attach(base, registry.lookup("tuning", name).make(), seed=0).save(tmp_path)
    base.clear()
    found = measure(tiny_model, tmp_path, PROMPTS, GENERAL, "key")
    assert found.general and len(found.shift) == 2 and base.holds is None
    assert (found.seconds_merged is not None) == registry.lookup("tuning", name).facts["mergeable"]


@pytest.mark.parametrize("name", registry.entries("tuning"))
def test_the_fit_report_says_the_sizes_that_there_are(tiny_model, tmp_path, name):
    """Parameters against the untouched model's, bytes against what the stored files hold; PiSSA is stored at twice its rank."""
    examples = [Example(prompt, "42 bar") for prompt in PROMPTS]
    report = train_adapter(tiny_model, registry.lookup("tuning", name).make(), examples, tmp_path, Training(0, 400, 2, 1e-4))
    own = sum(weight.numel() for weight in load_model(tiny_model).parameters())
    assert report.total_parameters == (own if name == "full" else own + report.trainable_parameters)
    assert report.trainable_parameters == (own if name == "full" else report.total_parameters - own) > 0
    (file,) = tmp_path.glob("*.safetensors")
    stored = sum(tensor.numel() for tensor in load_file(file).values())
    assert 4 * stored < report.artifact_bytes == file.stat().st_size < 4 * stored + 20_000
    if name not in ("prefix", "p-tuning", "vera"):  # an encoder is dropped; shared random matrices are stored and not trained
        assert stored == report.trainable_parameters * (2 if name == "pissa" else 1)


def test_peak_memory_is_that_of_the_training_alone(tiny_model, tmp_path):
    ballast = torch.ones(600_000_000 // 4)
    before = peak_bytes()
    del ballast
    examples = [Example(prompt, "42 bar") for prompt in PROMPTS]
    report = train_adapter(tiny_model, registry.lookup("tuning", "lora").make(), examples, tmp_path, Training(0, 400, 2, 1e-4))
    assert 0 < report.peak_bytes < before - 300_000_000


def test_the_base_has_forgotten_nothing_and_moved_nowhere(any_tiny_model):
    found = measure(any_tiny_model, None, PROMPTS, GENERAL, "key")
    assert found.general and found.general.kl == 0.0 and found.shift == (0.0, 0.0) and found.seconds_merged is None
    assert measure(any_tiny_model, None, PROMPTS, None, "key").general is None


@methods
def test_a_twin_stays_what_it_was_and_takes_no_memory(stirred, name):
    """Also of a merged model, after another is attached: three versions are asked in turn."""
    model, folder = stirred
    base = load_base(model)
    base.clear()
    ids = encode(base.tokenizer, PROSE)[:40]
    untuned = twin(base.model)
    expected = outputs(Reader(base.model), ids).logits
    attached = load_attached(base, folder)
    with torch.no_grad():
        memory = attached.memory()
    if attached.merge is not None:
        attached.merge()
    tuned = Reader(twin(base.model), memory)
    after = outputs(Reader(base.model, memory), ids).logits
    shared = {weight.data_ptr() for weight in base.model.parameters()}
    assert {weight.data_ptr() for weight in tuned.model.parameters()} <= shared
    if attached.merge is not None:
        base.clear()
        assert torch.equal(outputs(tuned, ids).logits, after)
    assert torch.equal(outputs(Reader(untuned), ids).logits, expected) and not torch.equal(after, expected)
    base.clear()


def test_every_reader_is_timed_on_the_same_number_of_tokens(tiny_model, monkeypatch):
    calls = []
    monkeypatch.setattr(measuring, "greedy", lambda model, rows, tokens, stop, memory: calls.append((model, rows, tokens, stop)))
    assert set(latency({"base": Reader("a"), "tuned": Reader("b")}, [[1, 2], [3]])) == {"base", "tuned"}
    assert [call[0] for call in calls] == ["a", "b"] * 3, "in turn"
    assert all(call[2:] == (measuring.LATENCY_TOKENS, set()) for call in calls[2:])


def test_a_very_slow_reader_is_timed_on_two_tokens(monkeypatch):
    """A clock that moves one second a token for the fast one and five for the slow one."""
    now, calls = [0.0], []

    def greedy(model, rows, tokens, stop, memory):
        calls.append((model, tokens))
        now[0] += tokens * {"fast": 1.0, "slow": 5.0}[model]

    monkeypatch.setattr(measuring, "greedy", greedy)
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])
    assert latency({"base": Reader("fast"), "unmerged": Reader("slow")}, [[1], [2]]) == {"base": 16.0, "unmerged": 80.0}
    assert calls == [("fast", 2), ("slow", 2), ("fast", 16), ("fast", 16)]


def test_answers_come_back_to_their_questions(tiny_model, monkeypatch):
    """Whatever the order in which the prompts are put together."""
    general = load_general(Path(__file__).parents[1] / "data" / "general")
    generator = HFGenerator(load_model(tiny_model), load_tokenizer(tiny_model), 4)
    right = {closed_book(question.text, "en").user: gold.answers[0] for question, gold in general.questions}
    told = {**right, **{one.text: "?" for one in general.instructions[:5]}}
    done = []

    class Knowing:
        length = staticmethod(generator.length)

        def complete(self, prompts):
            found = generator.complete([PROMPTS[0]] * len(prompts))
            return [replace(c, text=told.get(prompt.user, "")) for c, prompt in zip(found, prompts, strict=True)]

    shares = general_shares(general, Knowing(), lambda number, total: done.append((number, total)))
    expected = sum(one.followed(told.get(one.text, "")) for one in general.instructions) / len(general.instructions)
    assert shares == (1.0, expected) and general.language == "en"
    assert done[0] == (0, len(general.questions) + len(general.instructions)) and done[-1][0] == done[-1][1]


# ── in a study ───────────────────────────────────────────────────────────────────────────────────────────────────────


def write_general(folder: Path) -> Path:
    folder.mkdir()
    (folder / "questions.jsonl").write_text(json.dumps({"id": "g1", "question": "What colour is grass?", "answers": ["green"]}))
    (folder / "instructions.jsonl").write_text(json.dumps({"id": "i1", "instruction": "Say hi.", "check": "contains", "value": "hi"}))
    (folder / "prose.txt").write_text(PROSE)
    return folder


@pytest.fixture(scope="module")
def measured(tmp_path_factory, tiny_model) -> tuple[Study, Path]:
    from tiny import write_domain

    root = tmp_path_factory.mktemp("measured")
    study = Study(
        domain=str(write_domain(root / "works")), model=str(tiny_model), embedder=None, seeds=(0, 1), chunk_tokens=32, context_tokens=96, k=2,
        max_new_tokens=6, batch_size=4, train_tokens=600, train_batch_size=4, arms=["rag", "lora", "rag+lora"],
        general=str(write_general(root / "general")),
    )  # fmt: skip
    run(study, root / "runs")
    return study, root


def test_every_adapter_is_measured_once_and_can_be_read(measured):
    study, root = measured
    context = prepare(study, root / "runs")
    labels = [unit.label for unit in stages.plan_units(context)]
    assert labels[-3:] == ["measure base", "measure lora qa seed 0", "measure lora qa seed 1"]
    material = read_material(context.run)
    folders = {Path(material.arm(arm).built[seed]["adapter"]["folder"]).name for arm in ("lora", "rag+lora") for seed in (0, 1)}
    assert set(material.measures) == {BASE, *folders} and len(folders) == 2
    for name, found in material.measures.items():
        assert found.general is not None and (found.general.kl == 0.0) == (name == BASE)
        assert (found.general.questions, found.general.instructions) == (1, 1)


def test_what_is_measured_is_not_measured_again(measured, monkeypatch):
    study, root = measured
    context = prepare(study, root / "runs")
    before = read_measures(context.run.folder)

    def never(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr("ragft.measuring.measure", never)
    for unit in stages.plan_units(context):
        unit.work(lambda done, total: never())
    assert read_measures(context.run.folder) == before


@pytest.mark.parametrize("change", ["prose", "adapter", "lost"])
def test_other_inputs_are_measured_anew(measured, tmp_path, change):
    study, root = measured
    shutil.copytree(root, tmp_path / "copy")
    study = study.model_copy(update={"general": str(tmp_path / "copy" / "general")})
    context = prepare(study, tmp_path / "copy" / "runs")
    path = sorted((context.run.folder / "measures").glob("adapter-*"))[0]
    before = read_json(path)
    if change == "prose":
        (Path(study.general) / "prose.txt").write_text(PROSE + "More.")
    elif change == "adapter":
        path.write_text(json.dumps({**before, "inputs": "of other weights"}))
    else:
        path.unlink()
    for unit in stages.plan_units(context):
        unit.work(lambda done, total: None)
    assert (read_json(path)["inputs"] != before["inputs"]) == (change == "prose")
    assert read_json(path)["general"]["kl"] == (
        pytest.approx(before["general"]["kl"]) if change != "prose" else pytest.approx(before["general"]["kl"], rel=0.5)
    )


def test_without_a_general_set_or_a_tuned_arm(measured, tmp_path):
    study, root = measured
    bare = study.model_copy(update={"general": None})
    context = prepare(bare, root / "runs")
    assert context.run.folder == prepare(study, root / "runs").run.folder, "no answer depends on it"
    untuned = Study.model_validate({**study.model_dump(), "arms": ["rag", "base"]})
    assert not any("measure" in unit.label for unit in stages.plan_units(prepare(untuned, tmp_path)))


def test_a_general_set_that_cannot_be_read_is_said_before_anything_starts(measured, tmp_path):
    study, _ = measured
    folder = write_general(tmp_path / "general")
    (folder / "prose.txt").write_text(" ")
    with pytest.raises(InputError, match=r"prose.txt: no text in it"):
        prepare(study.model_copy(update={"general": str(folder)}), tmp_path)
