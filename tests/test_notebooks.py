"""The example notebooks: executed here with a tiny model, and stored with the outputs of a run on the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny import write_domain

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
TINY = {
    "embedder": None,
    "seeds": [0],
    "chunk_tokens": 32,
    "context_tokens": 96,
    "max_new_tokens": 6,
    "batch_size": 4,
    "train_tokens": 1500,
    "train_batch_size": 4,
}


def parameters(name: str, model: Path, embedder: Path, folder: Path) -> str:
    """The first cell of code as a user would edit it for a tiny model and a small domain."""
    settings = {**TINY, "model": str(model), "limit": 6}
    if name == "langchain_rag":
        return f"domain_folder = {str(write_domain(folder / 'works'))!r}\nembedder = {str(embedder)!r}\nsmall = {settings!r}"
    texts = {
        f"pump-{n}.md": f"# Pump K{n}\n\n| part | weight |\n|---|---|\n" + "".join(f"| seal S{n}{i} | {n + i} kg |\n" for i in range(6))
        for n in range(1, 9)
    }
    changes = [f"{key}={'' if value is None else value}" for key, value in settings.items()]
    return f"documents = {texts!r}\nfolder = 'my-study'\nsmall = {changes!r}"


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path, tiny_model, tiny_embedder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    notebook = nbformat.read(path, as_version=4)
    cells = code(notebook)
    assert cells[0].metadata["tags"] == ["parameters"]
    cells[0].source = parameters(path.stem, tiny_model, tiny_embedder, tmp_path)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "\n".join(str(output) for cell in cells for output in cell.outputs)
    assert "steps done" in shown, "the bar has come to its end"
    assert "95 % interval" in shown and "image/svg+xml" in shown
    assert (tmp_path / "runs").is_dir()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_shows_a_whole_run_and_nothing_of_the_machine(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run it from top to bottom, and save"
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data", "stream"}
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|tmp|work|Users|mnt|opt|usr|var)/", text), "a path of the machine is in it"
    assert len(text) < 150_000
    assert "steps done" in text and "recommended:" in text
