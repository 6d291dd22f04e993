"""Knowledge against behaviour: which arms are set against which, that the parts add up, and what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as scipy_stats

from ragft import knowledge
from ragft.compare import pairwise
from ragft.scoretable import ArmScores, ScoreTable, table_of

DOCUMENTS = [f"d{i // 2}" for i in range(60)]


def drawn(share: float, seeds: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).uniform(size=(seeds, 60)) < share).astype(float)


BASE, OTHER, TUNED, SHUFFLED = drawn(0.1, 1, 1), drawn(0.3, 3, 2), drawn(0.6, 3, 3), drawn(0.1, 3, 4)


def arm(name: str, scores: np.ndarray, form: str | None = None, tuning: str = "lora", retriever: str | None = None, **more) -> ArmScores:
    control = form in ("other-documents", "shuffled")
    return ArmScores(name, scores, retriever, tuning if form else None, form, k=3 if retriever else None, adapters=name, control=control, **more)


def table(*arms: ArmScores) -> ScoreTable:
    return replace(table_of({"x": np.zeros(60)}, DOCUMENTS), arms=arms)


def test_behaviour_and_knowledge_are_two_paired_differences():
    made = table(arm("base", BASE), arm("lora", TUNED, "qa"), arm("else", OTHER, "other-documents"))
    (found,) = knowledge.split(made, 0.05)
    assert (found.arm, found.control, found.base) == ("lora", "else", "base")
    assert found.behaviour.estimate.mean == pytest.approx(OTHER.mean() - BASE.mean())
    assert found.knowledge.estimate.mean == pytest.approx(TUNED.mean() - OTHER.mean())
    assert found.behaviour.estimate.mean + found.knowledge.estimate.mean == pytest.approx(TUNED.mean() - BASE.mean())


def test_all_intervals_hold_at_once_with_every_pair_counted_once():
    arms = [arm("base", BASE), arm("lora", TUNED, "qa"), arm("more", drawn(0.5, 3, 5), "paraphrase"), arm("else", OTHER, "other-documents")]
    made = table(*arms, arm("swap", SHUFFLED, "shuffled"))
    one, two = knowledge.split(made, 0.06)
    (swapped,) = knowledge.shuffled(made, 0.06)
    assert one.behaviour == two.behaviour  # the same control and base: one of four pairs
    for difference in (one.behaviour, one.knowledge, two.knowledge, swapped.difference):
        known = difference.estimate
        half = scipy_stats.t.ppf(1 - 0.06 / 4, known.df) * known.se
        assert (difference.low, difference.high) == pytest.approx((max(-1, known.mean - half), known.mean + half))
    assert [one.knowledge] == pairwise(made, [("lora", "else")], alpha=0.06 / 4)


def test_arms_with_passages_are_split_among_themselves():
    arms = [arm("base", BASE), arm("lora", TUNED, "qa"), arm("rag", OTHER[:1], retriever="bm25"), arm("rag+lora", TUNED, "qa", retriever="bm25")]
    made = table(*arms, arm("rag+else", OTHER, "other-documents", retriever="bm25"))
    assert [(one.arm, one.control, one.base) for one in knowledge.split(made, 0.05)] == [("rag+lora", "rag+else", "rag")]


@pytest.mark.parametrize(
    "arms",
    [
        [arm("base", BASE), arm("lora", TUNED, "qa")],  # no control
        [arm("lora", TUNED, "qa"), arm("else", OTHER, "other-documents")],  # no base
        [arm("base", BASE), arm("else", OTHER, "other-documents")],  # nothing tuned but the control
        [arm("base", BASE), arm("lora", TUNED, "qa"), arm("else", OTHER, "other-documents", tuning="prefix")],
        [arm("base", BASE), arm("lora", TUNED, "qa", model="m"), arm("else", OTHER, "other-documents", model="m")],
        [arm("base", BASE), arm("lora", TUNED, "text"), arm("else", OTHER, "other-documents")],  # raw text teaches no way of answering
        [arm("base", BASE), arm("raft", TUNED, "raft"), arm("else", OTHER, "other-documents")],  # nor does a control train on passages
        [arm("base", BASE), arm("lora", TUNED * np.nan, "qa"), arm("else", OTHER, "other-documents")],  # nothing scored
    ],
)
def test_nothing_is_said_where_a_part_is_missing(arms):
    assert knowledge.split(table(*arms), 0.05) == ()


def test_what_is_sure_is_said_and_what_may_be_chance():
    sure = table(arm("base", BASE), arm("lora", np.ones((3, 60)), "qa"), arm("else", BASE.repeat(3, axis=0), "other-documents"))
    (found,) = knowledge.split(sure, 0.05)
    behaviour, knows = found.words.split("; ")
    assert behaviour.startswith("lora against base: training on other documents (else) brings behaviour, 0 points more (")
    assert behaviour.endswith("which may be chance")
    assert "brings knowledge, " in knows and knows.endswith("surely a gain.")
    one_seed = table(arm("base", BASE), arm("lora", TUNED[:1], "qa"), arm("else", OTHER[:1], "other-documents"))
    assert knowledge.split(one_seed, 0.05)[0].words.count("(no interval), which may be chance") == 2
    worse = table(arm("base", np.ones((1, 60))), arm("lora", TUNED, "qa"), arm("else", np.zeros((3, 60)), "other-documents"))
    assert "100 points less (−100.0 to " in knowledge.split(worse, 0.05)[0].words and "surely a loss" in knowledge.split(worse, 0.05)[0].words


def test_a_sure_gain_from_exchanged_answers_means_that_the_pipeline_is_broken():
    (found,) = knowledge.shuffled(table(arm("base", BASE), arm("swap", np.ones((3, 60)), "shuffled")), 0.05)
    assert found.broken and "the pipeline is broken" in found.words and "swap" in found.words
    (fine,) = knowledge.shuffled(table(arm("base", BASE), arm("swap", SHUFFLED, "shuffled")), 0.05)
    assert not fine.broken and "as it should be" in fine.words
    assert knowledge.shuffled(table(arm("swap", SHUFFLED, "shuffled")), 0.05) == ()
