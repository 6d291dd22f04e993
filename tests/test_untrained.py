"""A training that comes apart: its arm fails, question by question, and the rest of the study stands."""

from __future__ import annotations

import pytest

from ragft import units
from ragft.errors import InputError
from ragft.exports import export
from ragft.guide import make_guide
from ragft.guidepage import notes
from ragft.material import read_material
from ragft.robust import robustness
from ragft.search import search
from ragft.settings import Study
from ragft.store import read_json, read_jsonl_as
from ragft.study import prepare, run
from ragft.types import Answer

WILD = {"tuning": "lora", "learning_rate": 1e30}
ARMS = {"base": {}, "rag": {"retriever": "bm25"}, "lora": {"tuning": "lora"}, "wild": WILD, "rag+wild": {**WILD, "retriever": "bm25"}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model):
    from tiny import write_domain

    root = tmp_path_factory.mktemp("untrained")
    study = Study(
        domain=str(write_domain(root / "works")), model=str(tiny_model), embedder=None, seeds=(0, 1), chunk_tokens=32, context_tokens=96, k=2,
        max_new_tokens=6, batch_size=4, train_tokens=900, train_batch_size=4, arms=ARMS,
    )  # fmt: skip
    return study, run(study, root / "runs"), root


def test_its_answers_are_errors_that_say_why_and_other_arms_answer(finished):
    _, result, _ = finished
    for name in ARMS:
        for seed in result.run.seeds(name):
            answers = read_jsonl_as(Answer, result.run.seed_folder(name, seed) / "answers.jsonl")
            failed = [a for a in answers if a.outcome == "error"]
            assert len(failed) == (len(answers) if "wild" in name else 0), name
            assert all("training came apart" in a.error and "Lower learning_rate (1e+30)" in a.error for a in failed)
            assert all(a.hits for a in failed) == (name == "rag+wild") or not failed, "what it would have been shown"
    assert not (result.run.seed_folder("wild", 0) / "latency.json").exists(), "how fast it fails is no latency"


def test_nothing_of_it_is_scored_and_the_verdict_is_about_the_others(finished):
    _, result, _ = finished
    frame = result.scores
    assert frame[frame["arm"] == "wild"]["match"].isna().all()
    assert set(result.comparison.unscored) == {"wild", "rag+wild"}
    assert set(result.decision.excluded) == {"wild", "rag+wild"}
    assert result.decision.excluded["wild"][0].startswith("could not be trained. Seed 0: training came apart after")
    assert not any("no verdict is given" in why and "under every seed" in why for why in result.decision.because)


def test_the_same_command_does_not_train_it_again(finished, monkeypatch):
    study, result, root = finished

    def never(*given, **rest):
        raise AssertionError("trained again")

    monkeypatch.setattr(units, "build_adapter", never)
    assert run(study, root / "runs").decision == result.decision
    assert not list(result.run.folder.rglob("*.checkpoint"))


def test_guide_and_report_say_it(finished):
    _, result, _ = finished
    material = read_material(result.run)
    guide = make_guide(material)
    assert guide is not None
    row = next(row for row in guide.rows if row.arm == "wild")
    assert row.failed and row.score is row.trainable is row.training_seconds is row.latency is None and row.shift == ()
    assert any("could not be trained. Seed 0: training came apart" in line for line in notes(guide))
    for page in ("report.html", "report.md"):
        text = (result.run.folder / page).read_text(encoding="utf-8")
        assert "could not be trained. Seed 0: training came apart" in text.replace("\\", ""), page
    assert {path.stem for path in (result.run.folder / "measures").glob("*.json")} == {
        "base",
        *(read_json(result.run.seed_folder("lora", seed) / "fit.json")["adapter"]["folder"].removeprefix("artifacts/") for seed in (0, 1)),
    }


def test_it_cannot_be_exported(finished, tmp_path):
    _, result, _ = finished
    with pytest.raises(InputError, match=r"arm 'wild' has no weights of seed 0: training came apart.*run the study with other settings"):
        export(result.run, "wild", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_asked_again_it_fails_again_and_makes_no_row_of_numbers(finished):
    study, _, root = finished
    found = robustness(search(prepare(study, root / "runs"), None), ["lora", "wild"], None)
    rows = {row.arm: row for row in found.rows if row.variant == "typos"}
    assert rows["lora"].questions > 0 and rows["wild"].questions == 0 and rows["wild"].change is None
