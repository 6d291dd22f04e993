"""Charts of methods: names that never touch, log axes that hold everything, strips, the figure of the unified view, files of their own."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft import peftcharts, registry
from ragft.guidepage import POWERS, TIMES, clock, powers
from ragft.layerfigure import COLUMNS, classes, columns_of, layer_figure
from ragft.pages import chart_css
from ragft.peftcharts import APART, HEIGHT, WIDTHS, Mark, Name, Spot, Strip, log_axis, name_places, spread, standalone, strip_chart, tradeoff_chart
from ragft.tunedrows import method_of

EVIL = '"><script>alert(1)</script>&'
SVG = "{http://www.w3.org/2000/svg}"
ALL = list(registry.entries("tuning"))


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(root: ElementTree.Element) -> list[str]:
    return [e.text or "" for e in root.iter(SVG + "text")]


def spots_of(costs: dict[str, float]) -> list[Spot]:
    rng = random.Random(4)
    return [Spot(name, f"{name} said", cost, y := rng.uniform(2, 60), y - 8, y + 8) for name, cost in costs.items()]


# ── quality against a cost ───────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.floats(1, 1e9), min_size=1, max_size=12))
def test_the_log_axis_holds_every_value_with_few_ticks(values):
    for choices in (POWERS, TIMES):
        scale = log_axis(values, choices)
        assert all(2 < scale.place(value) < 98 for value in values)
        assert len(scale.ticks) <= peftcharts.MOST_TICKS and list(scale.ticks) == sorted(set(scale.ticks))
        assert all(2 <= scale.place(tick) <= 98 for tick in scale.ticks)


def test_equal_steps_on_the_axis_are_equal_factors():
    scale = log_axis([2e3, 9e8], POWERS)
    assert scale.ticks == (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)[::2]
    places = [scale.place(tick) for tick in scale.ticks]
    assert [b - a for a, b in pairwise(places)] == pytest.approx([places[1] - places[0]] * 3, abs=0.01)


def test_a_narrow_range_has_finer_ticks():
    assert log_axis([65, 110, 300], TIMES).ticks == (60, 120, 300)
    assert log_axis([3e6, 4e6], POWERS).ticks == (5e6,)
    assert [clock(tick) for tick in log_axis([69, 212], TIMES).ticks] == ["1 min", "1.5 min", "2 min", "3 min", "4 min"]


def test_the_name_of_a_level_gives_way_to_a_spot_above_its_line():
    def place(y: float) -> float:
        spots = [Spot("far", "", 10.0, 5.0, None, None), Spot("near", "", 1e6, y, None, None)]
        svg = tradeoff_chart(spots, [Mark("base, not tuned", 5.0)], title="t", x_unit="", y_unit="", ticks=POWERS, say=powers)
        root = parse(str(svg))
        (line,) = [e for e in root.iter(SVG + "line") if e.get("class") == "level"]
        (name,) = [e for e in root.iter(SVG + "text") if e.text == "base, not tuned"]
        return float(name.get("y")) - float(line.get("y1"))

    assert place(1.0) < 0 < place(5.2)
    assert log_axis([2900, 2900], POWERS).ticks == (2900,)  # no round figure near


@given(st.lists(st.floats(8, 92), min_size=1, max_size=17))
def test_spots_of_one_cost_stand_side_by_side(places):
    found = spread(places)
    ordered = sorted(found)
    assert all(b - a > APART - 0.01 for a, b in pairwise(ordered))
    assert all(2 <= place <= 98 for place in found)
    pairs = combinations(range(len(places)), 2)
    assert all((found[i] - found[j]) * (places[i] - places[j]) >= 0 for i, j in pairs if abs(places[i] - places[j]) > 1e-9)


def test_what_stands_far_apart_is_not_moved():
    assert spread([10, 50, 90]) == [10, 50, 90]
    assert spread([50, 50]) == [50 - APART / 2, 50 + APART / 2]


@pytest.mark.parametrize("seed", range(6))
def test_names_touch_nothing_at_any_width(seed):
    """All methods that the project has, at the costs and scores of a bad day: crowded into a third of the picture."""
    rng = random.Random(seed)
    places = spread([rng.uniform(30, 65) for _ in ALL])
    spots = [(name, place, rng.uniform(60, 320)) for name, place in zip(ALL, places, strict=True)]
    taken = [Name("base, not tuned", 100.0, 300.0, -1)]
    names = [*name_places(spots, taken), *taken]
    assert [name.label for name in names[:-1]] == ALL
    for width in WIDTHS:
        boxes = [name.box(width) for name in names]
        assert not any(one.touches(other) for one, other in combinations(boxes, 2)), width
        assert all(box.left >= 0 and box.right <= width and box.top >= 0 and box.bottom <= HEIGHT for box in boxes)


def test_where_there_is_no_room_every_name_is_still_drawn():
    spots = [(f"method-{i}", 50.0, 200.0) for i in range(60)]
    assert len(name_places(spots)) == 60


def test_the_chart_draws_intervals_rings_triangles_and_levels():
    spots = [
        Spot("lora", "74 (60 to 80), 3 M", 3e6, 74, 60, 80),
        Spot("prompt", "5, no interval", 9e3, 5, None, None, filled=False),
        Spot("raft", "70 (60 to 80)", 3e6, 70, 60, 80, pointed=True),
    ]
    marks = [Mark("rag, not tuned", 22.0)]
    svg = tradeoff_chart(spots, marks, title="Score.", x_unit="parameters", y_unit="match, %", ticks=POWERS, say=powers)
    root = parse(svg)
    assert sum(e.attrib["class"].startswith("whisker") for e in root.iter(SVG + "line")) == 2
    assert [e.attrib["class"] for e in root.iter(SVG + "circle")] == ["spot", "spot ring"]
    assert [e.attrib["class"] for e in root.iter(SVG + "path")] == ["spot"]
    assert {"lora", "prompt", "raft", "rag, not tuned", "10 k", "1 M", "parameters"} <= set(texts(root))
    assert "lora: 74 (60 to 80), 3 M. prompt: 5, no interval." in root.attrib["aria-label"] and root.attrib["role"] == "img"


def test_a_higher_score_stands_higher_and_a_dearer_method_to_the_right():
    svg = tradeoff_chart(spots_of({"prompt": 1e4, "lora": 1e6, "full": 1e8}), [], title="t", x_unit="x", y_unit="y", ticks=POWERS, say=powers)
    dots = list(parse(svg).iter(SVG + "circle"))
    assert [float(dot.attrib["cx"].rstrip("%")) for dot in dots] == sorted(float(dot.attrib["cx"].rstrip("%")) for dot in dots)
    scores = [spot.y for spot in spots_of({"prompt": 1e4, "lora": 1e6, "full": 1e8})]
    heights = [-float(dot.attrib["cy"]) for dot in dots]
    assert sorted(range(3), key=lambda i: scores[i]) == sorted(range(3), key=lambda i: heights[i])


@pytest.mark.parametrize(("value", "words"), [(1, "1 s"), (30, "30 s"), (60, "1 min"), (300, "5 min"), (7200, "2 h"), (864_000, "10 d")])
def test_ticks_of_time(value, words):
    assert clock(value) == words


@pytest.mark.parametrize(("value", "words"), [(100, "100"), (1e3, "1 k"), (1e6, "1 M"), (1e10, "10 B")])
def test_ticks_of_parameters(value, words):
    assert powers(value) == words


# ── where hidden states change ───────────────────────────────────────────────────────────────────────────────────────


def test_each_strip_is_filled_by_its_own_largest():
    root = parse(strip_chart([Strip("lora", (0.1, 0.4, 0.2)), Strip("prompt", (0.0, 0.0, 0.0))], title="Shift.", say=lambda v: f"{v:g}"))
    fills = [float(e.attrib["style"].split(":")[1]) for e in root.iter(SVG + "rect")]
    assert fills[1] == 1.0 and fills[0] < fills[2] < fills[1] and fills[3:] == [0.06] * 3
    assert "at most 0.4, layer 2" in texts(root)
    assert "lora: 0.1 in layer 1, 0.2 in the last, at most 0.4." in root.attrib["aria-label"]


# ── the unified view ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_registered_method_has_a_place_in_the_figure():
    methods = [method_of(name) for name in ALL]
    root = parse(layer_figure(methods))
    for method in methods:
        assert columns_of(method), f"{method.name}: modifies '{method.modifies}' names no column of the figure"
        assert f"{method.name}" in root.attrib["aria-label"]
    assert set(COLUMNS) <= set(texts(root))


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("adapter", ["attention", "feed-forward"]),
        ("adapter-pfeiffer", ["feed-forward"]),
        ("prefix", ["keys, values"]),
        ("p-tuning-v2", ["keys, values"]),
        ("prompt", ["embeddings"]),
        ("mam", ["keys, values", "feed-forward"]),
        ("ia3", ["keys, values", "feed-forward"]),
        ("lora", ["attention", "feed-forward"]),
        ("full", list(COLUMNS)),
    ],
)
def test_methods_act_where_their_papers_say(name, places):
    assert [COLUMNS[column] for column in columns_of(method_of(name))] == places


def test_methods_of_the_same_four_columns_stand_together():
    groups = [[method.name for method in group] for group in classes([method_of(name) for name in ALL])]
    assert ["prefix", "p-tuning-v2"] in groups and ["prompt", "p-tuning"] in groups and ["lora", "pissa"] in groups


def test_a_plugins_method_is_drawn_from_its_facts():
    plugin = replace(method_of("lora"), name="mine", form="g(x)", insertion="sequential", modifies="feed-forward", composition="h + Δh")
    svg = layer_figure([plugin, replace(plugin, name="blank", form="", insertion="", modifies="", composition="")])
    root = parse(svg)
    assert "mine: acts on feed-forward, sequential; Δh = g(x); composed as h + Δh." in root.attrib["aria-label"]
    assert "blank: not classified." in root.attrib["aria-label"] and "where it acts is not registered" in texts(root)
    assert sum(e.attrib.get("class") == "trained" for e in root.iter(SVG + "rect")) == 1


# ── text and files ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_never_becomes_markup():
    drawn = [
        tradeoff_chart([Spot(EVIL, EVIL, 5, 5, 1, 9)], [Mark(EVIL, 3)], title=EVIL, x_unit=EVIL, y_unit=EVIL, ticks=POWERS, say=powers),
        strip_chart([Strip(EVIL, (0.1, 0.2))], title=EVIL, say=str),
        layer_figure([replace(method_of("lora"), name=EVIL, form=EVIL, composition=EVIL)]),
    ]
    for svg in drawn:
        assert "<script" not in svg and EVIL in parse(svg).attrib["aria-label"]


def test_a_chart_as_a_file_brings_its_style_and_size():
    chart = strip_chart([Strip("lora", (0.1, 0.2))], title="t", say=str)
    css = chart_css()
    root = parse(standalone(chart, css))
    assert root.attrib["width"] == "792" and root.attrib["role"] == "img" and root.attrib["viewBox"].startswith("-16 ")
    style = root.find(SVG + "style").text
    assert "prefers-color-scheme: dark" in style and "--accent: #56b4e9" in style and ".chart .cell" in style
    assert style.count("{") == style.count("}")
    assert next(e.attrib["class"] for e in root.iter(SVG + "rect")) == "ground"
