"""Charts as inline SVG: intervals, stacked bars, lines. No script, no library; they work offline, in print and in the dark.

Horizontal places are percentages of the chart's width and there is no viewBox, so bars grow with the page while text
keeps its size: the same chart reads at 1280 and at 400 pixels. Every text is escaped. Colours are Okabe and Ito's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, floor, log10
from pathlib import Path

from markupsafe import Markup

from ragft.errors import InputError
from ragft.store import write_text

BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
SKY, PINK, YELLOW, GREY, BLACK = "#56b4e9", "#cc79a7", "#f0e442", "#999999", "#222222"
LINES = ((BLUE, ""), (RED, "6 3"), (GREEN, "2 3"), (PINK, "9 3 2 3"), (ORANGE, "4 2"), (SKY, "1 2"))
LEFT, RIGHT = 2.0, 98.0  # per cent: what lies outside is room for the first and the last tick's text
LABEL = 24  # characters of a name that leave room for the figures on a telephone
ROW, AXIS = 52, 40  # pixels: one row with its label above it; the axis with ticks and unit
ALONE, EDGE = 760, 16  # pixels: the width of a chart outside of a page, and the white around it
CSS = Path(__file__).parent / "templates" / "report.css"


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One arm or difference. Values in the chart's unit; `low` None: no interval; `dots` are single seeds."""

    label: str
    note: str
    mean: float
    low: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = ()
    strong: bool = False  # the row to look at


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of piece in stacked bars. `ink` is the colour of a number written on it."""

    key: str
    label: str
    colour: str
    ink: str = "#ffffff"


@dataclass(frozen=True, slots=True)
class StackRow:
    """One stacked bar: shares by part key, summing to 1."""

    label: str
    note: str
    shares: dict[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: (x, y) from left to right."""

    label: str
    points: tuple[tuple[float, float], ...]
    style: int | None = None  # which of LINES; None: by its place among the curves


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from `low` to `high` with round ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where the value stands, in per cent of the width."""
        return round(LEFT + (RIGHT - LEFT) * (value - self.low) / (self.high - self.low), 3)


def axis(low: float, high: float, wanted: int = 5) -> Axis:
    """The smallest scale with about `wanted` round steps that holds both values; never of zero width."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / wanted
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = tuple(round(number * step, 10) for number in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


# ── charts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def interval_chart(
    rows: Sequence[IntervalRow], scale: Axis, *, title: str, unit: str, band: tuple[float, float] | None = None, signed: bool = False
) -> Markup:
    """A forest plot: a dot and its interval a row, small rings for single seeds, `band` shaded, zero drawn when signed."""
    height = ROW * len(rows) + AXIS
    parts = [opening(height, f"{title} " + " ".join(f"{row.label}: {row.note}." for row in rows), title)]
    if band:
        left, right = (scale.place(max(scale.low, min(scale.high, edge))) for edge in band)
        parts.append(Markup('<rect class="band" x="{}%" y="0" width="{}%" height="{}"/>').format(left, round(right - left, 3), height - AXIS))
    parts.append(_axis(scale, height, unit, signed))
    parts += [_interval_row(row, number * ROW, scale) for number, row in enumerate(rows)]
    return Markup("").join([*parts, Markup("</svg>")])


def _interval_row(row: IntervalRow, top: int, scale: Axis) -> Markup:
    middle, tone = top + 29, "strong" if row.strong else "plain"
    parts = [labels(row.label, row.note, top)]
    if row.low is not None and row.high is not None:
        a, b = scale.place(row.low), scale.place(row.high)
        parts.append(Markup('<line class="whisker {}" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>').format(tone, a, b, y=middle))
        for end in (a, b):
            parts.append(Markup('<line class="cap {}" x1="{x}%" x2="{x}%" y1="{}" y2="{}"/>').format(tone, middle - 5, middle + 5, x=end))
    shape = "mean" if row.low is not None else "mean open"
    parts.append(Markup('<circle class="{} {}" cx="{}%" cy="{}" r="5.5"/>').format(shape, tone, scale.place(row.mean), middle))
    parts += [Markup('<circle class="seed" cx="{}%" cy="{}" r="3"/>').format(scale.place(dot), middle + 10) for dot in row.dots]
    return Markup("").join(parts)


def stacked_chart(rows: Sequence[StackRow], parts: Sequence[Part], *, title: str) -> Markup:
    """One bar a row, all of the same length; a part of at least 6 % carries its per cent."""
    said = [f"{r.label}: " + ", ".join(f"{p.label} {100 * r.shares[p.key]:.1f} %" for p in parts if r.shares[p.key]) + "." for r in rows]
    made = [opening(ROW * len(rows), f"{title} {' '.join(said)}", title)]
    for number, row in enumerate(rows):
        made.append(labels(row.label, row.note, number * ROW))
        begin = 0.0
        for part in parts:
            share = row.shares[part.key]
            if share > 0:
                made.append(_piece(part, begin, share, number * ROW + 20))
            begin += share
    return Markup("").join([*made, Markup("</svg>")])


def _piece(part: Part, begin: float, share: float, top: int) -> Markup:
    x, width = round(100 * begin, 3), round(100 * share, 3)
    bar = Markup('<rect class="piece" style="fill:{}" x="{}%" y="{}" width="{}%" height="20"><title>{}: {} %</title></rect>').format(
        part.colour, x, top, width, part.label, f"{width:.1f}"
    )
    if share < 0.06:
        return bar
    return bar + Markup('<text class="on" style="fill:{}" x="{}%" y="{}">{:.0f}</text>').format(part.ink, round(x + width / 2, 3), top + 14, width)


def line_chart(lines: Sequence[Line], *, title: str, x_unit: str, y_unit: str, height: int = 220) -> Markup:
    """Curves over a common x axis that starts at 0; colour and dashes tell them apart."""
    points = [point for line in lines for point in line.points]
    across, up = axis(0.0, max(x for x, _ in points)), axis(min(0.0, *(y for _, y in points)), max(y for _, y in points), 4)
    top, bottom = 30, height - AXIS
    said = " ".join(f"{line.label}: from {line.points[0][1]:.2f} to {line.points[-1][1]:.2f}." for line in lines)
    parts = [opening(height, f"{title} {y_unit}. {said}", title), Markup('<text class="unit" x="0" y="12">{}</text>').format(y_unit)]
    for tick in up.ticks:
        y = round(bottom - (bottom - top) * (tick - up.low) / (up.high - up.low), 2)
        parts.append(Markup('<line class="grid" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>').format(LEFT, RIGHT, y=y))
        parts.append(Markup('<text class="tick above" x="{}%" dx="4" y="{}">{:g}</text>').format(LEFT, y - 3, tick))
    parts.append(_axis(across, height, x_unit, signed=False))
    size = Markup('<svg x="{}%" width="{}%" y="{}" height="{}" viewBox="0 0 1000 1000" preserveAspectRatio="none">')
    parts.append(size.format(LEFT, RIGHT - LEFT, top, bottom - top))
    for line, (colour, dashes) in zip(lines, _styles(lines), strict=True):
        path = " ".join(
            f"{1000 * (x - across.low) / (across.high - across.low):.1f},{1000 * (up.high - y) / (up.high - up.low):.1f}" for x, y in line.points
        )
        parts.append(Markup('<polyline class="curve" style="stroke:{};stroke-dasharray:{}" points="{}"/>').format(colour, dashes or "none", path))
    parts.append(Markup("</svg>"))
    for line, (colour, _) in zip(lines, _styles(lines), strict=True):  # a dot at the end, so that a single step is seen too
        x, y = line.points[-1]
        place = round(bottom - (bottom - top) * (y - up.low) / (up.high - up.low), 2)
        parts.append(Markup('<circle style="fill:{}" cx="{}%" cy="{}" r="4"/>').format(colour, across.place(x), place))
    return Markup("").join([*parts, Markup("</svg>")])


def line_keys(lines: Sequence[Line]) -> list[tuple[str, str, str]]:
    """(label, colour, dashes) of each curve, for a legend beside the chart."""
    return [(line.label, colour, dashes) for line, (colour, dashes) in zip(lines, _styles(lines), strict=True)]


def _styles(lines: Sequence[Line]) -> list[tuple[str, str]]:
    """Each curve's own, unless two would look alike."""
    own = [place if line.style is None else line.style % len(LINES) for place, line in enumerate(lines)]
    return [LINES[place % len(LINES)] for place in (own if len(set(own)) == len(own) else range(len(lines)))]


def smooth(points: Sequence[tuple[float, float]], window: int) -> tuple[tuple[float, float], ...]:
    """A moving mean of y over `window` neighbours, each y counted in the middle; fewer neighbours at the ends."""
    half = window // 2
    found = []
    for i, (x, _) in enumerate(points):
        near = [y for _, y in points[max(0, i - half) : i + half + 1]]
        found.append((x, sum(near) / len(near)))
    return tuple(found)


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def opening(height: int, label: str, title: str) -> Markup:
    """The start of a chart, with its text alternative; the end is `</svg>`."""
    return Markup(
        '<svg class="chart" xmlns="http://www.w3.org/2000/svg" role="img" width="100%" height="{}" aria-label="{}"><title>{}</title>'
    ).format(height, label, title)


def labels(label: str, note: str, top: int) -> Markup:
    """The row's name at the left and its figures at the right, above the row. A long name is cut here, not in the alternative text."""
    label = label if len(label) <= LABEL else label[: LABEL - 1] + "…"
    return Markup('<text class="name" x="0" y="{y}">{}</text><text class="note" x="100%" y="{y}">{}</text>').format(label, note, y=top + 15)


def _axis(scale: Axis, height: int, unit: str, signed: bool) -> Markup:
    bottom = height - AXIS
    parts = []
    for tick in scale.ticks:
        x, kind = scale.place(tick), "zero" if signed and tick == 0 else "grid"
        text = f"{tick:+g}".replace("-", "−") if signed and tick else f"{tick:,.10g}"
        parts.append(Markup('<line class="{}" x1="{x}%" x2="{x}%" y1="0" y2="{}"/>').format(kind, bottom + 4, x=x))
        last = " last" if tick == scale.ticks[-1] and len(text) > 4 else ""  # a long one ends at the edge, or it would be cut
        parts.append(Markup('<text class="tick{}" x="{}%" y="{}">{}</text>').format(last, x, bottom + 18, text))
    parts.append(Markup('<text class="unit end" x="100%" y="{}">{}</text>').format(bottom + 35, unit))
    return Markup("").join(parts)


# ── outside of a page ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, repr=False)
class Chart:
    """A chart that needs no page around it: shown in a notebook, saved as a file, or `svg` put into a document."""

    svg: str

    def save(self, path: Path | str) -> Path:
        """Write it as an .svg file; returns the path. Raises InputError for another ending."""
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise InputError(f"{path}: a chart is saved as SVG. Give a name that ends in .svg.")
        write_text(path, self.svg + "\n")
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return "<ragft chart: in a notebook it is shown; .save('chart.svg') writes it>"


def alone(chart: Markup) -> Chart:
    """The chart with a width, white around it, and the report's colours written out, which not every program reads from variables."""
    height = int(str(chart).split('height="', 1)[1].split('"', 1)[0])
    return Chart(
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" width="{ALONE}" height="{height + 2 * EDGE}">'
        f"<style>{_style()}</style>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<svg x="{EDGE}" y="{EDGE}" width="{ALONE - 2 * EDGE}" height="{height}">{chart}</svg></svg>'
    )


@cache
def _style() -> str:
    """The report's rules for charts, on a light page."""
    text = CSS.read_text(encoding="utf-8")
    light = dict(re.findall(r"(--[\w-]+): ([^;]+);", text.split("}", 1)[0]))
    rules = [line for line in text.splitlines() if line.startswith(".chart ")]
    return re.sub(r"var\((--[\w-]+)\)", lambda found: light[found[1]], " ".join([*rules, ".chart { font-family: system-ui, sans-serif; }"]))
