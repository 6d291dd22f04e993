"""The stages as a scheduler calls them: each script on a tiny model, again and out of turn, and together the same as `ragft run`."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import shutil
from pathlib import Path

import pytest
from scripts import load_script
from test_study import answers_of, texts_of
from tiny import write_domain

from ragft.scripting import BUSY, DONE, MISTAKE, NOT_READY
from ragft.settings import Study, load_study, save_study
from ragft.store import Run, read_json
from ragft.study import run

STAGES = ("build_rag", "finetune", "evaluate", "decide")
TRAININGS = ["train lora qa seed 0", "train lora qa seed 1"]


def call(script: str, *words) -> tuple[int, dict, str]:
    """Exit code, what stands on stdout as JSON, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = load_script(script).main([str(word) for word in words])
    return code, json.loads(out.getvalue()), err.getvalue()


@pytest.fixture(scope="module")
def study_file(tmp_path_factory, tiny_model) -> Path:
    root = tmp_path_factory.mktemp("batch")
    study = Study.model_validate({
        "domain": str(write_domain(root / "works")), "model": str(tiny_model), "embedder": None, "seeds": [0, 1],
        "arms": {"base": {}, "oracle": {"retriever": "oracle"}, "rag": {"retriever": "bm25"}, "lora": {"tuning": "lora"}, "copy": {"system": "copy"}},
        "chunk_tokens": 32, "context_tokens": 96, "k": 2, "max_new_tokens": 6, "batch_size": 4, "train_tokens": 900, "train_batch_size": 4,
    })  # fmt: skip
    save_study(study, root / "study.yaml")
    return root / "study.yaml"


@pytest.fixture(scope="module")
def whole(study_file):
    """The study by `ragft run`."""
    return run(load_study(study_file), study_file.parent / "whole")


@pytest.fixture(scope="module")
def staged(study_file) -> dict[str, dict]:
    """The study by its four scripts: what each printed."""
    found = {}
    for name in STAGES:
        code, found[name], err = call(name, study_file, "--runs", study_file.parent / "staged")
        assert code == DONE, err
    return found


@pytest.fixture
def copied(staged, study_file, tmp_path) -> tuple[Run, list]:
    """A copy of the staged run that a test may damage, and the arguments that lead to it."""
    shutil.copytree(study_file.parent / "staged", tmp_path / "runs")
    return Run(tmp_path / "runs" / Path(staged["decide"]["run"]).name), [study_file, "--runs", tmp_path / "runs"]


def scores_of(folder: Path) -> dict[str, list]:
    """Every score of every question, but the seconds."""
    found = {}
    for path in sorted(folder.glob("arms/*/seed-*/scores.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.relative_to(folder).as_posix()] = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    return found


def test_each_stage_does_its_part_and_says_so(staged):
    assert staged["build_rag"]["done_now"] == ["index"]
    assert staged["finetune"]["done_now"] == TRAININGS
    answers = ["base seed 0", "oracle seed 0", "rag seed 0", "lora seed 0", "lora seed 1", "copy seed 0"]
    measures = ["measure base", "measure lora qa seed 0", "measure lora qa seed 1"]
    assert staged["evaluate"]["done_now"] == [*(f"answer {name}" for name in answers), *measures]
    assert all(staged[name]["done_before"] == [] for name in STAGES[:3])
    assert [(row["arm"], row["seed"]) for row in staged["evaluate"]["scores"]][-2:] == [("lora", 1), ("copy", 0)]
    assert len({found["run"] for found in staged.values()}) == 1
    assert Path(staged["decide"]["report"]).is_file()


def test_the_stages_together_give_what_the_run_gives(staged, whole):
    """Answers, scores and comparison to the byte; of the decision what does not rest on seconds, which no two runs have alike."""
    folder = Path(staged["decide"]["run"])
    assert folder.name == whole.run.folder.name
    assert texts_of(folder) == texts_of(whole.run.folder)
    assert scores_of(folder) == scores_of(whole.run.folder)
    assert any(row["match"] for rows in scores_of(folder).values() for row in rows), "not all of them are nothing"
    assert (folder / "comparison.json").read_bytes() == (whole.run.folder / "comparison.json").read_bytes()
    decided, other = read_json(folder / "decision.json"), read_json(whole.run.folder / "decision.json")
    for key in ("verdict", "recommend", "because", "warnings", "excluded", "margin", "model"):
        assert decided[key] == other[key]
    assert files_of(folder) == files_of(whole.run.folder)


def files_of(folder: Path) -> set[Path]:
    """But for what is noted of an artifact when it is read again, which a later stage does and a whole run need not."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != "checked.json"}


def test_of_the_same_answers_the_last_stage_makes_the_same_verdict_to_the_byte(whole, study_file, tmp_path):
    shutil.copytree(whole.run.folder.parent, tmp_path / "runs")
    folder = tmp_path / "runs" / whole.run.folder.name
    files = ["comparison.json", "decision.json", *(path.relative_to(folder).as_posix() for path in folder.glob("arms/*/seed-*/scores.jsonl"))]
    for name in files:
        (folder / name).unlink()
    code, found, _ = call("decide", study_file, "--runs", tmp_path / "runs")
    assert code == DONE and found["run"] == str(folder)
    assert len(files) > 5
    for name in files:
        assert (folder / name).read_bytes() == (whole.run.folder / name).read_bytes(), name


def test_the_run_command_finds_nothing_left_to_do_after_the_stages(copied, study_file):
    found, _ = copied
    before = answers_of(found.folder), (found.folder / "decision.json").read_bytes()
    again = run(load_study(study_file), found.folder.parent)
    assert again.run.folder == found.folder
    assert (answers_of(found.folder), (found.folder / "decision.json").read_bytes()) == before


def test_called_again_each_stage_does_nothing_and_the_run_stays_finished(copied, monkeypatch):
    found, words = copied

    def never(*_, **__):
        raise AssertionError("nothing is missing, so no model is needed")

    monkeypatch.setattr("ragft.weights.load_model", never)
    monkeypatch.setattr("ragft.weights.load_base", never)
    before = {
        path: path.stat().st_mtime_ns
        for path in found.folder.rglob("*")
        if path.is_file() and path.name not in (".lock", "scores.jsonl", "checked.json")
    }
    for name in STAGES[:3]:
        code, said, _ = call(name, *words)
        assert code == DONE and said["done_now"] == [] and said["done_before"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert read_json(found.folder / "manifest.json")["status"] == "finished"
    decision = (found.folder / "decision.json").read_bytes()
    assert call("decide", *words)[0] == DONE and (found.folder / "decision.json").read_bytes() == decision


def test_only_what_is_missing_is_done(copied):
    found, words = copied
    texts = texts_of(found.folder)
    adapter = found.folder / read_json(found.seed_folder("lora", 1) / "fit.json")["adapter"]["folder"]
    shutil.rmtree(adapter)
    (found.seed_folder("rag", 0) / "done.json").unlink()
    code, said, _ = call("build_rag", *words)
    assert code == DONE and said["done_now"] == []
    assert read_json(found.folder / "manifest.json")["status"] == "running", "it is not finished any more"
    assert call("evaluate", *words)[0] == NOT_READY
    assert call("finetune", *words)[1]["done_now"] == ["train lora qa seed 1"]
    assert call("evaluate", *words)[1]["done_now"] == ["answer rag seed 0"], "the same seed trains the same adapter"
    assert call("decide", *words)[0] == DONE
    assert texts_of(found.folder) == texts


def test_another_margin_decides_the_same_answers_anew(copied):
    _, words = copied
    code, said, _ = call("decide", *words, "--set", "margin=0.2")
    assert code == DONE and said["decision"]["margin"] == 0.2
    assert any(line.startswith("margin changed after answers were seen") for line in said["decision"]["warnings"])


def test_a_stage_that_comes_too_soon_says_what_is_missing_and_which_command_makes_it(study_file, tmp_path):
    """The command that it names is the one that helps, whatever the arguments are."""
    words = [study_file, "--runs", tmp_path / "some runs", "--limit", "4", "--set", "seeds=[0]", "--set", "name=a b"]
    for name, missing, first in [
        ("evaluate", "the index is not built.", "build_rag"),
        ("finetune", "the index is not built.", "build_rag"),
        ("build_rag", "", ""),
        ("evaluate", "not trained: lora qa seed 0.", "finetune"),
        ("decide", "not trained: lora qa seed 0.", "finetune"),
        ("finetune", "", ""),
        ("decide", "not all questions answered: base seed 0, oracle seed 0, rag seed 0, lora seed 0, copy seed 0.", "evaluate"),
    ]:
        code, said, err = call(name, *words)
        if not missing:
            assert code == DONE
            continue
        assert code == said["exit_code"] == NOT_READY and err.splitlines()[-1] == f"{name}: {said['error']}"
        assert missing in said["error"] and len(err.strip().splitlines()) == 1
        command = shlex.split(said["error"].split(" First: ")[1])
        assert command == ["python", f"pipelines/{first}.py", *map(str, words)]


def test_a_study_that_searches_is_settled_by_the_first_stage_only(study_file, tmp_path):
    words = [study_file, "--runs", tmp_path, "--set", "search={trials: 1, train_tokens: 500, dev_questions: 4}", "--set", "seeds=[0]"]
    for name in ("finetune", "decide"):
        code, said, _ = call(name, *words)
        assert code == NOT_READY, said
        assert "the settings that the study searches are not chosen. First: python pipelines/build_rag.py" in said["error"]
        assert not list(tmp_path.glob("*/search.json"))
    assert call("build_rag", *words)[1]["done_now"] == ["index"] and list(tmp_path.glob("*/search.json"))
    assert [label[:17] for label in call("finetune", *words)[1]["done_now"]] == ["train lora qa lr="], "with the rate that was chosen"


@pytest.mark.parametrize("name", [*STAGES, "run_study"])
def test_a_run_that_another_process_holds_is_left_alone(copied, name):
    found, words = copied
    with found.locked():
        code, said, err = call(name, *words)
    assert code == said["exit_code"] == BUSY
    assert "another process is running this study" in said["error"] and err.splitlines()[-1] == f"{name}: {said['error']}"


@pytest.mark.parametrize("name", [*STAGES, "run_study", "sweep"])
def test_a_mistake_is_one_line_before_anything_is_written(study_file, tmp_path, name):
    more = ["--vary", "k", "1"] if name == "sweep" else []
    for words, message in [([tmp_path / "none"], "no such study"), ([study_file, "--set", "margn=1"], "margn")]:
        code, said, err = call(name, *words, "--runs", tmp_path / "runs", *more)
        assert code == said["exit_code"] == MISTAKE and message in said["error"]
        assert len(err.strip().splitlines()) == 1 and not (tmp_path / "runs").exists()
    with pytest.raises(SystemExit) as end:
        call(name, study_file, "--limit", "0", *more)
    assert end.value.code == 2


def test_one_study_from_start_to_verdict(study_file, tmp_path):
    words = ["--limit", "4", "--set", "seeds=[0]", "--set", "arms=[base, rag]", "--runs", tmp_path]
    code, found, err = call("run_study", study_file, *words)
    assert code == DONE and found["comparison"]["questions"] == 4
    assert [arm["name"] for arm in found["comparison"]["arms"]] == ["base", "rag"]
    assert "4 test questions from 4 documents." in err and "answer rag seed 0" in err
    assert {"run", "decision", "comparison", "report"} <= found.keys()
