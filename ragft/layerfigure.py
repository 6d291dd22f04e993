"""The unified view as a picture: for each class of methods, where it acts in a transformer, and how.

Drawn from the registry's facts (form, insertion, modifies, composition), so that a plugin's method appears too.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ragft.charts import labels, opening
from ragft.tunedrows import Method

HEAD, ROW, GLYPH = 64, 94, 38  # pixels: the layer on top, one class, the drawing in it
COLUMN = 25  # per cent of the width
# what `modifies` says -> the columns in which it is drawn, from the input to the layer's output
PLACES = {"embedding": 0, "key": 1, "value": 1, "attention": 2, "feed-forward": 3}
COLUMNS = ("embeddings", "keys, values", "attention", "feed-forward")
FORM = 50  # characters of a formula that fit a telephone

# Drawings in pixels: 64 wide, 38 high. "frozen" is the model's own, "trained" what the method adds.
SEQUENTIAL = Markup(
    '<path class="wire" d="M0 28H8M24 28H36M50 28H64M58 24L64 28L58 32"/><rect class="frozen" x="8" y="20" width="16" height="16"/>'
    '<rect class="trained" x="36" y="21" width="14" height="14"/>'
)
PARALLEL = Markup(
    '<path class="wire" d="M0 28H12M28 28H64M58 24L64 28L58 32M5 28V9H13M27 9H47V23"/><rect class="frozen" x="12" y="20" width="16" height="16"/>'
    '<circle class="frozen" cx="47" cy="28" r="5"/><path class="wire" d="M42 28H52M47 23V33"/>'
    '<rect class="trained" x="13" y="2" width="14" height="14"/>'
)
PREPENDED = {
    0: Markup(
        '<rect class="trained" x="0" y="16" width="10" height="14"/><rect class="trained" x="12" y="16" width="10" height="14"/>'
        '<rect class="frozen" x="25" y="16" width="10" height="14"/><rect class="frozen" x="37" y="16" width="10" height="14"/>'
        '<rect class="frozen" x="49" y="16" width="10" height="14"/>'
    ),
    1: Markup(
        '<rect class="trained" x="0" y="4" width="20" height="12"/><rect class="frozen" x="22" y="4" width="38" height="12"/>'
        '<rect class="trained" x="0" y="21" width="20" height="12"/><rect class="frozen" x="22" y="21" width="38" height="12"/>'
        '<text class="inside" x="41" y="14">K</text><text class="inside" x="41" y="31">V</text>'
    ),
}
WEIGHTS = Markup('<path class="wire" d="M0 28H18M46 28H64M58 24L64 28L58 32"/><rect class="trained" x="18" y="18" width="28" height="20"/>')


def classes(methods: Sequence[Method]) -> list[tuple[Method, ...]]:
    """Methods that the four columns do not tell apart stand together, in the order given."""
    found: dict[tuple[str, str, str, str], list[Method]] = {}
    for method in methods:
        found.setdefault((method.form, method.insertion, method.modifies, method.composition), []).append(method)
    return [tuple(group) for group in found.values()]


def columns_of(method: Method) -> tuple[int, ...]:
    """The columns in which a method acts; none where its registration does not say."""
    if "everything" in method.modifies:
        return tuple(range(len(COLUMNS)))
    return tuple(sorted({column for word, column in PLACES.items() if word in method.modifies}))


def layer_figure(methods: Sequence[Method]) -> Markup:
    """The layer on top, one row a class below it."""
    groups = classes(methods)
    title = "Where each fine-tuning method acts in a transformer."
    parts = [opening(HEAD + ROW * len(groups), f"{title} {' '.join(_said(group) for group in groups)}", title), _head(HEAD + ROW * len(groups))]
    parts += [_row(group, HEAD + number * ROW) for number, group in enumerate(groups)]
    return Markup("").join([*parts, Markup("</svg>")])


def _said(group: Sequence[Method]) -> str:
    """A class in words, for the text alternative."""
    method, names = group[0], ", ".join(method.name for method in group)
    places = [COLUMNS[column] for column in columns_of(method)]
    if not places:
        return f"{names}: not classified."
    return f"{names}: acts on {' and '.join(places)}, {method.insertion}; Δh = {method.form}; composed as {method.composition}."


def _head(height: int) -> Markup:
    """The columns' names as a row of boxes, and the bracket over what every layer repeats."""
    parts = [
        Markup('<line class="wire" x1="{}%" x2="99%" y1="8" y2="8"/>').format(COLUMN + 1),
        Markup('<text class="unit" x="{}%" y="23">in every layer</text>').format(COLUMN + 1),
    ]
    for number, name in enumerate(COLUMNS):
        parts.append(Markup('<text class="column" x="{}%" y="44">{}</text>').format(number * COLUMN + 1, name))
    parts.append(Markup('<line class="wire" x1="0" x2="100%" y1="54" y2="54"/>'))
    parts.append(Markup('<svg x="100%" y="54" overflow="visible"><path class="wire" d="M-6 -4L0 0L-6 4"/></svg>'))  # from input to output
    for number in range(1, len(COLUMNS)):
        parts.append(Markup('<line class="grid" x1="{x}%" x2="{x}%" y1="30" y2="{}"/>').format(height, x=number * COLUMN))
    return Markup("").join(parts)


def _row(group: Sequence[Method], top: int) -> Markup:
    method, names = group[0], ", ".join(method.name for method in group)
    how = " · ".join(part for part in (method.insertion, method.composition) if part)
    parts = [labels(names, how, top)]
    columns = columns_of(method)
    if not columns:
        parts.append(Markup('<text class="unit" x="0" y="{}">where it acts is not registered</text>').format(top + 44))
    for column in columns:
        place = Markup('<svg x="{}%" y="{}" overflow="visible">{}</svg>')
        parts.append(place.format(column * COLUMN + 1, top + 21, _glyph(method, column)))
    form = method.form if len(method.form) <= FORM else method.form[: FORM - 1] + "…"
    if form:
        parts.append(Markup('<text class="unit form" x="0" y="{}">Δh = {}</text>').format(top + 21 + GLYPH + 17, form))
    parts.append(Markup('<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>').format(y=top + ROW - 8))
    return Markup("").join(parts)


def _glyph(method: Method, column: int) -> Markup:
    if "everything" in method.modifies:
        return WEIGHTS
    if column in PREPENDED and method.insertion == "parallel":
        return PREPENDED[column]  # beside the text's own, so that attention mixes both
    return SEQUENTIAL if method.insertion == "sequential" else PARALLEL
