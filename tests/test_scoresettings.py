"""Settings beside scores made elsewhere: as a study has them, and every mistake one line."""

from __future__ import annotations

import pytest
from made_run import Plan, make_run

from ragft.cli import main
from ragft.cost import Prices
from ragft.errors import InputError, MissingError
from ragft.scorefile import decide_scores, write_scores
from ragft.scoresettings import read_settings
from ragft.study import load_result


def test_a_file_of_settings(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("margin: 0.05\nmetric: match\nneeds: {citations: true}\ncosts: {questions_per_month: 500}\nslices: [kind=exact]\n")
    assert read_settings(path) == {
        "margin": 0.05, "metric_name": "match", "needs": {"citations": True}, "slices": ("kind=exact",), "prices": Prices(questions_per_month=500),
    }  # fmt: skip
    path.write_text("")
    assert read_settings(path) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("margn: 0.05", "unknown setting in .*'margn'.*Did you mean 'margin'"),
        ("- a", "write settings as `key: value`"),
        ("a: [", "broken YAML"),
        ("needs: {false_answer_rate: 20}", "a share from 0 to 1"),
        ("costs: {questions_per_month: -1}", "costs.questions_per_month"),
        ("margin: 3%", "settings.yaml: margin: .*valid number.*'3%'"),
        ("margin: 3", "settings.yaml: margin: .*less than or equal to 1"),
        ("alpha: 0.9", "settings.yaml: alpha"),
        ("needs: [a, b]", "settings.yaml: needs: .*dictionary"),
        ("needs: {p95_latency_seconds: fast}", "settings.yaml: needs.p95_latency_seconds"),
        ("slices: kind=exact", "settings.yaml: slices"),
        ("slices: 3", "settings.yaml: slices"),
        ("slices: [foo=bar]", "unknown dimension of slice 'foo=bar'"),
        ("slices: [retrieval=missing]", "'missing'.*Did you mean 'missed'"),
        ("slices: [kind=a, kind=a]", "named twice"),
        ("slices: [kind=a, kind=b, kind=c, kind=d, kind=e]", "at most 4"),
        ("reference: [rag]", "settings.yaml: reference"),
        ("margin: 2025-13-01", "broken YAML"),
    ],
)
def test_mistakes(tmp_path, text, said):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_settings(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingError):
        read_settings(tmp_path / "nowhere.yaml")


def test_needs_costs_and_slices_make_the_verdict_of_the_run(tmp_path, capsys):
    needs = {"false_answer_rate": 0.5, "citations": True}
    run = make_run(tmp_path / "run", Plan(documents=20, needs=needs))
    write_scores(run, tmp_path / "s.csv", "match")
    (tmp_path / "settings.yaml").write_text("needs: {false_answer_rate: 0.5, citations: true}\nmetric: match\n")
    inside = load_result(run).decision
    stated = read_settings(tmp_path / "settings.yaml")
    assert decide_scores([tmp_path / "s.csv"], **stated, model=inside.model)[1] == inside
    assert main(["decide", "--scores", str(tmp_path / "s.csv"), "--settings", str(tmp_path / "settings.yaml")]) == 0
    assert f"Verdict: {inside.verdict} (recommended: {inside.recommend})" in capsys.readouterr().out
    assert main(["decide", str(run.folder), "--settings", str(tmp_path / "settings.yaml")]) == 1
