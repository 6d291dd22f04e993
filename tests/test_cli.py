"""The command line as a user meets it: results on stdout, progress on stderr, one-line errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ragft import cli
from ragft.settings import save_study


@pytest.fixture
def study_file(tiny_study, tmp_path):
    path = tmp_path / "study.yaml"
    save_study(tiny_study, path)
    return path


def call(capsys, *words: str) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model):
    from tiny import write_domain

    from ragft.settings import Study
    from ragft.study import run

    root = tmp_path_factory.mktemp("cli")
    study = Study(
        domain=str(write_domain(root / "works")), model=str(tiny_model), embedder=None, seeds=(0, 1), chunk_tokens=32, context_tokens=96, k=2,
        max_new_tokens=6, batch_size=4, train_tokens=1500, train_batch_size=4,
    )  # fmt: skip
    return run(study, root / "runs")


def test_run_prints_the_table_and_the_verdict_and_names_the_report(study_file, tmp_path, capsys):
    code, out, err = call(capsys, "run", study_file, "--runs", tmp_path / "runs", "--limit", "4", "--set", "seeds=[0]")
    assert code == 0
    for word in ("base", "oracle", "rag+lora", "raft", "Verdict:", "Because:", "Would change if:", "report.html"):
        assert word in out
    assert "[1/" in err and "answer raft seed 0" in err and "[1/" not in out
    assert "4 test questions from 4 documents." in err and "Expect no gain over rag" in err and "Expect" not in out


def test_json_is_json_and_nothing_else(finished, capsys):
    code, out, _ = call(capsys, "show", finished.run.folder, "--json")
    found = json.loads(out)
    assert code == 0
    assert {"verdict", "recommend", "because", "would_change_if", "alpha", "margin", "reference", "model"} <= set(found["decision"])


@pytest.mark.parametrize("command", ["score", "compare", "decide", "report"])
def test_stages_run_again_from_the_folder(finished, capsys, command):
    before = (finished.run.folder / "decision.json").read_bytes()
    code, out, err = call(capsys, command, finished.run.folder)
    assert code == 0 and out.strip() and not err
    assert (finished.run.folder / "decision.json").read_bytes() == before


def test_score_lists_every_arm_and_seed(finished, capsys):
    _, out, _ = call(capsys, "score", finished.run.folder, "--json")
    rows = json.loads(out)
    assert len(rows) == 3 + 3 * 2
    assert all(row["match"] is not None for row in rows)
    assert all((row["recall@k"] is None) == (row["arm"] in ("base", "lora")) for row in rows)


def test_ls_lists_runs_with_verdicts(finished, capsys, tmp_path):
    _, out, _ = call(capsys, "ls", "--runs", finished.run.folder.parent)
    assert finished.run.folder.name in out and finished.decision.verdict in out
    _, out, _ = call(capsys, "ls", "--runs", tmp_path)
    assert "No runs in" in out and "ragft run" in out


def test_show_question_shows_all_answers(finished, capsys):
    _, out, _ = call(capsys, "show", finished.run.folder, "--question", "f1-2")
    assert "Up to which pressure does the Kova 30 work?" in out and "42 bar" in out
    assert out.count("rag+lora") == 2
    code, _, err = call(capsys, "show", finished.run.folder, "--question", "f1-9")
    assert code == 1 and "unknown question 'f1-9'. Did you mean 'f1-2'?" in err


@pytest.mark.parametrize(
    ("what", "name"),
    [("arms", "rag+lora"), ("retrievers", "auto"), ("tunings", "lora"), ("formats", "raft"), ("metrics", "ndcg@k"), ("models", "all-minilm-l6-v2")],
)
def test_list(capsys, what, name):
    code, out, _ = call(capsys, "list", what)
    assert code == 0 and name in out
    assert name in [row["name"] for row in json.loads(call(capsys, "list", what, "--json")[1])]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "nowhere.yaml"], "no such study"),
        (["show", "nowhere"], "not a run"),
        (["list", "arm"], "Did you mean 'arms'?"),
        (["import", "squat", "x.json", "y"], "Did you mean 'squad'?"),
        (["import", "squad", "nowhere.json", "made"], "nowhere.json"),
        (["init", "made", "--corpus", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_1(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *words)
    assert (code, out) == (1, "")
    assert message in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "made").exists()


def test_wrong_option_is_a_usage_error(capsys):
    code, _, err = call(capsys, "run", "study.yaml", "--limits", "3")
    assert code == 2 and "--limit" in err


def test_bad_input_is_said_before_a_model_is_loaded(study_file, domain_folder, capsys, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing slow before the input is checked")

    monkeypatch.setattr("ragft.study.find_model", never)
    path = domain_folder / "questions.jsonl"
    path.write_text(path.read_text() + '{"question": "Broken?"\n')
    code, _, err = call(capsys, "run", study_file)
    assert code == 1
    assert f"{path}:27: broken JSON" in err


def test_init_then_run_from_a_folder_of_documents(tmp_path, tiny_model, capsys, monkeypatch):
    from tiny import DOCUMENTS, FACTS, write_domain

    monkeypatch.chdir(tmp_path)
    write_domain(tmp_path / "mine", DOCUMENTS)
    lines = ["question,answers,document"] + [
        f'"{wording}","{answer}",{document}' for _, document, _, answer, wordings in FACTS for wording in wordings
    ]
    (tmp_path / "qa.csv").write_text("\n".join(lines) + "\n")
    code, out, err = call(capsys, "init", "my-study", "--corpus", "mine/corpus", "--questions", "qa.csv")
    assert code == 0 and out.strip() == "my-study/study.yaml" and "ragft run" in err
    settings = [f"model={tiny_model}", "embedder=null", "seeds=[0]", "train_tokens=1500", "max_new_tokens=4", "chunk_tokens=32", "context_tokens=64"]
    changes = [word for setting in settings for word in ("--set", setting)]
    code, out, err = call(capsys, "run", "my-study/study.yaml", "--limit", "5", *changes)
    assert code == 0, err
    assert "Verdict:" in out


def test_doctor_says_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr("ragft.doctor.NEEDED", ("torch", "no-such-package"))
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert "MISSING" in out and "no-such-package" in out and "make setup" in out


def test_module_runs_as_a_command():
    done = subprocess.run([sys.executable, "-m", "ragft", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for name in ("init", "import", "run", "score", "compare", "decide", "report", "export", "ls", "show", "list", "doctor"):
        assert name in done.stdout
