"""docs/batch.md: its shell scripts, its workflow's steps and its Python run, its table has every exit code. test_doc_examples.py runs its commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from made_run import Plan, make_run
from scripts import PIPELINES
from test_batch import call

from ragft import manifest, scripting
from ragft.settings import save_study

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "batch.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


def test_every_script_that_it_names_is_there_and_every_script_is_named():
    named = set(re.findall(r"`(\w+)\.py`", PAGE))
    scripts = {path.stem for path in PIPELINES.glob("*.py")}
    assert named <= scripts
    assert {name for name in scripts if not name.startswith(("bench_", "check_"))} <= named


def test_the_table_has_every_exit_code():
    codes = {value for name, value in vars(scripting).items() if name.isupper() and isinstance(value, int)}
    rows = re.findall(r"^\| ([\d, ]+) \|", PAGE, flags=re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == codes


def on_path(tmp_path: Path, **programs: str) -> dict[str, str]:
    """An environment in which these programs come first, and `python` is this one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', **programs}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.slow
def test_the_nightly_job_runs(tiny_study, tmp_path):
    """Real processes by a real shell, from a study to its verdict, as cron would."""
    arms = {name: tiny_study.arms[name] for name in ("base", "rag", "lora")}
    save_study(tiny_study.model_copy(update={"arms": arms, "seeds": (0,), "train_tokens": 500}), tmp_path / "study.yaml")
    script, _ = blocks("sh")
    (tmp_path / "nightly.sh").write_text(script)
    words = ["sh", str(tmp_path / "nightly.sh"), str(tmp_path / "study.yaml"), str(tmp_path / "runs")]
    done = subprocess.run(words, cwd=ROOT, env=on_path(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = {name: json.loads((tmp_path / "runs" / f"{name}.json").read_text()) for name in ("build_rag", "finetune", "evaluate", "decide")}
    assert printed["finetune"]["done_now"] == ["train lora qa seed 0"]
    assert printed["decide"]["decision"]["verdict"] and Path(printed["decide"]["report"]).is_file()


@pytest.mark.parametrize(("codes", "end"), [((75, 75, 0), 0), ((75, 3), 3), ((1,), 1)])
def test_the_nightly_job_waits_for_a_busy_run_only(tmp_path, codes, end):
    count = tmp_path / "count"
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
    python = f'#!/bin/sh\necho x >> {count}\ncode=$(sed -n "$(wc -l < {count})p" {tmp_path / "codes"})\nexit "${{code:-0}}"\n'
    (tmp_path / "nightly.sh").write_text(blocks("sh")[0])
    words = ["sh", str(tmp_path / "nightly.sh"), "study", str(tmp_path / "runs")]
    env = on_path(tmp_path, python=python, sleep=f"#!/bin/sh\necho $1 >> {tmp_path / 'slept'}\n")
    assert subprocess.run(words, cwd=tmp_path, env=env, check=False).returncode == end
    assert len((tmp_path / "slept").read_text().split() if (tmp_path / "slept").exists() else []) == codes.count(75)
    assert len(count.read_text().split()) == len(codes) + (3 if end == 0 else 0)


def test_the_slurm_job_chains_the_stages(tmp_path):
    note = tmp_path / "jobs"
    sbatch = f'#!/bin/sh\necho "$@" >> {note}\nwc -l < {note}\n'
    (tmp_path / "submit.sh").write_text(blocks("sh")[1])
    done = subprocess.run(
        ["sh", str(tmp_path / "submit.sh"), "my study"], env=on_path(tmp_path, sbatch=sbatch), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = note.read_text().splitlines()
    assert [re.search(r"pipelines/(\w+)\.py 'my study'$", line)[1] for line in lines] == ["build_rag", "finetune", "evaluate", "decide"]
    assert [re.findall(r"afterok:(\d)", line) for line in lines] == [[], ["1"], ["2"], ["3"]]


def workflow(script: str) -> str:
    """The command of the workflow's only step with that script."""
    (text,) = blocks("yaml")
    commands = [step.get("run", "") for step in yaml.safe_load(text)["jobs"]["gate"]["steps"]]
    (found,) = [command for command in commands if f"pipelines/{script}.py" in command]
    return found


def test_every_script_of_the_workflow_is_run_here():
    assert re.findall(r"pipelines/(\w+)\.py", "".join(blocks("yaml"))) == ["run_study", "gate"]


def test_the_workflow_runs_the_study(tiny_study, tmp_path, monkeypatch):
    """In this process; what the next step takes from new.json is there."""
    (tmp_path / "my-study").mkdir()
    arms = {name: tiny_study.arms[name] for name in ("base", "rag")}
    save_study(tiny_study.model_copy(update={"arms": arms, "limit": 4}), tmp_path / "my-study" / "study.yaml")
    monkeypatch.chdir(tmp_path)
    words = shlex.split(workflow("run_study"))
    assert words[:2] == ["python", "pipelines/run_study.py"] and words[-2:] == [">", "new.json"]
    code, found, err = call("run_study", *words[2:-2])
    assert code == 0, err
    assert (Path(found["run"]) / "report.html") in Path("runs").glob("*/report.html")


def test_the_workflow_compares_with_the_baseline(tmp_path):
    new, old = make_run(tmp_path / "runs" / "new", Plan(documents=30, skill={"rag": 1})), make_run(tmp_path / "old", Plan(documents=30))
    for made in (new, old):
        manifest.finish(made)
    (tmp_path / "new.json").write_text(json.dumps({"run": str(new.folder)}))
    (line,) = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("cp -r ")]
    (old.folder / "artifacts").mkdir(exist_ok=True)
    subprocess.run(line.replace("runs/2026-01-31-my-study-1f2e3d4c5b6a", str(old.folder)), shell=True, check=True, cwd=tmp_path)
    shutil.copytree(PIPELINES, tmp_path / "pipelines")
    jq = '#!/bin/sh\n[ "$1 $2" = "-r .run" ] && exec python -c "import json; print(json.load(open(\'$3\'))[\'run\'])"\n'
    env = on_path(tmp_path, jq=jq) | {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    done = subprocess.run(["bash", "-e", "-c", f"{workflow('gate')} --arm rag"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "summary.md").read_text().startswith("## Worse than the baseline\n")


def test_a_baseline_needs_neither_artifacts_nor_answers(tmp_path):
    """What is kept in a repository."""
    new, old = make_run(tmp_path / "new", Plan(documents=30)), make_run(tmp_path / "old", Plan(documents=30, files=True))
    for made in (new, old):
        manifest.finish(made)
    before = call("gate", old.folder, new.folder, "--arm", "rag+lora")
    shutil.rmtree(old.folder / "artifacts")
    for path in old.folder.rglob("answers.jsonl"):
        path.unlink()
    assert call("gate", old.folder, new.folder, "--arm", "rag+lora") == before


def test_the_python_runs(capsys):
    (block,) = blocks("python")
    names: dict = {}
    exec(compile(block, "batch.md", "exec"), names)
    assert names["code"] == 0 and json.loads(capsys.readouterr().out) == {"answer": 42}
