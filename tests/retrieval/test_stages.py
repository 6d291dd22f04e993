"""Stages around a retriever: their orders by hand, and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.build import make_retriever
from ragft.errors import InputError
from ragft.retrieval.base import RetrieverParts, ranked
from ragft.retrieval.expand import Expanded
from ragft.retrieval.fusion import fuse, weigh
from ragft.retrieval.stages import Diverse, Extended, Reranked
from ragft.types import Chunk, Hit, Question, Span


def chunk(name: str, document: str = "d") -> Chunk:
    return Chunk(name, Span(document, 0, 1), name, "")


class Fixed:
    """The same ranking for every question, and what it was asked."""

    def __init__(self, *names: str):
        self.hits, self.asked, self.deep = ranked([chunk(n) for n in names], [(i, 9.0 - i) for i in range(len(names))]), [], []

    def search(self, questions, k):
        self.asked += [q.text for q in questions]
        self.deep.append(k)
        return [self.hits[:k] for _ in questions]


def names(hits) -> list[str]:
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    return [hit.chunk.id for hit in hits]


Q = [Question("q0", "zero"), Question("q1", "one")]

# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_weighted_scores_by_hand():
    a, b, c = chunk("a"), chunk("b"), chunk("c")
    lexical, meaning = (Hit(a, 1, 8.0), Hit(b, 2, 4.0)), (Hit(b, 1, 0.6), Hit(c, 2, 0.2))
    found = weigh(lexical, meaning, 0.25, 3)
    assert {hit.chunk.id: hit.score for hit in found} == pytest.approx({"a": 0.75, "b": 0.75 * 0.5 + 0.25, "c": 0.25 * 1.2 / 1.6})
    assert names(found) == ["a", "b", "c"]
    assert names(weigh(lexical, meaning, 0.25, 1)) == ["a"]
    assert names(weigh((), meaning, 0.5, 3)) == ["b", "c"] and weigh((), (), 0.5, 3) == ()


def test_an_embedder_that_cannot_read_leaves_the_words_in_charge():
    """All cosines alike: rank fusion lets it decide half, the weighted sum nearly nothing."""
    found = [chunk(f"c{n}") for n in range(20)]
    lexical = ranked(found, [(7, 9.0), (3, 5.0), (4, 4.9)])
    blind = ranked(found, [(n, 0.9 - 0.001 * n) for n in range(20)])
    assert names(weigh(lexical, blind, 0.5, 1)) == ["c7"]
    assert names(fuse((lexical, blind), 1)) != ["c7"]


# ── rerank ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rerank_sorts_the_first_by_the_pairs_scores():
    inner, seen = Fixed("a", "b", "c", "d"), []

    def relevance(pairs):
        seen.extend(pairs)
        return np.array([{"a": 0.1, "b": 0.5, "c": 0.5, "d": 0.9}[text.strip()] + question.count("n") for question, text in pairs], dtype=np.float32)

    found = Reranked(inner, RetrieverParts((), relevance=relevance), 3).search(Q, 2)
    assert [names(hits) for hits in found] == [["b", "c"], ["b", "c"]]  # d is too deep, and equals keep their order
    assert [hit.score for hit in found[1]] == pytest.approx([1.5, 1.5])
    assert seen[0] == ("zero", "\na") and len(seen) == 6 and inner.deep == [3]
    assert names(Reranked(inner, RetrieverParts((), relevance=relevance), 1).search(Q, 4)[0]) == ["d", "b", "c", "a"]  # k is deeper


def test_rerank_of_nothing():
    def relevance(pairs):
        raise AssertionError

    assert Reranked(Fixed(), RetrieverParts((), relevance=relevance), 3).search(Q, 2) == [(), ()]


# ── mmr ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(1, 8), st.floats(0, 1), st.integers(1, 9), st.integers(0, 99))
def test_mmr_is_the_papers_loop(number, balance, k, seed):
    vectors = np.random.default_rng(seed).normal(size=(number + 1, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    inner = Fixed(*(f"c{n}" for n in range(number)))
    parts = RetrieverParts(tuple(hit.chunk for hit in inner.hits), vectors[:-1], lambda texts: vectors[-1:])
    (found,) = Diverse(inner, parts, balance, 8).search(Q[:1], k)
    left, chosen = list(range(number)), []
    while left and len(chosen) < k:
        values = {}
        for n in left:
            alike = max((float(vectors[n].astype(float) @ vectors[m].astype(float)) for m in chosen), default=-1.0)
            values[n] = balance * float(vectors[n].astype(float) @ vectors[-1].astype(float)) - (1 - balance) * alike
        assert values[int(found[len(chosen)].chunk.id[1:])] == pytest.approx(max(values.values()), abs=1e-5)
        chosen.append(int(found[len(chosen)].chunk.id[1:]))
        left.remove(chosen[-1])
    assert len(found) == len(chosen) and [hit.rank for hit in found] == list(range(1, len(found) + 1))


def test_mmr_takes_what_is_new_before_what_is_alike():
    vectors = np.array([[1, 0], [0.999, 0.0447], [0, 1]], dtype=np.float32)
    parts = RetrieverParts(tuple(chunk(n) for n in "abc"), vectors, lambda texts: np.array([[0.8, 0.6]] * len(texts), dtype=np.float32))
    assert names(Diverse(Fixed("a", "b", "c"), parts, 0.5, 3).search(Q, 2)[0]) == ["b", "c"]
    assert names(Diverse(Fixed("a", "b", "c"), parts, 1.0, 3).search(Q, 2)[0]) == ["b", "a"]
    assert Diverse(Fixed(), parts, 0.5, 3).search(Q[:1], 2) == [()] and Diverse(Fixed("a"), parts, 0.5, 3).search([], 2) == []


# ── neighbours ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_neighbours_follow_their_hit_within_their_document():
    corpus = [chunk("a1", "a"), chunk("a2", "a"), chunk("a3", "a"), chunk("b1", "b"), chunk("b2", "b")]

    class Two:
        def search(self, questions, k):
            return [ranked(corpus, [(3, 2.0), (1, 1.0)][:k]) for _ in questions]

    assert names(Extended(Two(), corpus, 1).search(Q, 5)[0]) == ["b1", "b2", "a2", "a3", "a1"]
    assert [hit.score for hit in Extended(Two(), corpus, 1).search(Q, 3)[0]] == [2.0, 2.0, 1.0]
    assert names(Extended(Two(), corpus, 2).search(Q, 1)[0]) == ["b1"]


def test_a_neighbour_that_is_a_hit_comes_once():
    corpus = [chunk("a1"), chunk("a2"), chunk("a3")]
    assert names(Extended(Fixed("a1", "a2"), corpus, 1).search(Q, 9)[0]) == ["a1", "a2", "a3"]


# ── more to search for ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_question_and_what_was_written_are_searched_and_fused():
    class ByText:
        def search(self, questions, k):
            found = {"zero": "ab", "one": "c", "zero again": "ba"}
            return [ranked([chunk(n) for n in found[q.text]], [(i, 1.0) for i in range(len(found[q.text]))]) for q in questions]

    found = Expanded(ByText(), lambda questions: [["zero again"], []]).search(Q, 2)
    assert [names(hits) for hits in found] == [["a", "b"], ["c"]]
    assert found[0][0].score == pytest.approx(1 / 61 + 1 / 62)


@pytest.mark.parametrize(
    ("line", "written", "searched"),
    [
        ("bm25 + multi-query queries=2", "1. How much?\n\n- zero\n2) How long?\nWhy?", ["How much?", "How long?"]),
        ("bm25 + multi-query", "  \n", []),
        ("bm25 + hyde", " The pump\nstands 42 bar. ", ["The pump\nstands 42 bar."]),
        ("bm25 + hyde", "  ", []),
    ],
)
def test_what_the_model_writes_is_searched(line, written, searched, monkeypatch):
    prompts = []

    def write(given):
        prompts.extend(given)
        return [written for _ in given]

    parts = RetrieverParts((chunk("a"),), write=write)
    retriever = make_retriever(line, parts)
    inner = Fixed("a")
    monkeypatch.setattr(retriever, "_inner", inner)
    retriever.search(Q[:1], 1)
    assert inner.asked == ["zero", *searched]
    assert prompts[0].user == "Question: zero" and make_retriever(line, RetrieverParts((chunk("a"),), language="zh", write=write)).search(Q, 1)
    assert prompts[-1].user == "问题：one"


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hybrid dense_share=1.5", "a share from 0 to 1"),
        ("bm25 + rerank", "set reranker in the study"),
        ("bm25 + mmr", "set embedder in the study"),
        ("dense + mmr balance=2", "a share from 0 to 1"),
        ("dense + mmr depth=0", "at least 1"),
        ("bm25 + neighbours reach=0", "at least 1"),
        ("bm25 + multi-query queries=0", "from 1 to 8"),
    ],
)
def test_options_out_of_range(line, why):
    one = np.ones((1, 1), dtype=np.float32)
    parts = RetrieverParts((chunk("a"),), *((one, lambda texts: one) if "set embedder" not in why else ()))
    with pytest.raises(InputError, match=why):
        make_retriever(line, parts)


@pytest.mark.parametrize("line", ["bm25 + hyde", "bm25 + multi-query"])
def test_without_a_model_that_writes(line):
    with pytest.raises(InputError, match="opened without one"):
        make_retriever(line, RetrieverParts((chunk("a"),))).search(Q, 1)
