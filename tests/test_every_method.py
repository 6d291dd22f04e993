"""Every registered fine-tuning method as an arm alone, with RAG and with RAFT: from training to the comparison."""

from __future__ import annotations

import pytest

from ragft import registry
from ragft.settings import ArmSettings
from ragft.store import read_json
from ragft.study import run


@pytest.mark.parametrize("name", registry.entries("tuning"))
def test_a_method_fills_the_slot_alone_with_rag_and_with_raft(name, tiny_study, tmp_path):
    arms = {
        "rag": ArmSettings(retriever="bm25"),
        "alone": ArmSettings(tuning=name),
        "with rag": ArmSettings(retriever="bm25", tuning=name),
        "with raft": ArmSettings(retriever="bm25", tuning=name, format="raft"),
    }
    study = tiny_study.model_copy(update={"arms": arms, "seeds": (3,), "train_tokens": 900})
    result = run(study, tmp_path)
    built = {arm: read_json(result.run.seed_folder(arm, 3) / "fit.json")["adapter"] for arm in arms if arm != "rag"}
    assert built["alone"] == built["with rag"] != built["with raft"]
    assert all(0 < found["fit"]["trainable_parameters"] <= found["fit"]["total_parameters"] for found in built.values())
    frame = result.scores
    assert set(frame["arm"]) == set(arms) and set(frame["outcome"]) <= {"ok", "abstained", "truncated"}, "no answer failed"
    assert frame.groupby("arm")["question"].nunique().nunique() == 1
