"""Everything that a study can name, with its options and their defaults, from the registry."""

from __future__ import annotations

import inspect

from docparts.marked import table
from ragft import listings, registry

GIVEN = {"retriever": 1, "stage": 2, "system": 1, "tuning": 0, "format": 1}  # arguments that are no options; other kinds have none


def parts() -> dict[str, str]:
    found = {f"names/{kind}s": kind_part(kind) for kind in registry.KINDS}
    return found | {"names/models": table(["name", "what it is"], [[f"`{row['name']}`", row["summary"]] for row in listings.names_json("models")])}


def kind_part(kind: str) -> str:
    """All names of a kind by the alphabet: "auto" of the retrievers too, which is no entry of its own."""
    named = [row for row in listings.names_json(f"{kind}s") if is_own(kind, row["name"])]
    names = sorted(named, key=lambda row: row["name"])  # the registry's own order is that in which modules were imported
    rows = [[f"`{row['name']}`", row["summary"], options(kind, row["name"])] for row in names]
    if kind not in GIVEN:
        return table(["name", "what it is"], [row[:2] for row in rows])
    return table(["name", "what it is", "options"], rows)


def is_own(kind: str, name: str) -> bool:
    """Whether it comes with ragft, and was not registered by somebody's plugin."""
    known = registry.entries(kind)
    return name not in known or str(known[name].make.__module__).startswith("ragft.")


def options(kind: str, name: str) -> str:
    """ "`rank=16`, `alpha`": what a study may state, with defaults where they are values."""
    if kind not in GIVEN or name not in registry.entries(kind):
        return ""
    parameters = list(inspect.signature(registry.lookup(kind, name).make).parameters.values())[GIVEN[kind] :]
    return ", ".join(f"`{p.name}`" if p.default in (None, p.empty) else f"`{p.name}={p.default}`" for p in parameters)
