"""The gate: a study whose held-out questions leak does not run, unless it says why, and then its reader is told."""

from __future__ import annotations

import json

import pytest
from tiny import write_domain

from ragft import gate
from ragft.cli import main
from ragft.domain import load_domain
from ragft.errors import InputError
from ragft.gate import gate_notes, gate_text, gate_warnings, look, pass_gate, read_gate
from ragft.settings import Study, save_study
from ragft.study import prepare, replay, run


def leak(folder, split="test"):
    """Ask for a trained fact of the domain once more, as if for another one."""
    path = folder / "questions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    trained = next(line for line in lines if line.get("split") == "train" and line["answers"])
    lines.append({**trained, "id": "leaked", "fact": "another", "split": split, "question": f"Please tell me this: {trained['question']}"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return trained["id"]


@pytest.fixture
def leaking(domain_folder):
    return domain_folder, leak(domain_folder)


def test_a_clean_domain_passes_and_the_run_keeps_what_was_looked_at(tiny_study, tmp_path):
    context = prepare(tiny_study, tmp_path / "runs")
    found = pass_gate(context)
    assert found.pairs == () and found.held_out > 0
    assert read_gate(context.run.folder) == found
    assert gate_notes(context.run.folder) == ["Leaks were looked for by words only and not by meaning: the study has no embedder."]
    assert gate_warnings(context.run.folder) == []


def test_a_leak_stops_a_run_before_anything_else(leaking, tiny_study, tmp_path):
    _, trained = leaking
    context = prepare(tiny_study, tmp_path / "runs")
    with pytest.raises(InputError, match=rf"leaked.*{trained}.*waive_leaks.*ragft questions check"):
        pass_gate(context)
    assert not (context.run.folder / "manifest.json").exists()


def test_a_waiver_lets_it_run_and_is_repeated(leaking, tiny_study, tmp_path):
    context = prepare(tiny_study.model_copy(update={"waive_leaks": "they are asked so on purpose"}), tmp_path / "runs")
    assert [pair.leak.question for pair in pass_gate(context).blocking] == ["leaked"]
    (note,) = gate_warnings(context.run.folder)
    assert len(gate_notes(context.run.folder)) == 1 and "they are asked so on purpose" in note and "1 of" in note


def test_what_was_found_is_not_sought_again(leaking, tiny_study, tmp_path, monkeypatch):
    context = prepare(tiny_study.model_copy(update={"waive_leaks": "why not"}), tmp_path / "runs")
    first = pass_gate(context)
    monkeypatch.setattr(gate, "find_leaks", lambda *_: pytest.fail("looked again"))
    assert pass_gate(context) == first


def test_the_waiver_is_no_part_of_what_a_run_is(domain_folder, tiny_study, tmp_path):
    one, other = (prepare(tiny_study.model_copy(update={"waive_leaks": why}), tmp_path / "runs") for why in ("", "x"))
    assert one.run.folder == other.run.folder


def test_the_command_shows_both_sides_and_fails(leaking, capsys):
    folder, trained = leaking
    assert main(["questions", "check", str(folder), "--quick"]) == 1
    said = capsys.readouterr().out
    assert "LEAK" in said and "leaked" in said and trained in said
    assert main(["questions", "check", str(folder), "--quick", "--json"]) == 1
    assert [pair["leak"]["question"] for pair in json.loads(capsys.readouterr().out)["blocking"]] == ["leaked"]


def test_the_command_on_a_clean_domain(tmp_path, capsys):
    assert main(["questions", "check", str(write_domain(tmp_path / "clean")), "--quick"]) == 0
    assert capsys.readouterr().out.startswith("No leak")


def test_a_leak_into_dev_counts_too(domain_folder):
    leak(domain_folder, "dev")
    found = look(load_domain(domain_folder), None)
    assert found.pairs[0].leak.split == "dev" and "1 must not stay" in gate_text(found)


def test_the_verdict_of_a_waived_study_warns(leaking, tiny_study, tmp_path):
    arms = {"base": {}, "rag": {"retriever": "bm25"}}
    study = Study.model_validate({**tiny_study.model_dump(), "arms": arms, "waive_leaks": "they are asked so on purpose"})
    result = run(study, tmp_path / "runs")
    assert any("they are asked so on purpose" in warning for warning in result.decision.warnings)
    assert "they are asked so on purpose" in (result.run.folder / "report.html").read_text()
    with pytest.raises(InputError, match="waive_leaks"):
        run(study.model_copy(update={"waive_leaks": ""}), tmp_path / "runs")
    assert replay(result.run), "a refused run leaves the finished one as it was"


@pytest.mark.parametrize(("embedder", "reason"), [(None, gate.NO_EMBEDDER), ("tiny", gate.NOT_LOADED)])
def test_that_meanings_were_not_compared_is_said_with_the_reason(domain_folder, tiny_study, tiny_embedder, tmp_path, capsys, embedder, reason):
    arms = {"base": {}, "rag": {"retriever": "bm25"}}
    named = str(tiny_embedder) if embedder else None
    study = Study.model_validate({**tiny_study.model_dump(), "arms": arms, "embedder": named})
    save_study(study, tmp_path / "study.yaml")
    assert main(["run", str(tmp_path / "study.yaml"), "--runs", str(tmp_path / "runs")]) == 0
    sentence = f"Leaks were looked for by words only and not by meaning: {reason}."
    (report,) = (tmp_path / "runs").glob("*/report.md")
    assert capsys.readouterr().out.count(sentence) == 1 and sentence in report.read_text()
    save_study(study, domain_folder / "study.yaml")
    for option, why in (([], "" if named else gate.NO_EMBEDDER), (["--quick"], "--quick was given")):
        assert main(["questions", "check", str(domain_folder), *option, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["words_only"] == why
        assert main(["questions", "check", str(domain_folder), *option]) == 0
        said = capsys.readouterr().out
        assert (f"by meaning: {why}." in said) if why else ("by meaning" not in said and "words and meanings" in said)


def test_where_an_arm_searches_by_meaning_nothing_is_said(tiny_study, tiny_embedder, tmp_path):
    study = Study.model_validate({**tiny_study.model_dump(), "arms": {"rag": {"retriever": "dense"}}, "embedder": str(tiny_embedder)})
    found = pass_gate(context := prepare(study, tmp_path / "runs"))
    assert found.by_meaning and found.words_only == "" and gate_notes(context.run.folder) == []


def test_without_training_questions_there_is_nothing_to_compare(domain_folder):
    path = domain_folder / "questions.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines() if '"train"' not in line))
    assert look(load_domain(domain_folder), None).words_only == ""
