import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from ragft.metrics.retrieval import (
    average_precision,
    found_ranks,
    mean_average_precision,
    mrr,
    ndcg,
    ndcg_at,
    precision,
    recall,
    recall_at,
    reciprocal_rank,
)
from ragft.types import Answer, Chunk, Evidence, Gold, Hit, Span


def chunk(number: int) -> Chunk:
    return Chunk(f"c{number}", Span("d", 100 * number, 100 * number + 100), "x" * 100, "")


def answer(numbers, outcome="ok") -> Answer:
    hits = None if numbers is None else tuple(Hit(chunk(n), rank, 1.0) for rank, n in enumerate(numbers, start=1))
    return Answer("q", "text", outcome, hits, "", None, 0)


def gold(*numbers: int) -> Gold:
    """A question whose evidence stands in these chunks, one piece in each."""
    pieces = tuple(Evidence((Span("d", 100 * n + 10, 100 * n + 40),)) for n in numbers)
    return Gold("q", ("a",) if numbers else (), pieces, "d", "test", "f", 0, "value", "untrained-document")


def test_by_hand():
    found = answer([7, 3, 9, 5])
    assert found_ranks(found, gold(3, 5, 8)) == [2, 4, None]
    assert recall(found, gold(3, 5, 8)) == pytest.approx(2 / 3)
    assert mrr(found, gold(3, 5, 8)) == 1 / 2
    assert precision(found, gold(3, 5, 8)) == 2 / 4
    assert mean_average_precision(found, gold(3, 5, 8)) == pytest.approx((1 / 2 + 2 / 4) / 3)
    gain, best = 1 / 1.584962500721156 + 1 / 2.321928094887362, 1 + 1 / 1.584962500721156 + 1 / 2
    assert ndcg(found, gold(3, 5, 8)) == pytest.approx(gain / best)


def test_nothing_found_is_zero_and_not_applicable_is_none():
    for measure in (recall, precision, mrr, mean_average_precision, ndcg):
        assert measure(answer([1, 2]), gold(9)) == 0
        assert measure(answer([]), gold(9)) == 0  # a retriever that finds nothing has failed
        assert measure(answer([1, 2]), gold()) is None
        assert measure(answer(None), gold(1)) is None
        assert measure(answer([1, 2], "error"), gold(1)) is None


def test_any_place_of_a_piece_is_enough_and_two_pieces_in_one_chunk_count_once_each():
    twice = Gold("q", ("a",), (Evidence((Span("d", 110, 120), Span("d", 510, 520))),), "d", "test", "f", 0, "", "")
    assert found_ranks(answer([4, 5]), twice) == [2]
    same = Gold("q", ("a",), (Evidence((Span("d", 110, 120),)), Evidence((Span("d", 150, 160),))), "d", "test", "f", 0, "", "")
    assert recall(answer([1]), same) == 1 and ndcg(answer([1]), same) == 1
    assert precision(answer([1, 7]), same) == 1 / 2 and mean_average_precision(answer([7, 1]), same) == 1 / 2
    assert precision(answer([4, 1, 5]), twice) == 2 / 3  # two passages hold the one piece


def test_ndcg_does_not_reward_stopping_early():
    assert ndcg(answer([1]), gold(1, 2)) == ndcg(answer([1, 8, 9]), gold(1, 2)) < 1


RANKINGS = st.permutations(range(12)).flatmap(lambda order: st.integers(0, 12).map(lambda n: order[:n]))


@settings(deadline=None)
@given(RANKINGS, st.sets(st.integers(0, 14), min_size=1, max_size=5), st.sampled_from([1, 3, 5, 10]))
def test_equal_to_trec_eval(order, relevant, k):
    ranks = found_ranks(answer(order), gold(*sorted(relevant)))
    measures = {f"recall.{k}", "recip_rank", f"ndcg_cut.{k}", "ndcg", "map", f"P.{max(1, len(order))}"}
    judge = pytrec_eval.RelevanceEvaluator({"q": {f"c{n}": 1 for n in relevant}}, measures)
    run = {f"c{n}": 100.0 - place for place, n in enumerate(order)} or {"nothing": 1.0}
    theirs = judge.evaluate({"q": run})["q"]
    assert ranks is not None
    assert recall_at(ranks, k) == pytest.approx(theirs[f"recall_{k}"])
    assert average_precision(ranks) == pytest.approx(theirs["map"])
    assert precision(answer(order), gold(*sorted(relevant))) == pytest.approx(theirs[f"P_{max(1, len(order))}"])
    assert reciprocal_rank(ranks) == pytest.approx(theirs["recip_rank"])
    assert ndcg_at(ranks, k) == pytest.approx(theirs[f"ndcg_cut_{k}"])
    assert ndcg(answer(order), gold(*sorted(relevant))) == pytest.approx(theirs["ndcg"])
