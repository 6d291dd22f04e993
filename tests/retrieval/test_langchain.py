"""A LangChain retriever in a study: which chunks its Documents stand for."""

from __future__ import annotations

import importlib
import sys

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_qdrant import QdrantVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter

from ragft import registry
from ragft.build import make_retriever
from ragft.chunking import chunk_documents
from ragft.errors import InputError, RagftError
from ragft.retrieval.base import RetrieverParts
from ragft.retrieval.langchain import FromLangChain, LangChainRetriever
from ragft.types import Document as Page
from ragft.types import Question

TEXTS = {
    "kova.md": "# Kova\n\nThe pump stands 42 bar.\n\nCheck the seal.\n\nThe hose is of brass.\n\nCheck the seal.\n\nIt weighs 12 kg.",
    "old/kova.md": "# Old Kova\n\nThe pump stood 30 bar.\n\nCheck the seal.",
    "leave.md": "员工有二十七天假期。经理是霍尔特。",
}
CHUNKS = chunk_documents([Page(name, text, "") for name, text in TEXTS.items()], 5, 0, lambda text: len(text.split()))


class InMemory(BaseRetriever):
    """The Documents that share most words with the question."""

    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager) -> list[Document]:
        words = set(query.split())
        found = [d for d in self.documents if words & set(d.page_content.split())]
        return sorted(found, key=lambda d: -len(words & set(d.page_content.split())))


def hits(*documents: Document, k: int = 9):
    (found,) = FromLangChain(InMemory(documents=[*documents]), CHUNKS).search([Question("q", " ".join(d.page_content for d in documents))], k)
    return found


def places(*documents: Document, k: int = 9) -> list[tuple[str, int]]:
    return [(hit.chunk.span.document, hit.chunk.span.start) for hit in hits(*documents, k=k)]


def page(text: str, **metadata) -> Document:
    return Document(page_content=text, metadata=metadata)


def test_a_stores_own_pieces_find_the_same_places():
    """Loaded from files and cut by LangChain, elsewhere than ragft cuts."""
    splitter = RecursiveCharacterTextSplitter(chunk_size=30, chunk_overlap=0, add_start_index=True)
    pieces = splitter.split_documents([page(text, source=f"/home/team/corpus/{name}") for name, text in TEXTS.items()])
    retriever = FromLangChain(InMemory(documents=pieces), CHUNKS)
    asked = [Question("q0", "pump 42"), Question("q1", "weighs 12"), Question("q2", "nothing")]
    found = retriever.search(asked, 2)
    assert [[hit.chunk.text for hit in one] for one in found] == [
        ["# Kova\n\nThe pump stands 42 bar.", "# Old Kova\n\nThe pump stood 30 bar."],
        ["It weighs 12 kg."],
        [],
    ]
    assert [(hit.rank, hit.score) for hit in found[0]] == [(1, 1.0), (2, 0.5)]
    assert retriever.search(asked, 1) == [one[:1] for one in found]
    assert retriever.search([], 1) == []


def test_metadata_tells_equal_texts_apart():
    first, second = (TEXTS["kova.md"].index("Check"), TEXTS["kova.md"].rindex("Check"))
    seal = "Check the seal."
    assert places(page(seal, source="corpus/kova.md", start_index=second)) == [("kova.md", second)]
    assert places(page(seal, source="kova.md", start_index=0)) == [("kova.md", first)]
    assert places(page(seal, source="C:\\corpus\\old\\kova.md")) == [("old/kova.md", TEXTS["old/kova.md"].index("Check"))]
    assert places(page(seal, source="kova.md", start_index=9999)) == [("kova.md", first)], "a wrong start does not hide the text"


def test_without_metadata_the_text_is_looked_for():
    assert places(page("The hose  is\nof brass.")) == [("kova.md", TEXTS["kova.md"].index("The hose"))]
    assert places(page("经理是霍尔特。", source="a title")) == [("leave.md", 0)]
    assert places(page("weighs")) == [("kova.md", TEXTS["kova.md"].index("It weighs"))], "a piece of a chunk stands for it"


def test_a_long_document_is_all_its_chunks_and_no_chunk_comes_twice():
    whole = page(TEXTS["old/kova.md"], source="old/kova.md")
    assert [place[0] for place in places(whole)] == ["old/kova.md"] * 2
    found = hits(whole, page("The pump stood 30 bar."), page("It weighs 12 kg."))
    assert [hit.chunk.text for hit in found][2:] == ["It weighs 12 kg."]
    assert [(hit.rank, hit.score) for hit in found] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert len(hits(whole, k=1)) == 1


def test_a_document_from_elsewhere_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"Document \(source 'wiki/x\.md'\) that is not in the study's corpus: 'The moon\.'\. Fill its store"):
        hits(page("The moon.", source="wiki/x.md", start_index=0))
    with pytest.raises(InputError, match="not in the study's corpus: 'The pump stands 43 bar"):
        hits(page("The pump stands 43 bar.", source="kova.md", start_index=8))

    class Empty(InMemory):
        def _get_relevant_documents(self, query, *, run_manager):
            return [page(" ")]

    with pytest.raises(InputError, match="not in the study's corpus"):
        FromLangChain(Empty(documents=[]), CHUNKS).search([Question("q", "pump")], 1)


def test_there_and_back_gives_the_same_hits():
    bm25 = registry.lookup("retriever", "bm25").make(RetrieverParts(CHUNKS))
    asked = [Question("q0", "check the seal"), Question("q1", "pump")]
    back = FromLangChain(LangChainRetriever(retriever=bm25, k=4), CHUNKS).search(asked, 4)
    assert [[h.chunk for h in one] for one in back] == [[h.chunk for h in one] for one in bm25.search(asked, 4)]
    assert len(back[0]) == 4


# ── named in a study: langchain module:name ──────────────────────────────────────────────────────────────────────────


class Letters(Embeddings):
    """How often each letter occurs: a real, if poor, embedding."""

    def embed_query(self, text: str) -> list[float]:
        return [text.lower().count(letter) + 1e-3 for letter in "abcdefghijklmnopqrstuvwxyz"]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


def find(line: str, *questions: str, k: int = 2) -> list[list[str]]:
    found = make_retriever(line, RetrieverParts(CHUNKS)).search([Question(f"q{n}", text) for n, text in enumerate(questions)], k)
    return [[hit.chunk.text for hit in hits] for hits in found]


@pytest.fixture
def team(monkeypatch, tmp_path):
    """A team's own module in the folder where ragft is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "team_search.py").write_text("")
    importlib.invalidate_caches()
    yield importlib.import_module("team_search")
    del sys.modules["team_search"]


PIECES = [page(text, source=name) for name, text in TEXTS.items()]


def test_a_server_backed_vector_store(team):
    """Qdrant, in its embedded mode: the store itself is asked for k, so that a later stage can ask for more."""
    store = QdrantVectorStore.from_documents(
        [page(c.text, source=c.span.document) for c in CHUNKS], Letters(), location=":memory:", collection_name="c"
    )
    team.store = store
    expected = [[d.page_content for d in store.similarity_search(text, k=3)] for text in ("brass hose", "12 kg")]
    assert find("langchain team_search:store", "brass hose", "12 kg", k=3) == expected
    assert expected[0][0] == "The hose is of brass."


def test_a_store_that_a_function_opens(team):
    team.opened = 0

    def open_store():
        team.opened += 1
        return InMemoryVectorStore.from_documents(PIECES, Letters())

    team.open_store = open_store
    assert find("langchain team_search:open_store", "员工有二十七天假期", k=9)
    assert team.opened == 1


def test_a_runnable_chain_that_ends_in_documents(team):
    team.chain = RunnableLambda(str.upper) | RunnableLambda(lambda text: [page("It weighs 12 kg.")] if "KG" in text else [])
    assert find("langchain team_search:chain", "12 kg", "bar") == [["It weighs 12 kg."], []]
    assert find("langchain team_search:chain + neighbours", "12 kg", k=9) == [["It weighs 12 kg.", "Check the seal."]]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (RunnableLambda(lambda text: "an answer"), "gave a str, not a list of Documents"),
        (RunnableLambda(lambda text: ["text"]), "gave a list, not a list of Documents"),
        (lambda: "no store", "a str is no LangChain retriever, vector store or Runnable"),
    ],
)
def test_what_is_no_retriever(team, what, why):
    team.what = what
    with pytest.raises(InputError, match=why):
        find("langchain team_search:what", "pump")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import a_package_that_is_not_there", "no module named 'a_package_that_is_not_there'. Check the name, or install it"),
        ("1 / 0", r"importing broken_search failed \(ZeroDivisionError: division by zero\). Mend it first"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(team, tmp_path, monkeypatch, code, why):
    (tmp_path / "broken_search.py").write_text(f"{code}\n")
    monkeypatch.delitem(sys.modules, "broken_search", raising=False)
    with pytest.raises(RagftError, match=why):
        find("langchain broken_search:x", "pump")


def test_a_store_that_is_gone_for_a_moment_is_asked_again(team, monkeypatch):
    monkeypatch.setattr("ragft.retrieval.langchain.PAUSE", 0.001)
    asked = []

    def flaky(text):
        asked.append(text)
        if len(asked) < 3:
            raise ConnectionError("reset by peer")
        return [page("It weighs 12 kg.")]

    team.chain = RunnableLambda(flaky)
    assert find("langchain team_search:chain", "12 kg") == [["It weighs 12 kg."]]
    team.chain = RunnableLambda(lambda text: 1 / 0)
    with pytest.raises(InputError, match=r"the LangChain retriever failed on «12 kg» \(ZeroDivisionError: division by zero\)"):
        find("langchain team_search:chain", "12 kg")


def test_a_plugin_registers_one(monkeypatch):
    registry.entries("retriever")
    monkeypatch.setitem(registry._entries, "retriever", dict(registry._entries["retriever"]))

    @registry.retriever("ours", "a LangChain retriever")
    def ours(parts):
        return FromLangChain(InMemory(documents=[page("It weighs 12 kg.")]), parts.chunks)

    ((hit,),) = registry.lookup("retriever", "ours").make(RetrieverParts(CHUNKS)).search([Question("q", "weighs")], 4)
    assert hit.chunk.text == "It weighs 12 kg."
