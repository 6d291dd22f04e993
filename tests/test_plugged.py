"""Plugins that a study names: found and run, part of what answers depend on, and not needed to read a finished run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from made_run import Plan, make_run

from ragft import plugged, protocol, registry
from ragft.errors import InputError, MissingError
from ragft.scoring import score_rows
from ragft.settings import READING, Study, load_study, save_study
from ragft.store import read_json, write_json
from ragft.study import decide_run, load_result, report_run, score_run

pytestmark = pytest.mark.usefixtures("own_plugins")
METRIC = """
from ragft.plugins import metric

@metric("{name}", "the answer has a letter {letter}")
def has_letter(answer, gold):
    return float("{letter}" in answer.text)
"""
RETRIEVER = """
from ragft.plugins import ranked, retriever

@retriever("first", "the first passages of all")
class First:
    def __init__(self, parts, offset: int = 0):
        self._chunks, self._offset = parts.chunks, offset

    def search(self, questions, k):
        return [ranked(self._chunks, [(n, 1 / (n + 1)) for n in range(self._offset, min(k, len(self._chunks)))]) for _ in questions]
"""


def write(folder: Path, name: str = "mine.py", text: str | None = None, letter: str = "a") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or METRIC.format(name="has_letter", letter=letter), encoding="utf-8")
    return path


def forget() -> None:
    """As another process, in which nothing was loaded."""
    plugged._files.clear()
    for entry in registry.outside():
        del registry._entries[entry.kind][entry.name]


def study_of(folder: Path, text: str = "plugins: [mine.py]\nmetric: has_letter\n") -> Path:
    (folder / "study.yaml").write_text(f"domain: .\n{text}", encoding="utf-8")
    return folder / "study.yaml"


# ── named in a study ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_found_beside_the_study_and_kept_by_its_whole_path(tmp_path, monkeypatch):
    write(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    study = load_study(study_of(tmp_path / "a"))
    assert study.plugins == (str(tmp_path / "a" / "mine.py"),)
    assert registry.lookup("metric", "has_letter").summary == "the answer has a letter a"


def test_a_module_is_found_where_the_program_was_started(tmp_path, monkeypatch):
    write(tmp_path, "some_plugin_module.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert Study(domain=".", plugins=("some_plugin_module",), metric="has_letter").plugins == ("some_plugin_module",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plugins: [none.py]\n", "study.yaml:2: plugin '.*none.py': no such file. A path in study.yaml is taken from the folder"),
        ("plugins: [broken.py]\n", "study.yaml:2: plugin '.*broken.py': running it failed .ZeroDivisionError: division by zero.. Mend it first."),
        ("plugins: [refused.py]\n", "study.yaml:2: metric 'match' is registered twice"),
        ("plugins: mine.py\n", "plugins: Input should be a valid tuple"),
        ("metric: has_letter\n", "unknown metric 'has_letter'|metric 'has_letter'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, text, said):
    write(tmp_path)
    write(tmp_path, "broken.py", "1 / 0")
    write(tmp_path, "refused.py", METRIC.format(name="match", letter="a"))
    registry.entries("metric")
    with pytest.raises(InputError, match=said):
        load_study(study_of(tmp_path, text))


def test_a_module_that_is_not_there_is_missing():
    with pytest.raises(MissingError, match="plugin 'no_such_module_at_all': no module named"):
        Study(domain=".", plugins=("no_such_module_at_all",))


def test_studies_may_give_one_name_to_different_files(tmp_path):
    folders = {letter: tmp_path / letter for letter in "xy"}
    for letter, folder in folders.items():
        write(folder, letter=letter)
    for letter in "xyx":
        load_study(study_of(folders[letter]))
        assert registry.lookup("metric", "has_letter").summary == f"the answer has a letter {letter}"


def test_a_file_is_run_once_and_again_when_it_changed(tmp_path):
    path = write(tmp_path, text=f"open({str(tmp_path / 'count')!r}, 'a').write('.')" + METRIC.format(name="has_letter", letter="a"))
    for _ in range(3):
        plugged.load(str(path))
    assert (tmp_path / "count").read_text() == "."
    write(tmp_path, letter="b")
    plugged.load(str(path))
    assert registry.lookup("metric", "has_letter").summary.endswith("b")


def test_a_worker_process_loads_what_the_study_names(tmp_path):
    write(tmp_path)
    sent = pickle.dumps(load_study(study_of(tmp_path)))
    forget()
    assert pickle.loads(sent).metric == "has_letter"
    assert registry.lookup("metric", "has_letter")


# ── what answers depend on ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_code_of_a_retriever_shapes_answers_and_that_of_a_metric_does_not(tmp_path):
    write(tmp_path)
    write(tmp_path, "first.py", RETRIEVER)
    file = study_of(tmp_path, "plugins: [mine.py, first.py]\nmetric: has_letter\narms: {rag: {retriever: first offset=1}}\n")
    before = load_study(file).answering()
    write(tmp_path, letter="b")
    assert load_study(file).answering() == before
    write(tmp_path, "first.py", RETRIEVER + "# changed\n")
    assert load_study(file).answering() != before
    assert "plugins" not in before, "where a file lies shapes nothing"


def test_a_study_without_plugins_has_the_answers_it_always_had():
    assert "code" not in Study(domain=".").answering()


# ── a finished run ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(tmp_path):
    """A finished run that was decided by a plugin's metric."""
    path = write(tmp_path / "code")
    made = make_run(tmp_path / "run", Plan())
    plugged.load(str(path))
    study = load_study(made.folder / "study.yaml").model_copy(update={"plugins": (str(path),), "metric": "has_letter"})
    save_study(study, made.folder / "study.yaml")
    manifest = read_json(made.folder / "manifest.json")
    write_json(made.folder / "manifest.json", {**manifest, "plugins": plugged.records()})
    score_run(made)
    decide_run(made)
    return made


def test_a_run_is_read_decided_and_reported_without_its_plugin(run, tmp_path):
    before = load_result(run).decision
    forget()
    (tmp_path / "code" / "mine.py").unlink()
    assert load_study(run.folder / "study.yaml").metric == "has_letter"
    assert decide_run(run) == before
    assert "the answer has a letter a" in report_run(run).read_text(encoding="utf-8")
    assert load_result(run).scores["has_letter"].notna().any()
    with pytest.raises(InputError, match=r"mine\.py': no such file"):
        score_run(run)


def test_reading_somebodys_run_runs_nothing(run, tmp_path):
    forget()
    write(tmp_path / "code", text=f"open({str(tmp_path / 'ran')!r}, 'w')\n" + METRIC.format(name="has_letter", letter="a"))
    load_result(run)
    decide_run(run)
    report_run(run)
    assert not (tmp_path / "ran").exists()
    score_run(run)
    assert (tmp_path / "ran").exists(), "to score is to run the metric"


def test_what_stands_in_for_one_run_does_not_get_into_anothers_scores(run, tmp_path):
    forget()
    load_study(run.folder / "study.yaml")
    other = make_run(tmp_path / "other", Plan())
    assert "has_letter" not in score_rows(other, "rag", 0)[0]
    with pytest.raises(InputError, match="metric 'has_letter' is a plugin that is not loaded"):
        registry.lookup("metric", "has_letter").make(None, None)


def test_a_name_that_only_stands_in_is_free_for_the_plugin_itself(run):
    forget()
    load_result(run)
    load_study(run.folder / "study.yaml")

    @registry.metric("has_letter", "defined in a notebook's cell")
    def has_letter(answer, gold):
        return 1.0

    assert registry.lookup("metric", "has_letter").make is has_letter


@pytest.mark.parametrize(
    "entry",
    [[{"kind": "metric"}], [{"kind": "none", "name": "x"}], ["x"], 3, [{"kind": "metric", "name": "x", "summary": "", "facts": 1, "options": []}]],
)
def test_a_manifest_that_was_edited_is_said(run, entry):
    path = run.folder / "manifest.json"
    write_json(path, {**read_json(path), "plugins": entry})
    with pytest.raises(InputError, match="its entry 'plugins' is not what ragft writes"):
        load_study(run.folder / "study.yaml")


def test_a_metric_that_was_rewritten_after_answers_were_seen_is_said(run, tmp_path):
    study = Study.model_validate(load_study(run.folder / "study.yaml").model_dump(), context=READING)
    manifest = read_json(run.folder / "manifest.json")
    fixed = protocol.fix(type(run)(tmp_path / "none"), study, None, "2026-01-31")
    write_json(run.folder / "manifest.json", {**manifest, "protocol": fixed})
    assert fixed["values"]["metric_code"]
    assert not [w for w in decide_run(run).warnings if "code of" in w]
    write(tmp_path / "code", letter="b")
    score_run(run)
    said = [w for w in decide_run(run).warnings if "code of" in w]
    assert said == ["The code of has_letter changed after answers were seen. The stated certainty holds for the first version only."]
