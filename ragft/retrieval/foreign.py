"""A study's own retriever by where it is: `langchain our_search:retriever`. LangChain itself is loaded only where one is named."""

from __future__ import annotations

from typing import Any

from ragft.errors import InputError
from ragft.registry import retriever
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.runnables import imported


@retriever("langchain", "any LangChain retriever, vector store or Runnable that gives Documents: langchain module:name")
def langchain(parts: RetrieverParts, where: str) -> Retriever:
    from ragft.retrieval.langchain import FromLangChain

    found = named(where)
    return FromLangChain(found() if callable(found) and not hasattr(found, "invoke") else found, parts.chunks)


def named(where: str) -> Any:
    """What `module:name` stands for; a module in the folder where ragft was started is found, too. Raises InputError or MissingError."""
    module, colon, name = where.partition(":")
    if not colon or not module or not name:
        raise InputError(f"'{where}': write where it is as module:name, for example our_search:retriever")
    return imported("langchain", where)
