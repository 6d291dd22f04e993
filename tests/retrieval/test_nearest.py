"""Nearest vectors: FAISS's flat index is the oracle; what does not compare all of them says what it finds."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from ragft.retrieval import nearest
from ragft.retrieval.base import RetrieverParts
from ragft.retrieval.dense import dense
from ragft.retrieval.nearest import Exact, build_nearest, open_nearest, share_found
from ragft.types import Chunk, Question, Span


def clustered(number: int, seed: int = 0, dimensions: int = 16) -> np.ndarray:
    """Unit vectors around one middle for each twenty."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(number // 20 + 1, dimensions))
    found = middles[rng.integers(len(middles), size=number)] + 0.3 * rng.normal(size=(number, dimensions))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def flat(vectors, asked, k):
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index.search(asked, k)


@pytest.mark.parametrize("asked", [1, 3, 40])  # FAISS takes another way for many at once
def test_the_exact_search_is_that_of_a_flat_index_also_over_a_mapped_file(tmp_path, asked):
    vectors, questions = clustered(500), clustered(asked, seed=1)
    np.save(tmp_path / "vectors.npy", vectors)
    scores, numbers = Exact(np.load(tmp_path / "vectors.npy", mmap_mode="r")).search(questions, 7)
    expected = flat(vectors, questions, 7)
    np.testing.assert_array_equal(numbers, expected[1])
    np.testing.assert_array_equal(scores, expected[0])


def test_few_vectors_are_all_compared(tmp_path):
    assert build_nearest(clustered(200), tmp_path) is None
    assert not list(tmp_path.iterdir())
    assert isinstance(open_nearest(tmp_path, clustered(200)), Exact)


@pytest.fixture(params=["HNSW", "IVF"])
def kind(request, monkeypatch):
    """The structure that 3,000 vectors get."""
    monkeypatch.setattr(nearest, "EXACT", 1000)
    monkeypatch.setattr(nearest, "GRAPH", 5000 if request.param == "HNSW" else 2000)
    return request.param


def test_of_many_enough_are_found_and_the_share_is_said(kind, tmp_path):
    vectors, asked = clustered(3000), clustered(100, seed=2)  # around other middles: questions are unlike passages
    reached = build_nearest(vectors, tmp_path, asked)
    assert (reached.kind, reached.setting) == (kind, "efSearch" if kind == "HNSW" else "nprobe")
    assert nearest.RECALL <= reached.recall <= 1
    scores, numbers = open_nearest(tmp_path, vectors).search(asked, 10)
    right = [set(row) for row in flat(vectors, asked, 10)[1]]
    assert np.mean([len(set(row) & wanted) / 10 for row, wanted in zip(numbers, right, strict=True)]) > 0.9
    np.testing.assert_allclose(scores, np.take_along_axis(asked @ vectors.T, numbers, axis=1), rtol=1e-5)


def test_without_questions_it_is_set_by_the_vectors_themselves(kind, tmp_path):
    vectors = clustered(3000)
    reached = build_nearest(vectors, tmp_path)
    tried = vectors[:: 3000 // nearest.TRIED][: nearest.TRIED]
    found, right = open_nearest(tmp_path, vectors).search(tried, 10)[1], flat(vectors, tried, 10)[1]
    assert reached.recall == pytest.approx(np.mean([len(set(row) & set(other)) / 10 for row, other in zip(found, right, strict=True)]), abs=1e-9)


def test_it_looks_further_where_that_is_needed(kind, tmp_path, monkeypatch):
    hard = clustered(3000, dimensions=64)
    monkeypatch.setattr(nearest, "RECALL", 0.999)
    far = build_nearest(hard, tmp_path)
    monkeypatch.setattr(nearest, "RECALL", 0.2)
    near = build_nearest(hard, tmp_path)
    assert near.value <= far.value and near.recall <= far.recall and far.recall >= 0.999


def test_where_nothing_short_of_everywhere_finds_enough_all_are_compared(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(nearest, "RECALL", 1.1)
    assert build_nearest(clustered(3000), tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_passage_that_stands_there_often_is_found_in_any_of_its_places(kind, tmp_path):
    vectors = clustered(2500)
    often = np.concatenate([vectors, np.repeat(vectors[:1], 600, axis=0)])
    reached = build_nearest(often, tmp_path)
    assert reached is not None and reached.recall >= nearest.RECALL


def test_the_same_vectors_give_the_same_file(kind, tmp_path):
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        build_nearest(clustered(3000), tmp_path / name)
        files.append((tmp_path / name / nearest.FILE).read_bytes())
    assert files[0] == files[1]


def test_the_share_found_by_hand():
    right = np.array([[0.9, 0.8, 0.8], [0.7, 0.6, 0.5]])
    assert share_found(np.array([[0.9, 0.8, 0.8], [0.7, 0.6, 0.5]]), right) == 1
    assert share_found(np.array([[0.9, 0.8, 0.1], [0.7, 0.4, -3e38]]), right) == pytest.approx(3 / 6)


def test_a_search_that_finds_fewer_gives_fewer_hits():
    class Poor:
        def search(self, x, k):
            return np.array([[0.9, -3e38]], dtype=np.float32), np.array([[2, -1]])

    chunks = [Chunk(str(number), Span("d", number, number + 1), "x", "") for number in range(3)]
    parts = RetrieverParts(chunks, clustered(3), lambda texts: clustered(len(texts)), nearest=Poor())
    (hits,) = dense(parts).search([Question("q", "?")], 2)
    assert [(hit.chunk.id, hit.rank) for hit in hits] == [("2", 1)]
