"""Every public name of ragft and of ragft.plugins: where it lives, for mkdocstrings, which reads signature and docstring when the site is built."""

from __future__ import annotations

import inspect
from types import ModuleType

import ragft
import ragft.plugins


def parts() -> dict[str, str]:
    """One for each module with public names, by its place on the page."""
    return {"public": names_of(ragft), "public/plugins": names_of(ragft.plugins)}


def names_of(module: ModuleType) -> str:
    return "\n\n".join(_section(module, name) for name in module.__all__)


def _section(module: ModuleType, name: str) -> str:
    found = getattr(module, name)
    if inspect.ismodule(found):  # a module of the same name hides the function once it is imported
        found = getattr(found, name)
    options = {"heading": f"{module.__name__}.{name}", "toc_label": name, "heading_level": 3}
    return "\n".join([f"::: {found.__module__}.{found.__qualname__}", "    options:", *(f"      {key}: {value}" for key, value in options.items())])
