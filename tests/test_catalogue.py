"""`ragft list tunings`: what each method is, and what it trains on a model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import save_tiny_model

from ragft import catalogue, cli, listings, models, registry, weights
from ragft.models import Model

HIDDEN, LAYERS, BOTTLENECK = 32, 2, 32


def model_at(folder: Path) -> Model:
    return Model("tiny", folder, "0" * 64, "local folder")


def found_on(folder: Path) -> dict[str, catalogue.Method]:
    return {method.name: method for method in catalogue.methods(model_at(folder), "tiny")}


def test_every_method_has_its_paper_its_four_columns_and_a_figure(tiny_model, monkeypatch):
    monkeypatch.setattr(weights, "load_model", lambda folder: pytest.fail("weights were loaded"))
    found = found_on(tiny_model)
    assert list(found) == list(registry.entries("tuning"))
    for method in found.values():
        assert all((method.summary, method.paper, method.form, method.insertion, method.modifies, method.composition)), method.name
        assert method.trainable_parameters and method.share and 0 < method.share <= 1 and method.why is None
    assert found["full"].share == 1.0 and found["full"].mergeable and not found["prompt"].mergeable


def test_figures_are_those_of_peft_and_of_the_papers(tiny_model):
    from peft import get_peft_model

    found, base = found_on(tiny_model), weights.load_model(tiny_model)
    own = sum(p.numel() for p in base.parameters())
    bottlenecks = 2 * LAYERS * (2 * HIDDEN * BOTTLENECK + BOTTLENECK + HIDDEN)  # two a layer, each 2dr + r + d
    assert (found["adapter"].trainable_parameters, found["full"].trainable_parameters) == (bottlenecks, own)
    assert found["adapter"].share == bottlenecks / (own + bottlenecks)
    for name in ("lora", "dora", "prompt", "p-tuning-v2", "ia3"):
        tuned = get_peft_model(weights.load_model(tiny_model), registry.lookup("tuning", name).make())
        trainable, everything = tuned.get_nb_trainable_parameters()
        assert (found[name].trainable_parameters, found[name].share) == (trainable, trainable / everything), name


def test_a_method_that_cannot_work_on_the_model_says_why(tmp_path):
    found = found_on(save_tiny_model(tmp_path / "gpt2", "gpt2"))
    without = {name for name, method in found.items() if method.trainable_parameters is None}
    assert without == {"oft", "boft"}
    why = found["oft"].why
    assert why == (
        "tuning 'oft' cannot be set up on this model: it needs layers of the kind torch.nn.Linear, and a gpt2 model has Conv1D. "
        "Take another tuning, such as lora."
    )
    text = listings.tunings_text(list(found.values()))
    assert why in text and text.count("cannot be set up") == 2


def test_layers_that_the_own_methods_do_not_know_are_said_once(tmp_path):
    from transformers import AutoConfig

    config = AutoConfig.for_model("gpt_neox", hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, vocab_size=600)
    config.save_pretrained(tmp_path)
    why = found_on(tmp_path)["adapter"].why
    assert why and why.startswith("tuning 'adapter' cannot be set up on this model: bottleneck adapters know the layers of ")
    assert why.count("Take another tuning") == 1


def test_command_counts_on_the_model_named(capsys, tiny_model):
    assert cli.main(["list", "tunings", "--model", str(tiny_model), "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["lora"]["trainable_parameters"] == found_on(tiny_model)["lora"].trainable_parameters
    wanted = {"name", "paper", "form", "insertion", "modifies", "composition", "mergeable", "trainable_parameters", "share", "why", "model"}
    assert wanted <= set(rows["lora"])
    assert cli.main(["list", "tunings", "--model", "smollm2-135m-instruc"]) == 1
    assert "Did you mean 'smollm2-135m-instruct'" in capsys.readouterr().err
    assert cli.main(["list", "formats", "--model", "gpt2"]) == 1
    assert "--model goes with tunings" in capsys.readouterr().err


def test_default_model_that_is_not_installed_is_one_line_below_the_list(capsys, monkeypatch):
    name = "smollm2-135m-instruct"
    monkeypatch.setitem(models.PACKAGED, name, replace(models.PACKAGED[name], package="no-such-package"))
    assert cli.main(["list", "tunings"]) == 0
    out = capsys.readouterr().out
    assert "p-tuning-v2" in out and out.count("is not installed. Install its weights with") == 1
    assert cli.main(["list", "tunings", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["trainable_parameters"] is None and "not installed" in row["why"] for row in rows)
    assert cli.main(["list", "tunings", "--model", name]) == 1, "a model that was asked for by name must be there"


def test_other_lists_load_no_torch():
    import subprocess
    import sys

    code = "import sys; from ragft import cli; cli.main(['list', '{}']); print('torch' in sys.modules)"
    for what in ("arms", "retrievers", "formats", "metrics", "models"):
        done = subprocess.run([sys.executable, "-c", code.format(what)], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "False", what


def test_learning_rates_are_those_that_the_documented_search_chose():
    """And the documented choice is the least dev loss of its row."""
    page = (Path(__file__).parents[1] / "docs" / "search.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| ([\d.e-]+) \| (.+) \|$", page, flags=re.MULTILINE)
    assert {name: float(rate) for name, rate, _ in rows} == {name: e.facts["learning_rate"] for name, e in registry.entries("tuning").items()}
    for name, rate, tried in rows:
        losses = {float(one): float(loss.strip("*")) for one, loss in re.findall(r"([\d.e-]+): (\*{0,2}[\d.]+)", tried)}
        assert min(losses, key=losses.__getitem__) == float(rate), name
