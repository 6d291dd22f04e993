"""A ragft retriever as a LangChain retriever, for use in any LangChain chain."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from ragft.retrieval.base import Retriever
from ragft.types import Hit, Question


class LangChainRetriever(BaseRetriever):
    """`LangChainRetriever(retriever=…, k=4).invoke("question")` gives LangChain Documents, best first."""

    retriever: Any  # a ragft Retriever: pydantic cannot check a protocol
    k: int = 4

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        found: Retriever = self.retriever
        return [_document(hit) for hit in found.search([Question("query", query)], self.k)[0]]


def _document(hit: Hit) -> Document:
    span = hit.chunk.span
    metadata = {"source": span.document, "start": span.start, "end": span.end, "heading": hit.chunk.heading, "rank": hit.rank, "score": hit.score}
    return Document(id=hit.chunk.id, page_content=hit.chunk.text, metadata=metadata)
