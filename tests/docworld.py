"""The folder in which the documentation's commands are run: what they name is there, on a tiny model, and what people do in between is done.

`data/tarnbeck` is the small domain of tiny.py here; `RUN`, `runs/2026-01-01-demo-0` and `baseline` are finished runs of it. The only two
things that are not as for a user: the bundled weights' names mean tiny models, and every study is cut short (SHORT).
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from docblocks import ROOT
from scripts import load_script
from test_scorelogs import eval_log, harness, sample, write_eval, write_lines
from tiny import DOCUMENTS, question_lines, write_domain
from written.writers import ASKED, ENGLISH, WORDED, write_corpus

from ragft.scripting import DONE, UNDECIDED

SHORT = ["train_tokens=400", "train_batch_size=1", "max_new_tokens=4", "seeds=[0]", "context_tokens=96", "limit=12"]
DEMO = "runs/2026-01-01-demo-0"


def tiny_weights(monkeypatch: pytest.MonkeyPatch, model: Path, embedder: Path) -> None:
    """The two bundled names as tiny models, and every study cut short."""
    from ragft import models, settings

    def packaged(name: str, packaged: models.Packaged, use: models.Use) -> models.Located:
        folder = model if packaged.use == "generator" else embedder
        return models.Located(name, folder, "0" * 64, "a tiny model")

    study = settings._study
    monkeypatch.setattr(models, "_packaged", packaged)
    monkeypatch.setattr(settings, "_study", lambda path, text, changes: study(path, text, [*changes, *SHORT]))


def build(folder: Path) -> None:
    """Everything that the pages' commands name, with one finished run."""
    write_domain(folder / "data" / "tarnbeck")
    write_corpus(folder / "docs")
    shutil.copytree(ROOT / "data" / "hollinbeck" / "corpus", folder / "documents")
    (folder / "study.yaml").write_text("domain: data/tarnbeck\nchunk_tokens: 32\nk: 2\n", encoding="utf-8")
    (folder / "data" / "tarnbeck" / "study.yaml").write_text("domain: .\nchunk_tokens: 32\nk: 2\n", encoding="utf-8")
    _version_2(folder)
    _questions_table(folder / "qa.csv")
    _squad(folder / "xquad.en.json")
    _scores(folder / "scores.csv")
    _logs(folder / "logs")
    (folder / "mycompany").mkdir()
    (folder / "mycompany" / "models.py").write_text("from written.writers import Script\n\nlarge = Script().model\n", encoding="utf-8")
    run(["run", "data/tarnbeck/study.yaml"])
    (made,) = (folder / "runs").iterdir()
    for name in ("RUN", DEMO):
        shutil.copytree(made, folder / name)
    shutil.copytree(made, folder / "baseline", ignore=shutil.ignore_patterns("artifacts"))


def run(arguments: list[str]) -> str:
    """One command of ragft, by its entry point; what it printed, progress and all. Fails where its exit code is not 0."""
    from ragft.cli import main

    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main(arguments)
    assert code == 0, f"ragft {' '.join(arguments)}: exit code {code}\n{said.getvalue()}"
    return said.getvalue()


def run_script(words: list[str]) -> str:
    """One script of pipelines/; what it printed. Fails where its exit code is not 0; of the gate, where it does not compare."""
    name = Path(words[0]).stem
    assert words[0] == f"pipelines/{name}.py", f"nothing runs {words[0]}"
    said, log = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(log):
        code = load_script(name).main(words[1:])
    assert code in ((DONE, UNDECIDED) if name == "gate" else (DONE,)), f"python {' '.join(words)}: exit code {code}\n{log.getvalue()}"
    return said.getvalue()


PROGRAMS: dict[str, Callable[[list[str]], str]] = {"ragft": run, "python": run_script}


def between(words: list[str]) -> None:
    """What a person does before such a command: fills in a sheet, names a new folder, types the one that `ragft ls` printed."""
    if words[0] == "pipelines/build_rag.py":
        shutil.rmtree("runs")  # the stages begin with a study that has not run
    if words[:1] == ["export"]:
        shutil.rmtree(words[words.index("--to") + 1], ignore_errors=True)
    if "--verdicts" in words:
        _fill(Path(words[words.index("--verdicts") + 1]), "verdict", "ok")
    if "--labels" in words:
        _fill(Path(words[words.index("--labels") + 1]), "correct", "1")
    for word in words:
        path = Path(word)
        if path.parent == Path("runs") and not path.exists():
            made = [run for run in Path("runs").iterdir() if (run / "decision.json").is_file()]
            named = [run for run in made if f"-{path.name}-" in run.name] or made  # that study's, or whatever there is for a name made up
            path.symlink_to(max(named, key=lambda run: run.stat().st_mtime).name)


def forget_modules(folder: Path) -> None:
    """Modules that a page wrote are not found by the next."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


def _fill(sheet: Path, column: str, value: str) -> None:
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, column: value} for row in rows)


def _version_2(folder: Path) -> None:
    """The documents a year later, under the names that the pages give them."""
    documents = {name: text.replace("42 bar", "48 bar").replace("84 employees", "91 employees") for name, text in DOCUMENTS.items()}
    changed = [
        json.loads(json.dumps(line).replace("42 bar", "48 bar").replace("84 emp", "91 emp").replace('["84"]', '["91"]')) for line in question_lines()
    ]
    write_domain(folder / "my-domain-v2", documents, changed)
    shutil.copytree(folder / "my-domain-v2" / "corpus", folder / "manuals-2026")
    shutil.copytree(folder / "my-domain-v2" / "corpus", folder / "data" / "tarnbeck" / "corpus-v2")
    for name in ("questions-2026.jsonl", "data/tarnbeck/questions-v2.jsonl"):
        shutil.copy(folder / "my-domain-v2" / "questions.jsonl", folder / name)


def _questions_table(path: Path) -> None:
    """Questions about docs/ with evidence, facts and wordings."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answers", "document", "evidence", "fact", "wording"])
        for n, name in enumerate(ENGLISH[:12]):
            for fact, (question, quote, answer) in enumerate(ASKED["en"]):
                wordings = [question, *WORDED["en"][fact][0]]
                for wording, text in enumerate(wordings):
                    filled = [part.format(name, n + 10, n + 1950) for part in (text, answer, quote)]
                    writer.writerow([filled[0], filled[1], f"p{n:02}.md", filled[2], f"{n}-{fact}", wording])


def _squad(path: Path) -> None:
    articles = []
    for n, name in enumerate(ENGLISH[:10]):
        context = f"The {name} pump weighs {n + 10}.5 kg. It was built in {n + 1950}."
        asked = [("weight", f"What does the {name} pump weigh?", f"{n + 10}.5 kg"), ("year", f"When was the {name} pump built?", str(n + 1950))]
        qas = [{"id": f"{n}-{key}", "question": text, "answers": [{"text": a, "answer_start": context.index(a)}]} for key, text, a in asked]
        articles.append({"title": name, "paragraphs": [{"context": context, "qas": qas}]})
    path.write_text(json.dumps({"version": "1.1", "data": articles}), encoding="utf-8")


def _scores(path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["arm,seed,question,document,score"]
    for arm, seeds, share in (("base", 1, 0.2), ("rag", 1, 0.5), ("rag+lora", 3, 0.6)):
        rows += [f"{arm},{seed},q{i},d{i // 5},{int(rng.random() < share)}" for seed in range(seeds) for i in range(100)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _logs(folder: Path) -> None:
    """Logs as the lines before them would have written."""
    folder.mkdir()
    for name, metadata in (("a", {"arm": "rag", "retriever": "bm25"}), ("b", {"arm": "mine", "tuning": "lora", "seed": "1"})):
        write_eval(folder / f"{name}.eval", eval_log([sample(f"q{i}", "C" if i % 3 else "I") for i in range(40)], metadata=metadata))
    for name in "abc":
        write_lines(folder / f"{name}.jsonl", [harness(i, float(i % 3 > 0)) for i in range(40)])
