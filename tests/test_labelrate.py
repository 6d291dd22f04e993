"""The rate of wrong labels against counting and statsmodels; how far they move a difference against trying everything."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint
from test_decide import right, study

from ragft.labelrate import LabelDoubt, Move, label_rate, widened, worst_move

NAN = float("nan")


def chance(found: int, of_all: int, judged: int, total: int) -> Fraction:
    """Of `found` wrong labels among the judged, where `of_all` are wrong among all."""
    return Fraction(comb(of_all, found) * comb(total - of_all, judged - found), comb(total, judged))


@pytest.mark.parametrize(("judged", "total"), [(1, 1), (1, 9), (4, 9), (8, 9), (9, 9), (12, 30)])
def test_the_interval_by_counting(judged, total):
    """Every number of wrong labels for which neither tail is rarer than 1 in 40."""
    for wrong in range(judged + 1):
        possible = [
            many
            for many in range(total + 1)
            if sum(chance(x, many, judged, total) for x in range(wrong + 1)) > Fraction(1, 40)
            and sum(chance(x, many, judged, total) for x in range(wrong, judged + 1)) > Fraction(1, 40)
        ]
        rate = label_rate(wrong, judged, total)
        assert (rate.least, rate.most) == (possible[0], possible[-1])
        assert (rate.low, rate.value, rate.high) == (possible[0] / total, wrong / judged, possible[-1] / total)


@pytest.mark.parametrize(("judged", "total"), [(5, 40), (20, 40), (35, 40)])
def test_it_covers_the_truth_in_19_of_20_samples_whatever_the_truth(judged, total):
    rates = [label_rate(wrong, judged, total) for wrong in range(judged + 1)]
    for truth in range(total + 1):
        covered = sum(chance(wrong, truth, judged, total) for wrong, rate in enumerate(rates) if rate.least <= truth <= rate.most)
        assert covered >= Fraction(95, 100)


@pytest.mark.parametrize(("wrong", "judged"), [(0, 60), (3, 60), (30, 60), (60, 60), (1, 7)])
def test_of_a_great_many_it_is_clopper_and_pearsons(wrong, judged):
    rate = label_rate(wrong, judged, 4_000)
    assert (rate.low, rate.high) == pytest.approx(proportion_confint(wrong, judged, method="beta"), abs=4e-3)


def test_the_set_is_finite():
    assert (label_rate(0, 60, 72).most, label_rate(0, 60, 565).most) == (2, 31), "by hand: C(70, 60) / C(72, 60) = 0.026 > 0.025, and 3 are too many"
    known = label_rate(3, 72, 72)
    assert (known.least, known.most, known.low, known.high) == (3, 3, 3 / 72, 3 / 72)


def test_what_else_was_judged_moves_no_rate_but_rules_out_what_cannot_be():
    alone = label_rate(1, 20, 50)
    found = label_rate(1, 20, 50, known_wrong=alone.least + 3, known_right=50 - alone.most + 2)
    assert (found.value, found.least, found.most) == (alone.value, alone.least + 3, alone.most - 2)
    few, many = label_rate(0, 20, 50, known_wrong=30), label_rate(20, 20, 50, known_wrong=20, known_right=28)
    assert (few.least, few.most) == (30, 30), "a sample that misled cannot make known ones unknown"
    assert (many.least, many.most) == (22, 22)


def test_of_nothing_nothing_is_known():
    rate = label_rate(0, 0, 9, known_wrong=2, known_right=3)
    assert (rate.value, rate.low, rate.high, rate.least, rate.most) == (None, None, None, 2, 6)


# ── how far differences move ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("more", [0, 1, 2, 9])
def test_no_relabelling_moves_a_difference_further_and_one_moves_it_so_far(more):
    """Everything is tried: which of the unknown labels are wrong, and what both arms would score by the right ones."""
    d = np.array([1.0, 0.0, -1.0, 0.5, 1.0, 0.0])
    wrong, unknown = (np.array([i in places for i in range(6)]) for places in ((1, 4), (0, 2, 3)))
    means = []
    for number in range(min(more, 3) + 1):
        for spread in combinations((0, 2, 3), number):
            places = [1, 4, *spread]
            for scores in product((-1.0, 0.0, 1.0), repeat=len(places)):
                relabelled = d.copy()
                relabelled[places] = scores
                means.append(relabelled.mean())
    move = worst_move(d, wrong, unknown, more)
    assert (d.mean() - move.down, d.mean() + move.up) == pytest.approx((min(means), max(means)))


def test_a_question_without_a_score_moves_nothing():
    d = np.array([1.0, NAN, NAN, 0.0])
    all_of_them, none = np.ones(4, dtype=bool), np.zeros(4, dtype=bool)
    assert worst_move(d, all_of_them, none, 0) == Move(1.5, 0.5)
    assert worst_move(np.full(4, NAN), all_of_them, none, 3) == Move(0.0, 0.0)


def test_every_difference_of_the_verdict_is_widened_and_nothing_else():
    found = study(base=right(2), rag=right(6), rag_lora=right(8))  # one seed: no interval
    moves = {(d.arm, d.minus): Move(0.1, 0.2) for d in (*found.challengers, *found.against_base)}
    moves["base", "rag"] = Move(1.9, 0.0)
    wide = widened(found, LabelDoubt((), "", moves))
    for before, after in zip((*found.challengers, *found.against_base), (*wide.challengers, *wide.against_base), strict=True):
        if before.low is None:
            assert after == before
        elif (before.arm, before.minus) == ("base", "rag"):
            assert (after.low, after.high) == (-1.0, before.high)
        else:
            assert (after.low, after.high) == pytest.approx((max(-1, before.low - 0.1), min(1, before.high + 0.2)))
    assert any(d.low is None for d in found.challengers) and any(d.low is not None for d in found.against_base)
    assert replace(wide, challengers=found.challengers, against_base=found.against_base) == found
