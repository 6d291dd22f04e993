"""Charts of fine-tuning methods: quality against a cost on a log axis, and where hidden states change. See charts.py for the conventions.

A name stands beside its spot wherever the page is wide or narrow: places across are per cent of the width, so a layout
is kept only if no two names touch at any of WIDTHS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, log10

from markupsafe import Markup

from ragft.charts import AXIS, LEFT, RIGHT, axis, labels, opening

WIDTHS = (300, 340, 480, 680, 1040)  # pixels that a chart may be wide
HEIGHT, TOP = 380, 36
APART = 3.2  # per cent of the width between spots that would else stand on one another
LETTER, TEXT = 7.0, 14  # pixels: a letter's width at most, a line's height
NAMES = (0, -15, 15, -30, 30, -45, 45, -60, 60, -75, 75, -90, 90, -105, 105, -120, 120)  # pixels a name may be moved up or down
ROW = 44  # of the strips
MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Spot:
    """One arm: what it costs and how it scores, in the chart's units. `low` None: no interval."""

    label: str
    note: str  # its figures, for the text alternative
    x: float
    y: float
    low: float | None
    high: float | None
    filled: bool = True  # the arms to look at; the others are rings
    pointed: bool = False  # a triangle


@dataclass(frozen=True, slots=True)
class Mark:
    """A level to compare with, drawn across."""

    label: str
    y: float


@dataclass(frozen=True, slots=True)
class Strip:
    """One value a layer, from the first to the last."""

    label: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: Box) -> bool:
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


@dataclass(frozen=True, slots=True)
class Name:
    """Where a spot's name stands: `side` 1: to the right of (x per cent, y pixels), -1: to the left."""

    label: str
    x: float
    y: float
    side: int

    def box(self, width: float) -> Box:
        start, length = width * self.x / 100 + self.side * 9, LETTER * len(self.label)
        left = start if self.side > 0 else start - length
        return Box(left, self.y - 10, left + length, self.y + TEXT - 10)


# ── quality against a cost ───────────────────────────────────────────────────────────────────────────────────────────


def tradeoff_chart(
    spots: Sequence[Spot],
    marks: Sequence[Mark],
    *,
    title: str,
    x_unit: str,
    y_unit: str,
    ticks: Sequence[Sequence[float]],
    say: Callable[[float], str],
) -> Markup:
    """Spots with their intervals over a log axis. `ticks` are those to choose from, coarse before fine; `say` writes one."""
    scale = log_axis([spot.x for spot in spots], ticks)
    places = spread([scale.place(spot.x) for spot in spots])
    up = axis(0.0, max([*(s.high or s.y for s in spots), *(s.y for s in spots), *(m.y for m in marks), 1.0]), 4)
    bottom = HEIGHT - AXIS

    def down(value: float) -> float:
        return round(bottom - (bottom - TOP) * (value - up.low) / (up.high - up.low), 2)

    said = " ".join(f"{spot.label}: {spot.note}." for spot in spots)
    parts = [opening(HEIGHT, f"{title} {said}", title), Markup('<text class="unit" x="0" y="12">{}</text>').format(y_unit)]
    for tick in up.ticks:
        parts.append(Markup('<line class="grid" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>').format(LEFT, RIGHT, y=down(tick)))
        parts.append(Markup('<text class="tick above" x="0" y="{}">{:g}</text>').format(down(tick) - 3, tick))
    for tick in scale.ticks:
        x = scale.place(tick)
        parts.append(Markup('<line class="grid" x1="{x}%" x2="{x}%" y1="{}" y2="{}"/>').format(TOP, bottom + 4, x=x))
        parts.append(Markup('<text class="tick" x="{}%" y="{}">{}</text>').format(x, bottom + 18, say(tick)))
    parts.append(Markup('<text class="unit end" x="100%" y="{}">{}</text>').format(bottom + 35, x_unit))
    dots = [(spot.label, place, down(spot.y)) for spot, place in zip(spots, places, strict=True)]
    taken = [_level_name(mark.label, down(mark.y), dots) for mark in marks]
    for mark, name in zip(marks, taken, strict=True):
        parts.append(Markup('<line class="level" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>').format(LEFT, RIGHT, y=down(mark.y)))
        parts.append(Markup('<text class="spotname end" x="100%" y="{}">{}</text>').format(name.y, name.label))
    names = name_places(dots, taken)
    for spot, place in zip(spots, places, strict=True):
        parts.append(_whisker(spot, place, down))
    for spot, place, name in zip(spots, places, names, strict=True):
        parts.append(_spot(spot, place, down(spot.y), name))
    parts += [_named(name) for name in names]  # above all lines
    return Markup("").join([*parts, Markup("</svg>")])


def _level_name(label: str, y: float, spots: Sequence[tuple[str, float, float]]) -> Name:
    """At the right end of a level: above its line, or below it where that is free of spots at more WIDTHS."""
    above, below = Name(label, 100.0, y - 4, -1), Name(label, 100.0, y + TEXT, -1)
    return max((above, below), key=lambda name: sum(_free(name, (), spots, (width,)) for width in WIDTHS))


def _whisker(spot: Spot, x: float, down: Callable[[float], float]) -> Markup:
    if spot.low is None or spot.high is None:
        return Markup("")
    tone, low, high = "strong" if spot.filled else "plain", down(spot.low), down(spot.high)
    return Markup('<line class="whisker thin {}" x1="{x}%" x2="{x}%" y1="{}" y2="{}"/>').format(tone, low, high, x=x)


def _spot(spot: Spot, x: float, y: float, name: Name) -> Markup:
    kind = "spot" if spot.filled else "spot ring"
    parts = []
    if abs(name.y - 4 - y) > 10:  # moved away: a line leads back
        parts.append(Markup('<line class="leader" x1="{x}%" x2="{x}%" y1="{}" y2="{}"/>').format(y, name.y - 4, x=x))
    if spot.pointed:  # a nested picture, so that its corners are pixels around a place in per cent
        parts.append(Markup('<svg x="{}%" y="{}" overflow="visible"><path class="{}" d="M0 -7L7 6L-7 6Z"/></svg>').format(x, y, kind))
    else:
        parts.append(Markup('<circle class="{}" cx="{}%" cy="{}" r="5.5"/>').format(kind, x, y))
    return Markup("").join(parts)


def _named(name: Name) -> Markup:
    shift, end = (9, "") if name.side > 0 else (-9, " end")
    return Markup('<text class="spotname{}" x="{}%" dx="{}" y="{}">{}</text>').format(end, name.x, shift, name.y, name.label)


@dataclass(frozen=True, slots=True)
class LogAxis:
    """A logarithmic scale with ticks inside it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value stands, in per cent of the width."""
        return round(LEFT + (RIGHT - LEFT) * (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low)), 3)


def log_axis(values: Sequence[float], ticks: Sequence[Sequence[float]]) -> LogAxis:
    """A scale with room at both ends of the values, and the coarsest ticks of which it holds at least three; MOST_TICKS at most."""
    least, most = log10(min(values)), log10(max(values))
    room = max(0.12 * (most - least), 0.15)
    low, high = 10 ** (least - room), 10 ** (most + room)
    inside = [[tick for tick in choice if low <= tick <= high] for choice in ticks]
    chosen = next((found for found in inside if len(found) >= 3), inside[-1]) or sorted({min(values), max(values)})
    return LogAxis(low, high, tuple(chosen[:: ceil(len(chosen) / MOST_TICKS) or 1]))


def spread(places: Sequence[float]) -> list[float]:
    """The places moved as little as makes them APART from one another, in the order given; equal ones stand side by side."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    blocks: list[list[int]] = []
    middles: list[float] = []
    for i in order:
        block, middle = [i], places[i]
        while blocks and middle - middles[-1] < APART * (len(block) + len(blocks[-1])) / 2:
            block = blocks.pop() + block
            middles.pop()
            half = APART * (len(block) - 1) / 2
            middle = min(max(sum(places[j] for j in block) / len(block), LEFT + half + 1), RIGHT - half - 1)
        blocks.append(block)
        middles.append(middle)
    found = list(places)
    for block, middle in zip(blocks, middles, strict=True):
        for number, i in enumerate(block):
            found[i] = round(middle + APART * (number - (len(block) - 1) / 2), 3)
    return found


def name_places(spots: Sequence[tuple[str, float, float]], taken: Sequence[Name] = ()) -> list[Name]:
    """Where each spot's name (label, x per cent, y pixels) stands: as near as it can without touching a name or a spot at any of WIDTHS.

    Where there is no room at all, the nearest place inside the picture is taken.
    """
    found: list[Name] = []
    for label, x, y in sorted(spots, key=lambda spot: (spot[2], spot[1])):
        room = [name for move, side in product(NAMES, (1, -1)) if _inside(name := Name(label, x, y + 4 + move, side))]
        fallback = Name(label, x, y + 4, 1 if x < 50 else -1)
        found.append(next((name for name in room if _free(name, (*taken, *found), spots)), next(iter(room), fallback)))
    by_spot = {(name.label, name.x): name for name in found}
    return [by_spot[label, x] for label, x, _ in spots]


def _inside(name: Name) -> bool:
    boxes = [(width, name.box(width)) for width in WIDTHS]
    return all(box.left >= 0 and box.right <= width and box.top >= 14 and box.bottom <= HEIGHT - AXIS for width, box in boxes)


def _free(name: Name, names: Iterable[Name], spots: Sequence[tuple[str, float, float]], widths: Sequence[int] = WIDTHS) -> bool:
    for width in widths:
        own = name.box(width)
        dots = (Box(width * x / 100 - 6, y - 6, width * x / 100 + 6, y + 6) for _, x, y in spots)
        if any(own.touches(other.box(width)) for other in names) or any(own.touches(dot) for dot in dots):
            return False
    return True


# ── where hidden states change ───────────────────────────────────────────────────────────────────────────────────────


def strip_chart(strips: Sequence[Strip], *, title: str, say: Callable[[float], str]) -> Markup:
    """One strip a row, a cell a layer: the fuller the colour, the larger the value; each row by its own largest."""
    height = ROW * len(strips) + 20
    said = []
    for strip in strips:
        place = max(range(len(strip.values)), key=lambda i: strip.values[i])
        said.append(f"{strip.label}: {say(strip.values[0])} in layer 1, {say(strip.values[-1])} in the last, at most {say(strip.values[place])}.")
    parts = [opening(height, f"{title} {' '.join(said)}", title)]
    for number, strip in enumerate(strips):
        most = max(strip.values)
        place = max(range(len(strip.values)), key=lambda i: strip.values[i])
        parts.append(labels(strip.label, f"at most {say(most)}, layer {place + 1}", number * ROW))
        wide = 100 / len(strip.values)
        for layer, value in enumerate(strip.values):
            share = value / most if most > 0 else 0.0
            cell = '<rect class="cell" x="{}%" y="{}" width="{}%" height="16" style="fill-opacity:{}"><title>layer {}: {}</title></rect>'
            parts.append(
                Markup(cell).format(round(layer * wide, 3), number * ROW + 21, round(wide, 3), round(0.06 + 0.94 * share, 3), layer + 1, say(value))
            )
    last = max(len(strip.values) for strip in strips)
    parts.append(Markup('<text class="unit" x="0" y="{}">layer 1, next to the input</text>').format(height - 4))
    parts.append(Markup('<text class="unit end" x="100%" y="{}">layer {}</text>').format(height - 4, last))
    return Markup("").join([*parts, Markup("</svg>")])


# ── a chart as a file of its own ─────────────────────────────────────────────────────────────────────────────────────


def standalone(svg: Markup, css: str, width: int = 760) -> str:
    """The chart as an SVG file: with the report's style inside, a fixed width and a ground of its own, light and dark."""
    start, rest = str(svg).split(">", 1)
    start = start.replace('width="100%"', f'width="{width}"')
    height = start.split('height="')[1].split('"')[0]
    ground = '<rect class="ground" x="-16" y="-12" width="100%" height="100%"/>'
    size = f'viewBox="-16 -12 {width + 32} {int(height) + 24}"'
    outer = start.replace(f'width="{width}" height="{height}"', f'width="{width + 32}" height="{int(height) + 24}" {size}')
    inner = f'<svg width="{width}" height="{height}" overflow="visible">'
    style = f"<style>{css} .ground {{ fill: var(--card); }} svg {{ font-family: system-ui, sans-serif; }}</style>"
    return f"{outer}>{style}{ground}{inner}{rest.removesuffix('</svg>')}</svg></svg>\n"
