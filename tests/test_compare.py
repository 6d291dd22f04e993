"""Comparisons of made score tables: figures by hand, and what must not crash."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from ragft.compare import Comparison, compare, table_of
from ragft.comparison import Level
from ragft.errors import InputError

SLOTS = {
    "retriever": {"rag": "bm25", "rag+lora": "bm25", "oracle": "oracle", "raft": "bm25", "rag-dense": "dense"},
    "tuning": {"lora": "lora", "rag+lora": "lora", "raft": "lora", "qlora": "qlora"},
    "format": {"raft": "raft"},
}
DOCUMENTS = [f"d{i % 12}" for i in range(60)]


def made(documents=None, **scores):
    """A table; names are written with _ for +."""
    arms = {name.replace("_", "+"): np.asarray(values, dtype=float) for name, values in scores.items()}
    n = next(iter(arms.values())).shape[-1]
    return table_of(arms, documents or [f"d{i % 12}" for i in range(n)], **SLOTS)


def drawn(share, seeds=1, n=60, seed=0):
    return (np.random.default_rng([seed, seeds, int(1000 * share)]).random((seeds, n)) < share).astype(float)


def found_for(table, reference="rag", margin=0.03, alpha=0.025):
    return compare(table, metric="match", reference=reference, margin=margin, alpha=alpha)


FULL = {"base": drawn(0.2), "oracle": drawn(0.8), "rag": drawn(0.6), "lora": drawn(0.4, 3), "rag_lora": drawn(0.7, 3), "raft": drawn(0.65, 3)}


def pair(found, arm):
    return next(d for d in found.challengers if d.arm == arm)


def test_the_family_and_the_pairs():
    found = found_for(made(**FULL))
    assert found.family == ("base", "lora", "rag+lora", "raft")
    assert [(d.arm, d.minus) for d in found.challengers] == [(arm, "rag") for arm in found.family]
    assert [(d.arm, d.minus) for d in found.against_base] == [("base", arm) for arm in ("rag", "lora", "rag+lora", "raft")]
    assert (found.ceiling.arm, found.ceiling.minus) == ("oracle", "rag")
    assert [(i.base, i.rag, i.tuned, i.both) for i in found.interactions] == [("base", "rag", "lora", "rag+lora")]
    assert (found.questions, found.documents) == (60, 12)


def test_bounds_are_bonferroni_over_the_family_and_agree_with_holms_first_step():
    table = made(**FULL)
    found = found_for(table)
    for d in found.challengers:
        half = scipy_stats.t.isf(0.025 / 4, d.estimate.df) * d.estimate.se
        assert (d.low, d.high) == (pytest.approx(d.estimate.mean - half), pytest.approx(d.estimate.mean + half))
        assert d.p_above_margin == pytest.approx(scipy_stats.t.sf((d.estimate.mean - 0.03) / d.estimate.se, d.estimate.df))
        assert (d.low > 0.03) == (d.p_above_margin < 0.025 / 4)
    adjusted = multipletests([d.p_above_margin for d in found.challengers], method="holm")[1]
    assert [d.p_above_margin_holm for d in found.challengers] == pytest.approx(list(adjusted))


def test_an_untuned_difference_with_one_question_a_document_is_the_paired_t():
    rag, base = drawn(0.6)[0], drawn(0.3)[0]
    d = pair(found_for(made([f"d{i}" for i in range(60)], base=base, rag=rag)), "base")
    interval = scipy_stats.ttest_rel(base, rag).confidence_interval(0.95)
    assert (d.low, d.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_the_interaction_by_hand():
    found = found_for(made(**FULL)).interactions[0]
    means = {name: values.mean() for name, values in FULL.items()}
    assert found.estimate.mean == pytest.approx(means["rag_lora"] - means["rag"] - means["lora"] + means["base"])
    own = [FULL[arm].mean(axis=1).var(ddof=1) for arm in ("lora", "rag_lora")]
    pooled = np.mean([FULL[arm].mean(axis=1).var(ddof=1) for arm in ("lora", "rag_lora", "raft")])
    assert found.estimate.seed_se**2 == pytest.approx(sum(max(v, pooled) for v in own) / 3)


@pytest.mark.parametrize("other", [{"k": 8}, {"adapters": "of another rank"}, {"model": "another"}, {"format": "raft"}])
def test_corners_that_differ_in_more_than_the_two_slots_give_no_interaction(other):
    table = made(**FULL)
    arms = tuple(replace(arm, **other) if arm.name == "rag+lora" else arm for arm in table.arms)
    assert found_for(replace(table, arms=arms)).interactions == ()


def test_several_interactions_share_alpha():
    table = made(**FULL, qlora=drawn(0.3, 3), rag_qlora=drawn(0.6, 3))
    arms = tuple(replace(arm, retriever="bm25", tuning="qlora") if arm.name == "rag+qlora" else arm for arm in table.arms)
    found = found_for(replace(table, arms=arms)).interactions
    assert [i.tuned for i in found] == ["lora", "qlora"]
    for i in found:
        assert i.high == pytest.approx(i.estimate.mean + scipy_stats.t.isf(0.025 / 2, i.estimate.df) * i.estimate.se)


def test_seed_variances_pool_and_count_shared_adapters_once():
    found = found_for(made(**FULL))
    own = {arm: FULL[arm.replace("+", "_")].mean(axis=1).var(ddof=1) for arm in ("lora", "rag+lora", "raft")}
    pooled = np.mean(list(own.values()))
    for arm, variance in own.items():
        estimate = pair(found, arm).estimate
        assert estimate.seed_se**2 == pytest.approx(max(variance, pooled) / 3)
        assert estimate.seed_df == (2 if variance > pooled else 4)  # lora and rag+lora are the same adapters: 2 + 2, not 6
    assert {v > pooled for v in own.values()} == {True, False}


def test_the_seed_variance_of_a_tuned_reference_is_not_taken_for_zero():
    found = found_for(made(**FULL), reference="rag+lora")
    assert found.reference == "rag+lora"
    assert found.interactions == ()  # not the corners of a 2x2
    d = pair(found, "lora").estimate
    assert d.seed_se > pair(found_for(made(**FULL)), "lora").estimate.seed_se  # two trained arms, two seed variances


def test_a_single_seed_beside_three_counts_as_one():
    table = made(**{**FULL, "qlora": drawn(0.5, 1)})
    found = found_for(table, reference="lora")
    pooled = np.mean([FULL[arm].mean(axis=1).var(ddof=1) for arm in ("lora", "rag_lora", "raft")])
    lora = max(FULL["lora"].mean(axis=1).var(ddof=1), pooled)
    assert pair(found, "qlora").estimate.seed_se ** 2 == pytest.approx(pooled / 1 + lora / 3)


def test_missing_seeds_are_told():
    found = found_for(made(**{**FULL, "raft": drawn(0.65, 2)}))
    assert pair(found, "raft").estimate.seeds == 2
    assert any("fewer than 3 seeds (raft 2)" in warning for warning in found.warnings)


def test_fewer_than_three_seeds_are_told():
    scores = {name: values[:2] for name, values in FULL.items()}
    warning = next(w for w in found_for(made(**scores)).warnings if "seeds" in w)
    assert "fewer than 3 seeds (lora 2, rag+lora 2, raft 2)" in warning
    assert "Train with at least 3 seeds." in warning
    assert not any("seeds" in w for w in found_for(made(**FULL)).warnings)
    five = {name: drawn(0.5, 5) if len(values) == 3 else values for name, values in FULL.items()}
    assert any("fewer than 5 seeds (raft 3); their" in w for w in found_for(made(**{**five, "raft": FULL["raft"]})).warnings)


def test_more_than_four_tuned_challengers_are_told():
    names = ["t1", "t2", "t3", "t4", "t5"]

    def warnings(number, reference="rag"):
        scores = {"rag": drawn(0.6), **{name: drawn(0.5, 3, seed=i) for i, name in enumerate(names[:number])}}
        table = table_of(scores, DOCUMENTS, retriever={"rag": "bm25"}, tuning=dict.fromkeys(names, "lora"))
        return [w for w in found_for(table, reference).warnings if "at once" in w]

    assert warnings(4) == []
    assert warnings(5)[0].startswith("5 tuned arms are compared at once (t1, t2, t3, t4, t5)")
    assert "Choose the method on dev questions first, and compare at most 4." in warnings(5)[0]
    assert warnings(5, reference="t5") == []  # four challengers


def test_one_seed_everywhere_gives_tuned_arms_no_interval():
    found = found_for(made(**{name: values[:1] for name, values in FULL.items()}))
    assert {(d.arm, d.low, d.high, d.p_above_margin, d.p_above_margin_holm) for d in found.challengers if d.arm != "base"} == {
        (arm, None, None, None, None) for arm in ("lora", "rag+lora", "raft")
    }
    base = pair(found, "base")
    assert base.p_above_margin_holm == pytest.approx(min(1.0, 4 * base.p_above_margin))  # the others still count in the family
    assert any("No tuned arm has two scored seeds" in warning for warning in found.warnings)


# ── missing scores ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arm", ["base", "oracle", "rag", "lora", "rag+lora"])
def test_an_arm_that_failed_everywhere_has_no_row_but_a_name(arm):
    key = arm.replace("+", "_")
    found = found_for(made(**{**FULL, key: np.full_like(FULL[key], np.nan)}))
    assert found.unscored == (arm,)
    assert arm not in {row.name for row in found.arms}
    assert arm not in {d.arm for d in (*found.challengers, *found.against_base)}
    assert any(warning.startswith(f"{arm}: no question has a score") for warning in found.warnings)


def test_one_seed_that_failed_everywhere():
    scores = FULL["lora"].copy()
    scores[1] = np.nan
    assert found_for(made(**{**FULL, "lora": scores})).unscored == ("lora",)


def test_all_arms_failed_everywhere():
    found = found_for(made(rag=np.full(9, np.nan), lora=np.full((3, 9), np.nan)))
    assert (found.arms, found.challengers, found.unscored) == ((), (), ("rag", "lora"))


def test_differences_rest_on_questions_scored_in_both():
    rag, lora = np.array([1.0, 1, np.nan, 0, 1, 0]), np.array([[0.0, 1, 1, np.nan, 1, 1]] * 3)
    found = found_for(made(list("abcdef"), rag=rag, lora=lora))
    d = pair(found, "lora")
    assert d.missing == pytest.approx(2 / 6)
    assert (d.estimate.n, d.estimate.mean) == (4, pytest.approx((0 + 1 + 1 + 1 - 1 - 1 - 1 - 0) / 4))
    row = found.row("lora")
    assert (row.missing, row.worst, row.best) == (pytest.approx(1 / 6), pytest.approx(4 / 6), pytest.approx(5 / 6))


def test_a_question_that_the_metric_does_not_apply_to_is_not_missing():
    rag, lora = np.array([1.0, 0, np.nan, 1]), np.array([[0.0, 1, np.nan, 1]] * 3)
    table = made(list("abcd"), rag=rag, lora=lora)
    found = found_for(replace(table, applicable=np.array([True, True, False, True])))
    assert [row.missing for row in found.arms] == [0, 0]
    assert pair(found, "lora").missing == 0
    assert any("1 of the 4 test questions have no score in any arm" in warning for warning in found.warnings)


def test_a_question_that_failed_in_every_arm_is_missing_in_every_arm():
    rag, lora = np.array([1.0, 0, np.nan, 1]), np.array([[0.0, 1, np.nan, 1]] * 3)
    found = found_for(made(list("abcd"), rag=rag, lora=lora))
    assert [row.missing for row in found.arms] == [0.25, 0.25] and pair(found, "lora").missing == 0.25
    assert (found.row("rag").worst, found.row("rag").best) == (0.5, 0.75)
    assert not any("have no score in any arm" in warning for warning in found.warnings)


# ── small and degenerate tables ──────────────────────────────────────────────────────────────────────────────────────


def test_one_document_gives_no_interval():
    found = found_for(made(["d"] * 60, **FULL))
    assert {(d.low, d.high) for d in found.challengers} == {(None, None)}
    assert found.detectable is None
    assert any("Only 1 document carries" in warning for warning in found.warnings)


def test_equal_arms_still_have_doubt():
    found = found_for(made(rag=drawn(0.6), lora=np.repeat(drawn(0.6), 3, axis=0)))
    d = pair(found, "lora")
    assert (d.estimate.mean, d.estimate.se) == (0, 1 / 60)
    assert d.low < 0 < d.high


def test_bounds_stay_within_what_scores_allow():
    found = found_for(made(list("aabb"), rag=[0.0, 1, 1, 0], lora=[[1.0, 0, 1, 1]] * 3))
    d = pair(found, "lora")
    assert (d.low, d.high) == (-1, 1)


def test_a_study_of_the_reference_alone():
    found = found_for(made(rag=drawn(0.6)))
    assert (found.family, found.challengers, found.against_base, found.ceiling, found.detectable) == ((), (), (), None, None)


@pytest.mark.parametrize("reference", ["base", "oracle", "lora", "rag"])
def test_any_arm_may_be_the_reference(reference):
    found = found_for(made(**FULL), reference=reference)
    assert reference not in found.family


def test_unknown_reference_names_the_known_ones():
    with pytest.raises(InputError, match=r"'rga' is not in this study\. Known: base, oracle, rag"):
        found_for(made(**FULL), reference="rga")


def test_a_metric_that_is_no_share_is_refused():
    with pytest.raises(InputError, match="not a score from 0 to 1"):
        found_for(made(rag=[2.5, 0.1]))


def test_no_question_is_refused():
    with pytest.raises(InputError, match="no test question"):
        found_for(made(rag=np.zeros((1, 0))))


def test_slices_report_apart_and_adjust_over_all():
    table = made(**FULL)
    strata = tuple("trained-fact" if i % 2 else "unanswerable" for i in range(60))
    scores = FULL["lora"].copy()
    scores[:, ::2] = np.nan  # lora failed on one slice
    arms = tuple(replace(arm, scores=scores) if arm.name == "lora" else arm for arm in table.arms)
    hit = np.array([np.nan, 1.0, 0.0] * 20)
    found = found_for(replace(table, strata=strata, kinds=("",) * 60, hit=hit, arms=arms))
    values = {(row.slice, row.value, row.arm): row for row in found.slices}
    assert {(s, v) for s, v, _ in values} == {
        ("stratum", "trained-fact"),
        ("stratum", "unanswerable"),
        ("retrieval", "found"),
        ("retrieval", "missed"),
        ("base", "known"),
        ("base", "unknown"),
    }
    assert ("stratum", "unanswerable", "lora") not in values
    row = values["stratum", "trained-fact", "raft"]
    assert (row.n, row.mean) == (30, pytest.approx(FULL["raft"][:, 1::2].mean()))
    assert row.minus_reference == pytest.approx(FULL["raft"][:, 1::2].mean() - FULL["rag"][:, 1::2].mean())
    assert values["stratum", "trained-fact", "rag"].q is None
    part = [row for row in found.slices if row.q is not None]
    assert len(part) > 10
    alone = found_for(table.restrict(np.arange(60) % 2 == 1), margin=0.0)
    p = {d.arm: min(1.0, 2 * min(d.p_above_margin, 1 - d.p_above_margin)) for d in alone.challengers}
    assert all(values["stratum", "trained-fact", arm].q >= p[arm] - 1e-12 for arm in p)


def test_q_values_are_those_of_statsmodels():
    table = made(base=drawn(0.2), oracle=drawn(0.8), rag=drawn(0.6))
    found = found_for(replace(table, kinds=tuple("ab"[i % 2] for i in range(60))))
    p_values = []
    for kind in (0, 1):
        part = table.restrict(np.arange(60) % 2 == kind)
        inner = found_for(part, margin=0.0)
        for d in (pair(inner, "base"), inner.ceiling):
            p_values.append(2 * min(d.p_above_margin, 1 - d.p_above_margin))
    right = table.arm("base").scores[0] == 1  # base's own differences say nothing where its answers made the slices
    for known in dict.fromkeys(right.tolist()):
        d = found_for(table.restrict(right == known), margin=0.0).ceiling
        p_values.append(2 * min(d.p_above_margin, 1 - d.p_above_margin))
    expected = multipletests(p_values, method="fdr_bh")[1]
    assert [row.q for row in found.slices if row.q is not None] == pytest.approx(list(expected))


def test_the_level_of_answerable_questions_is_that_of_a_study_without_the_others():
    table = made(**FULL)
    strata = tuple("unanswerable" if i % 4 == 0 else "trained-fact" for i in range(60))
    found = found_for(replace(table, strata=strata))
    alone = found_for(table.restrict(np.arange(60) % 4 != 0))
    for row in alone.arms:
        assert found.row(row.name).answerable == Level(row.estimate.mean, row.low, row.high)
        assert found.row(row.name).estimate == found_for(table).row(row.name).estimate  # the score itself pools all questions
    values = FULL["base"][0] - FULL["oracle"][0]
    kept = np.arange(60) % 4 != 0
    assert (found.closed_book.arm, found.closed_book.minus) == ("base", "oracle")
    assert found.closed_book.estimate.mean == pytest.approx(values[kept].mean())
    assert found_for(made(rag=FULL["rag"], base=FULL["base"])).closed_book is None
    assert found_for(made(rag=FULL["rag"], oracle=FULL["oracle"])).closed_book is None


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_comparison_survives_its_file_and_is_the_same_again():
    found = found_for(made(**FULL))
    adapter = TypeAdapter(Comparison)
    assert adapter.validate_json(adapter.dump_json(found)) == found
    assert asdict(found) == asdict(found_for(made(**FULL)))


def test_the_order_of_arms_does_not_matter():
    a, b = found_for(made(**FULL)), found_for(made(**dict(reversed(FULL.items()))))
    assert {d.arm: (d.low, d.high) for d in a.challengers} == {d.arm: (pytest.approx(d.low), pytest.approx(d.high)) for d in b.challengers}


# ── controls ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_control_changes_no_other_interval():
    """However much its seeds differ, and however many it has."""
    rng = np.random.default_rng(5)
    scores = {
        "rag": rng.random((1, 120)) < 0.5,
        "lora": rng.random((3, 120)) < 0.4,
        "wild": np.array([np.zeros(120), np.ones(120), np.zeros(120)]),
    }
    documents = [f"d{i // 4}" for i in range(120)]
    slots = {"retriever": {"rag": "bm25"}, "tuning": {"lora": "lora", "wild": "lora"}, "format": {"lora": "qa", "wild": "shuffled"}}

    def challengers(names, control):
        table = table_of({name: scores[name].astype(float) for name in names}, documents, **slots)
        table = replace(table, arms=tuple(replace(arm, control=control and arm.name == "wild") for arm in table.arms))
        found = compare(table, metric="match", reference="rag", margin=0.03, alpha=0.025)
        return [d for d in found.challengers if d.arm == "lora"]

    assert challengers(["rag", "lora", "wild"], control=True) == challengers(["rag", "lora"], control=False)
    assert challengers(["rag", "lora", "wild"], control=False) != challengers(["rag", "lora"], control=False)
