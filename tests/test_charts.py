"""Charts: round scales, places inside the picture, parts that fill the bar, text that cannot become markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from ragft import charts
from ragft.charts import IntervalRow, Line, Part, StackRow, axis

EVIL = '"><script>alert(1)</script>&'
SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ElementTree.Element:
    """The chart as XML: it must be well formed."""
    return ElementTree.fromstring(svg)


def percents(root: ElementTree.Element, tag: str, attribute: str) -> list[float]:
    return [float(e.attrib[attribute].rstrip("%")) for e in root.iter(SVG + tag) if attribute in e.attrib]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 64.1, (0, 20, 40, 60, 80)),
        (0, 100, (0, 20, 40, 60, 80, 100)),
        (-3, 3, (-4, -2, 0, 2, 4)),
        (0, 0.9, (0, 0.2, 0.4, 0.6, 0.8, 1)),
        (5, 5, (4.4, 4.6, 4.8, 5, 5.2, 5.4, 5.6)),
    ],
)
def test_axis_is_round_and_holds_both_ends(low, high, ticks):
    found = axis(low, high)
    assert found.ticks == pytest.approx(ticks)
    assert found.low <= low <= high <= found.high


def test_place_maps_the_ends_to_the_edges():
    scale = axis(0, 100)
    assert (scale.place(0), scale.place(50), scale.place(100)) == (charts.LEFT, 50, charts.RIGHT)


def test_interval_chart_draws_bounds_seeds_and_band_where_they_belong():
    rows = [IntervalRow("rag", "40 (20 to 60)", 40, 20, 60, (38, 42)), IntervalRow("lora", "10, no interval", 10)]
    scale = axis(0, 100)
    root = parse(charts.interval_chart(rows, scale, title="Scores.", unit="%", band=(0, 10)))
    whisker = next(e for e in root.iter(SVG + "line") if e.attrib["class"].startswith("whisker"))
    assert (whisker.attrib["x1"], whisker.attrib["x2"]) == (f"{scale.place(20)}%", f"{scale.place(60)}%")
    assert sum(e.attrib["class"].startswith("whisker") for e in root.iter(SVG + "line")) == 1  # lora has none, not one of length 0
    circles = [(e.attrib["class"], e.attrib["cx"]) for e in root.iter(SVG + "circle")]
    assert [x for c, x in circles if c == "seed"] == [f"{scale.place(38)}%", f"{scale.place(42)}%"]
    assert [x for c, x in circles if "open" in c] == [f"{scale.place(10)}%"]
    assert all(0 <= x <= 100 for x in percents(root, "circle", "cx"))
    band = next(e for e in root.iter(SVG + "rect"))
    assert float(band.attrib["width"].rstrip("%")) == pytest.approx(scale.place(10) - scale.place(0))


def test_every_chart_says_in_words_what_it_shows():
    bars = charts.stacked_chart(
        [StackRow("rag", "", {"a": 0.25, "b": 0.75})], [Part("a", "right", "#000"), Part("b", "wrong", "#fff")], title="Parts."
    )
    curve = charts.line_chart([Line("seed 0", ((10, 3.0), (20, 1.5)))], title="Loss.", x_unit="tokens", y_unit="nats")
    forest = charts.interval_chart([IntervalRow("rag", "40.0 %", 40)], axis(0, 100), title="Scores.", unit="%")
    for svg, said in ((bars, "right 25.0 %, wrong 75.0 %"), (curve, "seed 0: from 3.00 to 1.50"), (forest, "rag: 40.0 %")):
        root = parse(svg)
        assert root.attrib["role"] == "img"
        assert said in root.attrib["aria-label"]
        assert root.find(SVG + "title") is not None


def test_stacked_parts_fill_the_bar_from_end_to_end():
    parts = [Part(key, key, "#000") for key in "abc"]
    root = parse(charts.stacked_chart([StackRow("rag", "", {"a": 1 / 3, "b": 0.0, "c": 2 / 3})], parts, title="t"))
    starts, widths = percents(root, "rect", "x"), percents(root, "rect", "width")
    assert len(widths) == 2  # nothing is drawn for an empty part
    assert starts == pytest.approx([0, widths[0]], abs=0.01)
    assert sum(widths) == pytest.approx(100, abs=0.01)
    assert [e.text for e in root.iter(SVG + "text") if e.attrib["class"] == "on"] == ["33", "67"]


def test_a_curve_of_one_step_is_still_seen():
    root = parse(charts.line_chart([Line("seed 0", ((500.0, 2.0),))], title="t", x_unit="tokens", y_unit="nats"))
    assert len(list(root.iter(SVG + "circle"))) == 1


def test_curves_differ_by_more_than_colour():
    styles = [(colour, dashes) for _, colour, dashes in charts.line_keys([Line(str(i), ((1, 1),)) for i in range(6)])]
    assert len({dashes for _, dashes in styles}) == 6 and len({colour for colour, _ in styles}) == 6


def test_a_curve_keeps_its_looks_unless_two_would_look_alike():
    def looks(*styles):
        return [colour for _, colour, _ in charts.line_keys([Line("x", ((1, 1),), style) for style in styles])]

    every = looks(*range(6))
    assert looks(3, 1) == [every[3], every[1]]
    assert looks(0, 6) == looks(None, None) == every[:2]


def test_a_long_last_tick_ends_at_the_edge():
    root = parse(charts.line_chart([Line("x", ((20_000.0, 1.0),))], title="t", x_unit="questions", y_unit="EUR"))
    ends = [e.text for e in root.iter(SVG + "text") if e.attrib["class"] == "tick last"]
    assert ends == ["20,000"]
    short = parse(charts.line_chart([Line("x", ((20.0, 1.0),))], title="t", x_unit="questions", y_unit="EUR"))
    assert not [e for e in short.iter(SVG + "text") if e.attrib["class"] == "tick last"]


def test_smooth_keeps_a_constant_and_the_number_of_points():
    points = tuple((float(i), 2.0) for i in range(7))
    assert charts.smooth(points, 3) == points
    assert charts.smooth(((0, 0.0), (1, 3.0), (2, 0.0)), 3) == ((0, 1.5), (1, 1.0), (2, 1.5))
    assert charts.smooth(((0, 5.0), (1, 1.0)), 1) == ((0, 5.0), (1, 1.0))


def test_a_long_name_is_cut_in_the_picture_only():
    root = parse(charts.stacked_chart([StackRow("n" * 60, "", {"a": 1.0})], [Part("a", "right", "#000")], title="t"))
    assert "n" * 60 in root.attrib["aria-label"]
    assert max(len(e.text or "") for e in root.iter(SVG + "text")) == charts.LABEL


def test_text_never_becomes_markup():
    drawn = [
        charts.interval_chart([IntervalRow(EVIL, EVIL, 1)], axis(0, 2), title=EVIL, unit=EVIL),
        charts.stacked_chart([StackRow(EVIL, EVIL, {"a": 1.0})], [Part("a", EVIL, "#000")], title=EVIL),
        charts.line_chart([Line(EVIL, ((1, 1), (2, 2)))], title=EVIL, x_unit=EVIL, y_unit=EVIL),
    ]
    for svg in drawn:
        assert not re.search("<script", svg)
        assert EVIL in parse(svg).attrib["aria-label"]
