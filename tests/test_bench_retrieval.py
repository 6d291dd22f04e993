"""The benchmark of retrieval at a size that takes a moment: every part runs, and says what it measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from scripts import load_script
from tiny import write_domain

from ragft.domain import load_domain
from ragft.domain.loaders import load_documents
from ragft.retrieval import nearest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bench():
    return load_script("bench_retrieval")


def test_building_and_updating(bench, tmp_path, tiny_model, tiny_embedder):
    found = bench.index(1, load_domain(write_domain(tmp_path / "works")), str(tiny_model), str(tiny_embedder))
    assert found["largest_vector_difference"] < 1e-6 and found["chunks"] >= found["documents"] > 1
    ours, theirs = found["seconds"]["after_change"]
    assert found["ratio_after_change"] == theirs / ours
    assert len(found["seconds"]["first_build"]) == 2 and min(found["seconds"]["first_build"]) > 0


def test_what_is_changed(bench, tmp_path):
    before = load_domain(ROOT / "data" / "tarnbeck").documents
    after = bench.edited(before)
    assert sum(one.text != other.text for one, other in zip(before, after, strict=True)) == 4  # of 66


def test_bm25(bench):
    found = bench.bm25(1, chunks=300, questions=20)
    assert found["chunks"] == 300 and found["ratio"] == found["questions_per_second"][0] / found["questions_per_second"][1]
    assert found["same_first_passage"] == "2 of 2", "both sides search the same terms"


def test_a_side_that_is_not_installed_is_said_before_anything_is_measured(bench, monkeypatch, capsys):
    monkeypatch.setitem(bench.PARTS, "pdf", lambda repeat: pytest.fail("measured"))
    monkeypatch.setitem(sys.modules, "rank_bm25", None)
    assert bench.main(["--only", "pdf", "bm25"]) == 1
    assert 'part bm25 compares with rank_bm25, which is not installed: pip install -e ".[bench]"' in capsys.readouterr().err


def test_vectors(bench, monkeypatch):
    monkeypatch.setattr(nearest, "EXACT", 500)
    monkeypatch.setattr(nearest, "GRAPH", 600)
    found = bench.vectors(1, number=2000, questions=20)
    assert found["kind"].startswith("IVF, nprobe ") and found["recall_at_10"] > 0.8
    assert set(found["p95_milliseconds"]) == {"approximate", "exact"}


def test_opening(bench, tiny_embedder):
    found = bench.opening(1, 200, str(tiny_embedder))
    assert found["chunks"] == 200
    assert found.keys() == {"chunks", "seconds_to_open", "seconds_of_first_question", "nearest_build_seconds"}


def test_pdf(bench, tmp_path):
    found = bench.pdf(1, pages=6, pages_per_file=3)
    assert found["pages"] == 6 and found["characters"] > 6 * 50 * 10 * 2
    (tmp_path / "one.pdf").write_bytes(bench.made_pdf(2, 0))
    (document,), _ = load_documents(tmp_path)
    assert len(document.pages) == 2 and document.text.split()[0].startswith("w")
