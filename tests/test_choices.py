"""Choices become the changes that `--set` takes: all that was chosen, and nothing that study.yaml says already."""

from __future__ import annotations

import pytest

from ragft.choices import Choices, changes, known_arms
from ragft.errors import InputError
from ragft.settings import load_study

TEXT = "domain: .\nmodel: 'models/own one'\nlimit: 60\nseeds: [0, 1]\narms: {base: {}, rag: {retriever: bm25, k: 2}, mine: {tuning: dora}}\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "study.yaml").write_text(TEXT)
    return tmp_path / "study.yaml"


def test_nothing_that_the_study_has_already(path):
    study = load_study(path)
    same = Choices("models/own one", ("mine", "rag", "base"), 60, study.train_tokens, 2, study.margin, study.costs.machine_per_hour)
    assert changes(study, same) == changes(study, Choices()) == []


def test_what_was_chosen_is_what_runs(path):
    study = load_study(path)
    chosen = Choices("other: model, #1", ("base", "rag", "lora"), 0, 6000, 3, 0.05, 2.5)
    found = load_study(path, changes(study, chosen))
    assert (found.model, found.limit, found.train_tokens, found.seeds, found.margin) == ("other: model, #1", None, 6000, (0, 1, 2), 0.05)
    assert list(found.arms) == ["base", "rag", "lora"]
    assert found.costs == study.costs.model_copy(update={"machine_per_hour": 2.5})
    assert found.arms["rag"] == study.arms["rag"]  # the study's own settings, not the preset's
    assert found.arms["lora"].tuning == "lora"
    assert all("\n" not in line for line in changes(study, chosen))


def test_mistakes_are_those_of_set(path):
    study = load_study(path)
    with pytest.raises(InputError, match="No arm is chosen"):
        changes(study, Choices(arms=()))
    with pytest.raises(InputError, match=r"^--set arms="):
        load_study(path, changes(study, Choices(arms=("base", "lora"))))  # without the reference


def test_arms_to_choose_from(path):
    found = known_arms(load_study(path))
    assert list(found)[:3] == ["base", "rag", "mine"]
    assert found["mine"] == "tuning dora"
    assert {"oracle", "lora", "rag+lora", "raft"} < set(found)
