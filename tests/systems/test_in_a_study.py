"""Systems in a whole study: answered, scored, told of, and outside the verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ragft import scoring
from ragft.armsettings import ArmSettings
from ragft.cli import main
from ragft.decide import _outdone
from ragft.domain import load_domain
from ragft.errors import InputError, MissingError
from ragft.facts import arm_facts
from ragft.report import write_report
from ragft.settings import Study
from ragft.study import prepare, replay, run


@pytest.fixture
def with_systems(tiny_study, domain_folder):
    """The tiny study with a perfect system that logs its costs, the copier, and no tuning."""
    golds = [gold for _, gold in load_domain(domain_folder).split("test")]
    rows = [{"id": gold.id, "answer": gold.answers[0] if gold.answers else "I don't know.", "seconds": 0.5, "cost": 0.002} for gold in golds]
    (domain_folder / "prod.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arms = {"base": {}, "rag": {"retriever": "bm25"}, "prod": {"system": "answers prod.jsonl"}, "copy": {"system": "copy"}}
    return Study.model_validate({**tiny_study.model_dump(), "arms": arms})


def test_from_answers_to_report(with_systems, tmp_path, domain_folder):
    result = run(with_systems, tmp_path / "runs")
    found, decision = result.comparison, result.decision
    assert found.family == ("base",), "systems are no candidates"
    assert [(d.arm, d.minus) for d in found.systems] == [("prod", "rag"), ("copy", "rag")]
    assert found.row("prod").estimate.mean == 1.0
    assert any("prod scores" in sentence and "whole systems" in sentence for sentence in decision.because)
    assert "prod" not in decision.excluded and decision.recommend in ("base", "rag")
    facts = arm_facts(result.run, "match")["prod"]
    assert facts.metered is None and "p95_latency_seconds" not in facts.measured, "what is not known is not zero"
    (row,) = {(row["cost"], row["seconds"], row["prompt_tokens"]) for row in scoring.score_rows(result.run, "prod", 0)}
    assert row == (0.002, 0.5, None)
    html = write_report(result.run).read_text()
    assert "whole system, outside the verdict" in html and "system answers prod.jsonl" in html and "0.002 EUR" in html
    assert replay(result.run)
    table = scoring.score_table(result.run, "match", "rag")
    assert [arm.deployable for arm in table.arms] == [True, True, False, False]


def test_other_logged_answers_are_other_answers(with_systems, tmp_path, domain_folder):
    first = run(with_systems, tmp_path / "runs")
    path = domain_folder / "prod.jsonl"
    path.write_text(path.read_text().replace('"answer": "', '"answer": "not '))
    again = run(with_systems, tmp_path / "runs")
    assert again.run.folder == first.run.folder
    assert again.comparison.row("prod").estimate.mean < first.comparison.row("prod").estimate.mean


def test_answers_that_are_not_logged_are_counted_and_block_nothing(with_systems, tmp_path, domain_folder):
    path = domain_folder / "prod.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    result = run(with_systems, tmp_path / "runs")
    assert result.comparison.row("prod").missing > 0.05
    assert not any("no verdict is given" in sentence for sentence in result.decision.because)


def test_what_a_system_cannot_be():
    for changes, message in (
        ({"tuning": "lora"}, "Leave tuning out"),
        ({"retriever": "bm25"}, "cannot be given what bm25 finds"),
    ):
        with pytest.raises(ValueError, match=message):
            Study.model_validate({"domain": ".", "arms": {"rag": {}, "prod": {"system": "copy", **changes}}})
    with pytest.raises(ValueError, match="own model"):
        Study.model_validate({"domain": ".", "arms": {"rag": {}, "prod": {"system": "copy"}}, "reference": "prod"})
    endpoint = ArmSettings.model_validate({"system": {"openai": {"url": "http://x", "model": "m"}}, "retriever": "bm25"})
    assert not endpoint.candidate and ArmSettings().candidate


def test_a_system_that_cannot_be_had_is_said_before_anything_runs(with_systems, tmp_path, domain_folder):
    (domain_folder / "prod.jsonl").unlink()
    with pytest.raises(MissingError, match=r"arm 'prod': .*no such file"):
        prepare(with_systems, tmp_path / "runs")
    (domain_folder / "prod.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(InputError, match=r"arm 'prod': .*prod\.jsonl:1"):
        prepare(with_systems, tmp_path / "runs")


def test_a_system_that_outdoes_the_reference_is_a_warning(with_systems, tmp_path):
    found = run(with_systems, tmp_path / "runs").comparison
    prod, copy = found.systems
    surely, hardly = replace(prod, low=found.margin + 0.01), replace(copy, low=found.margin - 0.01)
    (sentence,) = _outdone(replace(found, systems=(surely, hardly)))
    assert "prod" in sentence and "rag is not the best at hand" in sentence


def test_the_command_line_lists_them(capsys):
    assert main(["list", "systems"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("answers", "langchain", "openai", "copy"))
