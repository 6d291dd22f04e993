"""Every script of pipelines/: what its docstring owes a scheduler, its help, and that it runs, on a tiny model and at a size of a moment."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from scripts import PIPELINES, load_script
from tiny import write_domain

from ragft.settings import save_study

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.stem for path in PIPELINES.glob("*.py"))


def printed(capsys, name: str, *words) -> dict:
    """What the script prints as JSON; it must end well."""
    capsys.readouterr()
    code = load_script(name).main([str(word) for word in words])
    said = capsys.readouterr()
    assert code == 0, said.err
    return json.loads(said.out)


@pytest.fixture
def with_gradients():
    """Benchmarks switch them off for the whole process."""
    import torch

    yield
    torch.set_grad_enabled(True)


# ── the contract ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_docstring_has_the_command_the_hardware_and_the_time(name):
    doc = ast.get_docstring(ast.parse((PIPELINES / f"{name}.py").read_text(encoding="utf-8"))) or ""
    assert re.search(rf"^    python pipelines/{name}\.py", doc, flags=re.MULTILINE), "the command"
    said = " ".join(doc.split())
    assert re.search(r"[Tt]wo cores|[Aa]ny machine", said), "the hardware"
    assert re.search(r"\b(second|seconds|minute|minutes|min|hour|hours|h)\b", said), "the time"
    assert "JSON" in said, "what it prints"


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_help_is_the_docstring(name, capsys):
    script = load_script(name)
    with pytest.raises(SystemExit) as end:
        script.main(["--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0 and script.__doc__.strip() in out


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_wrong_option_is_a_usage_error(name, capsys):
    with pytest.raises(SystemExit) as end:
        load_script(name).main(["--no-such-option"])
    said = capsys.readouterr()
    assert end.value.code == 2 and not said.out and "usage:" in said.err


@pytest.mark.parametrize("name", SCRIPTS)
def test_importing_a_script_does_nothing(name):
    """Workers on several GPUs import the main module again."""
    text = (PIPELINES / f"{name}.py").read_text(encoding="utf-8")
    assert text.rstrip().endswith('if __name__ == "__main__":\n    sys.exit(main())')


def test_a_script_runs_as_a_command():
    done = subprocess.run([sys.executable, str(PIPELINES / "gate.py"), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "usage: gate.py" in done.stdout


# ── each at work; those with tests of their own are not here ─────────────────────────────────────────────────────────


@pytest.fixture
def small_study(tiny_study, tmp_path) -> Path:
    arms = {name: tiny_study.arms[name] for name in ("base", "rag", "lora")}
    save_study(tiny_study.model_copy(update={"arms": arms, "seeds": (0,), "train_tokens": 500}), tmp_path / "study.yaml")
    return tmp_path / "study.yaml"


def test_bench_decide(capsys):
    found = printed(capsys, "bench_decide", "--questions", "60", "--repeats", "1")
    assert found["questions"] == 60 and set(found["share_of_limit"]) == {"compare_and_decide_seconds", "again_seconds", "peak_mb"}


def test_bench_generation(capsys, tiny_model, monkeypatch, with_gradients):
    pytest.importorskip("langchain_community", reason="pip install langchain-community")
    script = load_script("bench_generation")
    for name, value in {"MAX_NEW_TOKENS": 3, "RATE_ROWS": 16, "OWN_BATCH_SIZES": (16,)}.items():
        monkeypatch.setattr(script, name, value)
    words = ["--questions", "4", "--repeat", "1", "--score-questions", "12", "--model", str(tiny_model), "--profile"]
    assert script.main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["open_book"]["identical_share"] == found["closed_book"]["identical_share"] == 1.0
    assert found["ratio_best"] == found["open_book"]["ratio_best"] > 0 and found["ratio_default"] > 0
    assert found["int8"]["questions"] > 0 and sum(found["open_book"]["profile"].values()) == pytest.approx(1)
    assert found["open_book"]["read_tokens"]["read"] <= found["open_book"]["read_tokens"]["alone"]


def test_bench_products(capsys, tiny_model, monkeypatch, with_gradients):
    script = load_script("bench_products")
    monkeypatch.setattr(script, "REPEATS", 1)
    monkeypatch.setattr(script, "SECONDS", 0.001)
    assert script.main(["--model", str(tiny_model)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["rows"] for row in found} == set(script.ROWS)
    for row in found:
        took = row["microseconds"]
        assert set(took) == {"mkl", "onednn", "int8"} and row["int8_ratio"] == pytest.approx(took["onednn"] / took["int8"], rel=0.1)


def test_bench_startup(capsys, small_study, tmp_path, monkeypatch):
    """The run that it reads again is finished."""
    script = load_script("bench_startup")
    monkeypatch.setattr(script, "REPEAT", 1)
    words = [small_study, "--runs", tmp_path / "runs", "--set", "arms=[base, rag]", "--limit", "3"]
    made = printed(capsys, "run_study", *words)
    assert script.main([str(tmp_path / "runs"), str(Path(made["run"]) / "study.yaml")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["import_loads_torch"] is False and found["second_run_seconds"] > found["help_seconds"] > 0
    assert len(list((tmp_path / "runs").glob("*/manifest.json"))) == 1


@pytest.mark.slow
def test_bench_threads(capsys, tiny_model, monkeypatch):
    script = load_script("bench_threads")
    for name, value in {"ROUNDS": 1, "SECONDS": 0.05, "WAYS": {"ragft": script.WAYS["ragft"]}}.items():
        monkeypatch.setattr(script, name, value)
    monkeypatch.setattr(script.os, "cpu_count", lambda: 1)  # one busy neighbour
    assert script.main(["--model", str(tiny_model)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(found[when][kind]["ragft"] > 0 for when in ("idle_ms", "busy_ms") for kind in ("step", "product"))


def test_bench_training(capsys, tiny_model, monkeypatch, with_gradients):
    """Its parts, and that it says so where the other side is not installed."""
    pytest.importorskip("torch")
    from ragft.tuning.rows import encode_example
    from ragft.weights import load_tokenizer

    script = load_script("bench_training")
    monkeypatch.setitem(sys.modules, "trl", None)
    assert script.main(["--model", str(tiny_model)]) == 1
    assert "TRL is not installed" in json.loads(capsys.readouterr().out)["error"]
    examples = script.make_examples(str(tiny_model), "qa")[:4]
    encoded = [encode_example(example, load_tokenizer(tiny_model)) for example in examples]
    assert script.gradient_differences(tiny_model, encoded)["max_rel_diff"] < 1e-3
    alone, computed = script.needed_gflop(tiny_model, encoded)
    assert 0 < computed <= alone
    assert script.ours(tiny_model, examples, encoded, "float32") > 0
    monkeypatch.setattr(script, "MATRIX_SECONDS", 0.01)
    assert script.matrix_gflops(tiny_model) > 0


def stand_in_for_trl(monkeypatch) -> list[dict]:
    """Modules with what the benchmark takes of TRL and of datasets, a training of two seconds; what each was asked for."""
    import transformers.trainer  # it looks once for datasets, and must not find this one

    asked: list[dict] = []

    class Trainer:
        def __init__(self, *, model, args, train_dataset, processing_class, peft_config):
            assert model.config and processing_class.eos_token_id is not None and peft_config.r == 8
            asked.append({**args, "rows": train_dataset, "printing": True})

        def remove_callback(self, callback):
            asked[-1]["printing"] = callback is not transformers.PrinterCallback

        def train(self):
            return SimpleNamespace(metrics={"train_runtime": 2.0})

    parts = {
        "trl": {"__version__": "stand-in", "SFTConfig": dict, "SFTTrainer": Trainer},
        "datasets": {"Dataset": SimpleNamespace(from_list=list)},
    }
    for name, attributes in parts.items():
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    return asked


def test_bench_training_to_its_end(capsys, tiny_model, monkeypatch, with_gradients):
    """Everything but the other side's training, which is a stand-in: TRL is no dependency."""
    asked = stand_in_for_trl(monkeypatch)
    script = load_script("bench_training")
    monkeypatch.setattr(script, "MATRIX_SECONDS", 0.01)
    assert script.main(["--model", str(tiny_model), "--examples", "4", "--repeats", "1", "--profile"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["trl"], found["examples"]) == ("stand-in", 4)
    for kind in ("qa", "raft"):
        line = found[kind]
        assert line["seconds"].keys() == {"ragft", "ragft_probed", "trl_best", "trl_best_in_bfloat16", "trl_default"}
        assert line["ratio_best"] == pytest.approx(2 / line["seconds"]["ragft"][0]) and line["share_of_matrix_rate"] > 0
        assert all(sum(shares.values()) == pytest.approx(1) for shares in line["profile"].values()) and len(line["profile"]) == 2
    assert found["ratio_best"] == min(found[kind]["ratio_best"] for kind in ("qa", "raft"))
    assert found["max_rel_diff"] == max(found[kind]["max_rel_diff"] for kind in ("qa", "raft")) < 1e-3
    per_kind = [*script.TRIED, script.TRIED[0], {**script.TRIED[0], "bf16": True}, script.DEFAULTS]  # all rows as fast: the first is its best
    assert [{key: one[key] for key in wanted} for one, wanted in zip(asked, 2 * per_kind, strict=True)] == 2 * per_kind
    assert not any(one["printing"] for one in asked)
    assert all(len(row["input_ids"]) == len(row["labels"]) and set(row["labels"]) != {-100} for one in asked for row in one["rows"])


def test_bench_training_against_trl(capsys, tiny_model, monkeypatch, with_gradients):
    pytest.importorskip("trl", reason="pip install trl==1.16.0")
    found = printed(capsys, "bench_training", "--model", tiny_model, "--examples", "4", "--repeats", "1", "--kinds", "qa")
    assert found["ratio_best"] > 0 and found["max_rel_diff"] < 1e-3


def test_bench_leakage(capsys):
    (row,) = printed(capsys, "bench_leakage", ROOT / "data" / "hollinbeck")
    assert row["domain"] == "hollinbeck" and row["compared by"] == "words"


def test_bench_retrieval(capsys, monkeypatch):
    script = load_script("bench_retrieval")
    monkeypatch.setitem(script.PARTS, "pdf", lambda repeat: script.pdf(repeat, pages=2, pages_per_file=1))
    assert script.main(["--only", "pdf", "--repeat", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["pdf"]["pages"] == 2


def test_check_made(capsys):
    assert printed(capsys, "check_made", ROOT / "data" / "tarnbeck")["sample"] == 60
    assert load_script("check_made").main([str(ROOT / "data" / "hollinbeck"), "--draw", "3"]) == 0
    assert len([json.loads(line) for line in capsys.readouterr().out.splitlines()]) == 3


def test_choose_k(capsys, small_study):
    found = printed(capsys, "choose_k", small_study, "--most", "2", "--questions", "3")
    assert found["dev_questions"] == 3 and set(found["right_by_k"]) == {"1", "2"}


def test_compare_retrievers(capsys, tiny_model, tiny_embedder, tmp_path):
    """A data set of three articles; a line of the table is what the shares say."""
    (tmp_path / "xquad").mkdir()
    texts = {"Pumps": "The Kova pump takes 42 bar.", "Valves": "The Vela valve was sold in March.", "Staff": "Mira Holt leads the service."}
    asked = {
        "Pumps": ("How much does the Kova take?", "42 bar"),
        "Valves": ("When was the Vela valve sold?", "March"),
        "Staff": ("Who leads the service?", "Mira Holt"),
    }
    data = [
        {"title": title, "paragraphs": [{"context": text, "qas": [
            {"id": f"{title}{n}", "question": asked[title][0] + " " * n, "answers": [{"text": asked[title][1], "answer_start": text.index(asked[title][1])}]}
            for n in range(3)
        ]}]} for title, text in texts.items()
    ]  # fmt: skip
    (tmp_path / "xquad" / "xquad.en.json").write_text(json.dumps({"data": data}))
    words = [tmp_path, "--chunk-tokens", "64", "--model", tiny_model, "--embedder", tiny_embedder]
    found = printed(capsys, "compare_retrievers", *words)["XQuAD English"]
    script = load_script("compare_retrievers")
    assert found["shares"].keys() == set(script.LINES) and found["shares"]["bm25"]["recall@1"] == 1.0 and found["documents"] == 3
    assert script.main([str(word) for word in [*words, "--table"]]) == 0
    assert "| `bm25` | 100.0 / 100.0 |" in capsys.readouterr().out
    assert script.main([str(tmp_path / "none")]) == 1 and "none of the data sets is there" in capsys.readouterr().err


def test_show_leak(capsys, domain_folder, tiny_study, tmp_path):
    """The gate refuses the planted study, and both verdicts are there."""
    write_domain(domain_folder)
    save_study(tiny_study.model_copy(update={"seeds": (0,), "name": "tiny"}), tmp_path / "study.yaml")
    words = [
        tmp_path / "study.yaml",
        "--share",
        "0.4",
        "--arms",
        "rag",
        "lora",
        "--train-tokens",
        "400",
        "--limit",
        "12",
        "--runs",
        tmp_path / "runs",
    ]
    found = printed(capsys, "show_leak", *words)
    assert found["planted"] > 0 and "can be answered by copying a training answer" in found["the_gate_says"]
    assert found["clean"]["run"] != found["leaking"]["run"]
    assert set(found["clean"]["means"]) == set(found["leaking"]["means"]) == {"base", "rag", "lora", "copy"}
    assert np.isfinite(list(found["leaking"]["means"].values())).all()
