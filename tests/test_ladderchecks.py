"""The check of the ladder: it holds for ragft's own, and fails for every ladder that is broken in one rung."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ragft import ladder, registry
from ragft.chunking import overlap
from ragft.ladderchecks import FAULTS, METRICS, ask, corpus, faults, findings, landed
from ragft.progress import Silent
from ragft.validation import Setup


def quiet(done: int, total: int) -> None:
    """Nobody watches."""


def test_the_product_s_ladder_holds_in_every_cell():
    found, sums = faults(Setup(quick=True, worlds=240, seed=3), quiet)
    assert found.ok and sums.ok
    assert len(found.cells) == len(FAULTS) * len(METRICS)
    assert {cell.of["rung"] for cell in found.cells} == {part.key for part in ladder.PARTS} - {"right"}
    assert all(cell.worlds == 60 and cell.least == 0.95 for cell in found.cells)


def test_the_same_seed_gives_the_same_cells():
    one, again = (landed(FAULTS[0], 40, seed=5) for _ in range(2))
    assert one == again


def moved(source: str, target: str):
    """A ladder that puts one rung's points on another."""

    def take(frame, metric, golds):
        return tuple(
            replace(one, points=one.points | {target: one.points[target] + one.points[source], source: 0.0})
            for one in ladder.losses(frame, metric, golds)
        )

    return take


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("missed", "misread"),
        ("partial", "missed"),
        ("form", "misread"),
        ("refused", "misread"),
        ("prior", "misread"),
        ("misread", "prior"),
        ("failed", "misread"),
        ("wrong", "misread"),
        ("invented", "misread"),
    ],
)
def test_a_broken_ladder_fails(source, target):
    fault = next(fault for fault in FAULTS if fault.part == source)
    cells, off = landed(fault, 40, seed=0, take=moved(source, target))
    found, _ = findings(cells, off)
    assert not found.ok and not any(cell.ok for cell in cells)


def test_a_ladder_that_asks_for_refusals_before_retrieval_fails():
    def refusals_first(frame, metric, golds):
        return ladder.losses(frame.assign(**{"recall@k": frame["recall@k"].mask(frame["outcome"] == "abstained")}), metric, golds)

    cells, off = landed(FAULTS[0], 200, seed=0, take=refusals_first)
    assert not findings(cells, off)[0].ok


def test_parts_that_do_not_add_up_fail():
    def short(frame, metric, golds):
        return tuple(replace(one, points=one.points | {"misread": one.points["misread"] - 1e-9}) for one in ladder.losses(frame, metric, golds))

    fault = next(fault for fault in FAULTS if fault.part == "misread")
    cells, off = landed(fault, 40, seed=0, take=short)
    lands, sums = findings(cells, off)
    assert lands.ok and not sums.ok


@pytest.mark.parametrize("pieces", [1, 2])
def test_without_a_fault_all_evidence_is_shown_and_nothing_is_lost(pieces):
    rng = random.Random(1)
    made = corpus(rng)
    recall, match = (registry.lookup("metric", name).make for name in ("recall@k", "match"))
    for number in range(30):
        asked = ask(made, number, pieces, rng)
        answer = asked.answer()
        assert recall(answer, asked.gold) == match(answer, asked.gold) == 1
        assert len({fact.span.document for fact in asked.facts}) == pieces
        asked.drop(asked.facts)
        assert not any(overlap(hit.chunk.span, fact.span) for hit in asked.answer().hits or () for fact in asked.facts)


def test_it_has_the_shape_of_a_check():
    with Silent().unit("ladder", 1, 1) as advance:
        assert [finding.key for finding in faults(Setup(True, 40, 0), advance)] == ["ladder", "ladder-sums"]
