"""study.yaml: every mistake is one line with file, line and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from ragft.errors import InputError, MissingError
from ragft.settings import Study, load_study, save_study

GOOD = """\
domain: works
arms:
  base: {}
  rag: {retriever: bm25, k: 2}
  lora: {tuning: lora}
margin: 0.05
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_study_is_read_and_its_domain_is_found_beside_it(tmp_path):
    study = load_study(written(tmp_path, GOOD))
    assert study.domain == str(tmp_path / "works")
    assert (study.margin, study.arms["rag"].k, study.arms["lora"].tuning) == (0.05, 2, "lora")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (GOOD.replace("margin:", "margn:"), 6, "unknown key 'margn'. Did you mean 'margin'?"),
        (GOOD.replace("bm25, k", "bm25, kk"), 4, "unknown key 'kk'. Did you mean 'k'?"),
        (GOOD.replace("bm25", "bm52"), 4, "unknown retriever 'bm52'. Did you mean 'bm25'?"),
        (GOOD.replace("tuning: lora", "tuning: lor"), 5, "unknown tuning 'lor'. Did you mean 'lora'?"),
        (GOOD.replace("tuning: lora", "tuning: lora, format: qq"), 5, "unknown format 'qq'."),
        (GOOD.replace("tuning: lora", "tuning: lora, format: raft"), 5, "trains on passages, so the arm needs a retriever"),
        (GOOD.replace("tuning: lora", "tuning: lora, options: {rnk: 4}"), 5, "unknown option of lora 'rnk'. Did you mean 'rank'?"),
        (GOOD.replace("{}", "{format: qa}"), 3, "belong to a tuned arm"),
        (GOOD + "reference: rga\n", 7, "Did you mean 'rag'?"),
        (GOOD + "metric: mach\n", 7, "unknown metric 'mach'. Did you mean 'match'?"),
        (GOOD + "needs: {p95_latency: 3}\n", 7, "Did you mean 'p95_latency_seconds'?"),
        (GOOD.replace("0.05", "two"), 6, "margin: Input should be a valid number"),
        (GOOD + "seeds: [0, 0]\n", 7, "seeds must be different"),
        (GOOD + "seeds: [-1]\n", 7, "greater than or equal to 0"),
        (GOOD + "name: a/b\n", 7, "name 'a/b': a name becomes a folder; leave out slashes"),
        (GOOD + "name: ../x\n", 7, "name '../x': a name becomes a folder"),
        (GOOD + 'name: "a\\nb"\n', 7, "line breaks"),
        (GOOD + f"name: {'x' * 300}\n", 7, "make it shorter"),
        (GOOD.replace("rag:", "../rag:"), 4, "arm '../rag': a name becomes a folder"),
        ("domain: .\narms: [{rag: {}}]\n", 2, "arms is a list of names"),
        (GOOD + "k: 2025-13-01\n", 1, "broken YAML (month must be in 1..12)"),
        (GOOD + "chunk_overlap: 200\n", 7, "must be less than chunk_tokens"),
        (GOOD + "slices: [knd=exact]\n", 7, "unknown dimension of slice 'knd=exact': 'knd'. Did you mean 'kind'?"),
        (GOOD + "slices:\n- base=known\n- kind=a\n- kind=a\n", 9, "slice 'kind=a' is named twice"),
        (GOOD + "slices: kind=exact\n", 7, "slices: Input should be a valid tuple"),
        ("domain: [\n", 2, "broken YAML"),
        ("- a\n", 1, "a study is a list of `key: value` lines"),
    ],
)
def test_mistakes_name_file_line_and_remedy(tmp_path, text, line, message):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_study_that_is_not_utf_8_says_how_to_convert_it(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_bytes(GOOD.encode() + b"# caf\xe9\n")
    with pytest.raises(InputError, match=rf"^{path}:7: not UTF-8 \(byte 0xe9\).*iconv"):
        load_study(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["margin=["], "--set margin=[: the value is broken YAML"),
        (["k=2025-13-01"], "--set k=2025-13-01: the value is broken YAML"),
        (["margin=two"], "--set margin=two: margin: Input should be a valid number"),
        (["k=3", "arms.rag.kk=3", "alpha=0.1"], "--set arms.rag.kk=3: unknown key 'kk'"),
        (["arms.rga.k=3"], "--set arms.rga.k=3: unknown arm 'rga'. Did you mean 'rag'?"),
        (["name=a/b"], "--set name=a/b: name 'a/b': a name becomes a folder"),
        (["k=0", "k=-1"], "--set k=-1: k: Input should be greater"),
    ],
)
def test_bad_set_is_named_and_not_a_line_of_the_file(tmp_path, changes, message):
    with pytest.raises(InputError) as caught:
        load_study(written(tmp_path, GOOD), changes)
    assert str(caught.value).startswith(message)


def test_line_of_the_file_is_to_blame_where_it_is_wrong_without_any_set(tmp_path):
    path = written(tmp_path, GOOD.replace("0.05", "two"))
    with pytest.raises(InputError, match=rf"^{path}:6: margin"):
        load_study(path, ["k=3"])
    assert load_study(path, ["margin=0.1"]).margin == 0.1


def test_missing_study_says_how_to_make_one(tmp_path):
    with pytest.raises(MissingError, match="ragft init"):
        load_study(tmp_path / "study.yaml")


def test_folder_stands_for_its_study(tmp_path):
    written(tmp_path, GOOD)
    assert load_study(tmp_path).margin == 0.05


def test_set_changes_one_value(tmp_path):
    path = written(tmp_path, GOOD)
    study = load_study(path, ["arms.rag.k=8", "margin=0.1", "seeds=[5]", "arms.raft.k=3"])
    assert (study.arms["rag"].k, study.margin, study.seeds) == (8, 0.1, (5,))
    assert study.arms["raft"].format == "raft" and study.arms["raft"].k == 3
    with pytest.raises(InputError, match="write it as key=value"):
        load_study(path, ["margin"])
    with pytest.raises(InputError, match="unknown key 'marg'"):
        load_study(path, ["marg=1"])


def test_named_arms_are_presets_also_in_a_list(tmp_path):
    listed = load_study(written(tmp_path, "domain: .\narms: [base, rag, raft]\n"), ["arms.rag.k=8"])
    assert list(listed.arms) == ["base", "rag", "raft"]
    assert (listed.arms["rag"].retriever, listed.arms["rag"].k, listed.arms["raft"].format) == ("auto", 8, "raft")
    with pytest.raises(InputError, match="unknown arm 'rax'"):
        load_study(written(tmp_path, "domain: .\narms: [base, rax]\n"))


def test_saved_study_reads_back_the_same_with_every_default(tmp_path):
    study = load_study(written(tmp_path, GOOD))
    save_study(study, tmp_path / "resolved.yaml")
    assert load_study(tmp_path / "resolved.yaml") == study
    assert "train_tokens: 40000" in (tmp_path / "resolved.yaml").read_text()


def test_settings_that_only_reread_answers_do_not_start_a_new_run():
    study = Study(domain=".")
    assert study.answering() == study.model_copy(update={"margin": 0.5, "alpha": 0.1, "reference": "raft"}).answering()
    assert study.answering() != study.model_copy(update={"k": 9}).answering()


def test_slices_are_kept_and_change_no_answer(tmp_path):
    plain, sliced = load_study(written(tmp_path, GOOD)), load_study(written(tmp_path, GOOD + "slices: [kind = exact, retrieval=missed]\n"))
    assert sliced.slices == ("kind=exact", "retrieval=missed")
    assert plain.answering() == sliced.answering()
    save_study(sliced, tmp_path / "study.yaml")
    assert load_study(tmp_path / "study.yaml") == sliced


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"false_answer_rate": 20}, "takes a share from 0 to 1: write 0.2 for 20 %, not 20"),
        ({"forgetting": -0.1}, "takes a share from 0 to 1"),
        ({"p95_latency_seconds": -1}, "takes a number from 0 on, not -1"),
        ({"citations": 1}, "takes true or false"),
    ],
)
def test_a_need_that_nothing_could_miss_or_meet_is_a_mistake(needs, said):
    with pytest.raises((InputError, ValidationError), match=re.escape(said)):
        Study(domain="x", needs=needs)
    Study(domain="x", needs={"p95_latency_seconds": 20, "peak_memory_gib": 16, "false_answer_rate": 0.2})
