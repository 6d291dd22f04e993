"""The validation of break-evens: what is counted, that ragft's own estimates are tried, and that wrong ones would be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ragft.breakeven import BreakEven, break_even
from ragft.cost import Measured, Metered, measured_by_batch
from ragft.costchecks import (
    PRICES,
    Machine,
    _coverage,
    batch_seconds,
    break_even_coverage,
    holds,
    kind,
    least_share,
    machines,
    said_cheaper,
    typical,
    worlds,
)
from ragft.validation import Cell, Setup

EASY = Machine("questions", 1, -1, "clear", "steady", drilled=False)


def even(at, cheaper, interval):
    return BreakEven("tuned", "other", "questions", at, cheaper, interval, 0.5)


@pytest.mark.parametrize(
    ("interval", "at", "inside"),
    [
        (((10.0, 20.0),), 15.0, True),
        (((10.0, 20.0),), 10.0, True),
        (((10.0, 20.0),), 20.1, False),
        (((10.0, None),), 1e6, True),
        (((0.0, 5.0), (50.0, None)), 20.0, False),
        (((0.0, 5.0), (50.0, None)), 60.0, True),
        ((), 15.0, False),
        (None, 15.0, False),
    ],
)
def test_a_true_break_even_is_held_or_not(interval, at, inside):
    assert holds(even(12.0, "above", interval), at, cheaper=False) == inside


@pytest.mark.parametrize(
    ("found", "dearer_ok", "cheaper_ok"),
    [
        (even(None, "always", ()), False, True),  # surely always cheaper
        (even(None, "never", ()), True, False),
        (even(None, "always", ((0.0, None),)), True, True),  # nothing is claimed
        (even(None, "always", ((100.0, None),)), False, True),  # cheaper below 100
        (even(500.0, "below", ((100.0, None),)), False, True),
        (even(500.0, "above", ((100.0, None),)), True, False),  # dearer below 100
        (even(500.0, "above", ((0.0, 900.0),)), False, True),  # cheaper above 900
        (even(500.0, "above", ((100.0, 900.0),)), False, False),  # both is claimed
        (even(20.0, "below", ((0.0, 30.0), (90.0, None))), True, False),  # dearer in between
    ],
)
def test_without_a_break_even_no_claim_may_be_wrong(found, dearer_ok, cheaper_ok):
    assert (holds(found, None, cheaper=False), holds(found, None, cheaper=True)) == (dearer_ok, cheaper_ok)


def test_what_an_estimate_says():
    assert [said_cheaper(even(10.0, side, ()), x) for side in ("above", "below") for x in (5, 15)] == [False, True, True, False]
    assert said_cheaper(even(None, "always", ()), 5) and not said_cheaper(even(None, "never", ()), 5)


def test_kinds_of_interval():
    assert [kind(even(None, "never", i)) for i in (None, (), ((1.0, 2.0),), ((1.0, None),), ((0.0, 1.0), (2.0, None)))] == [
        "empty",
        "empty",
        "bounded",
        "unbounded",
        "unbounded",
    ]


@pytest.mark.parametrize("load", ["steady", "uneven", "rare", "often"])
def test_the_truth_of_a_question_is_what_its_estimate_tends_to(load):
    many = batch_seconds(40_000, load, np.random.default_rng(5))
    assert measured_by_batch(many.tolist(), range(40_000)).mean == pytest.approx(typical(load), rel=0.01)
    assert many.mean() > 1.01 * typical(load)  # a skewed world: the mean is another


def test_worlds_are_as_described():
    machine = replace(EASY, setup=-1, question=1, drilled=True)
    one, other = machine.truth()
    assert (one.setup_seconds.mean, one.question_seconds.mean, other.setup_seconds.mean, other.question_seconds.mean) == pytest.approx(
        (12, 0.64, 30, 0.4)
    )
    found = list(worlds(machine, 400, 1))
    for place, truth in enumerate((one, other)):
        for name, rel in (("setup_seconds", 0.02), ("update_seconds", 0.02), ("question_seconds", 0.02)):
            assert np.mean([getattr(pair[place], name).mean for pair in found]) == pytest.approx(getattr(truth, name).mean, rel=rel)
    assert [arm.question_seconds.df for arm in found[0]] == pytest.approx([26, 8])
    assert {arm.update_seconds for arm in next(worlds(EASY, 1))} == {None}


def test_all_four_signs_on_both_axes():
    full, quick = machines(False), machines(True)
    assert len(full) == len(set(full)) == 64 and set(quick) < set(full) and len(quick) == 16
    for chosen in (full, quick):
        assert {(m.axis, m.setup, m.question) for m in chosen} == {(a, s, q) for a in ("questions", "updates") for s in (1, -1) for q in (1, -1)}
    assert {(m.axis, m.drilled) for m in full} == {(a, d) for a in ("questions", "updates") for d in (True, False)}


@pytest.mark.parametrize("machine", machines(False), ids=repr)
def test_a_break_even_exists_where_signs_differ(machine):
    one, other = machine.truth()
    found = break_even("a", one, "b", other, PRICES, machine.axis)
    assert (found.at is not None) == (machine.setup != machine.question)


def test_the_cell_counts_its_worlds():
    cell = _coverage((EASY, 150, 3))
    one, other = EASY.truth()
    true = break_even("a", one, "b", other, PRICES, "questions").at
    found = [break_even("a", a, "b", b, PRICES, "questions") for a, b in worlds(EASY, 150, 3)]
    assert cell.share == sum(any(low <= true <= (high or np.inf) for low, high in f.interval) for f in found) / 150
    assert sum(cell.beside.values()) == pytest.approx(1)
    assert (cell.worlds, cell.least) == (150, least_share(150))


def test_limits():
    assert least_share(2000) == 0.93
    assert least_share(250) == pytest.approx(0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 250))


def test_the_finding_holds():
    ticks = []
    (found,) = break_even_coverage(Setup(True, 400, 0), lambda done, total: ticks.append((done, total)))
    assert found.ok and found.key == "break-even" and len(found.cells) == 16 and ticks[-1] == (16, 16)
    assert "where 95 % are promised" in found.wanted


def test_an_estimate_that_is_too_sure_would_be_seen():
    """Degrees of freedom that are forgotten, the price of a median that is not paid."""

    def sure(arm: Metered) -> Metered:
        setup, question = arm.setup_seconds, arm.question_seconds
        return replace(
            arm, setup_seconds=Measured(setup.mean, setup.variance), question_seconds=Measured(question.mean, question.variance * 2 / np.pi)
        )

    one, other = EASY.truth()
    true = break_even("a", one, "b", other, PRICES, "questions").at
    found = [break_even("a", sure(a), "b", sure(b), PRICES, "questions") for a, b in worlds(EASY, 400, 0)]
    share = sum(holds(f, true, cheaper=False) for f in found) / 400
    assert not Cell({}, 400, share, least=least_share(400)).ok
