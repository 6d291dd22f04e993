"""Verdicts: one made study for each, the reasons with their numbers, and what would change them."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragft.compare import compare
from ragft.comparison import MAX_MISSING, ArmRow, Comparison, Difference, Interaction, Level, SliceRow
from ragft.cost import Measured, Metered, Prices, arm_cost
from ragft.decide import NEEDS, VERDICTS, ArmFacts, decide
from ragft.domain.splits import STRATA
from ragft.errors import InputError
from ragft.needs import check_needs
from ragft.numbers import percent, points
from ragft.quantities import Fixed, Rate, Waits
from ragft.rules import CANNOT_READ, NONE_FITS, NONE_LEFT_GAINS
from ragft.scoretable import UNANSWERABLE, table_of
from ragft.stats import Estimate
from ragft.words import KINDS, coverage, says

RETRIEVER = {"rag": "bm25", "rag+lora": "bm25", "oracle": "oracle", "raft": "bm25", "rag-dense": "dense"}
TUNING = {"lora": "lora", "rag+lora": "lora", "raft": "lora"}
QUESTIONS, EACH = 600, 10  # sixty documents of ten questions


def right(*tenths: int) -> np.ndarray:
    """Scores of one arm, a row a seed: right on so many of each document's ten questions."""
    return np.array([[float(i % EACH < t) for i in range(QUESTIONS)] for t in tenths])


def study(reference: str = "rag", margin: float = 0.03, strata: tuple[str, ...] = (), **arms: np.ndarray) -> Comparison:
    scores = {name.replace("_", "+"): values for name, values in arms.items()}
    table = table_of(scores, [f"d{i // EACH}" for i in range(QUESTIONS)], retriever=RETRIEVER, tuning=TUNING, format={"raft": "raft"})
    table = replace(table, strata=strata or table.strata)
    return compare(table, metric="match", reference=reference, margin=margin, alpha=0.025)


def took(setup: float, seconds: float) -> Metered:
    """Known exactly."""
    return Metered(Measured(setup), Measured(seconds), 0.5)


def facts(seconds: dict[str, float] | None = None, **known: dict) -> dict[str, ArmFacts]:
    """Facts of every arm; `seconds` a question give costs, `known` what was measured by arm, by the need's name."""
    found = {}
    for name in ("base", "oracle", "rag", "rag-dense", "lora", "rag+lora", "raft"):
        metered = took(3600.0 if TUNING.get(name) else 0.0, seconds[name]) if seconds and name in seconds else None
        about = dict(known.get(name.replace("+", "_"), {}))
        untrained = about.pop("untrained", "")
        measured = {need: value if isinstance(value, Waits | Rate) else Fixed(value) for need, value in about.items()}
        found[name] = ArmFacts(RETRIEVER.get(name), TUNING.get(name), metered, measured, untrained)
    return found


def verdict_of(found: Comparison, about: dict[str, ArmFacts] | None = None, **options):
    return decide(found, about or facts(), model="tiny", **options)


CHEAP_LORA = {"rag": 0.5, "lora": 0.1, "rag+lora": 0.6, "base": 0.1}
DEAR_LORA = {"rag": 0.5, "lora": 0.9, "rag+lora": 0.6, "base": 0.1}
THREE = right(6, 6, 6)

# verdict, recommended arm, the arms' scores (tenths), facts, needs, words that stand in the reasons
MADE = [
    ("neither-needed", "base", {"base": right(9), "rag": right(9), "lora": right(9, 9, 9), "rag_lora": right(8, 8, 8)}, facts(), {}, "not more than 3 points worse"),
    ("adopt-both", "rag+lora", {"base": right(2), "oracle": right(9), "rag": right(6), "lora": right(3, 3, 3), "rag_lora": right(8, 8, 8)}, facts(), {}, "rag+lora scores 20 points higher than rag"),
    ("adopt-tuned", "lora", {"base": right(2), "rag": right(6), "lora": THREE, "rag_lora": THREE}, facts(CHEAP_LORA), {}, "less over the horizon"),
    ("adopt-tuned", "lora", {"base": right(2), "rag": right(6), "lora": right(8, 8, 8), "rag_lora": THREE}, facts(DEAR_LORA), {}, "lora scores 20 points higher than rag"),
    ("trade-off", "rag", {"base": right(2), "rag": right(6), "rag_lora": right(8, 8, 8)}, facts(), {"access_control": True}, "cannot be kept from some of its readers"),
    ("trade-off", "rag", {"base": right(2), "rag": right(6), "lora": right(8, 8, 8)}, facts(), {"citations": True}, "nothing to cite"),
    ("equivalent", "rag", {"base": right(2), "rag": right(6), "lora": THREE, "rag_lora": THREE}, facts(), {}, "within 3 points of rag"),
    ("equivalent", "rag", {"base": right(2), "rag": right(6), "lora": THREE, "rag_lora": THREE}, facts(DEAR_LORA), {}, "lora scores the same as rag"),
    ("keep-rag", "rag", {"base": right(2), "rag": right(6), "lora": right(3, 3, 3), "rag_lora": THREE}, facts(), {}, "lora scores 30 points lower than rag"),
    ("keep-rag", "rag", {"base": right(2), "rag": right(6), "lora": THREE}, facts(CHEAP_LORA), {"citations": True}, "No tuned arm meets the needs"),
    ("undecided", "rag", {"base": right(2), "rag": right(6), "rag_lora": right(5, 7, 9)}, facts(), {}, "above or below the margin of 3 points"),
    ("undecided", "rag", {"base": right(2), "rag": right(6), "rag_lora": right(8)}, facts(), {}, "no interval can be given"),
    ("undecided", "rag", {"base": right(2), "rag": right(6)}, facts(), {}, "No tuned arm is in this study"),
    ("undecided", "rag", {"base": right(1), "oracle": right(1), "rag": right(1), "lora": right(1, 1, 1)}, facts(), {}, "This model cannot read this corpus"),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "recommend", "arms", "about", "needs", "words"), MADE, ids=lambda value: value if isinstance(value, str) else "")
def test_every_verdict_is_reached(verdict, recommend, arms, about, needs, words):
    decision = verdict_of(study(**arms), about, needs=needs)
    assert (decision.verdict, decision.recommend) == (verdict, recommend)
    assert decision.headline == (NONE_FITS if "meets the needs" in words else VERDICTS[verdict])
    assert words in " ".join(decision.because)
    assert decision.would_change_if
    assert decision == verdict_of(study(**arms), about, needs=needs)  # the same again


def test_where_a_need_decides_that_is_the_headline_and_what_would_change_it():
    """lora is as good and costs less; that it cannot cite is what rules it out, and not that it gains too little."""
    made, about = study(base=right(2), rag=right(6), lora=right(6, 6, 6)), facts(CHEAP_LORA)
    decision = verdict_of(made, about, needs={"citations": True})
    assert (decision.verdict, decision.headline) == ("keep-rag", "Keep RAG: no tuned arm meets the needs.")
    without = verdict_of(made, about)
    assert f"Without the need citations the verdict would be {without.verdict} ({without.recommend})." in decision.would_change_if
    assert not any(line.startswith("Without the need") for line in without.would_change_if)
    other = verdict_of(study(base=right(2), rag=right(6), lora=right(3, 3, 3)), about, needs={"abstention_rate": 0.9})
    assert other.verdict == "keep-rag" and other.headline == VERDICTS["keep-rag"]


def test_a_recommended_arm_that_misses_a_need_is_said_in_the_headline():
    """rag+lora gains, rag is what is left, and neither is allowed to know what it knows."""
    made = study(base=right(2), rag=right(6), lora=right(3, 3, 3), rag_lora=right(8, 8, 8))
    slow = {"p95_latency_seconds": Waits((9.0,) * 40)}
    waits = facts(rag=slow, lora=slow, rag_lora=slow)
    decision = verdict_of(made, waits, needs={"p95_latency_seconds": 2.0})
    assert decision.recommend == "rag" and decision.excluded["rag"]
    assert decision.headline.endswith(("rag does not meet them either.", "rag itself does not meet the needs."))
    part = facts(rag={"p95_latency_seconds": Waits((1.0,) * 40)}, lora={"p95_latency_seconds": Waits((1.0,) * 40)}, rag_lora=slow)
    mixed = verdict_of(study(base=right(2), rag=right(6), lora=right(3, 3, 3), rag_lora=right(6, 6, 6)), part, needs={"p95_latency_seconds": 2.0})
    assert mixed.verdict == "keep-rag" and mixed.headline == NONE_LEFT_GAINS
    assert mixed.because[0].startswith("No tuned arm that meets the needs can be better than rag by 3 points: lora")


def test_the_table_above_holds_every_verdict():
    assert {row[0] for row in MADE} == set(VERDICTS)


# ── an arm whose training came apart ─────────────────────────────────────────────────────────────────────────────────

BROKEN = "could not be trained. Seed 0: training came apart at step 3: the loss is nan. Lower learning_rate (1)."
NOTHING = np.full((3, QUESTIONS), np.nan)


def test_an_arm_that_could_not_be_trained_is_ruled_out_and_the_verdict_is_about_the_others():
    arms = {"base": right(2), "rag": right(6), "lora": NOTHING, "rag_lora": right(8, 8, 8)}
    decision = verdict_of(study(**arms), facts(lora={"untrained": BROKEN}))
    assert (decision.verdict, decision.recommend) == ("adopt-both", "rag+lora")
    assert decision.excluded == {"lora": (BROKEN,)}
    assert "lora could not be trained, so the verdict is about the other arms." in decision.because
    assert verdict_of(study(**arms)).verdict == "undecided", "without a reason known, no verdict"


def test_an_arm_that_could_not_be_trained_does_not_stand_in_the_way_of_the_model_alone():
    arms = {"base": right(9), "rag": right(9), "lora": NOTHING, "rag_lora": right(8, 8, 8)}
    decision = verdict_of(study(**arms), facts(lora={"untrained": BROKEN}))
    assert decision.verdict == "neither-needed" and "any other arm that could be trained" in decision.because[0]


def test_what_could_not_be_trained_is_not_said_to_be_no_better():
    arms = {"base": right(2), "rag": right(6), "lora": NOTHING, "rag_lora": right(3, 3, 3)}
    decision = verdict_of(study(**arms), facts(lora={"untrained": BROKEN}))
    assert decision.verdict == "keep-rag" and decision.because[0].startswith("No tuned arm that could be trained can be better than rag")


def test_where_no_tuned_arm_could_be_trained_that_is_the_reason():
    about = facts(lora={"untrained": BROKEN})
    decision = verdict_of(study(base=right(2), rag=right(6), lora=NOTHING), about, needs={"false_answer_rate": 0.1})
    assert decision.verdict == "undecided" and decision.because[0] == "No tuned arm could be trained."
    assert "lora could not be trained, so the verdict is about the other arms." in decision.because
    assert not any("lora" in warning for warning in decision.warnings if "was not measured" in warning)


# ── many arms, and controls ──────────────────────────────────────────────────────────────────────────────────────────


def test_of_many_open_arms_the_likeliest_are_written_out_and_the_rest_counted():
    many = [difference(f"m{n}", -0.1, 0.05 + 0.01 * n) for n in range(9)]
    about = facts(DEAR_LORA) | {f"m{n}": ArmFacts("bm25", "lora") for n in range(9)}
    decision = verdict_of(record(*many), about)
    open_arms = [why for why in decision.because if "above or below the margin" in why]
    assert [why.split(" ")[0] for why in open_arms] == ["m8", "m7", "m6", "m5"]
    assert "5 other tuned arms are open too; the table of differences has them all." in decision.because
    assert sum("against rag" in change for change in decision.would_change_if) == 4


def test_of_many_arms_that_cannot_be_better_the_nearest_are_written_out():
    many = [difference(f"m{n}", -0.3, -0.2 + 0.01 * n) for n in range(9)]
    decision = verdict_of(record(*many), facts() | {f"m{n}": ArmFacts("bm25", "lora") for n in range(9)})
    assert decision.verdict == "keep-rag"
    assert decision.because[0].count("scores") == 4 and "m8 scores" in decision.because[0]
    assert decision.because[0].endswith("and so with 5 others.")


def test_many_break_even_volumes_are_one_sentence():
    many = [difference(f"m{n}", -0.3, -0.2) for n in range(6)]
    about = {"rag": ArmFacts("bm25", None, took(0.0, 0.5))}
    about |= {f"m{n}": ArmFacts(None, "lora", took(100.0 + n, 0.1)) for n in range(6)}
    (said,) = [change for change in verdict_of(record(*many), about).would_change_if if "cost" in change]
    assert re.match(r"m0, m1, m2, m3 and 2 others cost less than rag above \d+ to \d+ questions a month .* they answer as well\.$", said)


def test_a_control_is_compared_with_nothing_and_never_recommended():
    """However well it scores: it would be a gain from exchanged answers."""
    scores = {"base": right(2), "rag": right(6), "oracle": right(9), "lora": right(3, 3, 3), "shuffled": right(9, 9, 9)}
    table = table_of(scores, [f"d{i // EACH}" for i in range(QUESTIONS)], retriever=RETRIEVER, tuning={"lora": "lora", "shuffled": "lora"})
    table = replace(table, arms=tuple(replace(arm, control=arm.name == "shuffled") for arm in table.arms))
    found = compare(table, metric="match", reference="rag", margin=0.03, alpha=0.025)
    assert found.family == ("base", "lora") and [d.arm for d in found.against_base] == ["base", "base"]
    assert found.ceiling is not None and found.ceiling.arm == "oracle"
    assert {row.name for row in found.arms} == set(scores), "it is shown all the same"
    about = facts() | {"shuffled": ArmFacts(None, "lora")}
    decision = verdict_of(found, about)
    assert (decision.verdict, decision.recommend) == ("keep-rag", "rag")
    rows = tuple(replace(row, missing=0.5) if row.name == "shuffled" else row for row in found.arms)
    assert verdict_of(replace(found, arms=rows), about).verdict == "keep-rag", "nothing rests on its answers"
    left = replace(found, arms=tuple(row for row in rows if row.name != "shuffled"), unscored=("shuffled",))
    assert verdict_of(left, about).verdict == "keep-rag"


# ── the same rules on records, where the bounds can be set at will ───────────────────────────────────────────────────


def difference(arm, low, high, minus="rag", **known):
    mean = (low + high) / 2
    estimate = Estimate(mean, (high - low) / 5, 0.0, 30.0, 300, 31, 3, question_df=30.0, seed_df=4.0)
    return Difference(arm, minus, replace(estimate, **known), low, high, None, None)


def record(*challengers, against_base=(), margin=0.03, rows=0.6, ceiling=None) -> Comparison:
    names = ["rag", *(d.arm for d in challengers), *([ceiling.arm] if ceiling else [])]
    estimate = Estimate(rows, 0.02, 0.0, 30.0, 300, 31, 1, question_df=30.0)
    level = Level(rows, rows - 0.04, rows + 0.04)
    arms = tuple(ArmRow(name, estimate, rows - 0.04, rows + 0.04, (rows,), 0.0, rows, rows, level) for name in names)
    family = tuple(d.arm for d in challengers)
    return Comparison("match", "rag", margin, 0.025, 300, 31, family, arms, challengers, tuple(against_base), ceiling, (), (), 0.08)


def test_the_bound_decides_not_the_estimate():
    assert verdict_of(record(difference("rag+lora", 0.029, 0.2))).verdict == "undecided"
    assert verdict_of(record(difference("rag+lora", 0.031, 0.2))).verdict == "adopt-both"


def test_the_best_bound_is_recommended_not_the_best_mean():
    assert verdict_of(record(difference("rag+lora", 0.04, 0.4), difference("raft", 0.05, 0.1))).recommend == "raft"


def test_an_arm_that_misses_a_need_is_passed_over():
    found = record(difference("rag+lora", 0.08, 0.2), difference("raft", 0.05, 0.2))
    decision = verdict_of(found, facts(rag_lora={"p95_latency_seconds": 4.0}, raft={"p95_latency_seconds": 2.0}), needs={"p95_latency_seconds": 3})
    assert (decision.verdict, decision.recommend) == ("adopt-both", "raft")
    assert decision.excluded == {"rag+lora": ("one answer in twenty takes longer than 4.00 s, where 3.00 s is allowed",)}
    assert decision.open_needs == dict.fromkeys(("rag",), ("the need p95_latency_seconds was not measured by this run",))


def test_a_small_sure_gain_that_costs_more_is_a_trade_off():
    found = record(difference("lora", 0.01, 0.05))
    decision = verdict_of(found, facts(DEAR_LORA))
    saving = arm_cost(took(0, 0.5), Prices()).horizon_total - arm_cost(took(3600, 0.9), Prices()).horizon_total
    assert decision.verdict == "trade-off"
    assert f"it costs {-saving:.2f} EUR more over the horizon" in decision.because[0]
    assert verdict_of(found, facts(CHEAP_LORA)).verdict == "adopt-tuned"
    assert verdict_of(found).verdict == "adopt-tuned"  # costs unknown: nothing speaks against it


def test_base_must_be_as_good_as_all_and_meet_the_needs():
    others = [difference("base", -0.02, 0.01, minus=arm) for arm in ("rag", "rag+lora")]
    challengers = (difference("base", -0.02, 0.01), difference("rag+lora", -0.01, 0.02))
    assert verdict_of(record(*challengers, against_base=others)).verdict == "neither-needed"
    assert verdict_of(record(*challengers, against_base=others), needs={"citations": True}).verdict == "equivalent"
    worse = [others[0], difference("base", -0.04, 0.01, minus="rag+lora")]
    assert verdict_of(record(*challengers, against_base=worse)).verdict == "equivalent"
    assert verdict_of(record(*challengers, against_base=others[:1])).verdict == "equivalent"  # one comparison could not be made


@pytest.mark.parametrize("rows", [0.0, 0.1, CANNOT_READ - 0.01])
def test_equally_bad_is_never_good_enough(rows):
    others = [difference("base", -0.001, 0.001, minus=arm) for arm in ("rag", "rag+lora")]
    found = record(difference("base", -0.001, 0.001), difference("rag+lora", -0.001, 0.001), against_base=others, rows=rows)
    assert verdict_of(found).verdict != "neither-needed"


def test_cannot_read_names_the_score_with_the_gold_passages():
    decision = verdict_of(study(base=right(0), oracle=right(1), rag=right(1), lora=right(0, 0, 0)))
    assert decision.because[0].startswith(
        "This model cannot read this corpus: no arm reaches 25 % on the questions that the documents answer. "
        "Even with the gold passages in front of it, it scores 10 % on them. That says nothing about RAG"
    )
    assert decision.would_change_if == ("No margin, need or price changes it while this stands.",)


def test_cannot_read_holds_without_an_interval_too():
    assert "cannot read" in verdict_of(study(rag=right(1), oracle=right(1), lora=right(1))).because[0]


def test_without_gold_passages_reading_is_not_blamed():
    """Nobody was handed the evidence: the retriever may be the fault."""
    decision = verdict_of(study(base=right(0), rag=right(1), lora=right(1, 1, 1), rag_lora=right(1, 1, 1)))
    assert (decision.verdict, decision.recommend) == ("undecided", "rag")
    assert "cannot read" not in decision.because[0]
    assert decision.because[0].startswith("No arm reaches 25 % on the questions that the documents answer")
    assert "reading cannot be told from retrieval: add evidence to the test questions" in decision.because[0]


THIRD = tuple(UNANSWERABLE if i % 3 == 0 else "trained-fact" for i in range(QUESTIONS))


def refusing(every: int, *more: int) -> np.ndarray:
    """Right on all unanswerable questions, which refusing is enough for, and on one in `every` of the others."""
    return np.array([[float(i % 3 == 0 or i % n == 1) for i in range(QUESTIONS)] for n in (every, *more)])


def test_a_model_that_refuses_everything_cannot_read():
    """A third of the questions is unanswerable, so all arms score above 33 %, and the oracle is right on 2 % of the rest."""
    found = study(strata=THIRD, base=refusing(600), oracle=refusing(75), rag=refusing(150), lora=refusing(300, 300, 300))
    assert min(row.low for row in found.arms) > CANNOT_READ
    decision = verdict_of(found, facts(oracle={"abstention_rate": 0.96}))
    assert (decision.verdict, decision.recommend) == ("undecided", "rag")
    assert "This model cannot read this corpus" in decision.because[0]
    assert "it scores 2 % on them, and it declines to answer 96 % of them. That says nothing about RAG" in decision.because[0]
    assert "Retrieval is not the bottleneck" not in " ".join(decision.because)


def test_an_arm_that_learned_to_read_lifts_the_block_and_the_bottleneck_is_named():
    decision = verdict_of(study(strata=THIRD, base=refusing(600), oracle=refusing(51), rag=refusing(102), raft=refusing(2, 2, 2)))
    assert (decision.verdict, decision.recommend) == ("adopt-both", "raft")
    assert "Reading is the bottleneck" in " ".join(decision.because)


def test_questions_without_an_answer_cannot_show_that_a_model_reads():
    """Nothing but unanswerable questions: neither gate has anything to rest on."""
    decision = verdict_of(study(strata=(UNANSWERABLE,) * QUESTIONS, base=right(1), oracle=right(1), rag=right(1), lora=right(1, 1, 1)))
    assert "cannot read" not in " ".join(decision.because)
    assert decision.verdict == "equivalent"


@pytest.mark.parametrize("arm", ["base", "oracle", "rag", "rag_lora"])
def test_too_many_missing_answers_block_the_verdict(arm):
    arms = {"base": right(2), "oracle": right(9), "rag": right(6), "rag_lora": right(8, 8, 8)}
    arms[arm] = arms[arm].copy()
    arms[arm][0, :30] = np.nan  # five per cent of one seed
    assert verdict_of(study(**arms)).verdict == "adopt-both"
    arms[arm][:, :36] = np.nan
    decision = verdict_of(study(**arms))
    assert (decision.verdict, decision.recommend) == ("undecided", "rag")
    assert f"{arm.replace('_', '+')} failed on 6 % of its answers; with more than 5 % missing no verdict is given" in decision.because[0]
    arms[arm][:] = np.nan
    decision = verdict_of(study(**arms))
    assert decision.verdict == "undecided"
    assert "no question has a score under every seed" in decision.because[0]


def test_failures_that_add_up_over_seeds_block_the_verdict():
    """Four per cent of each seed's answers, each time of other questions: 12 % of the questions are in no difference."""
    arms = {"base": right(2), "oracle": right(9), "rag": right(6), "rag_lora": right(8, 8, 8)}
    for seed in range(3):
        arms["rag_lora"][seed, 24 * seed : 24 * (seed + 1)] = np.nan
    decision = verdict_of(study(**arms))
    assert (decision.verdict, decision.recommend) == ("undecided", "rag")
    assert "rag+lora minus rag rests on 88 % of the questions; with more than 5 % missing no verdict is given" in decision.because[0]
    arms["rag_lora"][:, 30:] = right(8, 8, 8)[:, 30:]
    assert verdict_of(study(**arms)).verdict == "adopt-both", "five per cent are lost"


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("base", "retrieves nothing"),
        ("lora", "is fine-tuned itself"),
        ("rag+lora", "is fine-tuned itself"),
        ("oracle", "is handed the gold passages"),
    ],
)
def test_another_reference_than_plain_rag_is_named_with_the_remedy(reference, why):
    decision = verdict_of(study(reference, base=right(2), oracle=right(9), rag=right(6), lora=right(3, 3, 3), rag_lora=right(8, 8, 8)))
    assert decision.verdict == "undecided"
    assert f"The reference arm {reference} {why}" in decision.because[0]
    assert "Set reference: rag" in decision.because[0]


def test_neither_needed_holds_for_any_reference():
    arms = {"base": right(9), "rag": right(9), "lora": right(9, 9, 9)}
    assert {verdict_of(study(reference, **arms)).verdict for reference in ("base", "rag", "lora")} == {"neither-needed"}


def test_a_better_plain_rag_stops_an_adoption():
    arms = {"rag": right(5), "rag-dense": right(8), "rag_lora": right(8, 8, 8)}
    decision = verdict_of(study(**arms))
    assert decision.verdict == "undecided"
    assert "rag-dense scores 30 points higher than rag" in decision.because[0]
    assert verdict_of(study("rag-dense", **arms)).verdict in ("equivalent", "keep-rag")


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_numbers_in_words():
    assert [points(x) for x in (0.03, 0.01, -0.01, 0.0, -0.00001, 0.0421)] == [
        "3 points",
        "1 point",
        "1 point",
        "0 points",
        "0 points",
        "4.2 points",
    ]
    assert [percent(x) for x in (0.25, 0.0541, 0.0)] == ["25 %", "5.4 %", "0 %"]
    assert says(replace(difference("raft", 0.01, 0.07), low=None, high=None)) == "raft scores 4 points higher than rag (no interval can be given)"
    assert says(difference("raft", 0.01, 0.07)) == "raft scores 4 points higher than rag (interval +1.0 to +7.0)"
    assert says(difference("base", -0.07, -0.01)) == "base scores 4 points lower than rag (interval −7.0 to −1.0)"
    assert says(difference("raft", -0.02, 0.02)) == "raft scores the same as rag (interval −2.0 to +2.0)"


def test_the_gates_say_where_the_bottleneck_is():
    def because(oracle, rag):
        return " ".join(verdict_of(study(base=right(2), oracle=right(oracle), rag=right(rag), rag_lora=right(9, 9, 9))).because)

    assert "Better retrieval could still help: with the gold passages the model scores 90 %, with rag 60 %." in because(9, 6)
    assert "Retrieval is not the bottleneck: the gold passages bring less than 3 points over rag." in because(6, 6)
    assert "Reading is the bottleneck: with the gold passages the model scores 20 % on the questions that the documents answer." in because(2, 1)


def test_the_closed_book_gate_says_that_nothing_is_needed():
    def because(base, oracle, lora=8):
        return " ".join(verdict_of(study(base=right(base), oracle=right(oracle), rag=right(8), lora=right(lora, lora, lora))).because)

    said = "The model alone is near its ceiling: on the questions that the documents answer, base scores 80 %, and the gold passages bring less than 3 points more."
    assert said in because(8, 8)
    assert "near its ceiling" not in because(7, 8)
    assert "near its ceiling" not in because(8, 8, lora=10)  # something does help
    assert "near its ceiling" not in because(1, 1)  # it cannot read


def test_the_closed_book_gate_looks_at_answerable_questions_only():
    """Base refuses all, oracle answers all: equally many right, but on other questions."""
    base = np.array([[float(i % 3 == 0) for i in range(QUESTIONS)]])
    oracle = np.array([[float(i % 3 == 1) for i in range(QUESTIONS)]])
    found = study(strata=THIRD, base=base, oracle=oracle, rag=oracle)
    assert found.row("base").estimate.mean == found.row("oracle").estimate.mean
    assert found.closed_book.estimate.mean == pytest.approx(-0.5)
    assert "near its ceiling" not in " ".join(verdict_of(found).because)


def test_interactions_are_told_both_ways():
    def because(both):
        return " ".join(verdict_of(study(base=right(2), rag=right(5), lora=right(4, 4, 4), rag_lora=right(both, both, both))).because)

    assert "rag and lora get in each other's way: together they bring 30 points less than the sum of what each brings." in because(4)
    assert "rag and lora overlap: together they bring 20 points less than the sum of what each brings." in because(5)  # not worse than rag alone
    assert "rag and lora help each other: together they bring 20 points more than the sum of what each brings." in because(9)
    assert "each other" not in because(7)


def test_notes_and_warnings_are_passed_on():
    decision = verdict_of(study(rag=right(6)), notes=["No tested fact has a training question."])
    assert decision.because[-1] == "No tested fact has a training question."
    assert (decision.model, decision.metric, decision.margin, decision.alpha, decision.reference) == ("tiny", "match", 0.03, 0.025, "rag")
    assert verdict_of(study(rag=right(6)), warnings=["Something changed."]).warnings[0] == "Something changed."


HALVES = ("trained-fact", "untrained-document") * (QUESTIONS // 2)


def halves(*shares: tuple[int, int]) -> np.ndarray:
    """A row a seed: so many of five right on the questions of even numbers, and on those of odd ones."""
    return np.array([[float((i // 2) % 5 < (even, odd)[i % 2]) for i in range(QUESTIONS)] for even, odd in shares])


def test_the_reasons_tell_the_kinds_of_question_apart():
    decision = verdict_of(study(strata=HALVES, base=halves((0, 0)), rag=halves((2, 3)), raft=halves((5, 3), (5, 3), (5, 3))))
    assert decision.recommend == "raft"
    assert decision.because[-2] == (
        "By kind of question, raft against rag: facts trained in other words 100.0 against 40.0 % (300 questions); "
        "documents never trained on 60.0 against 60.0 % (300 questions); the verdict pools them as they stand."
    )
    assert decision.because[-1].startswith(
        "Exploratory: fine-tuning helps only on facts trained in other words (300 questions): raft scores 60 points higher"
    )


def test_where_the_reference_is_kept_the_best_tuned_arm_is_set_against_it():
    lora, both = halves(*[(3, 0)] * 3), halves(*[(3, 1)] * 3)
    decision = verdict_of(study(strata=HALVES, base=halves((0, 0)), rag=halves((2, 3)), lora=lora, rag_lora=both))
    assert decision.recommend == "rag"
    assert any(
        why.startswith("By kind of question, rag+lora against rag: facts trained in other words 60.0 against 40.0 %") for why in decision.because
    )


@pytest.mark.parametrize("strata", [(), ("trained-fact",) * QUESTIONS])
def test_one_kind_of_question_is_not_told_apart(strata):
    assert "By kind of question" not in " ".join(verdict_of(study(strata=strata, rag=right(6), rag_lora=right(8, 8, 8))).because)


def test_a_kind_of_one_question_and_a_kind_without_words():
    rows = [SliceRow("stratum", kind, arm, 1, 0.5, None, None, None, None) for kind in ("of mine", "trained-fact") for arm in ("rag", "raft")]
    found = replace(record(difference("raft", 0.05, 0.2)), slices=tuple(rows))
    assert "of mine 50.0 against 50.0 % (1 question);" in verdict_of(found).because[-1]


def test_every_stratum_has_its_words():
    assert set(KINDS) == set(STRATA)
    assert UNANSWERABLE in STRATA


def test_what_failed_answers_could_change_in_words():
    row = replace(record().row("rag"), missing=0.04, worst=0.58, best=0.62)
    assert coverage(row) == "4 % of its answers failed: it would score 58 % if all of them were wrong, 62 % if all were right"
    assert coverage(record().row("rag")) == ""


# ── needs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def an_arm(retriever: str | None = "bm25", tuning: str | None = None, **measured) -> ArmFacts:
    return ArmFacts(retriever, tuning, None, measured)


SLOW = Waits((2.0, 2.1, 2.2, 1.9, 2.0, 2.1))
FAST = Waits((0.2, 0.21, 0.22, 0.19, 0.2, 0.21))


@pytest.mark.parametrize(
    ("need", "asked", "arm", "state"),
    [
        ("p95_latency_seconds", 1.5, an_arm(p95_latency_seconds=SLOW), "missed"),
        ("p95_latency_seconds", 1.5, an_arm(p95_latency_seconds=FAST), "met"),
        ("p95_latency_seconds", 2.3, an_arm(p95_latency_seconds=SLOW), "open"),  # above what was seen, below what may be
        ("p95_latency_seconds", 1.5, an_arm(p95_latency_seconds=Waits((0.1,))), "open"),  # one answer says nothing
        ("p95_latency_seconds", 1.5, an_arm(), "open"),
        ("peak_memory_gib", 1.5, an_arm(peak_memory_gib=Fixed(1.6)), "missed"),
        ("peak_memory_gib", 1.5, an_arm(peak_memory_gib=Fixed(1.5)), "met"),
        ("false_answer_rate", 0.1, an_arm(false_answer_rate=Rate(0.4, 100)), "missed"),
        ("false_answer_rate", 0.5, an_arm(false_answer_rate=Rate(0.4, 100)), "open"),
        ("false_answer_rate", 0.6, an_arm(false_answer_rate=Rate(0.4, 100)), "met"),
        ("false_answer_rate", 0.1, an_arm(false_answer_rate=Rate(0.0, 5)), "open"),
        ("abstention_rate", 0.1, an_arm(abstention_rate=Rate(0.4, 100)), "missed"),
        ("abstention_rate", 0.4, an_arm(), "open"),
        ("forgetting", 0.05, an_arm(tuning="lora", forgetting=Rate(0.6, 65)), "missed"),
        ("forgetting", 0.05, an_arm(), "met"),  # an untuned model cannot have forgotten anything
        ("forgetting", 0.05, an_arm(tuning="lora"), "open"),
        ("stale_rate", 0.1, an_arm(stale_rate=Rate(0.0, 60)), "met"),
        ("stale_rate", 0.1, an_arm(), "open"),
        ("injection_rate", 0.1, an_arm(injection_rate=Rate(0.5, 40)), "missed"),
        ("injection_rate", 0.1, an_arm(retriever=None), "met"),  # no passage, no order in it
        ("extraction_rate", 0.1, an_arm(), "met"),
        ("citations", True, an_arm(None, "lora"), "missed"),
        ("citations", False, an_arm(None, "lora"), "met"),
        ("citations", True, an_arm("bm25", "lora"), "met"),
        ("access_control", True, an_arm("bm25", "lora"), "missed"),
        ("access_control", True, an_arm("bm25"), "met"),
    ],
)
def test_needs(need, asked, arm, state):
    (found,) = check_needs(arm, {need: asked}, 0.025)
    assert (found.state, bool(found.why)) == (state, state != "met")


def test_an_arm_that_refuses_too_much_is_excluded():
    about = facts(raft={"abstention_rate": Rate(0.25, 400)})
    decision = verdict_of(record(difference("raft", 0.05, 0.2)), about, needs={"abstention_rate": 0.1})
    (why,) = decision.excluded["raft"]
    assert why.startswith("it declines to answer 25 % of the questions that the documents answer (surely more than 2")
    assert why.endswith("where 10 % is allowed")
    assert decision.open_needs == {"rag": ("the need abstention_rate was not measured by this run",)}


def test_an_arm_of_which_a_need_is_open_is_not_adopted():
    found, needs = record(difference("rag+lora", 0.08, 0.2)), {"false_answer_rate": 0.1}
    decision = verdict_of(found, facts(rag_lora={"false_answer_rate": Rate(0.0, 12)}), needs=needs)
    assert (decision.verdict, decision.recommend) == ("undecided", "rag")
    assert "enough to adopt it. But whether it meets the needs is open: it answers 0 % of the unanswerable questions; up to" in decision.because[0]
    assert "At least 36 such questions, and none of them so, would show it (now 12)." in decision.because[0]
    assert verdict_of(found, facts(rag_lora={"false_answer_rate": Rate(0.0, 36)}), needs=needs).verdict == "adopt-both"
    ready = record(difference("rag+lora", 0.08, 0.2), difference("raft", 0.05, 0.2))
    about = facts(rag_lora={"false_answer_rate": Rate(0.0, 12)}, raft={"false_answer_rate": Rate(0.0, 80)})
    assert verdict_of(ready, about, needs=needs).recommend == "raft"


def test_the_model_alone_with_an_open_need_is_not_enough():
    others = [difference("base", -0.02, 0.01, minus=arm) for arm in ("rag", "rag+lora")]
    found = record(difference("base", -0.02, 0.01), difference("rag+lora", -0.01, 0.02), against_base=others)
    decision = verdict_of(found, facts(base={"false_answer_rate": Rate(0.0, 12)}), needs={"false_answer_rate": 0.1})
    assert decision.verdict == "undecided" and "whether it meets the needs is open" in decision.because[1]


def test_what_is_cheaper_but_not_surely_is_not_worth_it():
    found = record(difference("lora", -0.01, 0.05))
    about = facts(CHEAP_LORA)
    assert verdict_of(found, about).verdict == "adopt-tuned"
    noisy = replace(took(3600.0, 0.1), question_seconds=Measured(0.1, 0.2**2, 3.0))
    decision = verdict_of(found, about | {"lora": replace(about["lora"], metered=noisy)})
    assert decision.verdict == "undecided"
    assert "less over the horizon here, but that is not sure." in decision.because[1]
    once = replace(noisy, question_seconds=Measured(0.1, 0.0, 0.0))  # timed in one batch: how sure it is cannot be told
    assert verdict_of(found, about | {"lora": replace(about["lora"], metered=once)}).verdict == "undecided", "less data makes nothing surer"


def test_an_unknown_need_is_an_error_with_a_suggestion():
    with pytest.raises(InputError, match=r"unknown need 'citation'\. Did you mean 'citations'"):
        verdict_of(study(rag=right(6)), needs={"citation": True})


def test_a_recommended_arm_that_misses_a_need_is_told():
    about = facts(rag={"p95_latency_seconds": 9.0}, rag_lora={"p95_latency_seconds": 9.0})
    decision = verdict_of(study(rag=right(6), rag_lora=THREE), about, needs={"p95_latency_seconds": 3})
    assert set(decision.excluded) == {"rag", "rag+lora"}
    assert any(warning.startswith("rag itself does not meet a need") for warning in decision.warnings)


# ── what would change it ─────────────────────────────────────────────────────────────────────────────────────────────

FLIP = re.compile(r"With a margin (below|above) ([\d.]+) points? \(now .*\) the verdict would be ([a-z-]+) \((.+)\)\.")
SWITCH = re.compile(r"With a margin (below|above) ([\d.]+) points? \(now .*\) (.+) would be recommended, with the same verdict\.")


def flips(decision):
    told = [sentence for sentence in decision.would_change_if if sentence.startswith("With a margin") and not SWITCH.fullmatch(sentence)]
    return [FLIP.fullmatch(sentence).groups() for sentence in told]


@pytest.mark.parametrize("margin", [0.0, 0.03, 0.0333, 0.1, 0.25])
@pytest.mark.parametrize(
    "bounds", list(product([(-0.05, 0.02), (0.024, 0.12), (-0.02, 0.01)], [(-0.06, -0.01), (0.012, 0.05), (-0.021, 0.019)])), ids=str
)
def test_margin_flips_are_true_when_decided_again(margin, bounds):
    found = record(difference("rag+lora", *bounds[0]), difference("lora", *bounds[1]), margin=margin)
    decision = verdict_of(found, facts(CHEAP_LORA))

    def again(at):
        return verdict_of(replace(found, margin=round(at, 6)), facts(CHEAP_LORA))

    told = {direction: (float(edge) / 100, verdict, arm) for direction, edge, verdict, arm in flips(decision)}
    for direction, step in (("below", -0.001), ("above", 0.001)):
        if direction in told:
            edge, verdict, arm = told[direction]
            beyond = again(min(edge, margin) + step if direction == "below" else max(edge, margin) + step)
            assert (beyond.verdict, beyond.recommend) == (verdict, arm)
            assert again(edge if abs(edge - margin) > 0.0005 else margin).verdict == decision.verdict
        else:
            beyond = [m / 1000 for m in range(0, 301, 7) if (m / 1000 - margin) * step > 0]
            assert {again(m).verdict for m in beyond} <= {decision.verdict}


def test_the_price_is_the_number_of_questions():
    decision = verdict_of(record(difference("rag+lora", -0.02, 0.14)))
    price = next(s for s in decision.would_change_if if s.startswith("rag+lora against rag"))
    more = int(re.search(r"about ([\d,]+) more questions", price)[1].replace(",", ""))
    # estimate 6 points, margin 3, se 3.2 on 300 questions, one challenger: (1.96 + .84) x .032 x sqrt(300 / n) = .03 at n of 2,680
    assert more == pytest.approx(2680 - 300, rel=0.02)
    assert price.endswith("would settle it in four cases of five, if the truth is where the estimate is.")


def test_the_price_is_seeds_where_only_seeds_can_help():
    decision = verdict_of(record(difference("rag+lora", 0.0, 0.20, question_se=0.01, seed_se=0.05)))
    price = next(s for s in decision.would_change_if if s.startswith("rag+lora against rag"))
    assert "more questions alone cannot settle it, because training runs differ too much" in price
    assert int(re.search(r"about (\d+) seeds \(now 3\)", price)[1]) > 3


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"question_df": 0.0}, "at least 10 documents"),
        ({"seed_df": 0.0}, "train with at least 3 seeds"),
        ({"mean": 0.0301}, "State another margin"),
    ],
)
def test_other_prices(known, words):
    decision = verdict_of(record(difference("rag+lora", -0.02, 0.08, **known)))
    assert any(sentence.startswith("rag+lora against rag") and words in sentence for sentence in decision.would_change_if)


def test_break_even_volume_is_told_for_a_tuned_model_alone():
    decision = verdict_of(study(base=right(2), rag=right(6), lora=right(3, 3, 3), rag_lora=THREE), facts(CHEAP_LORA))
    even = {found.arm: found for found in decision.break_even if found.axis == "questions"}
    assert even["lora"].cheaper == "above"
    assert even["lora"].at == pytest.approx(3600 * 13 / (12 * 0.4))  # an hour's training 13 times, against 0.4 s a question
    assert any("lora costs less than rag above 9,750 questions a month (here: 10,000)" in s for s in decision.would_change_if)
    assert even["rag+lora"].cheaper == "never"


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

bound = st.tuples(st.floats(-0.3, 0.3), st.floats(0.001, 0.2)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(
    bound, bound, bound, st.sampled_from([0.0, 0.03, 0.1]), st.sampled_from([None, CHEAP_LORA, DEAR_LORA]), st.sampled_from([{}, {"citations": True}])
)
@settings(max_examples=60, deadline=None)
def test_a_verdict_never_contradicts_its_bounds(lora, both, raft, margin, seconds, needs):
    found = record(difference("lora", *lora), difference("rag+lora", *both), difference("raft", *raft), margin=margin)
    decision = verdict_of(found, facts(seconds), needs=needs)
    low, high = ({d.arm: value for d, value in zip(found.challengers, values, strict=True)} for values in zip(lora, both, raft, strict=True))
    if decision.verdict == "adopt-both":
        assert low[decision.recommend] > margin
    elif decision.verdict == "adopt-tuned":
        assert low[decision.recommend] > -margin
        assert decision.recommend not in decision.excluded
    elif decision.verdict in ("keep-rag", "equivalent"):
        assert all(high[arm] < margin for arm in high if arm not in decision.excluded)
    elif decision.verdict == "trade-off":
        assert any(value > 0 for value in low.values())
    else:
        assert decision.verdict == "undecided"
        assert any(low[arm] <= margin <= high[arm] for arm in low)


def test_equal_arms_are_never_adopted():
    rng = np.random.default_rng(5)
    answers = (rng.random((1, QUESTIONS)) < 0.6).astype(float)
    decision = verdict_of(study(base=right(2), rag=answers, lora=np.repeat(answers, 3, 0), rag_lora=np.repeat(answers, 3, 0)))
    assert (decision.verdict, decision.recommend) == ("equivalent", "rag")


@pytest.mark.parametrize(("share", "verdict"), [(10, "neither-needed"), (0, "undecided")])
def test_all_right_and_all_wrong(share, verdict):
    """No arm differs on any question: the model alone is as good as every other, or none of them can read."""
    arms = {name: right(share) for name in ("base", "oracle", "rag")} | {name: right(share, share, share) for name in ("lora", "rag_lora")}
    found = study(**arms)
    assert all(d.estimate.mean == 0 and 0 < d.high == -d.low < 0.01 for d in found.challengers), "no difference seen is not none for certain"
    assert all(row.estimate.mean == share / 10 for row in found.arms)
    decision = verdict_of(found)
    assert decision.verdict == verdict and decision.recommend == ("base" if share else "rag")
    assert ("cannot read" in decision.because[0]) == (share == 0)


def test_the_page_on_statistics_names_every_verdict_and_need_and_limit():
    page = (Path(__file__).parents[1] / "docs" / "statistics.md").read_text(encoding="utf-8")
    for name in (*VERDICTS, *NEEDS):
        assert f"`{name}`" in page
    assert f"more than {percent(MAX_MISSING)} missing" in page
    assert f"stay below {percent(CANNOT_READ)}" in page


def test_many_interactions_are_one_sentence():
    names = [f"m{n}" for n in range(6)]
    both = tuple(
        Interaction("base", "rag", name, f"rag+{name}", difference(name, -0.2 - 0.01 * n, -0.1).estimate, -0.2, -0.1) for n, name in enumerate(names)
    )
    found = replace(record(difference("lora", -0.3, -0.2)), interactions=both)
    (said,) = [why for why in verdict_of(found).because if "overlap" in why]
    assert said == (
        "rag and each of m0, m1, m2, m3 and 2 others overlap: together two bring 15.0 to 17.5 points less than the sum of what each brings."
    )
