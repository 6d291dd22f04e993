from math import log

import numpy as np
import pytest

from ragft import registry
from ragft.errors import InputError
from ragft.retrieval.base import RetrieverParts, top
from ragft.retrieval.fusion import RRF_CONSTANT, fuse
from ragft.retrieval.langchain import LangChainRetriever
from ragft.types import Chunk, Evidence, Hit, Question, Span


def chunks(*texts: str) -> tuple[Chunk, ...]:
    return tuple(Chunk(f"c{n}", Span("d" if n < 3 else "e", 100 * n, 100 * n + len(text)), text, "") for n, text in enumerate(texts))


def find(name: str, parts: RetrieverParts, *questions: str, k: int = 4) -> list[list[str]]:
    retriever = registry.lookup("retriever", name).make(parts)
    found = retriever.search([Question(f"q{n}", text) for n, text in enumerate(questions)], k)
    for hits in found:
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    return [[hit.chunk.id for hit in hits] for hits in found]


PUMPS = chunks("the pump", "the pump pump", "a valve of brass", "the hose")


def test_bm25_ranks_by_hand():
    assert find("bm25", RetrieverParts(PUMPS), "pump", "brass valve", "the hose", "zebra", "") == [["c1", "c0"], ["c2"], ["c3", "c0", "c1"], [], []]


def test_bm25_scores_are_lucenes():
    (hits,) = registry.lookup("retriever", "bm25").make(RetrieverParts(PUMPS)).search([Question("q", "pump")], 4)
    k1, b, lengths = 1.5, 0.75, [2, 3, 4, 2]  # "a" is a word, too
    idf = log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    mean = sum(lengths) / 4
    expected = {f"c{n}": idf * tf / (tf + k1 * (1 - b + b * lengths[n] / mean)) for n, tf in ((0, 1), (1, 2))}
    assert {hit.chunk.id: hit.score for hit in hits} == pytest.approx(expected, rel=1e-5)


def test_bm25_pairs_chinese_characters_and_reads_headings():
    chinese = chunks("泵的压力是四十二巴", "压的力泵", "软管很长")
    assert find("bm25", RetrieverParts(chinese), "压力", "力压", "软管") == [["c0"], [], ["c2"]]
    headed = (Chunk("c0", Span("d", 0, 4), "text", "Kova pump > Limits"), Chunk("c1", Span("d", 5, 9), "text", "Vela"))
    assert find("bm25", RetrieverParts(headed), "kova limits") == [["c0"]]


def test_bm25_takes_chunks_without_a_word_and_keeps_the_order_of_equals():
    assert find("bm25", RetrieverParts(chunks("???", "!!!")), "pump") == [[]]
    assert find("bm25", RetrieverParts(chunks("pump", "pump", "pump")), "pump", k=2) == [["c0", "c1"]]


def test_top_drops_what_has_no_score():
    assert top(np.array([0.0, 2.0, 1.0, 2.0, -1.0]), 4) == [(1, 2.0), (3, 2.0), (2, 1.0)]


DIRECTIONS = {"north": [1.0, 0.0], "east": [0.0, 1.0], "northeast": [0.8, 0.6]}


def embed(texts):
    return np.array([DIRECTIONS[text] for text in texts], dtype=np.float32)


def compass() -> RetrieverParts:
    found = chunks("north", "east", "northeast")
    return RetrieverParts(found, embed([c.text for c in found]), embed)


def test_dense_ranks_by_cosine():
    assert find("dense", compass(), "north", "east", k=3) == [["c0", "c2", "c1"], ["c1", "c2", "c0"]]
    assert find("dense", compass(), "northeast", k=1) == [["c2"]]
    assert find("dense", compass(), "north", k=99) == [["c0", "c2", "c1"]]
    assert registry.lookup("retriever", "dense").make(compass()).search([], 3) == []


@pytest.mark.parametrize("name", ["dense", "hybrid", "rrf"])
def test_without_an_embedder(name):
    with pytest.raises(InputError, match="needs an embedder: set embedder"):
        registry.lookup("retriever", name).make(RetrieverParts(PUMPS))


def test_reciprocal_rank_fusion_by_hand():
    c = chunks("a", "b", "c")
    lexical = [Hit(c[0], 1, 9.0), Hit(c[1], 2, 8.0)]
    dense = [Hit(c[2], 1, 0.9), Hit(c[1], 2, 0.8), Hit(c[0], 3, 0.7)]
    fused = fuse([lexical, dense], 3)
    assert RRF_CONSTANT == 60
    expected = [("c0", 1 / 61 + 1 / 63), ("c1", 1 / 62 + 1 / 62), ("c2", 1 / 61)]
    assert [hit.chunk.id for hit in fused] == [name for name, _ in expected]
    assert [hit.score for hit in fused] == pytest.approx([score for _, score in expected])
    assert fuse([lexical, dense], 1) == fused[:1]
    assert [hit.chunk.id for hit in fuse([[Hit(c[1], 1, 1.0)], [Hit(c[0], 1, 1.0)]], 2)] == ["c1", "c0"]  # equals: first ranking first
    assert fuse([[], []], 3) == ()


@pytest.mark.parametrize("name", ["hybrid", "rrf"])
def test_both_searches_count(name):
    assert find(name, compass(), "north", k=3) == [["c0", "c2", "c1"]]  # first in both; then dense alone


def test_the_whole_corpus_whatever_is_asked():
    assert find("long-context", RetrieverParts(PUMPS), "pump", "zebra", k=1) == [["c0", "c1", "c2", "c3"]] * 2


def evidence(*spans: tuple[str, int, int]) -> tuple[Evidence, ...]:
    return tuple(Evidence((Span(*span),)) for span in spans)


def test_the_oracle_gives_the_evidence_and_nothing_else():
    parts = RetrieverParts(
        chunks("x" * 50, "y" * 50, "z" * 50, "w" * 50),
        evidence={"q0": evidence(("e", 310, 320), ("d", 110, 130)), "q1": (), "q2": evidence(("d", 0, 260))},
    )
    found = find("oracle", parts, "first", "unanswerable", "a long quote", "not known")
    assert found == [["c3", "c1"], [], ["c0", "c1", "c2"], []]
    assert find("oracle", parts, "first", k=1) == [["c3"]]


def test_the_oracle_deals_one_chunk_of_each_piece_before_a_second():
    twice = Evidence((Span("d", 0, 20), Span("d", 210, 230)))
    parts = RetrieverParts(chunks("x" * 50, "y" * 50, "z" * 50, "w" * 50), evidence={"q0": (twice, *evidence(("e", 310, 320)))})
    assert find("oracle", parts, "q") == [["c0", "c3", "c2"]]


@pytest.mark.parametrize("given", [None, {}])
def test_an_oracle_without_evidence(given):
    with pytest.raises(InputError, match=r"needs evidence in questions.jsonl"):
        registry.lookup("retriever", "oracle").make(RetrieverParts(PUMPS, evidence=given))


def test_langchain_gets_the_same_documents_in_the_same_order():
    from langchain_core.documents import Document

    bm25 = registry.lookup("retriever", "bm25").make(RetrieverParts(PUMPS))
    (hits,) = bm25.search([Question("q", "the hose")], 2)
    documents = LangChainRetriever(retriever=bm25, k=2).invoke("the hose")
    assert all(isinstance(document, Document) for document in documents) and len(documents) == 2
    assert [(d.id, d.page_content) for d in documents] == [(h.chunk.id, h.chunk.text) for h in hits]
    assert documents[0].metadata == {"source": "e", "start_index": 300, "end": 308, "heading": "", "page": None, "rank": 1, "score": hits[0].score}
    chain = LangChainRetriever(retriever=bm25, k=1) | (lambda found: [d.page_content for d in found])
    assert chain.invoke("brass") == ["a valve of brass"]
