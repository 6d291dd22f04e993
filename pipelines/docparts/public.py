"""Every public name of the package: where it lives, for mkdocstrings, which reads signature and docstring when the site is built."""

from __future__ import annotations

import inspect

import ragft


def public_part() -> str:
    return "\n\n".join(_section(name) for name in ragft.__all__)


def _section(name: str) -> str:
    found = getattr(ragft, name)
    if inspect.ismodule(found):  # a module of the same name hides the function once it is imported
        found = getattr(found, name)
    return f"::: {found.__module__}.{found.__qualname__}\n    options:\n      heading: ragft.{name}\n      toc_label: {name}"
