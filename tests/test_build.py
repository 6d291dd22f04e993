"""An index that lives: an update embeds what is new and nothing else, and gives what a whole build gives."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny import write_domain

from ragft.build import AUTO, IndexPlan, build_index, choose_retriever, make_retriever, open_index, update_index
from ragft.domain import load_domain
from ragft.errors import MissingError
from ragft.models import find_model
from ragft.retrieval import dense, nearest
from ragft.types import Document


@pytest.fixture
def versions(tmp_path, tiny_model, tiny_embedder):
    """The plan of the small domain, and that of the same with a document added, one changed and one deleted."""
    model, embedder = find_model(str(tiny_model), "generator"), find_model(str(tiny_embedder), "embedder")
    domain = load_domain(write_domain(tmp_path / "works"))
    first, _, *rest = domain.documents
    changed = replace(first, text=f"It was painted green in spring.\n\n{first.text}")
    plan = IndexPlan(domain, model, embedder, 24, 0, 2)
    return plan, replace(plan, domain=replace(domain, documents=(changed, *rest, Document("new.md", "The new valve opens at 7 bar.", "New"))))


@pytest.fixture
def embedded(monkeypatch):
    """The passages that were given to the embedder to index, in order."""
    texts: list[str] = []
    real = dense.Embedder.__call__

    def spy(self, given):
        texts.extend(given)
        return real(self, given)

    monkeypatch.setattr(dense.Embedder, "__call__", spy)
    return texts


def built(plan, folder, **more):
    folder.mkdir()
    build_index(plan, folder, **more)
    return open_index(folder, str(folder), plan.embedder)


def test_an_update_equals_a_rebuild_and_embeds_only_what_is_new(versions, embedded, tmp_path):
    old, new = versions
    before = built(old, tmp_path / "a")
    whole = built(new, tmp_path / "b")
    del embedded[:]
    update_index(new, tmp_path / "a")
    updated = open_index(tmp_path / "a", "updated", new.embedder)
    assert list(updated.chunks) == list(whole.chunks)
    np.testing.assert_allclose(updated.vectors, whole.vectors, atol=1e-6)
    known = {chunk.heading + "\n" + chunk.text for chunk in before.chunks}
    passages = {chunk.heading + "\n" + chunk.text for chunk in whole.chunks}
    assert sorted(embedded) == sorted(passages - known)  # nor are dev questions
    assert passages & known and passages - known and known - passages  # kept, new and gone
    questions = [question for question, _ in new.domain.split("test")]
    one, other = (make_retriever("hybrid", parts).search(questions, 3) for parts in (updated, whole))
    assert [[hit.chunk.id for hit in hits] for hits in one] == [[hit.chunk.id for hit in hits] for hits in other]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "works"]  # nothing is left beside it


@pytest.mark.parametrize("line", ["bm25", "bm25 k1=0.9", "dense", "hybrid + mmr", "bm25 + neighbours", "oracle"])
def test_what_is_stored_finds_what_is_made_in_memory(versions, tmp_path, line):
    plan, _ = versions
    stored = built(plan, tmp_path / "a")
    fresh = replace(stored, chunks=list(stored.chunks), terms=None, nearest=None, vectors=np.array(stored.vectors))
    asked = plan.domain.split("test")
    evidence = {gold.id: gold.evidence for _, gold in asked}
    one, other = (make_retriever(line, parts, evidence).search([question for question, _ in asked], 3) for parts in (stored, fresh))
    assert one == other
    assert any(one)


def test_a_large_index_does_not_compare_all_and_says_so(versions, tmp_path, monkeypatch):
    plan, _ = versions
    monkeypatch.setattr(nearest, "EXACT", 2)
    (tmp_path / "a").mkdir()
    report = build_index(plan, tmp_path / "a")
    assert "search by meaning does not compare all passages: HNSW, efSearch 10, 100 % of what an exact search finds" in report.notes
    assert json.loads((tmp_path / "a" / "choice.json").read_text())["nearest"]["kind"] == "HNSW"
    parts = open_index(tmp_path / "a", "large", plan.embedder)
    questions = [question for question, _ in plan.domain.split("test")]
    found, exact = (make_retriever("dense", one).search(questions, 2) for one in (parts, replace(parts, nearest=None)))
    scores = [[[hit.score for hit in hits] for hits in side] for side in (found, exact)]  # equal ones may come in another order
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_without_evidence_a_passage_with_the_answer_counts_and_without_both_the_language_decides(versions, tmp_path):
    plan, _ = versions
    parts = built(plan, tmp_path / "a")
    dev = plan.domain.split("dev")
    bare = [(question, replace(gold, evidence=())) for question, gold in dev if gold.answerable]
    assert bare and choose_retriever(parts, bare, 2)[1].keys() == set(AUTO)
    unable = replace(
        parts, vectors=np.ones_like(parts.vectors), nearest=None, embed=lambda texts: np.ones((len(texts), parts.vectors.shape[1]), np.float32)
    )
    chosen, recalls = choose_retriever(unable, bare, 1)
    assert recalls["dense"] <= recalls[chosen]
    nothing = [(question, replace(gold, evidence=(), answers=("yes",))) for question, gold in dev]
    assert choose_retriever(parts, nothing, 2) == ("hybrid", {})
    assert choose_retriever(replace(parts, language="zh"), nothing, 2) == ("bm25", {})


def test_a_killed_update_is_mended_by_the_next(versions, tmp_path):
    old, new = versions
    built(old, tmp_path / "a")
    (tmp_path / ".a-x1").mkdir()
    (tmp_path / "a").rename(tmp_path / ".a-x1" / "old")
    update_index(new, tmp_path / "a")
    assert any("7 bar" in chunk.text for chunk in open_index(tmp_path / "a", "mended", new.embedder).chunks)


def test_vectors_of_another_embedder_are_not_taken(versions, embedded, tmp_path):
    old, _ = versions
    first = built(old, tmp_path / "a")
    choice = json.loads((tmp_path / "a" / "choice.json").read_text())
    (tmp_path / "a" / "choice.json").write_text(json.dumps({**choice, "embedder": "0" * 64}))
    del embedded[:]
    built(old, tmp_path / "b", previous=tmp_path / "a")
    assert {chunk.heading + "\n" + chunk.text for chunk in first.chunks} <= set(embedded)


def test_a_passage_that_stands_twice_is_embedded_once(versions, embedded, tmp_path):
    old, _ = versions
    twice = (*old.domain.documents, replace(old.domain.documents[0], id="copy.md"))
    parts = built(replace(old, domain=replace(old.domain, documents=twice)), tmp_path / "a")
    asked = {question.text for question, _ in old.domain.split("dev")}
    once = [text for text in embedded if text not in asked]
    assert len(once) == len(set(once))
    passages = [chunk.heading + "\n" + chunk.text for chunk in parts.chunks]
    assert len(passages) > len(set(passages))
    assert all(np.array_equal(parts.vectors[passages.index(text)], parts.vectors[place]) for place, text in enumerate(passages))


def test_a_failed_update_leaves_the_index_as_it_was(versions, tmp_path, monkeypatch):
    old, new = versions
    built(old, tmp_path / "a")

    def files():
        return {path.name: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}

    before = files()
    monkeypatch.setattr(dense.Embedder, "__call__", lambda self, texts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        update_index(new, tmp_path / "a")
    assert files() == before
    with pytest.raises(MissingError, match="no index here to update"):
        update_index(new, tmp_path / "nothing")
