"""A decision record replays to the same verdict, and breaks when anything below it changes."""

from __future__ import annotations

import json

import pytest
from made_run import Plan, make_run

from ragft.cli import main
from ragft.cost import Prices
from ragft.errors import MismatchError, MissingError
from ragft.protocol import FIXED
from ragft.store import Run, fingerprint, read_json, write_json
from ragft.study import Decider, decide_run, load_result, read_study, replay


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(tmp_path / "run", Plan(documents=20))


def test_it_replays_bit_for_bit(run, capsys):
    before = (run.folder / "decision.json").read_bytes()
    said = replay(run)
    assert said == read_json(run.folder / "record.json")["hash"]
    assert (run.folder / "decision.json").read_bytes() == before
    decide_run(run)
    assert (run.folder / "decision.json").read_bytes() == before and replay(run) == said
    assert main(["decide", str(run.folder), "--replay"]) == 0
    assert f"the same verdict, bit for bit (record {said[:12]})" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [("metric: match", "metric: token_f1", "metric"), ("margin: 0.03", "margin: 0.05", "margin"), ("alpha: 0.025", "alpha: 0.05", "alpha")],
)
def test_a_changed_setting_breaks_it(run, capsys, old, new, what):
    path = run.folder / "study.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(MismatchError, match=f"the record's hash is broken: {what} changed"):
        replay(run)
    assert main(["decide", str(run.folder), "--replay"]) == 1
    assert "ragft decide" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("gold.jsonl", "the questions or their gold answers changed"),
        ("questions.jsonl", "the questions or their gold answers changed"),
        ("arms/rag/seed-0/scores.jsonl", "the answers, scores or what was measured changed"),
        ("decision.json", "the stored verdict itself changed"),
        ("arms/rag/arm.json", r"what the arms are, or what they were run on, changed \(arms/rag/arm.json\)"),
        ("manifest.json", r"what the arms are, or what they were run on, changed \(manifest.json, arms\)"),
    ],
)
def test_a_changed_file_breaks_it(run, file, what):
    path = run.folder / file
    path.write_text(path.read_text().replace("q1", "q2").replace("rag", "rug").replace("1.0", "0.0"))
    with pytest.raises(MismatchError, match=what):
        replay(run)


def test_an_edited_record_is_seen(run):
    path = run.folder / "record.json"
    found = read_json(path)
    found["settings"]["margin"] = 0.5
    path.write_text(json.dumps(found))
    with pytest.raises(MismatchError, match="the record was edited"):
        replay(run)


@pytest.mark.parametrize("content", ["[1]", "{}", '{"settings": 3}'])
def test_what_is_no_record_is_said_to_be_none(run, content):
    found = json.loads(content)
    whole = {**found, "hash": fingerprint(found)} if isinstance(found, dict) else found
    (run.folder / "record.json").write_text(json.dumps(whole))
    with pytest.raises(MismatchError, match="Decide again with: ragft decide"):
        replay(run)


def test_without_a_record_it_is_said_how_to_make_one(run):
    (run.folder / "record.json").unlink()
    with pytest.raises(MissingError, match=f"ragft decide {run.folder}"):
        replay(run)


def test_a_version_that_decides_otherwise_is_seen(run, monkeypatch):
    monkeypatch.setattr("ragft.odds.DIGITS", 1)
    with pytest.raises(MismatchError, match="not the version of ragft that made it"):
        replay(run)


def test_deciding_again_takes_the_study_as_it_is_now(run):
    """Another metric and margin in study.yaml: compared anew, decided anew, and the record is of that."""
    path = run.folder / "study.yaml"
    path.write_text(path.read_text().replace("metric: match", "metric: token_f1").replace("margin: 0.03", "margin: 0.05"))
    decision = decide_run(run)
    assert (decision.metric, decision.margin) == ("token_f1", 0.05)
    assert read_json(run.folder / "comparison.json")["metric"] == "token_f1"
    assert replay(run) == read_json(run.folder / "record.json")["hash"]


def test_a_slider_that_changes_what_was_fixed_says_so(run):
    path = run.folder / "manifest.json"
    values = read_study(run).model_dump(mode="json", include=set(FIXED))
    write_json(path, {**read_json(path), "protocol": {"fixed": "then", "values": values, "fingerprint": fingerprint(values)}})
    decider = Decider.of(run)
    assert not any("changed after answers were seen" in warning for warning in decider().warnings)
    for name, value in (("margin", 0.1), ("needs", {"citations": True})):
        assert any(warning.startswith(f"{name} changed after answers were seen") for warning in decider(**{name: value}).warnings)


def test_a_slider_decides_as_the_run_does(run):
    decider = Decider.of(run)
    stored = load_result(run).decision
    assert decider().verdict == stored.verdict and decider().odds == stored.odds
    path = run.folder / "study.yaml"
    path.write_text(path.read_text().replace("margin: 0.03", "margin: 0.2"))
    moved = decide_run(run)
    assert (decider(margin=0.2).verdict, decider(margin=0.2).because, decider(margin=0.2).odds) == (moved.verdict, moved.because, moved.odds)
    assert decider(prices=Prices(updates_per_month=50.0)).break_even != decider().break_even
    assert decider(needs={"citations": True}).excluded.keys() >= {"lora"}
