"""How the dashboard draws: the report's templates and charts, in its style and in the reader's theme.

Everything passes twice through a guard: Jinja escapes every value, and `st.html` takes scripts and event handlers out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from bs4 import BeautifulSoup
from markupsafe import Markup

from ragft.numbers import ordinary
from ragft.pages import Theme, chart_css, environment, scoped_css

SCOPE = "ragft"
ROOM = '[data-testid="stMainBlockContainer"] { padding-top: 3.5rem; }'  # Streamlit leaves an empty hand's breadth above every page
EDGE = 3  # per cent of the width, at either side of a chart
CHART = re.compile(r"<(/?)svg\b[^>]*>")
OF_A_PAGE = """section { background: none; border: 0; border-radius: 0; padding: 0; margin: 0 0 8px; } .chart { margin: 4px 0; }
section.verdict { padding-top: 14px; } dl.facts { padding: 0; margin: 14px 0; } a { text-decoration: underline; }
@media (min-width: 641px) { dl.facts { grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 14px 16px; } }
.slug { margin-bottom: 6px; }"""


def theme() -> Theme:
    """The reader's: light unless the browser says dark."""
    return "dark" if st.context.theme.type == "dark" else "light"


def use_style() -> None:
    """Once a page, before anything is shown."""
    st.html(f"<style>{scoped_css(SCOPE, theme())} .{SCOPE} {{ {OF_A_PAGE} }} {ROOM}</style>")


def section(template: str, known: Mapping[str, Any]) -> None:
    """One of the report's templates. `known` is what it knows: see report.what_is_known."""
    markup(environment().get_template(template).render({**known, "heads": HEADS, "places": PLACES}))


def markup(text: str) -> None:
    """HTML that a template or a chart made, all values of which are escaped."""
    st.html(f'<div class="{SCOPE}">{pictured(text)}</div>')


def say(words: str, *values: object) -> None:
    """A paragraph: `words` are ours, may hold tags, and have {} where the values stand, which are escaped."""
    markup(Markup(f"<p>{words}</p>").format(*values))


def link(page: str, **asked: str) -> str:
    """The address of a page of the dashboard, from any of its pages; "" is the page "Verdict"."""
    return f"./{page}?{urlencode(asked)}"


def anchor(words: str, address: str) -> Markup:
    """A link, for a value of `say`."""
    return Markup('<a href="{}">{}</a>').format(address, words)


def plain(value: object) -> str:
    """What Streamlit shows as it is, where it reads Markdown: no mark, formula, colour or icon."""
    return ordinary(value).replace("$", "\\$").replace(":", "\\:")


def pictured(text: str) -> str:
    """The text with every outermost SVG as a picture with a text alternative: st.html takes SVG out."""
    made, depth, begin, done = [], 0, 0, 0
    for tag in CHART.finditer(text):
        if tag[1]:
            depth -= 1
            if not depth:
                made += [text[done:begin], _picture(text[begin : tag.end()])]
                done = tag.end()
        else:
            begin = begin if depth else tag.start()
            depth += 1
    return "".join([*made, text[done:]])


def _picture(svg: str) -> str:
    """A picture as wide as its place and as high as the chart, or of the chart's own size where that is stated in pixels."""
    found = BeautifulSoup(svg[: svg.index(">") + 1], "html.parser").svg
    assert found is not None
    said, width, height = str(found.get("aria-label", "")), str(found.get("width", "100%")), str(found.get("height", "20"))
    style = f"<style>{chart_css(theme())} .chart {{ font-family: system-ui, sans-serif; }}</style>"
    kind = "chart" if width == "100%" else "sign"
    first, room = svg.index(">"), EDGE if kind == "chart" else 0  # the text of the last tick stands over the edge, where a picture ends
    size = f'class="{kind}" x="{room}%" width="{100 - 2 * room}%" height="{height}" overflow="visible"'
    drawn = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{style}<svg {size}>{svg[first + 1 :]}</svg>'
    data = base64.b64encode(drawn.encode()).decode()
    size = f"width:{width if width.endswith('%') else width + 'px'};height:{height}px"
    return Markup('<img class="{}" alt="{}" style="{}" src="data:image/svg+xml;base64,{}">').format(kind, said, size, data)


class _Heads(dict[str, str]):
    """No numbers before headings: a page stands alone."""

    def __missing__(self, key: str) -> str:
        return ""


class _Places(dict[str, Markup]):
    """Where another section is, in words: the navigation leads there."""

    def __missing__(self, key: str) -> Markup:
        return Markup("the page “{}”").format({"losses": "Where points are lost", "differences": "Arms"}.get(key, key))


HEADS, PLACES = _Heads(), _Places()
