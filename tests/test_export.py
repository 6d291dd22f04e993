"""`ragft export`: what it writes loads without ragft, answers as the arm did, and says of itself what the run found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from made_run import Plan, make_run
from tiny import save_tiny_model, write_domain

import ragft
from ragft import cli, models
from ragft.errors import InputError, MissingError
from ragft.exports import export
from ragft.models import Model
from ragft.settings import Study
from ragft.store import read_json, read_jsonl_as
from ragft.types import Answer, Question
from ragft.weights import Base, load_model, load_tokenizer

PEFT = {
    "lora": {"options": {"rank": 4}, "seeds": (1, 0)},
    "dora": {"options": {"rank": 4}},
    "ia3": {"learning_rate": 0.1},
    "pissa": {"options": {"rank": 4}},
    "prompt": {"options": {"tokens": 5}, "learning_rate": 0.1},
    "prefix": {"options": {"tokens": 5, "hidden": 16}},
    "p-tuning": {"options": {"tokens": 5, "hidden": 16}, "learning_rate": 0.03},
    "p-tuning-v2": {"options": {"tokens": 5}, "learning_rate": 0.1},
}
MERGED = ("lora", "dora", "ia3", "pissa")
OTHERS = {"adapter": {"options": {"size": 8}}, "full": {"learning_rate": 5e-3}}
ARMS = {name: {"tuning": name, **settings} for name, settings in (PEFT | OTHERS).items()}
BOTH = {"rag": {"retriever": "bm25"}, "rag+lora": {"retriever": "bm25", "tuning": "lora", "options": {"rank": 4}, "seeds": (1, 0)}}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny model whose own generation settings sample and punish repetition: no export may fall back to them."""
    folder = save_tiny_model(tmp_path_factory.mktemp("base") / "tiny-base")
    own = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**own, "do_sample": True, "temperature": 3.0, "repetition_penalty": 2.0}))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory, model):
    root = tmp_path_factory.mktemp("exports")
    study = Study(
        domain=str(write_domain(root / "works")), model=str(model), embedder=None, seeds=(3,), arms=BOTH | ARMS, chunk_tokens=32, k=2,
        context_tokens=96, max_new_tokens=6, batch_size=4, train_tokens=1500, train_batch_size=4, limit=5,
    )  # fmt: skip
    return ragft.run(study, root / "runs").run


@pytest.fixture(scope="module")
def written(finished, tmp_path_factory):
    """Each arm's export, made when first asked for."""
    made: dict[tuple[str, bool], Path] = {}

    def folder(arm: str, merged: bool = False) -> Path:
        if (arm, merged) not in made:
            made[arm, merged] = export(finished, arm, tmp_path_factory.mktemp("to") / "out", merged=merged).folder
        return made[arm, merged]

    return folder


def adapter_of(run, arm: str) -> Path:
    seed = min(run.seeds(arm))
    return run.folder / read_json(run.seed_folder(arm, seed) / "fit.json")["adapter"]["folder"]


def own_logits(run, arm: str, model: Path, ids: torch.Tensor) -> torch.Tensor:
    """Of the arm's stored adapter, as ragft computes it, not merged."""
    from transformers import DynamicCache

    from ragft.tuning.attach import load_attached

    base = Base(load_model(model), load_tokenizer(model))
    memory = load_attached(base, adapter_of(run, arm)).memory()
    extra = {}
    if memory:
        n = memory[0][0].shape[2]
        extra = {"past_key_values": DynamicCache(memory), "position_ids": torch.arange(n, n + ids.shape[1])[None]}
    with torch.no_grad():
        return base.model(input_ids=ids, **extra).logits[0]


def some_ids(folder: Path) -> torch.Tensor:
    from transformers import AutoTokenizer

    return torch.tensor([AutoTokenizer.from_pretrained(folder)("What is the maximum pressure of the Kova 30?")["input_ids"]])


def run_card(folder: Path, model: Path, monkeypatch):
    """The `answer` function that the card's own code defines, run in the exported folder."""
    (code,) = re.findall(r"^````python\n(.*?)^````$", (folder / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = Model("tiny", model, "", "")
    monkeypatch.setattr(models, "find_model", lambda name, use: found if (name, use) == ("tiny-base", "generator") else pytest.fail(name))
    code = code.replace("base = 'tiny-base'", f"base = {str(model)!r}")  # what its comment asks for
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    return names


# ── it loads elsewhere and answers as the arm did ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arm", PEFT)
def test_adapter_loads_in_plain_peft(finished, written, model, arm):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = written(arm)
    ids = some_ids(folder)
    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), folder).eval()
    with torch.no_grad():
        found = tuned(input_ids=ids).logits[0, -ids.shape[1] :]
    expected = own_logits(finished, arm, model, ids)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        untuned = load_model(model)(input_ids=ids).logits[0]
    assert float((untuned - expected).abs().max()) > 0.01, "an untrained adapter would pass this test too"


@pytest.mark.parametrize("arm", [*MERGED, "full"])
def test_model_loads_in_plain_transformers(finished, written, model, arm):
    from transformers import AutoModelForCausalLM

    folder = written(arm, merged=arm != "full")
    ids = some_ids(folder)
    with torch.no_grad():
        found = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()(input_ids=ids).logits[0]
    torch.testing.assert_close(found, own_logits(finished, arm, model, ids), rtol=1e-4, atol=1e-4)
    assert not list(folder.glob("adapter*")) and not list(folder.glob("*.bin"))


@pytest.mark.parametrize(
    ("arm", "merged"), [*((arm, False) for arm in [*PEFT, *OTHERS, "rag+lora"]), *((arm, True) for arm in [*MERGED, "rag+lora"])]
)
def test_code_on_the_card_gives_the_answers_of_the_run(finished, written, model, monkeypatch, arm, merged):
    """Copied from the card as it stands: the same prompts, to the letter, and the same answers."""
    answers = read_jsonl_as(Answer, finished.seed_folder(arm, min(finished.seeds(arm))) / "answers.jsonl")
    asked = {q.id: q.text for q in read_jsonl_as(Question, finished.folder / "questions.jsonl")}
    names = run_card(written(arm, merged), model, monkeypatch)
    assert len(answers) == 5
    for answer in answers:
        shown = [(hit.chunk.heading, hit.chunk.text) for hit in answer.hits] if answer.hits is not None else None
        given = [asked[answer.question]] + ([shown] if shown is not None else [])
        assert names["answer"](*given) == answer.text
        if "PROMPT" in names:
            body = "\n\n".join(f"[{n}] {heading}\n{text}" for n, (heading, text) in enumerate(shown or [], start=1))
            assert names["PROMPT"].replace("{question}", given[0]).replace("{passages}", body) == answer.prompt


@pytest.mark.parametrize("arm", ["rag+lora", "rag+adapter"])
def test_code_on_the_card_asks_as_the_study_asked(tmp_path, model, monkeypatch, arm):
    tuned = {"retriever": "bm25", **ARMS[arm.removeprefix("rag+")], "options": {}}
    study = Study(
        domain=str(write_domain(tmp_path / "works")), model=str(model), embedder=None, seeds=(3,), arms={"rag": BOTH["rag"], arm: tuned}, k=2,
        chunk_tokens=32, context_tokens=96, max_new_tokens=6, train_tokens=600, train_batch_size=4, limit=3,
        prompt={"may_abstain": False, "order": "best-last", "cite": True},
    )  # fmt: skip
    run = ragft.run(study, tmp_path / "runs").run
    names = run_card(export(run, arm, tmp_path / "out").folder, model, monkeypatch)
    asked = {q.id: q.text for q in read_jsonl_as(Question, run.folder / "questions.jsonl")}
    for answer in read_jsonl_as(Answer, run.seed_folder(arm, min(run.seeds(arm))) / "answers.jsonl"):
        shown = [(hit.chunk.heading, hit.chunk.text) for hit in reversed(answer.hits)]  # in the prompt's order
        assert names["answer"](asked[answer.question], shown) == answer.text
        assert "the best last" in names["answer"].__doc__


def test_tokenizer_is_that_of_the_base(written, model):
    from transformers import AutoTokenizer

    turns = [{"role": "user", "content": "What does the Kova 30 weigh?"}]
    first = AutoTokenizer.from_pretrained(model).apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    for folder in (written("lora"), written("lora", True), written("full"), written("adapter")):
        assert AutoTokenizer.from_pretrained(folder).apply_chat_template(turns, add_generation_prompt=True)["input_ids"] == first


def test_files_can_be_read_by_others(written):
    for folder in (written("lora"), written("lora", True)):
        assert folder.stat().st_mode & 0o777 == 0o755 and {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


def test_nothing_in_an_export_tells_where_things_lie(finished, written, model):
    for folder in (written("lora"), written("lora", True), written("full"), written("prefix")):
        for path in folder.iterdir():
            text = path.read_bytes().decode("utf-8", "replace")
            assert str(model.parent) not in text and str(finished.folder) not in text, path
    assert read_json(written("lora") / "adapter_config.json")["base_model_name_or_path"] == "tiny-base"


# ── the card ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_card_says_what_the_run_found(finished, written):
    text = (written("lora") / "README.md").read_text(encoding="utf-8")
    result, manifest = ragft.load_result(finished), read_json(finished.folder / "manifest.json")
    fit = read_json(finished.seed_folder("lora", 0) / "fit.json")["adapter"]["fit"]
    matter = yaml.safe_load(text.split("---\n")[1])
    assert matter["base_model"] == "tiny-base" and matter["library_name"] == "peft" and {"lora", "qa"} <= set(matter["tags"])
    assert "license" not in matter and "licence of the base model is not known" in text
    for part in (
        manifest["data"]["sha256"], manifest["model"]["sha256"], result.decision.verdict, result.decision.headline, f"torch {torch.__version__.split('+')[0]}",
        f"| training questions | {manifest['data']['questions']['train']} |", f"| training examples | {fit['examples']} |",
        "| options.rank | 4 |", "| train\\_tokens | 1500 |", "| seed | 0 |", "| learning\\_rate | 0.003 |", "seed 0 of 0, 1",
        f"| trained parameters | {fit['trainable_parameters']:,} of {fit['total_parameters']:,} |",
    ):  # fmt: skip
        assert part in text, part
    for row in result.comparison.arms:
        line = next(line for line in text.splitlines() if re.match(rf"\| {re.escape(row.name)}( \(exported\))? \|", line))
        assert f"{100 * row.estimate.mean:.1f} %" in line
        assert (f"{100 * row.low:.1f} to {100 * row.high:.1f}" if row.low is not None else "no interval") in line
        assert ("(exported)" in line) == (row.name == "lora")


def test_card_of_each_kind_names_its_library_and_what_to_mind(written):
    def read(*of) -> str:
        return (written(*of) / "README.md").read_text(encoding="utf-8")

    padded = "puts the trained positions before the padding"
    assert {arm for arm in PEFT if padded in read(arm)} == {"prompt", "p-tuning"}
    assert {arm for arm in PEFT if "unless `position_ids`" in read(arm)} == {"prefix", "p-tuning-v2"}
    assert "No library loads this kind of adapter" in read("adapter") and "library_name: ragft" in read("adapter")
    assert "library_name: transformers" in read("lora", True) and "folded into its weights" in read("lora", True)
    assert "library_name: transformers" in read("full") and "folded" not in read("full")
    assert "without passages it is another arm" in read("rag+lora") and "- rag\n" in read("rag+lora")


def test_text_of_users_cannot_break_the_card(tmp_path, monkeypatch, model):
    """Names and notes from a run end up as text, not as Markdown, HTML or YAML."""
    from made_run import EVIL

    from ragft import exports

    run = make_run(tmp_path / "run", Plan(text=EVIL, error="lora"))
    adapter_of(run, "lora").mkdir(parents=True)
    (adapter_of(run, "lora") / "adapter.json").write_text("{}")
    monkeypatch.setattr(exports, "read_artifact", lambda folder: type("Stored", (), {"folder": folder}))
    monkeypatch.setattr(exports, "find_base", lambda m: Model("tiny", model, "", ""))
    text = (export(run, "lora", tmp_path / "out").folder / "README.md").read_text(encoding="utf-8")
    body = text.split("---\n", 2)[2]
    prose = re.sub(r"^````.*?^````$", "", body, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in prose and "<img" not in prose and "&lt;script" in prose
    assert yaml.safe_load(text.split("---\n")[1])["base_model"].startswith("tiny")


# ── what cannot be exported ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arm", "options", "message"),
    [
        ("rag", {}, r"arm 'rag' is not fine-tuned.*Fine-tuned arms of this run: rag\+lora, lora, dora"),
        ("lorra", {}, r"unknown arm 'lorra'\. Did you mean 'lora'"),
        ("lora", {"seed": 3}, r"arm 'lora' has no seed 3\. It was trained with: 0, 1\."),
        ("prompt", {"merged": True}, r"arm 'prompt': tuning 'prompt' cannot be folded .*leave out --merged"),
        ("adapter", {"merged": True}, r"tuning 'adapter' cannot be folded"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(finished, tmp_path, arm, options, message):
    with pytest.raises(InputError, match=message):
        export(finished, arm, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_and_nothing_half_written(finished, tmp_path, monkeypatch):
    from ragft import exports

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, message in (("full", "already holds something"), ("file", "is a file")):
        with pytest.raises(InputError, match=message):
            export(finished, "lora", tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert (export(finished, "lora", tmp_path / "empty").folder / "README.md").is_file()
    monkeypatch.setattr(exports, "card", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export(finished, "lora", tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep").iterdir())


def test_adapter_or_base_that_is_not_what_it_was_is_refused(finished, tmp_path, model, monkeypatch):
    import shutil

    from ragft.store import Run

    copy = Run(tmp_path / "copy")
    shutil.copytree(finished.folder, copy.folder)
    (adapter_of(copy, "lora") / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(MissingError, match="gone, or changed since it was written"):
        export(copy, "lora", tmp_path / "out")
    manifest = read_json(copy.folder / "manifest.json")
    manifest["model"]["sha256"] = "0" * 64
    (copy.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="is not the one that the run was made with"):
        export(copy, "dora", tmp_path / "out")


def test_command(finished, tmp_path, capsys):
    words = ["export", str(finished.folder), "--arm", "lora", "--to", str(tmp_path / "out"), "--seed", "1", "--json"]
    assert cli.main(words) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "folder": str(tmp_path / "out"), "arm": "lora", "seed": 1, "seeds": [0, 1], "form": "peft", "merged": False,
    }  # fmt: skip
    assert "Seed 1 of 0, 1; another with --seed." in printed.err and "README.md" in printed.err
    assert "| seed | 1 |" in (tmp_path / "out" / "README.md").read_text()
    assert cli.main(words[:-1]) == 1 and "already holds something" in capsys.readouterr().err
    assert ragft.export is export
