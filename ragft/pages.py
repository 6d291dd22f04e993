"""The templates of the report and of the guide, with what every one of them knows."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ragft import numbers

TEMPLATES = Path(__file__).parent / "templates"


def environment(markdown: bool = False) -> Environment:
    """Everything a template prints is escaped: for HTML by Jinja, for Markdown by `numbers.ordinary`."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=not markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_escaped if markdown else None,
    )
    made.filters |= {name: getattr(numbers, name) for name in ("percent", "chance", "points", "signed", "seconds", "count", "size", "money")}
    made.globals |= {"span": numbers.span, "NONE": numbers.NONE}
    return made


def _escaped(value: object) -> object:
    """Markdown's marks escaped, but in what is marked as written on purpose."""
    return value if isinstance(value, Markup) else numbers.ordinary(value)
