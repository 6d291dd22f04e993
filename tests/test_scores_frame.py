"""Scores are read by columns. The frame is the one that a dict a row gives."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from ragft import registry, scoring
from ragft.errors import InputError, MismatchError
from ragft.store import Run
from tests.made_run import Plan, make_run


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(tmp_path / "run", Plan(error="rag"))


def by_rows(run: Run) -> pd.DataFrame:
    gold = {g.id: g for g in scoring.read_gold(run)}
    rows = []
    for name, seed in scoring.finished(run):
        for line in (run.seed_folder(name, seed) / "scores.jsonl").read_text().splitlines():
            row = json.loads(line)
            g = gold[row["question"]]
            rows.append({"arm": name, "seed": seed, "document": g.document, "stratum": g.stratum, "kind": g.kind, **row})
    frame = pd.DataFrame(rows)
    columns = ["arm", "seed", "document", "stratum", "kind", "question", "outcome", "prompt", *registry.entries("metric")]
    return frame.reindex(columns=list(dict.fromkeys([*columns, *frame.columns])))


def test_same_as_a_dict_a_row(run):
    path = run.seed_folder("rag", 0) / "scores.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first[:-1] + ', "of a plugin": 0.25}', *rest]) + "\n")  # only some rows have it
    pd.testing.assert_frame_equal(scoring.scores_frame(run), by_rows(run), check_exact=True)


def test_some_arms_and_seeds_only(run):
    found, every = scoring.scores_frame(run, [("lora", 1), ("rag", 0)]), by_rows(run)
    assert list(zip(found["arm"], found["seed"], strict=True)) == [("lora", 1)] * 20 + [("rag", 0)] * 20
    own = every[(every["arm"] == "lora") & (every["seed"] == 1)]
    assert list(found["match"][:20]) == list(own["match"])


def test_some_scores_only(run):
    found, every = scoring.scores_frame(run, only={"match", "outcome"}), by_rows(run)
    assert list(found.columns) == [name for name in every.columns if name != "batch"]  # no metric, and not asked for
    pd.testing.assert_frame_equal(found[["arm", "question", "match", "outcome"]], every[["arm", "question", "match", "outcome"]])
    assert found["token_f1"].isna().all()


def test_a_line_that_is_no_record_is_named(run):
    path = run.seed_folder("rag", 0) / "scores.jsonl"
    first, *rest = path.read_text().splitlines()
    for broken in ("[1]", "17", first[:-3]):
        path.write_text("\n".join([first, broken, *rest]) + "\n")
        with pytest.raises(InputError, match=r"scores\.jsonl:2: a line that is torn"):
            scoring.scores_frame(run)


def test_a_question_that_is_not_of_the_run_is_refused(run):
    path = run.seed_folder("rag", 0) / "scores.jsonl"
    path.write_text(path.read_text().replace('"q07"', '"q77"'))
    with pytest.raises(MismatchError, match="rag seed 0 answered other questions"):
        scoring.scores_frame(run)
