"""Other shares of the kinds of question, against studies that really have those shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ragft.compare import compare, reweighted
from ragft.errors import InputError
from ragft.mix import at_mix, shares, weights_of
from tests.test_flips import SETTINGS, table

STRATA = ("a", "a", "a", "b", "")


def test_weights_have_the_asked_proportion_and_leave_the_others():
    found = weights_of(STRATA, {"a": 1, "b": 3})
    assert found.mean() == pytest.approx(1) and found[4] == 1
    assert found[3] / (found[:3].sum()) == pytest.approx(3)
    assert shares(STRATA) == {"a": 0.6, "b": 0.2}
    assert weights_of(STRATA, {"a": 0.6, "b": 0.2}) == pytest.approx(np.ones(5))


@pytest.mark.parametrize(
    ("parts", "said"),
    [({"c": 1}, "unknown kind of question 'c'"), ({"a": -1, "b": 2}, "not -1"), ({"a": 0, "b": 0}, "no kind of question is left")],
)
def test_wrong_parts_are_one_line(parts, said):
    with pytest.raises(InputError, match=said):
        weights_of(STRATA, parts)


def test_scores_at_a_mix_are_the_weighted_means_by_kind():
    made = table(oracle=(0.9, 0.9), rag=(0.6, 0.3), raft=(0.8, 0.3), base=(0.1, 0.1), lora=(0.2, 0.2))
    found = compare(made, **SETTINGS)
    one = {(row.value, row.arm): row.mean for row in found.slices if row.slice == "stratum"}
    changed = at_mix(made, {"trained-fact": 90, "untrained-document": 10}, found)
    for row in changed.arms:
        expected = 0.9 * one["trained-fact", row.name] + 0.1 * one["untrained-document", row.name]
        assert row.estimate.mean == pytest.approx(expected)
        assert np.mean(row.seed_means) == pytest.approx(expected)
        assert row.low < expected < row.high
    levels = {row.name: row.estimate.mean for row in changed.arms}
    for d in changed.challengers:
        assert d.estimate.mean == pytest.approx(levels[d.arm] - levels[d.minus])
    assert dict(zip(changed.joint.arms, changed.joint.means, strict=True)) == pytest.approx({arm: levels[arm] for arm in changed.joint.arms})
    assert not [row for row in changed.slices if row.slice == "stratum"]


def test_the_mix_that_was_asked_changes_nothing():
    made = table(rag=(0.6, 0.3), raft=(0.8, 0.3), base=(0.1, 0.1))
    found = compare(made, **SETTINGS)
    same = at_mix(made, shares(made.strata), found)
    for one, other in zip(same.arms, found.arms, strict=True):
        assert (one.low, one.high, one.estimate.mean) == pytest.approx((other.low, other.high, other.estimate.mean))
    assert np.array(same.joint.covariance) == pytest.approx(np.array(found.joint.covariance))


def test_few_questions_that_count_widen_what_is_known():
    made = table(rag=(0.6, 0.3), raft=(0.8, 0.3))
    found = compare(made, **SETTINGS)
    first = np.array([document == made.documents[0] for document in made.documents], dtype=float)
    changed = reweighted(made, first / first.mean(), found)
    assert all(row.low is None for row in changed.arms), "one document gives no interval"
    assert changed.joint.df == 0


def test_questions_without_a_kind_do_not_matter_to_a_proportion():
    made = table(rag=(0.6, 0.3), raft=(0.8, 0.3))
    made = replace(made, strata=("", *made.strata[1:]))
    assert weights_of(made.strata, {"trained-fact": 1, "untrained-document": 1}).mean() == pytest.approx(1)
