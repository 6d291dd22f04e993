"""A study's own retriever by where it is: `langchain our_search:retriever`. LangChain itself is loaded only where one is named."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from ragft.errors import InputError, MissingError
from ragft.registry import retriever
from ragft.retrieval.base import Retriever, RetrieverParts


@retriever("langchain", "any LangChain retriever, vector store or Runnable that gives Documents: langchain module:name")
def langchain(parts: RetrieverParts, where: str) -> Retriever:
    from ragft.retrieval.langchain import FromLangChain

    found = named(where)
    return FromLangChain(found() if callable(found) and not hasattr(found, "invoke") else found, parts.chunks)


def named(where: str) -> Any:
    """What `module:name` stands for; a module beside the program is found, too. Raises MissingError where it is not there."""
    module, colon, name = where.partition(":")
    if not colon or not module or not name:
        raise InputError(f"'{where}': write where it is as module:name, for example our_search:retriever")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise  # the module is there, and lacks another one
        raise MissingError(f"'{where}': there is no Python module {module}. Install it, or start in the folder with {module}.py.") from error
    if not hasattr(found, name):
        raise MissingError(f"'{where}': {module} has no {name}.")
    return getattr(found, name)
