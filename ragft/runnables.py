"""A LangChain chat model or Runnable by where it is, `module:attribute`: what judges, and writers of questions, are named by.

    model = as_runnable("judge", imported("judge", "mycompany.judge:model"), "mycompany.judge:model")

`what` says in errors what it was wanted for. LangChain itself is loaded only by `as_runnable`.
"""

from __future__ import annotations

import importlib
import sys
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ragft.errors import InputError, MissingError

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

KEPT = 200  # characters of an error, or of a reply that could not be read


def import_module(what: str, name: str) -> ModuleType:
    """The module of `module` or `module:attribute`; one beside the program is found, too. Raises InputError or MissingError."""
    module, here = name.partition(":")[0], str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last: a file here must not stand in for an installed package
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingError(f"{what} '{name}': no module named '{error.name}'. Check the name, or install it.") from error
    except Exception as error:  # the user's own code, such as a client without its key
        raise InputError(f"{what} '{name}': importing {module} failed ({said(error)}). Mend it first.") from error


def imported(what: str, name: str) -> Any:
    """What `module:attribute` stands for. Raises as `import_module`, and InputError where the module has no such attribute."""
    found, (module, _, attribute) = import_module(what, name), name.partition(":")
    try:
        return reduce(getattr, attribute.split("."), found)
    except AttributeError as error:
        raise InputError(f"{what} '{name}': {module} has no '{attribute}'. Give the name of what it defines.") from error


def as_runnable(what: str, model: Any, name: str) -> Runnable[Any, Any]:
    """The model itself. Raises InputError when it is no Runnable."""
    from langchain_core.runnables import Runnable

    if not isinstance(model, Runnable):
        raise InputError(f"{what} '{name}': a {type(model).__name__}, and not a LangChain chat model or Runnable. Make one and name that.")
    return model


def text_of(reply: Any) -> str | None:
    """The text of a message, or of a Runnable that ends in a text; None: it is neither."""
    text = reply if isinstance(reply, str) else getattr(reply, "text", None)
    return text if isinstance(text, str) else None


def said(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:KEPT]}"
