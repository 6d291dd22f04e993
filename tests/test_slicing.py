"""Slices: what may be fixed beforehand, how it is tested, what stays exploratory, and the slice that the model alone makes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from ragft.compare import compare, table_of
from ragft.comparison import Comparison
from ragft.errors import InputError
from ragft.slicing import DIMENSIONS, check_occur, checked, parts
from ragft.store import read_record, write_json

N = 80
KINDS = tuple("exact" if i % 4 == 0 else "other" for i in range(N))
EXACT = np.array([kind == "exact" for kind in KINDS])
SLOTS = {"retriever": {"rag": "bm25", "raft": "bm25", "oracle": "oracle"}, "tuning": {"raft": "lora", "lora": "lora"}, "format": {"raft": "raft"}}


def drawn(share, seeds=1):
    return (np.random.default_rng([3, seeds, int(1000 * share)]).random((seeds, N)) < share).astype(float)


def one_a_document(**scores):
    """One question a document, so that an untuned difference is a paired t test."""
    return replace(table_of(scores, [f"d{i}" for i in range(N)], **SLOTS), kinds=KINDS)


FULL = {"base": drawn(0.3), "oracle": drawn(0.8), "rag": drawn(0.5), "lora": drawn(0.4, 3), "raft": drawn(0.65, 3)}


def found_for(table, slices=(), margin=0.03, alpha=0.025, reference="rag"):
    return compare(table, metric="match", reference=reference, margin=margin, alpha=alpha, slices=slices)


# ── what a user writes ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["exact"], "slice 'exact': write it as dimension=value"),
        (["=exact"], "write it as dimension=value"),
        (["kind="], "write it as dimension=value"),
        (["knd=exact"], "unknown dimension of slice 'knd=exact': 'knd'. Did you mean 'kind'?"),
        (["retrieval=mised"], "unknown value of slice 'retrieval=mised': 'mised'. Did you mean 'missed'?"),
        (["base=right"], "Known: known, unknown."),
        (["kind=a", "kind = a"], "slice 'kind=a' is named twice"),
        ([f"kind={i}" for i in range(5)], "slices names 5, and at most 4"),
    ],
)
def test_what_is_no_slice_is_one_line(names, message):
    with pytest.raises(InputError) as error:
        checked(names)
    assert message in str(error.value) and "\n" not in str(error.value)


@given(st.sampled_from(["stratum", "kind"]), st.text(min_size=1).filter(lambda text: text == text.strip() and text))
def test_a_value_may_hold_anything_even_an_equals_sign(dimension, value):
    assert parts(checked([f" {dimension} = {value} "])[0]) == (dimension, value)


def test_a_value_that_no_question_has_is_refused_with_those_that_occur():
    with pytest.raises(InputError, match=r"slice 'kind=exct' holds no test question. Those that occur: exact, other."):
        found_for(one_a_document(**FULL), ["kind=exct"])
    with pytest.raises(InputError, match="No test question has a stratum"):
        found_for(one_a_document(**FULL), ["stratum=trained-fact"])
    check_occur(["retrieval=missed"], {"kind": ["exact"]})  # known only when the reference has answered


# ── fixed beforehand ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_bound_and_p_is_that_of_a_paired_t_test_corrected_for_all_slices_and_challengers():
    rag = {"rag-8": drawn(0.6), "rag-16": drawn(0.55)}
    scores = {name: FULL[name] for name in ("base", "rag")} | rag
    table = replace(one_a_document(**scores), arms=one_a_document(**scores).arms)
    found = found_for(table, ["kind=exact", "kind=other"])
    assert [(c.value, c.difference.arm) for c in found.confirmed] == [(v, a) for v in ("exact", "other") for a in ("base", "rag-8", "rag-16")]
    p_values = []
    for one in found.confirmed:
        keep = EXACT if one.value == "exact" else ~EXACT
        arm, ref = scores[one.difference.arm][0], scores["rag"][0]
        interval = scipy_stats.ttest_rel(arm[keep], ref[keep]).confidence_interval(1 - 2 * 0.025 / 6)
        assert (one.difference.low, one.difference.high) == (pytest.approx(max(-1, interval.low)), pytest.approx(min(1, interval.high)))
        p_values.append(scipy_stats.ttest_1samp(arm[keep] - ref[keep], 0.03, alternative="greater").pvalue)
        rest = scipy_stats.ttest_rel(arm[~keep], ref[~keep]).confidence_interval(1 - 2 * 0.025 / 6)
        assert (one.elsewhere.low, one.elsewhere.high) == (pytest.approx(max(-1, rest.low)), pytest.approx(min(1, rest.high)))
    assert [one.difference.p_above_margin_holm for one in found.confirmed] == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_the_verdicts_family_does_not_notice():
    table = one_a_document(**FULL)
    plain, fixed = found_for(table), found_for(table, ["kind=exact"])
    assert plain.challengers == fixed.challengers and plain.against_base == fixed.against_base
    assert (plain.confirmed, fixed.confirmatory) == ((), ("kind=exact",))


def test_a_test_without_a_question_still_counts():
    scores = {**FULL, "lora": np.where(EXACT, np.nan, FULL["lora"])}
    found = found_for(one_a_document(**scores), ["kind=exact"])
    assert [one.difference.arm for one in found.confirmed] == ["base", "raft"]
    d = found.confirmed[1].difference
    assert d.high == pytest.approx(d.estimate.mean + scipy_stats.t.isf(0.025 / 3, d.estimate.df) * d.estimate.se)


def test_an_old_comparison_is_read(tmp_path):
    write_json(tmp_path / "new.json", found := found_for(one_a_document(**FULL), ["kind=exact", "base=known"]))
    assert read_record(Comparison, tmp_path / "new.json") == found
    import json

    stored = json.loads((tmp_path / "new.json").read_text())
    for name in ("confirmatory", "confirmed", "doses"):
        del stored[name]
    for row in (*stored["slices"], *stored["arms"]):
        row.pop("elsewhere", None), row.pop("tuned", None)
    write_json(tmp_path / "old.json", stored)
    assert read_record(Comparison, tmp_path / "old.json").confirmed == ()


# ── exploratory ──────────────────────────────────────────────────────────────────────────────────────────────────────


def two_sided(arm, ref):
    return scipy_stats.ttest_rel(arm, ref).pvalue


def test_q_is_over_all_exploratory_tests_and_no_other():
    scores = {name: FULL[name] for name in ("base", "oracle", "rag")}
    found = found_for(one_a_document(**scores), ["kind=exact"])
    right = scores["base"][0] == 1
    expected = {}
    for dimension, value, keep in (("kind", "other", ~EXACT), ("base", "known", right), ("base", "unknown", ~right)):
        for arm in ("base", "oracle"):
            if (dimension, arm) != ("base", "base"):
                expected[dimension, value, arm] = two_sided(scores[arm][0][keep], scores["rag"][0][keep])
    q_values = dict(zip(expected, multipletests(list(expected.values()), method="fdr_bh")[1], strict=True))
    found_q = {(row.slice, row.value, row.arm): row.q for row in found.slices if row.q is not None}
    assert found_q == {key: pytest.approx(q) for key, q in q_values.items()}
    fixed = [row for row in found.slices if row.value == "exact"]
    assert {row.arm for row in fixed} == {"base", "oracle", "rag"} and fixed[0].minus_reference is not None  # shown, and not tested twice


def test_elsewhere_is_the_difference_on_the_other_labelled_questions():
    table = one_a_document(**FULL)
    table = replace(table, kinds=tuple("" if i % 8 == 1 else kind for i, kind in enumerate(KINDS)))
    row = next(row for row in found_for(table).slices if (row.value, row.arm) == ("exact", "base"))
    rest = np.array([kind == "other" for kind in table.kinds])
    values = (FULL["base"] - FULL["rag"])[0][rest]
    interval = scipy_stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (row.elsewhere.mean, row.elsewhere.low, row.elsewhere.high) == pytest.approx((values.mean(), interval.low, interval.high))
    whole = found_for(replace(table, kinds=("a",) * N))
    assert all(row.elsewhere is None for row in whole.slices if row.slice == "kind")


# ── the slice that the model alone makes ─────────────────────────────────────────────────────────────────────────────


def test_base_makes_its_slices_and_is_not_compared_in_them():
    found = found_for(one_a_document(**FULL), ["base=known"])
    rows = [row for row in found.slices if row.slice == "base"]
    right = int((FULL["base"][0] == 1).sum())
    assert {(row.value, row.n) for row in rows} == {("known", right), ("unknown", N - right)}
    assert {row.arm for row in rows} == {"oracle", "rag", "lora", "raft"}
    assert [one.difference.arm for one in found.confirmed] == ["lora", "raft"]
    d = found.confirmed[0].difference
    assert d.low == pytest.approx(max(-1, d.estimate.mean - scipy_stats.t.isf(0.025 / 2, d.estimate.df) * d.estimate.se))  # two tests, not three


def test_nothing_is_set_against_base_in_its_own_slices():
    found = found_for(one_a_document(**FULL), ["base=known"], reference="base")
    rows = [row for row in found.slices if row.slice == "base"]
    assert rows and all(row.minus_reference is None and row.q is None and row.elsewhere is None for row in rows)
    assert found.confirmed == ()


def test_a_graded_score_counts_from_one_half_and_a_failed_answer_not_at_all():
    base = np.full((1, N), 0.4)
    base[0, :3] = [0.5, 0.6, np.nan]
    found = found_for(one_a_document(**{**FULL, "base": base}))
    assert {row.value: row.n for row in found.slices if row.slice == "base" and row.arm == "rag"} == {"known": 2, "unknown": N - 3}


def test_without_the_model_alone_there_is_no_such_slice():
    scores = {name: FULL[name] for name in ("rag", "raft")}
    found = found_for(one_a_document(**scores), ["base=known"])
    assert {row.slice for row in found.slices} == {"kind"} and found.confirmed == ()


def test_every_dimension_is_looked_at():
    table = replace(one_a_document(**FULL), strata=("trained-fact",) * N, hit=np.arange(N) % 2.0, writer=("known", "unknown") * (N // 2))
    assert {row.slice for row in found_for(table).slices} == set(DIMENSIONS)


def test_what_the_writer_knew_makes_slices_of_the_questions_that_it_was_asked():
    writer = tuple("" if i % 5 == 0 else "known" if i % 2 else "unknown" for i in range(N))
    found = found_for(replace(one_a_document(**FULL), writer=writer), ["writer=known"])
    assert {row.value: row.n for row in found.slices if row.slice == "writer"} == {value: writer.count(value) for value in ("known", "unknown")}
    one = next(one for one in found.confirmed if one.difference.arm == "base")
    known = np.array([value == "known" for value in writer])
    assert one.difference.estimate.mean == pytest.approx((FULL["base"] - FULL["rag"])[0][known].mean())
    rest = np.array([value == "unknown" for value in writer])
    assert one.elsewhere.estimate.mean == pytest.approx((FULL["base"] - FULL["rag"])[0][rest].mean())


def test_false_confirmations_stay_below_alpha():
    """Three equal arms in four slices: any lower bound above 0 is an error, allowed in 2.5 % of worlds."""
    rng, worlds, wrong = np.random.default_rng(11), 150, 0
    documents = [f"d{i % 20}" for i in range(N)]
    for _ in range(worlds):
        level = rng.normal(0, 1, 20)[np.arange(N) % 20]
        scores = {name: (rng.random((1, N)) < 1 / (1 + np.exp(-level))).astype(float) for name in ("rag", "a", "b", "c")}
        table = replace(table_of(scores, documents), kinds=tuple("pqrs"[i // 20] for i in range(N)))
        found = found_for(table, [f"kind={kind}" for kind in "pqrs"], margin=0.0)
        wrong += any(one.difference.low > 0 for one in found.confirmed)
    assert wrong / worlds <= 0.025 + 3.5 * (0.025 * 0.975 / worlds) ** 0.5
