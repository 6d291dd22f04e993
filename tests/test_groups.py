"""Which arms are told apart: all pairs at once against an independent library, letters, and arms of one seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import ttest_rel
from statsmodels.stats.multitest import multipletests

from ragft.compare import pairwise, table_of
from ragft.groups import compact_letters, grouping

SHARES = {"base": 0.2, "a": 0.3, "b": 0.5, "c": 0.55, "d": 0.9}
ALPHA = 0.025


def untuned_table(questions: int = 120):
    """Arms without tuning, one question a document: each pair is then a paired t test."""
    rng = np.random.default_rng(7)
    scores = {name: (rng.random(questions) < share).astype(float) for name, share in SHARES.items()}
    return table_of(scores, [f"d{i}" for i in range(questions)])


def seeded_table(seeds: dict[str, int], questions: int = 60):
    rng = np.random.default_rng(3)
    scores = {name: (rng.random((n, questions)) < 0.5).astype(float) for name, n in seeds.items()}
    return table_of(scores, [f"d{i}" for i in range(questions)], tuning={name: name for name in seeds})


def test_pairs_are_those_of_a_paired_t_test_with_bonferroni():
    table = untuned_table()
    found = grouping(table, "alone", list(SHARES), ALPHA)
    raw = [ttest_rel(table.arm(pair.arm).scores[0], table.arm(pair.minus).scores[0]).pvalue for pair in found.pairs]
    reject, adjusted, _, _ = multipletests(raw, alpha=2 * ALPHA, method="bonferroni")
    assert len(found.pairs) == 10
    assert [pair.p for pair in found.pairs] == pytest.approx(list(adjusted))
    assert [pair.differs for pair in found.pairs] == list(reject)
    assert 0 < sum(reject) < 10  # some are told apart and some are not


def test_intervals_and_adjusted_p_cannot_disagree():
    for pair in grouping(untuned_table(), "alone", list(SHARES), ALPHA).pairs:
        assert pair.differs == (pair.p < 2 * ALPHA)


def test_the_best_mean_comes_first_and_is_named_with_its_equals():
    found = grouping(untuned_table(), "alone", ["base", "b", "c"], ALPHA)
    assert [member.arm for member in found.members] == ["b", "c", "base"]
    assert found.members[0].minus_best is None and found.members[0].letters == "a"
    assert found.like_best == ("c",)
    assert found.members[2].minus_best.mean == pytest.approx(found.members[0].score - found.members[2].score)


def test_more_arms_make_every_interval_wider():
    table = untuned_table()
    two = grouping(table, "alone", ["a", "b"], ALPHA).pairs[0]
    five = next(p for p in grouping(table, "alone", list(SHARES), ALPHA).pairs if {p.arm, p.minus} == {"a", "b"})
    assert five.high - five.low > two.high - two.low


def test_an_arm_of_one_seed_takes_the_seed_variance_of_the_pool():
    table = seeded_table({"three": 3, "other": 3, "one": 1})
    found = grouping(table, "alone", ["three", "other", "one"], ALPHA)
    assert found.one_seed == ("one",) and not found.open
    pooled = np.mean([table.arm(name).scores.mean(axis=1).var(ddof=1) for name in ("three", "other")])
    for name in ("three", "other"):
        own = table.arm(name).scores.mean(axis=1).var(ddof=1)
        estimate = pairwise(table, [(name, "one")], alpha=ALPHA)[0].estimate
        assert estimate.seed_se**2 == pytest.approx(max(own, pooled) / 3 + pooled / 1)  # divided by its own seeds


def test_one_seed_everywhere_tells_nothing_apart():
    found = grouping(seeded_table({"one": 1, "other": 1}), "alone", ["one", "other"], ALPHA)
    assert found.open and found.pairs[0].low is None and found.pairs[0].p is None
    assert {member.letters for member in found.members} == {"a"}


def test_an_arm_without_scores_is_named_and_left_out():
    table = table_of({"a": np.ones(20), "dead": np.full(20, np.nan)}, [f"d{i}" for i in range(20)])
    found = grouping(table, "alone", ["a", "dead"], ALPHA)
    assert found.unscored == ("dead",) and [member.arm for member in found.members] == ["a"]


def equal_worlds(number: int, seeds: dict[str, int], documents: int = 24, questions: int = 6, seed_sd: float = 0.25):
    """Tables of arms that are equally good: they differ by documents, questions and training luck only (in logits)."""
    rng = np.random.default_rng(11)
    member = np.repeat(np.arange(documents), questions)
    names = [f"d{i}" for i in member]
    for _ in range(number):
        shared = rng.normal(0, 0.7, documents)[member] + rng.normal(0, 2.0, len(member))
        scores = {}
        for name, n in seeds.items():
            own = shared + rng.normal(0, 0.5, documents)[member] + rng.normal(0, 0.7, len(member))
            logits = own + rng.normal(0, seed_sd, (n, 1))
            scores[name] = (rng.random(logits.shape) < expit(logits)).astype(float)
        yield table_of(scores, names, tuning={name: name for name in seeds})


@pytest.mark.parametrize(
    "seeds", [{"a": 3, "b": 3, "c": 3, "d": 3}, {"a": 3, "b": 3, "c": 3, "d": 1, "e": 1, "f": 1}], ids=["three seeds", "some with one"]
)
def test_arms_that_are_equally_good_are_rarely_told_apart(seeds):
    number, wrong = 300, 0
    for table in equal_worlds(number, seeds):
        wrong += any(pair.differs for pair in grouping(table, "alone", list(seeds), ALPHA).pairs)
    assert wrong / number <= 0.05 + 3.5 * (0.05 * 0.95 / number) ** 0.5  # one family of pairs, one error in twenty


def test_arms_that_differ_are_told_apart():
    found = 0
    for table in equal_worlds(40, {"a": 3, "b": 3, "c": 3}):
        better = replace(table.arm("a"), scores=np.maximum(table.arm("a").scores, np.arange(len(table.questions)) % 2))  # half of all are right
        found += any(p.differs for p in grouping(replace(table, arms=(better, *table.arms[1:])), "alone", ["a", "b", "c"], ALPHA).pairs)
    assert found > 0.8 * 40


@given(st.integers(1, 9), st.data())
def test_arms_share_a_letter_exactly_when_they_were_not_told_apart(number, data):
    names = [f"m{i}" for i in range(number)]
    different = {pair for pair in combinations(names, 2) if data.draw(st.booleans())}
    letters = compact_letters(names, different)
    for pair in combinations(names, 2):
        assert bool(set(letters[pair[0]]) & set(letters[pair[1]])) == (pair not in different)
    assert all(letters.values()) and "a" in letters["m0"]


def test_letters_are_as_few_as_largest_sets():
    """A chain: neighbours alike, all else apart."""
    names = ["p", "q", "r", "s"]
    assert compact_letters(names, {("p", "r"), ("p", "s"), ("q", "s")}) == {"p": "a", "q": "ab", "r": "bc", "s": "c"}
    assert compact_letters(names, set()) == dict.fromkeys(names, "a")
