"""LangChain's retrievers and ragft's, each as the other: any LangChain retriever in a study, ragft's in any LangChain chain.

    arms:
      rag: {retriever: {langchain: "our_search:retriever"}}

takes `retriever` of our_search.py, installed or in the folder where ragft is started: a LangChain retriever, vector store or any Runnable from a
question to Documents, or a function without arguments that makes one. A vector store is asked for as many Documents as are
needed; how many the others give is their own setting: at least the study's k. What is in a store does not count among a run's
inputs: take another attribute's name when it changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.vectorstores import VectorStore
from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

from ragft.chunking import overlap
from ragft.errors import InputError
from ragft.retrieval.base import Retriever, ranked
from ragft.runnables import said
from ragft.types import Chunk, Hit, Question, Span

ATTEMPTS, PAUSE = 3, 0.5  # seconds before the second one, at most


class FromLangChain:
    """Hits are the chunks that each Document covers by more than half, or else shares most with; in its order, scored 1/rank.

    A Document's place is where its text stands in the corpus, white space aside: in the document that its `source` ends
    with, from `start_index` on, as LangChain's loaders and splitters write them; without them, the first place of all.
    """

    def __init__(self, source: Any, chunks: Sequence[Chunk]):
        self._find, self._chunks = _finder(source), chunks
        self._texts, self._spans = _read(chunks)
        self._known: dict[tuple[str, str, int], list[int]] = {}  # the chunks of Documents met before

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        """Raises InputError for a Document that is not from the corpus."""
        return [self._one(question, k) for question in questions]

    def _one(self, question: Question, k: int) -> tuple[Hit, ...]:
        numbers = dict.fromkeys(number for document in self._asked(question.text, k) for number in self._covered(document))
        return ranked(self._chunks, [(number, 1 / rank) for rank, number in enumerate(list(numbers)[:k], start=1)])

    def _asked(self, text: str, k: int) -> list[Document]:
        """What the source finds; a store on a server may be gone for a moment. Raises InputError when it stays so."""
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=PAUSE),
            retry=retry_if_not_exception_type(InputError),
            reraise=True,
        )
        try:
            return retrying(self._find, text, k)
        except InputError:
            raise
        except Exception as error:  # whatever a store and its client raise
            raise InputError(
                f"the LangChain retriever failed on «{text[:60]}» ({said(error)}). Mend it, and run again: what is done is kept."
            ) from error

    def _covered(self, document: Document) -> list[int]:
        source, start = str(document.metadata.get("source", "")), document.metadata.get("start_index")
        key = (document.page_content, source, start if isinstance(start, int) else 0)
        if key not in self._known:
            span = self._place(*key)
            if span is None:
                raise InputError(
                    f"the LangChain retriever found a Document (source '{source}') that is not in the study's corpus: "
                    f"'{document.page_content[:60]}'. Fill its store from the same corpus, with the text as it stands there."
                )
            shared = [(number, overlap(own, span), own.end - own.start) for number, own in self._spans[span.document]]
            covered = [number for number, common, size in shared if 2 * common > size]
            self._known[key] = covered or [max(shared, key=lambda one: one[1])[0]]
        return self._known[key]

    def _place(self, text: str, source: str, start: int) -> Span | None:
        pattern = re.compile(r"\s+".join(map(re.escape, text.split())) or r"(?!)")  # an empty text is nowhere
        path = "/" + source.replace("\\", "/")
        named = max((name for name in self._texts if path.endswith(f"/{name}")), key=len, default=None)
        tries = [(named, start), (named, 0)] if named else []
        for name, first in [*tries, *((name, 0) for name in self._texts)]:
            if found := pattern.search(self._texts[name], first):
                return Span(name, *found.span())
        return None


def _finder(source: Any) -> Callable[[str, int], list[Document]]:
    """(question, number of Documents) -> Documents. Raises InputError for what is nothing of LangChain's that finds."""
    if isinstance(source, VectorStore):
        return lambda question, k: source.similarity_search(question, k=k)
    if isinstance(source, Runnable):
        return lambda question, k: _documents(source.invoke(question))
    raise InputError(f"a {type(source).__name__} is no LangChain retriever, vector store or Runnable. Name one, or a function that makes one.")


def _documents(found: Any) -> list[Document]:
    if not isinstance(found, list) or not all(isinstance(document, Document) for document in found):
        raise InputError(f"the LangChain Runnable gave a {type(found).__name__}, not a list of Documents. Take the part of it that retrieves.")
    return found


def _read(chunks: Sequence[Chunk]) -> tuple[dict[str, str], dict[str, list[tuple[int, Span]]]]:
    """The documents' texts, put together from chunks, which leave out nothing but white space; and each one's chunks by number and place."""
    parts: dict[str, list[str]] = {}
    ends: dict[str, int] = {}
    spans: dict[str, list[tuple[int, Span]]] = {}
    for number, chunk in enumerate(chunks):  # a document's stand in its order, and may overlap
        name, end = chunk.span.document, ends.get(chunk.span.document, 0)
        parts.setdefault(name, []).append(" " * (chunk.span.start - end) + chunk.text[max(0, end - chunk.span.start) :])
        ends[name] = max(end, chunk.span.end)
        spans.setdefault(name, []).append((number, chunk.span))
    return {name: "".join(found) for name, found in parts.items()}, spans


class LangChainRetriever(BaseRetriever):
    """`LangChainRetriever(retriever=…, k=4).invoke("question")` gives LangChain Documents, best first."""

    retriever: Any  # a ragft Retriever: pydantic cannot check a protocol
    k: int = 4

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        found: Retriever = self.retriever
        return [_document(hit) for hit in found.search([Question("query", query)], self.k)[0]]


def _document(hit: Hit) -> Document:
    span = hit.chunk.span
    metadata = {
        "source": span.document,
        "start_index": span.start,
        "end": span.end,
        "heading": hit.chunk.heading,
        "page": hit.chunk.page,
        "rank": hit.rank,
        "score": hit.score,
    }
    return Document(id=hit.chunk.id, page_content=hit.chunk.text, metadata=metadata)
