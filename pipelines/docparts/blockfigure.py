"""One picture for each fine-tuning method: a transformer's layer from top to bottom, with what the method trains in blue.

Which parts stand where is data, WHERE; the layer itself is that of Llama and its kin. SVG that follows a dark page and needs nothing else.
"""

from __future__ import annotations

from html import escape

WIDTH, HEIGHT = 340, 492
WEIGHT = (46, 26)  # width and height of a weight matrix
WEIGHTS = {"Q": (52, 104), "K": (138, 104), "V": (224, 104), "O": (147, 198), "gate": (92, 318), "up": (202, 318), "down": (147, 372)}  # left, top
BESIDE = {"every": tuple(WEIGHTS), "queries and values": ("Q", "V")}
STYLE = """
:root { color-scheme: light dark; font: 12px system-ui, sans-serif; }
.wire { fill: none; stroke: #6b7280; stroke-width: 1.4; } .frame { fill: none; stroke: #9aa1ab; stroke-dasharray: 4 3; }
.frozen { fill: #e5e7eb; stroke: #8a9199; } .trained { fill: #0072b2; stroke: #0072b2; }
.random { fill: none; stroke: #0072b2; stroke-dasharray: 2 2; }
text { fill: #1f2937; text-anchor: middle; }
.note { fill: #5b6470; text-anchor: start; } .on { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  .frozen { fill: #3a414b; stroke: #8a9199; } .trained { fill: #56b4e9; stroke: #56b4e9; } .random { stroke: #56b4e9; }
  text { fill: #e5e7eb; } .note { fill: #aab2bd; } .on { fill: #10202c; } .wire { stroke: #9aa1ab; }
}"""

# what each method puts where: (drawing, place), see DRAWINGS; and a line on what the picture cannot show
WHERE: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "adapter": ((("after", "attention"), ("after", "feed-forward")), "σ: GELU; begins as the identity"),
    "adapter-pfeiffer": ((("after", "feed-forward"),), "ReLU; begins as the identity"),
    "parallel-adapter": ((("parallel", "feed-forward"),), "ReLU, times s = 4"),
    "mam": ((("memory", "layer"), ("parallel", "feed-forward")), "a short prefix, and times s = 4"),
    "prefix": ((("memory", "layer"),), "made by an MLP, dropped after training"),
    "prompt": ((("tokens", "input"),), "begin as the instruction's words"),
    "p-tuning": ((("tokens", "input"),), "made by an LSTM and an MLP, dropped"),
    "p-tuning-v2": ((("memory", "layer"),), "trained themselves, without an MLP"),
    "lora": ((("low rank", "every"),), "B·A beside each matrix, times α/r"),
    "dora": ((("low rank", "every"), ("length", "every")), "bar: the length m of each output's weights"),
    "rslora": ((("low rank", "every"),), "B·A beside each matrix, times α/√r"),
    "pissa": ((("low rank", "every"),), "begins as the largest singular values"),
    "ia3": ((("scale", "keys"), ("scale", "values"), ("scale", "inner")), "⊙: each number times a trained one"),
    "vera": ((("random", "every"),), "dashed: random, the same everywhere"),
    "oft": ((("rotation", "every"),), "R: an orthogonal matrix of blocks"),
    "boft": ((("rotation", "queries and values"),), "R: a product of butterflies"),
    "full": ((("weights", "every"),), "everything is trained, embeddings too"),
}
SCALES = {"keys": (161, 142), "values": (247, 142), "inner": (170, 358)}  # centres
AFTER = {"attention": 250, "feed-forward": 422}  # tops


def block_figure(name: str, summary: str) -> str:
    """The method's picture. Raises KeyError for a method that WHERE has not."""
    marks, note = WHERE[name]
    trained = {place for kind, place in marks if kind == "weights"}
    parts = [_layer("trained" if trained else "frozen"), *(DRAWINGS[kind](place) for kind, place in marks)]
    said = escape(f"Where {name} acts in a layer of a transformer: {summary}. Blue is trained, grey is the model's own.", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{said}">'
        f"<title>{said}</title><style>{STYLE}\n</style>{''.join(parts)}"
        f'<text class="note" x="8" y="{HEIGHT - 6}">{escape(note)}</text></svg>\n'
    )


def _layer(kind: str) -> str:
    """The model's own parts and the wires between them."""
    x, out = WIDTH // 2, WIDTH - 22
    tokens = "".join(f'<rect class="{kind}" x="{118 + 30 * n}" y="8" width="26" height="18"/>' for n in range(4))
    wires = [
        f"M{x} 28V92M75 92H247M75 92V104M161 92V104M247 92V104",  # input to Q, K, V
        f"M75 130V178H{x}M161 130V178M247 130V178H{x}M{x} 178V198M{x} 224V280",  # attention to O and on
        f"M{x} 76H{out}V274H{x + 6}",  # around attention
        f"M{x} 280V306M115 306H225M115 306V318M225 306V318M115 344V358H225V344M{x} 358V372",  # feed-forward
        f"M{x} 398V462M{x - 4} 457L{x} 463L{x + 4} 457M{x} 292H{out}V446H{x + 6}",  # around the feed-forward, and out
    ]
    frames = "".join(
        f'<rect class="frame" x="36" y="{top}" width="268" height="{height}" rx="6"/><text class="note" x="42" y="{top + height - 7}">{text}</text>'
        for top, height, text in ((82, 150, "attention"), (297, 108, "feed-forward"))
    )
    boxes = "".join(_box(kind, left, top, name) for name, (left, top) in WEIGHTS.items())
    sums = "".join(
        f'<circle class="frozen" cx="{x}" cy="{y}" r="6"/><path class="wire" d="M{x - 6} {y}H{x + 6}M{x} {y - 6}V{y + 6}"/>' for y in (274, 446)
    )
    return (
        f'<text class="note" x="244" y="21">embeddings</text><text class="note" x="8" y="62">every layer</text>{tokens}'
        f'<path class="wire" d="{"".join(wires)}"/>{frames}{boxes}{sums}'
    )


def _box(kind: str, left: float, top: float, text: str) -> str:
    on = ' class="on"' if kind == "trained" else ""
    return (
        f'<rect class="{kind}" x="{left}" y="{top}" width="{WEIGHT[0]}" height="{WEIGHT[1]}" rx="3"/>'
        f'<text{on} x="{left + WEIGHT[0] / 2:g}" y="{top + 17}">{text}</text>'
    )


def _hourglass(kind: str, x: float, y: float, width: float, height: float) -> str:
    """A narrow waist: down to few numbers and up again."""
    middle, waist = x + width / 2, width / 6
    points = [(x, y), (x + width, y), (middle + waist, y + height / 2), (x + width, y + height), (x, y + height), (middle - waist, y + height / 2)]
    return f'<polygon class="{kind}" points="{" ".join(f"{a:g},{b:g}" for a, b in points)}"/>'


def _after(place: str) -> str:
    top = AFTER[place] - 14
    return f'<rect class="frame" x="150" y="{top - 3}" width="40" height="26" fill="none"/>' + _hourglass("trained", 154, top, 32, 20)


def _parallel(_: str) -> str:
    x = WIDTH // 2
    return f'<path class="wire" d="M{x} 292H18V430H{x}"/>' + _hourglass("trained", 4, 342, 28, 36)


def _memory(_: str) -> str:
    """Virtual positions before the text's own keys and values."""
    bars = ""
    for left, name in ((131, "K"), (217, "V")):
        bars += (
            f'<rect class="trained" x="{left}" y="146" width="18" height="16"/><rect class="frozen" x="{left + 20}" y="146" width="42" height="16"/>'
        )
        bars += f'<text x="{left + 41}" y="158">{name}</text>'
    return bars


def _tokens(_: str) -> str:
    return "".join(f'<rect class="trained" x="{58 + 30 * n}" y="8" width="26" height="18"/>' for n in range(2))


def _beside(kind: str, place: str, offset: float = 4) -> str:
    return "".join(_hourglass(kind, WEIGHTS[name][0] + WEIGHT[0] + offset, WEIGHTS[name][1], 14, WEIGHT[1]) for name in BESIDE[place])


def _random(place: str) -> str:
    """Matrices that are not trained, with a trained scale between them and one after them."""
    scales = ""
    for left, top in (WEIGHTS[name] for name in BESIDE[place]):
        x = left + WEIGHT[0] + 4
        scales += "".join(f'<rect class="trained" x="{x}" y="{y}" width="14" height="3"/>' for y in (top + 11.5, top + WEIGHT[1] + 1))
    return _beside("random", place) + scales


def _length(place: str) -> str:
    """A vector: one number for each output of a matrix."""
    return "".join(
        f'<rect class="trained" x="{left}" y="{top + WEIGHT[1] + 2}" width="{WEIGHT[0]}" height="4"/>'
        for left, top in (WEIGHTS[name] for name in BESIDE[place])
    )


def _scale(place: str) -> str:
    x, y = SCALES[place]
    return f'<circle class="trained" cx="{x}" cy="{y}" r="8"/><text class="on" x="{x}" y="{y + 4}">⊙</text>'


def _rotation(place: str) -> str:
    drawn = ""
    for left, top in (WEIGHTS[name] for name in BESIDE[place]):
        x = left + WEIGHT[0] / 2
        drawn += (
            f'<rect class="trained" x="{x - 8:g}" y="{top - 17}" width="16" height="15" rx="2"/><text class="on" x="{x:g}" y="{top - 5}">R</text>'
        )
    return drawn


DRAWINGS = {
    "after": _after,
    "parallel": _parallel,
    "memory": _memory,
    "tokens": _tokens,
    "low rank": lambda place: _beside("trained", place),
    "random": _random,
    "length": _length,
    "scale": _scale,
    "rotation": _rotation,
    "weights": lambda place: "",
}
