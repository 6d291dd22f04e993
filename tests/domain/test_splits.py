from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ragft.domain.splits import Item, limit, make_splits, settle, stratum
from ragft.types import Gold


def items(documents: int, each: int, wordings: int = 1) -> list[Item]:
    return [Item(f"{d}-{q}-{w}", f"{d}-{q}", f"doc{d}", True) for d in range(documents) for q in range(each) for w in range(wordings)]


def test_shares_and_whole_documents():
    made = make_splits(items(100, 4))
    counts = Counter(made.values())
    assert abs(counts["train"] - 160) <= 4 and abs(counts["dev"] - 60) <= 4 and abs(counts["test"] - 180) <= 4
    assert all(len({made[f"{d}-{q}-0"] for q in range(4)}) == 1 for d in range(100))


def test_three_documents_are_enough_for_three_splits():
    assert set(make_splits(items(3, 5)).values()) == {"train", "dev", "test"}


def test_of_a_trained_fact_with_several_wordings_the_last_is_held_out():
    made = make_splits(items(30, 2, 3))
    trained = [key[:-2] for key, split in made.items() if split == "train" and key.endswith("-0")]
    assert trained and all(made[f"{fact}-1"] == "train" for fact in trained)
    held = Counter(made[f"{fact}-2"] for fact in trained)
    assert held["train"] == 0 and held["test"] > held["dev"] > 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=40))
def test_order_of_the_file_does_not_matter_for_single_wordings(pairs):
    made = [Item(f"q{n}", f"q{n}", f"doc{d}", True) for n, (d, _) in enumerate(pairs)]
    assert make_splits(made) == make_splits(made[::-1])


def test_settled_splits_stay_and_new_questions_join_their_document():
    first = items(10, 2)
    stored = make_splits(first)
    later = settle(stored, [*first, Item("new", "new", "doc3", True), Item("other", "other", "doc99", True)])
    assert {key: later[key] for key in stored} == stored
    assert later["new"] == stored["3-0-0"] and later["other"] in ("train", "dev", "test")


def test_stratum():
    assert stratum(False, "f", "d", {"f"}, {"d"}) == "unanswerable"
    assert stratum(True, "f", "d", {"f"}, {"d"}) == "trained-fact"
    assert stratum(True, "g", "d", {"f"}, {"d"}) == "untrained-fact"
    assert stratum(True, "g", "e", {"f"}, {"d"}) == "untrained-document"


def gold(name: str, document: str, fact: str) -> Gold:
    return Gold(name, ("a",), (), document, "test", fact, 0, "", "")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_a_larger_limit_extends_a_smaller_one(pairs, some, more):
    golds = [gold(f"q{n}", f"doc{d}", f"{d}-{f}") for n, (d, f) in enumerate(pairs)]
    few, many = limit(golds, min(some, more)), limit(golds, max(some, more))
    assert len(few) == min(some, more, len(golds)) and {g.id for g in few} <= {g.id for g in many}
    assert [g for g in golds if g in few] == few


def test_new_facts_come_before_further_wordings():
    golds = [gold(f"q{n}", "doc", fact) for n, fact in enumerate("aaaab")]
    assert {g.fact for g in limit(golds, 2)} == {"a", "b"}
