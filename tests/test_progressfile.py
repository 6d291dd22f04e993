"""The file that says how far a run is: whole at every moment, and right about how the run ended."""

from __future__ import annotations

import pytest

from ragft.cli import main
from ragft.errors import InputError
from ragft.progress import Lines, Silent, say
from ragft.progressfile import Standing, read_standing, telling
from ragft.settings import save_study


def test_units_are_told_and_reach_the_other_watcher_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ragft.progressfile.SECONDS", 0.0)
    path = tmp_path / "progress.json"
    with telling(path, Lines()) as teller:
        teller.about(tmp_path / "runs" / "one")
        with teller.unit("train lora seed 0", 2, 9) as advance:
            advance(30, 120)
            say(advance, "about a minute")
            assert read_standing(path) == Standing("running", str(tmp_path / "runs" / "one"), "train lora seed 0", 2, 9, 30, 120)
        with teller.unit("answer lora seed 0", 3, 9):
            assert read_standing(path) == Standing("running", str(tmp_path / "runs" / "one"), "answer lora seed 0", 3, 9)
    assert read_standing(path).state == "finished"
    assert "[2/9] train lora seed 0: about a minute" in capsys.readouterr().err


def test_a_unit_is_not_written_more_often_than_twice_a_second(tmp_path):
    path = tmp_path / "progress.json"
    with telling(path, Silent()) as teller, teller.unit("index", 1, 1) as advance:
        advance(1, 5)
        assert read_standing(path).done == 0


@pytest.mark.parametrize(("error", "state", "why"), [(InputError("no such\nthing"), "failed", "no such thing"), (KeyboardInterrupt(), "stopped", "")])
def test_how_it_ended(tmp_path, error, state, why):
    with pytest.raises(type(error)), telling(tmp_path / "p.json", Silent()) as teller, teller.unit("index", 1, 4):
        raise error
    found = read_standing(tmp_path / "p.json")
    assert (found.state, found.why, found.label) == (state, why, "index")


def test_nothing_is_written_without_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with telling(None, Silent()) as teller, teller.unit("index", 1, 1) as advance:
        advance(1, 1)
    assert list(tmp_path.iterdir()) == []
    assert read_standing(tmp_path / "p.json") is None


def test_of_a_command(tiny_study, tmp_path):
    study = tiny_study.model_copy(update={"arms": {name: tiny_study.arms[name] for name in ("base", "rag")}})
    save_study(study, tmp_path / "study.yaml")
    command = ["run", str(tmp_path / "study.yaml"), "--runs", str(tmp_path / "runs"), "--progress", str(tmp_path / "p.json")]
    assert main(command) == 0
    found = read_standing(tmp_path / "p.json")
    assert (found.state, found.number, found.of) == ("finished", 3, 3)
    assert (tmp_path / "runs" / found.run / "decision.json").is_file()
    assert main([*command, "--set", "arms.rag.k=none"]) == 1
    assert read_standing(tmp_path / "p.json").state == "failed"
