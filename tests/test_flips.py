"""What would change a verdict, against verdicts on studies that really are so."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from ragft.compare import ScoreTable, at_margin, at_weights, compare
from ragft.cost import Measured, Metered, Prices
from ragft.decide import ArmFacts, Decision, decide
from ragft.flips import NOTHING, PRICES
from ragft.scoretable import UNANSWERABLE, table_of

SLOTS = {"retriever": {"rag": "bm25", "raft": "bm25"}, "tuning": {"lora": "lora", "raft": "lora"}, "format": {"raft": "raft"}}
SETTINGS = {"metric": "match", "reference": "rag", "margin": 0.03, "alpha": 0.025}


def table(documents: int = 60, each: int = 10, hit: float = 0.5, **shares: tuple[float, float]) -> ScoreTable:
    """Arms that score so much on the first and on the second half of each document's questions; search found the first half."""
    rng, half = np.random.default_rng(0), each // 2
    n = documents * each
    inside = np.arange(n) % each < each * hit
    scores = {}
    for name, (one, other) in shares.items():
        seeds = 3 if name in SLOTS["tuning"] else 1
        scores[name] = np.array([(rng.random(n) < np.where(inside, one, other)).astype(float) for _ in range(seeds)])
    made = table_of(scores, [f"d{i // each}" for i in range(n)], **SLOTS)
    strata = tuple("trained-fact" if i % each < half else "untrained-document" for i in range(n))
    return replace(made, strata=strata, hit=inside.astype(float))


def facts(**seconds: float) -> dict[str, ArmFacts]:
    return {
        name: ArmFacts(
            SLOTS["retriever"].get(name),
            SLOTS["tuning"].get(name),
            Metered(Measured(3600.0 if name in SLOTS["tuning"] else 0.0), Measured(seconds[name]), 0.5) if name in seconds else None,
        )
        for name in ("base", "rag", "lora", "raft")
    }


def verdict(made: ScoreTable, about: dict[str, ArmFacts] | None = None, **options) -> Decision:
    return decide(compare(made, **SETTINGS), about or facts(), model="tiny", table=made, **options)


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_equal_weights_change_nothing():
    made = table(rag=(0.6, 0.3), raft=(0.8, 0.3), base=(0.1, 0.1))
    found = compare(made, **SETTINGS)
    same = at_weights(made, np.ones(len(made.questions)), found)
    for one, other in zip(same.challengers, found.challengers, strict=True):
        assert (one.low, one.high, one.estimate.mean) == pytest.approx((other.low, other.high, other.estimate.mean))


def test_a_weighted_difference_has_the_weighted_mean_and_the_spread_of_that_ratio():
    """Against the ratio itself, left out document by document."""
    made = table(rag=(0.6, 0.3), raft=(0.8, 0.3), base=(0.1, 0.1))
    weights = np.where(made.hit == 1.0, 1.6, 0.4)
    (found,) = [d for d in at_weights(made, weights, compare(made, **SETTINGS)).challengers if d.arm == "raft"]
    values = made.arm("raft").scores.mean(axis=0) - made.arm("rag").scores[0]
    assert found.estimate.mean == pytest.approx(np.average(values, weights=weights))
    documents = np.array(made.documents)
    left = np.array([np.average(values[documents != d], weights=weights[documents != d]) for d in dict.fromkeys(made.documents)])
    jackknife = np.sqrt((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())
    assert found.estimate.question_se == pytest.approx(jackknife, rel=0.02)


def test_a_missing_score_has_no_weight():
    made = table(rag=(0.6, 0.3), raft=(0.8, 0.3), base=(0.1, 0.1))
    holes = made.arm("raft").scores.copy()
    holes[:, 3] = np.nan
    made = replace(made, arms=tuple(replace(arm, scores=holes) if arm.name == "raft" else arm for arm in made.arms))
    (found,) = [d for d in at_weights(made, np.ones(len(made.questions)), compare(made, **SETTINGS)).challengers if d.arm == "raft"]
    assert found.estimate.n == len(made.questions) - 1


def test_where_few_documents_have_all_the_weight_their_number_counts():
    """All weight on the questions of four of sixty documents: as wide as those four alone, nearly."""
    made = table(rag=(0.5, 0.5), raft=(0.6, 0.6), base=(0.1, 0.1))
    few = np.array([document in ("d0", "d1", "d2", "d3") for document in made.documents])
    weights = np.where(few, len(few) / few.sum(), 0.0)
    (found,) = [d for d in at_weights(made, weights, compare(made, **SETTINGS)).challengers if d.arm == "raft"]
    (alone,) = [d for d in compare(made.restrict(few), **SETTINGS).challengers if d.arm == "raft"]
    assert found.estimate.mean == pytest.approx(alone.estimate.mean)
    assert found.estimate.question_df == pytest.approx(3.0) == alone.estimate.question_df
    assert found.high - found.low > 0.8 * (alone.high - alone.low)
    one = np.where(np.array(made.documents) == "d0", 60.0, 0.0)
    assert all(d.low is None for d in at_weights(made, one, compare(made, **SETTINGS)).challengers), "one document gives no interval"


# ── margins ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2])
def test_another_margin_is_as_if_compared_with_it(margin):
    made = table(rag=(0.6, 0.3), raft=(0.8, 0.3), lora=(0.5, 0.4), base=(0.1, 0.1))
    again = compare(made, slices=("stratum=trained-fact",), **{**SETTINGS, "margin": margin})
    assert at_margin(compare(made, slices=("stratum=trained-fact",), **SETTINGS), margin) == again


# ── what changes a verdict ───────────────────────────────────────────────────────────────────────────────────────────


def found_in(decision: Decision, pattern: str) -> re.Match:
    matches = [match for line in decision.would_change_if if (match := re.search(pattern, line))]
    assert len(matches) == 1, decision.would_change_if
    return matches[0]


def test_the_recall_at_which_it_flips():
    """raft reads better what was found; where nothing is found it is no better: the less is found, the smaller its gain."""
    made = table(rag=(0.5, 0.1), raft=(0.75, 0.1), base=(0.1, 0.1))
    decision = verdict(made)
    assert (decision.verdict, decision.recommend) == ("adopt-both", "raft")
    said = found_in(decision, r"If search for rag found all the evidence for (\d+) % of the questions .* \(now 50 %\), the verdict would be (\S+)")
    share = int(said.group(1)) / 100
    weights = np.where(made.hit == 1.0, share / 0.5, (1 - share) / 0.5)
    changed = decide(at_weights(made, weights, compare(made, **SETTINGS)), facts(), model="tiny")
    assert changed.verdict == said.group(2) != decision.verdict


def test_the_share_of_a_kind_at_which_it_flips_is_that_of_a_study_with_such_questions():
    """Against a study that has that share of them, made of the same documents."""
    made = table(documents=100, rag=(0.5, 0.5), raft=(0.9, 0.5), base=(0.1, 0.1))
    decision = verdict(made)
    assert decision.verdict == "adopt-both"
    said = found_in(decision, r"If (\d+) % of the questions were facts trained in other words \(now 50 %\), the verdict would be (\S+)")
    assert int(said.group(1)) < 50
    fewer = int(said.group(1)) // 20  # of ten questions a document, half of what flips it: beyond it for certain
    keep = np.array([stratum != "trained-fact" or i % 10 < fewer for i, stratum in enumerate(made.strata)])
    assert verdict(made.restrict(keep)).verdict != "adopt-both"


def test_a_kind_of_few_questions_is_left_alone():
    made = table(rag=(0.5, 0.1), raft=(0.75, 0.1), base=(0.1, 0.1))
    made = replace(made, strata=(UNANSWERABLE,) * 4 + ("",) * (len(made.questions) - 4), hit=np.full(len(made.questions), np.nan))
    assert not any("of the questions were" in line for line in verdict(made).would_change_if)


def test_the_volume_at_which_it_flips():
    same = table(documents=200, hit=1.0, rag=(0.5, 0.5), lora=(0.5, 0.5), base=(0.1, 0.1))
    same = replace(
        same, arms=tuple(replace(arm, scores=np.repeat(same.arm("rag").scores, len(arm.scores), 0)) if arm.tuning else arm for arm in same.arms)
    )
    decision = verdict(same, facts(rag=0.5, lora=0.1, base=0.1))
    assert (decision.verdict, decision.recommend) == ("adopt-tuned", "lora")
    said = found_in(decision, r"At fewer than ([\d,]+) questions a month \(now 10,000\) the verdict would be (\S+)")
    least = float(said.group(1).replace(",", ""))
    assert least == pytest.approx(3600 * 13 / (12 * 0.4), rel=0.006)  # an hour's training 13 times against 0.4 s a question
    for questions, expected in ((0.99 * least, said.group(2)), (1.01 * least, "adopt-tuned")):
        prices = Prices(questions_per_month=questions)
        assert verdict(same, facts(rag=0.5, lora=0.1, base=0.1), prices=prices).verdict == expected


def test_the_updates_from_which_on_it_flips_where_there_are_none_now():
    """Without updates lora saves for ever; each update trains it again."""
    same = table(documents=200, hit=1.0, rag=(0.5, 0.5), lora=(0.5, 0.5), base=(0.1, 0.1))
    answers = np.repeat(same.arm("rag").scores, 3, 0)
    same = replace(same, arms=tuple(replace(arm, scores=answers) if arm.tuning else arm for arm in same.arms))
    about, prices = facts(rag=0.5, lora=0.1, base=0.1), Prices(updates_per_month=0)
    decision = verdict(same, about, prices=prices)
    assert (decision.verdict, decision.recommend) == ("adopt-tuned", "lora")
    said = found_in(decision, r"At more than ([\d.]+) updates a month \(now 0\) the verdict would be (\S+)")
    most = float(said.group(1))
    assert most == pytest.approx((12 * 10_000 * 0.4 / 3600 - 1) / 12, rel=0.006)
    for updates, expected in ((0.99 * most, "adopt-tuned"), (1.02 * most, said.group(2))):
        assert verdict(same, about, prices=Prices(updates_per_month=updates)).verdict == expected
    months = found_in(decision, r"At fewer than ([\d.]+) months of use \(now 12\) the verdict would be (\S+)")
    assert float(months.group(1)) == pytest.approx(3600 / (10_000 * 0.4), rel=0.006)


def test_every_price_is_varied():
    assert set(PRICES) == set(Prices.model_fields) - {"currency"}


def test_a_price_of_memory_at_which_it_flips():
    same = table(documents=200, hit=1.0, rag=(0.5, 0.5), lora=(0.5, 0.5), base=(0.1, 0.1))
    answers = np.repeat(same.arm("rag").scores, 3, 0)
    same = replace(same, arms=tuple(replace(arm, scores=answers) if arm.tuning else arm for arm in same.arms))
    about = facts(rag=0.5, lora=0.1, base=0.1)
    about["lora"] = replace(about["lora"], metered=replace(about["lora"].metered, answer_gib=3.0))
    prices = Prices(memory_per_gib_hour=0.001, questions_per_month=100_000)
    said = found_in(verdict(same, about, prices=prices), r"At more than ([\d.]+) EUR a GiB-hour \(now 0.001\) the verdict would be (\S+)")
    for factor, expected in ((0.98, "adopt-tuned"), (1.02, said.group(2))):
        at = prices.model_copy(update={"memory_per_gib_hour": factor * float(said.group(1))})
        assert verdict(same, about, prices=at).verdict == expected


def test_another_arm_under_the_same_verdict_is_told_and_then_the_verdict():
    """Both may stand in for rag; lora scores a little better, and lora-short, half an hour to train, pays with fewer questions."""
    same = table(documents=200, hit=1.0, rag=(0.5, 0.5), lora=(0.5, 0.5), base=(0.1, 0.1))
    answers = np.repeat(same.arm("rag").scores, 3, 0)
    worse = np.where(np.arange(answers.shape[1]) % 200 == 0, 0.0, answers)
    lora = replace(same.arm("lora"), scores=answers)
    same = replace(same, arms=(same.arm("rag"), lora, replace(lora, name="lora-short", scores=worse), same.arm("base")))
    about = facts(rag=0.5, lora=0.1, base=0.1) | {"lora-short": ArmFacts(None, "lora", Metered(Measured(1800.0), Measured(0.1), 0.5))}
    prices = Prices(questions_per_month=20_000)
    decision = verdict(same, about, prices=prices)
    assert (decision.verdict, decision.recommend) == ("adopt-tuned", "lora")
    fewer = r"At fewer than ([\d,]+) questions a month \(now 20,000\) "
    arm, other = (found_in(decision, fewer + words) for words in ("lora-short would be recommended, with the same verdict", "the verdict would be"))
    for said, hours, above, below in (
        (arm, 1.0, ("adopt-tuned", "lora"), ("adopt-tuned", "lora-short")),
        (other, 0.5, ("adopt-tuned", "lora-short"), ("equivalent", "rag")),
    ):
        volume = float(said.group(1).replace(",", ""))
        assert volume == pytest.approx(hours * 3600 * 13 / (12 * 0.4), rel=0.006)
        for questions, expected in ((1.01 * volume, above), (0.99 * volume, below)):
            again = verdict(same, about, prices=prices.model_copy(update={"questions_per_month": questions}))
            assert (again.verdict, again.recommend) == expected


def test_where_nothing_changes_it_that_is_said():
    made = table(documents=200, hit=1.0, rag=(0.9, 0.9), raft=(0.2, 0.2), base=(0.1, 0.1))
    made = replace(made, strata=("",) * len(made.questions), hit=np.full(len(made.questions), np.nan))
    assert verdict(made).would_change_if == (NOTHING,)
