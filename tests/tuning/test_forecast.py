"""What a training will take is estimated before it starts, and nothing of it is changed by that."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import torch

from ragft import meter
from ragft.meter import PeakMemory
from ragft.prompts import closed_book
from ragft.tuning import forecast as module
from ragft.tuning import train
from ragft.tuning.attach import attach
from ragft.tuning.forecast import forecast, sampled, shortage, step_seconds
from ragft.tuning.methods import full, lora, p_tuning
from ragft.tuning.rows import Encoded, computed_tokens, encode_example, pack, row_loss
from ragft.tuning.train import DEV_LOOKS, Training, train_adapter
from ragft.types import Example, Forecast
from ragft.weights import Base, bases, load_base, load_model, load_tokenizer

EXAMPLES = [
    Example(closed_book(question, "en"), answer)
    for question, answer in [
        ("What is the maximum pressure of the Kova 30?", "42 bar"),
        ("Who leads the service team?", "Mira Holt"),
        ("How long is the warranty?", "30 months"),
        ("When was the Vela 7 released, and who released it to whom?", "March 2021"),
    ]
]
TRAINING = Training(seed=0, max_tokens=1500, batch_size=2, learning_rate=1e-2)


def encoded(*lengths: int) -> list[Encoded]:
    """Examples of so many computed tokens (the last is only predicted) that share nothing."""
    return [Encoded([1000 * number + n for n in range(length + 1)], 1) for number, length in enumerate(lengths, start=1)]


# ── it changes nothing ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("config", [lora(rank=4, dropout=0.3), p_tuning(tokens=5, hidden=16), full()], ids=["lora", "p-tuning", "full"])
def test_trained_weights_are_the_same_with_and_without_an_estimate(tiny_model, tmp_path, config):
    """Bit for bit, also where training draws at random (dropout)."""
    said: list[Forecast] = []
    plain = train_adapter(tiny_model, config, EXAMPLES, tmp_path / "plain", TRAINING, dev=EXAMPLES)
    told = train_adapter(tiny_model, config, EXAMPLES, tmp_path / "told", TRAINING, dev=EXAMPLES, announce=said.append)
    assert told.loss == plain.loss and told.dev_loss == plain.dev_loss
    for path in (tmp_path / "plain").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "told" / path.name).read_bytes()
    assert said == [Forecast(told.estimated_seconds, told.estimated_peak_bytes)]
    assert plain.estimated_seconds is None and plain.estimated_peak_bytes is None, "nobody wanted to know"


def test_gradients_are_dropped_and_the_random_state_is_kept(tiny_model):
    base = load_base(tiny_model)
    attached = attach(base, lora(rank=4, dropout=0.5), seed=0)
    rows = pack([encode_example(example, base.tokenizer) for example in EXAMPLES])
    state = torch.get_rng_state()
    assert forecast(base.model, attached, rows, rows, 3) is not None
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in attached.weights.values())
    base.clear()


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_seconds_are_what_each_token_and_each_step_takes(monkeypatch):
    """With a clock that only the work moves: 3 ms a token there and back, 1 ms a token that is looked at, 7 ms a step."""
    weight = torch.nn.Parameter(torch.ones(10))
    clock = [0.0]

    def work(model, row, memory):
        learn = torch.is_grad_enabled()
        clock[0] += (0.003 if learn else 0.001) * computed_tokens(row)
        return weight.sum()

    monkeypatch.setattr(module, "row_loss", work)
    monkeypatch.setattr(module, "step_seconds", lambda weights: 0.007)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    attached = SimpleNamespace(weights={"w": weight}, memory=lambda: None)
    rows, looks = [[example] for example in encoded(40, 10, 30, 20, 50, 60, 25)], [[example] for example in encoded(15, 15)]
    found = forecast(None, attached, rows, looks, steps=11)
    assert found.seconds == pytest.approx(0.003 * 235 + 0.001 * 30 + 11 * 0.007)
    assert found.peak_bytes >= 8 * 10 and weight.grad is None


def test_memory_is_the_most_while_the_largest_row_was_computed_and_the_optimisers(monkeypatch, tiny_model):
    base = Base(load_model(tiny_model), load_tokenizer(tiny_model))
    attached = attach(base, lora(rank=4), seed=0)
    rows = [[encode_example(example, base.tokenizer)] for example in EXAMPLES]
    seen: list[int] = []
    monkeypatch.setattr(module, "row_loss", lambda model, row, memory: (seen.append(computed_tokens(row)), row_loss(model, row, memory))[1])
    monkeypatch.setattr(meter, "peak_bytes", lambda: 1000 * max(seen, default=0))
    found = forecast(base.model, attached, rows, [], 3)
    trained = sum(weight.numel() for weight in attached.weights.values())
    assert found.peak_bytes == 1000 * max(map(computed_tokens, rows)) + 8 * trained


def test_estimate_holds_for_a_training_that_takes_memory(tmp_path):
    """A third of a gigabyte of moments and gradients on a model of one big matrix; how long it takes is not asserted."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        "llama", vocab_size=600, hidden_size=512, intermediate_size=6_000, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2
    )
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(tmp_path / "model")
    from tiny import DOCUMENTS, make_tokenizer

    make_tokenizer(list(DOCUMENTS.values())).save_pretrained(tmp_path / "model")
    said: list[Forecast] = []
    before = meter.resident_bytes()
    told = train_adapter(tmp_path / "model", full(), EXAMPLES, tmp_path / "out", Training(0, 800, 2, 1e-4), dev=EXAMPLES[:1], announce=said.append)
    bases.cache_clear()  # it would stay in memory
    assert before is not None and told.peak_bytes > before + 2e8
    assert said[0].peak_bytes == pytest.approx(told.peak_bytes, rel=0.2)


def test_rows_of_the_sample_are_the_largest_and_others_of_all_sizes():
    rows = [[example] for example in encoded(*range(5, 105, 5))]
    sizes = [computed_tokens(row) for row in sampled(rows)]
    assert sizes[0] == 100 and len(sizes) == 4
    assert sizes[1] > 70 and 35 < sizes[2] < 70 and sizes[3] < 35
    assert sampled(rows[:1]) == rows[:1] and len(sampled(rows[:2])) == 2


def test_tokens_that_examples_share_count_once(tiny_model):
    """As many as the model is really given."""
    assert computed_tokens([Encoded([1, 2, 3, 4], 1), Encoded([1, 2, 5, 6, 7], 1), Encoded([7, 8], 1)]) == 3 + 2 + 1
    base = load_base(tiny_model)
    base.clear()
    for row in pack([encode_example(example, base.tokenizer) for example in EXAMPLES]):
        given: list[int] = []
        hook = base.model.register_forward_pre_hook(lambda _, args, kwargs, given=given: given.append(kwargs["input_ids"].numel()), with_kwargs=True)
        row_loss(base.model, row)
        hook.remove()
        assert computed_tokens(row) == sum(given) < sum(len(example.ids) for example in row)


def test_step_is_timed_on_a_part_and_counted_for_all(monkeypatch):
    monkeypatch.setattr(module, "SAMPLE_WEIGHTS", 100)
    ticks = iter([1.0, 3.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    weights = [torch.nn.Parameter(torch.ones(60)), torch.nn.Parameter(torch.ones(90)), torch.nn.Parameter(torch.ones(50))]
    assert step_seconds(weights) == pytest.approx(2.0 * 200 / 100)
    assert all(torch.equal(weight, torch.ones_like(weight)) and weight.grad is None for weight in weights)


# ── what training does with it ───────────────────────────────────────────────────────────────────────────────────────


def test_known_estimate_is_taken_and_nothing_is_timed(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "forecast", lambda *_: pytest.fail("a row was timed"))
    said: list[Forecast] = []
    report = train_adapter(tiny_model, lora(rank=4), EXAMPLES, tmp_path, TRAINING, announce=said.append, expected=Forecast(12.5, 99))
    assert said == [Forecast(12.5, 99)] and (report.estimated_seconds, report.estimated_peak_bytes) == (12.5, 99)


def test_rest_is_announced_where_a_training_goes_on(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(train, "CHECKPOINT_SHARE", 0)
    reached: list[tuple[int, int]] = []

    def kill(done: int, total: int) -> None:
        reached.append((done, total))
        if done > total / 2:
            raise KeyboardInterrupt

    arguments = (tiny_model, lora(rank=4), EXAMPLES, tmp_path / "out", TRAINING)
    with pytest.raises(KeyboardInterrupt):
        train_adapter(*arguments, checkpoint=tmp_path / "state", progress=kill)
    said: list[Forecast] = []
    report = train_adapter(*arguments, checkpoint=tmp_path / "state", announce=said.append, expected=Forecast(100.0, 99))
    done, total = reached[-2]  # the checkpoint of the step before the kill
    assert said[0].seconds == pytest.approx(100.0 * (1 - done / total)) and report.estimated_seconds == 100.0


def test_memory_that_does_not_hold_one_row_gives_no_estimate_and_no_error(tiny_model, tmp_path, monkeypatch):
    def full_memory(model, row, memory):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(module, "row_loss", full_memory)
    said: list[Forecast] = []
    report = train_adapter(tiny_model, lora(rank=4), EXAMPLES, tmp_path, TRAINING, announce=said.append)
    assert said == [] and report.estimated_seconds is None and report.training_tokens > 0


def test_memory_that_is_too_small_is_said_with_a_remedy(monkeypatch):
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(module, "available_bytes", lambda: 2 * 10**9)
    monkeypatch.setattr(module, "resident_bytes", lambda: 10**9)
    assert shortage(Forecast(1.0, 3 * 10**9)) == ""
    assert shortage(Forecast(1.0, 3 * 10**9 + 1)) == (
        "only 3.0 GB can be had: close other programs, lower context_tokens or the method's size, or take a smaller model"
    )
    monkeypatch.setattr(module, "available_bytes", lambda: None)
    assert shortage(Forecast(1.0, 10**15)) == "", "not known is not too small"


def test_meters_may_stand_inside_one_another(monkeypatch):
    """Each has the most of its own time, whoever set the mark anew."""
    mark = [0]
    monkeypatch.setattr(meter, "peak_bytes", lambda: mark[0])
    monkeypatch.setattr(meter.Path, "write_text", lambda *_: mark.__setitem__(0, 10))  # the mark falls to what is in use now
    with PeakMemory() as outer:
        mark[0] = 500
        with PeakMemory() as inner:
            mark[0] = 60
        mark[0] = 80
    assert (outer.bytes, inner.bytes) == (500, 60)


def test_run_says_it_before_each_training_and_knows_it_for_further_seeds(tiny_study, tmp_path, capsys):
    from ragft.progress import Lines
    from ragft.store import read_json
    from ragft.study import run

    study = tiny_study.model_copy(update={"arms": {name: tiny_study.arms[name] for name in ("rag", "lora")}, "seeds": (0, 1, 2)})
    done = run(study, tmp_path, Lines()).run
    said = [line for line in capsys.readouterr().err.splitlines() if " of memory at most" in line]
    assert [line.split(": ")[0].split("] ")[1] for line in said] == [f"train lora qa seed {seed}" for seed in (0, 1, 2)]
    assert all(re.fullmatch(r".*: about \d+ s, [\d.]+ [GM]B of memory at most", line) for line in said)
    fits = [read_json(done.seed_folder("lora", seed) / "fit.json")["adapter"]["fit"] for seed in (0, 1, 2)]
    assert fits[0]["estimated_seconds"] > 0 and fits[0]["estimated_peak_bytes"] > 0
    for fit in fits[1:]:
        assert (fit["estimated_seconds"], fit["estimated_peak_bytes"]) == (fits[0]["seconds"], fits[0]["peak_bytes"])
    assert run(study, tmp_path, Lines()).decision and " of memory at most" not in capsys.readouterr().err


def test_looks_at_dev_examples_are_counted(tiny_model, tmp_path, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(train, "forecast", lambda model, attached, rows, looks, steps: asked.append(sum(map(len, looks))))
    train_adapter(tiny_model, lora(rank=4), EXAMPLES, tmp_path, TRAINING, dev=EXAMPLES[:3], announce=lambda found: None)
    assert asked == [3 * DEV_LOOKS]
