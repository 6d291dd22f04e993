"""A planted leak: it is planted as it says, the gate refuses it, and without the gate it would have turned the verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scripts import load_script

from ragft.domain import load_domain
from ragft.leakage import find_leaks
from ragft.scorefile import decide_scores

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    return load_script("show_leak")


def test_what_is_planted_is_found(script, tmp_path):
    home = ROOT / "data" / "hollinbeck"
    number = script.plant(home, tmp_path / "leaking", 0.2)
    clean, leaking = load_domain(home), load_domain(tmp_path / "leaking")
    new = leaking.gold.keys() - clean.gold.keys()
    assert len(new) == number > 3 and {leaking.gold[key].split for key in new} == {"train"}
    asked = [[(question, gold.answers) for question, gold in domain.split("test")] for domain in (clean, leaking)]
    assert asked[0] == asked[1]
    assert {leak.question for leak in find_leaks(leaking)} == {key.removeprefix("planted-") for key in new}


def test_a_leak_would_have_turned_the_verdict(tmp_path):
    """A tuned arm that is no better than RAG, and what it scores once it can copy one answer in five."""
    rng = np.random.default_rng(7)
    documents = np.repeat(np.arange(40), 5)
    right = rng.random(200) < 0.5
    leaked = np.arange(200) % 5 == 0  # one question of each document
    verdicts = {}
    for name, copied in (("clean", np.zeros(200, bool)), ("leaking", leaked)):
        rows = [
            {
                "arm": arm,
                "retriever": "bm25",
                "tuning": tuning,
                "question": f"q{n}",
                "document": f"d{documents[n]}",
                "seed": seed,
                "score": float(score[n]),
            }
            for arm, tuning, seeds in (("rag", "", (0,)), ("rag+lora", "lora", (0, 1, 2)))
            for seed in seeds
            for score in [right if arm == "rag" else (right ^ (rng.random(200) < 0.04)) | copied]
            for n in range(200)
        ]
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
        verdicts[name] = decide_scores([tmp_path / f"{name}.csv"], reference="rag", margin=0.03)[1]
    assert verdicts["clean"].recommend == "rag"
    assert (verdicts["leaking"].verdict, verdicts["leaking"].recommend) == ("adopt-both", "rag+lora")
