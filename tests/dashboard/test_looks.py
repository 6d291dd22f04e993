"""How charts and foreign texts get onto a page."""

from __future__ import annotations

import base64
import re

import pytest

from ragft.charts import IntervalRow, Line, axis, interval_chart, line_chart
from ragft.dashboard import looks
from tests.made_run import EVIL


@pytest.fixture(autouse=True)
def light(monkeypatch):
    monkeypatch.setattr(looks, "theme", lambda: "light")


def drawn(html: str) -> str:
    return base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()


def test_a_chart_becomes_a_picture_with_its_words():
    chart = interval_chart([IntervalRow(f"a{EVIL}", "50 %", 50.0, 40.0, 60.0)], axis(0, 100), title="Score of each arm.", unit="%")
    html = looks.pictured(f"<p>before</p>{chart}<p>after</p>")
    assert html.startswith("<p>before</p><img ") and html.endswith("<p>after</p>") and "<svg" not in html
    alt = re.search(r'alt="([^"]*)"', html)[1]
    assert alt.startswith("Score of each arm. a&#34;&gt;&lt;img") and "<script" not in html
    assert "height:92px" in html and "width:100%" in html
    assert drawn(html).endswith("</svg>") and "--accent: #0072b2" in drawn(html)


def test_a_chart_within_a_chart_is_one_picture():
    chart = line_chart([Line("a", ((0.0, 1.0), (10.0, 2.0)))], title="t", x_unit="x", y_unit="y")
    assert chart.count("<svg") == 2
    html = looks.pictured(str(chart) + str(chart))
    assert html.count("<img") == 2 and "svg>" not in html
    assert drawn(html).count("<svg") == drawn(html).count("</svg>") == 3  # the picture, the chart, its curves
    assert "viewBox" in drawn(html)  # not written in lower case


def test_small_signs_keep_their_size():
    html = looks.pictured('<li><svg width="28" height="10" aria-hidden="true"><line x1="0" x2="28" y1="5" y2="5"/></svg>lora</li>')
    assert 'alt=""' in html and "width:28px;height:10px" in html and 'class="sign"' in html
    assert 'xmlns="http://www.w3.org/2000/svg"' in drawn(html)


def test_text_without_a_chart_stays():
    assert looks.pictured("<p>a < b</p>") == "<p>a < b</p>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("**b** $x$", "\\*\\*b\\*\\* \\$x\\$"),
        (":red[x] :smile:", "\\:red\\[x\\] \\:smile\\:"),
        ("<b>\n# a", "&lt;b\\> \\# a"),
    ],
)
def test_foreign_text_is_shown_as_it_is(text, shown):
    assert looks.plain(text) == shown
