"""The templates of the report, of the guide and of the dashboard, with what every one of them knows, and their style."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ragft import numbers

TEMPLATES = Path(__file__).parent / "templates"
Theme = Literal["light", "dark"]


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


def chart_css(theme: Theme | None = None) -> str:
    """What a chart needs of the report's style: the rules for charts, and the colours of one theme; of None both, as the reader's system asks."""
    colours, rules = _style()
    if theme:
        colours = f":root {{ {_variables(theme)} }}\n"
    return colours + "\n".join(line for line in rules.splitlines() if line.startswith(".chart"))


def scoped_css(scope: str, theme: Theme) -> str:
    """The report's style in the colours of one theme, for what stands inside elements of the class `scope` and nothing else."""
    _, rules = _style()
    rules = re.sub(r"^html \{.*\}\n", "", rules, flags=re.M).replace("\nbody {\n  margin: 0; background: var(--page);", "\n& {")
    return f".{scope} {{ {_variables(theme)}\n{rules} }}"


def _style() -> tuple[str, str]:
    """report.css: its colours, and its rules."""
    colours, rules = (TEMPLATES / "report.css").read_text(encoding="utf-8").split("* { box-sizing", 1)
    return colours, "* { box-sizing" + rules


def _variables(theme: Theme) -> str:
    """The colours of a theme, as declarations; the dark ones are set over the light."""
    light, dark = re.findall(r":root \{\n(.*?)\n\s*\}", _style()[0], flags=re.S)
    return light if theme == "light" else f"{light} {dark}"
