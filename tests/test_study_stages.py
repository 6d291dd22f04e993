"""What is done and what is not, beforehand: of every unit, after damage, after other settings, after a training that came apart."""

from __future__ import annotations

import shutil

import pytest

from ragft.errors import DivergedError, NotReadyError
from ragft.progress import Silent
from ragft.stages import KINDS, begin, carry_out_stage, one_after_another, plan_units, undone, units_of
from ragft.store import read_json
from ragft.study import carry_out, conclude, prepare


@pytest.fixture
def study(tiny_study):
    arms = {name: tiny_study.arms[name] for name in ("base", "rag", "lora", "rag+lora")}
    return tiny_study.model_copy(update={"arms": arms, "seeds": (0,), "train_tokens": 500})


def labels(context) -> list[str]:
    return [unit.label for unit in undone(context, plan_units(context))]


def test_before_anything_all_is_undone_and_after_the_run_nothing(study, tmp_path):
    context = prepare(study, tmp_path)
    units = plan_units(context)
    assert labels(context) == [unit.label for unit in units]
    assert list(dict.fromkeys(sorted((unit.kind for unit in units), key=KINDS.index))) == list(KINDS)
    carry_out(context)
    assert labels(context) == []


def test_units_of_a_kind_wait_for_nothing_outside(study, tmp_path):
    """An executor that places units side by side waits for what a unit needs: what is done already is in no list."""
    context = prepare(study, tmp_path)
    with pytest.raises(NotReadyError, match="the index is not built") as error:
        units_of(context, ["train"])
    assert error.value.kind == "index"
    one_after_another(units_of(begin(context, Silent()), ["index"]), Silent())
    assert [unit.needs for unit in units_of(context, ["train"])] == [()]
    assert {unit.label: unit.needs for unit in units_of(context, KINDS)} == {unit.label: unit.needs for unit in plan_units(context)}


def test_damage_undoes_what_rests_on_it(study, tmp_path):
    context = prepare(study, tmp_path)
    run = carry_out(context).run
    adapter = run.folder / read_json(run.seed_folder("lora", 0) / "fit.json")["adapter"]["folder"]
    shutil.copytree(adapter, tmp_path / "kept")
    weights = next(adapter.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    rests = ["train lora qa seed 0", "answer lora seed 0", "answer rag+lora seed 0", "measure lora qa seed 0"]
    assert labels(context) == rests
    shutil.rmtree(adapter)
    assert labels(context) == rests
    shutil.copytree(tmp_path / "kept", adapter)
    (run.seed_folder("rag", 0) / "answers.jsonl").write_text("")
    (run.folder / "measures" / "base.json").unlink()
    assert labels(context) == ["answer rag seed 0", "measure base"]
    with pytest.raises(NotReadyError, match=r"not all questions answered: rag seed 0\.$"):
        conclude(context)


def test_another_general_set_asks_for_the_measures_only(study, tmp_path):
    from pathlib import Path

    carry_out(prepare(study, tmp_path))
    general = str(Path(__file__).parents[1] / "data" / "general")
    again = prepare(study.model_copy(update={"general": general}), tmp_path)
    assert labels(again) == ["measure base", "measure lora qa seed 0"]


def test_a_training_that_came_apart_is_done(study, tmp_path, monkeypatch):
    """The same settings would come apart again; its answers are errors, and there is nothing to measure."""

    def diverges(*_, **__):
        raise DivergedError("training came apart at step 3.")

    monkeypatch.setattr("ragft.units.build_adapter", diverges)
    context = prepare(study, tmp_path)
    for kinds, now in ((["index"], 1), (["train"], 1), (["answer", "measure"], 5)):
        assert len(carry_out_stage(context, kinds, Silent(), one_after_another).done_now) == now
    assert labels(context) == []
    assert conclude(context).run.folder == context.run.folder
