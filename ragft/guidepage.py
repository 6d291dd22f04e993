"""Guide -> what the report's section, its short form and docs/peft.md show: charts, tables, figures as files.

write_pages(guide, "python pipelines/compare_peft.py data/tarnbeck/study.yaml", Path("docs/peft.md"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args

from markupsafe import Markup

from ragft import peftcharts
from ragft.advice import STATUSES, Claim
from ragft.challenges import told_apart
from ragft.errors import MissingError
from ragft.guide import Chosen, Guide, Untuned, read_guide
from ragft.layerfigure import layer_figure
from ragft.numbers import NONE, count, percent, seconds
from ragft.pages import chart_css, environment
from ragft.peftcharts import Mark, Spot, Strip
from ragft.robustness import RobustnessRow, Variant
from ragft.store import Run, read_json, write_text
from ragft.tunedrows import FAMILIES, TunedRow

FINE = tuple(factor * 10.0**power for power in range(13) for factor in (1, 2, 5))
POWERS = (tuple(10.0**power for power in range(13)), FINE)
MINUTES = (1, 10, 60, 600, 3600, 36_000, 864_000)  # seconds
ROUND = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18_000, 36_000, 86_400, 864_000)
TIMES = (MINUTES, ROUND, tuple(sorted({*ROUND, 15, 45, 90, 180, 240, 450, 900, 2700, 5400, 10_800, 14_400})), FINE)


def view(guide: Guide) -> dict[str, Any]:
    """What the templates know of a guide."""
    letters = {member.arm: member.letters for group in guide.groupings for member in group.members}
    return {
        "guide": guide,
        "told": short(guide),
        "notes": notes(guide),
        "letters": letters,
        "charts": charts_of(guide),
        "figure": layer_figure(guide.methods),
        "shift": shift_chart(guide),
        "said": [claim for claim in guide.claims if claim.status != "not measured"],
        "unsaid": [claim for claim in guide.claims if claim.status == "not measured"],
        "tally": tally(guide.claims),
        "times": times,
        "settings": settings_words,
        "trials": trials_words,
        "noise": noise_rows(guide),
        "variants": [kind for kind in get_args(Variant) if any(row.variant == kind for row in guide.robustness)],
        "lines": lines(guide.rows),
        "known": next((percent(row.forgetting.questions_base, 0) for row in guide.rows if row.forgetting), NONE),
    }


def short(guide: Guide) -> list[str]:
    """The answer in a few sentences: what was told apart, what is cheap among the best, what forgets most."""
    told = [words for group in guide.groupings if (words := told_apart(group))]
    wanted = ("balance", "forgetting") if len(guide.methods) > 1 else ()
    return told + [one.words for one in guide.challenges if one.key in wanted and one.state == "measured"]


@dataclass(frozen=True, slots=True)
class Line:
    """One trained adapter, and the arms that use it: without and with passages."""

    alone: TunedRow | None
    passages: TunedRow | None

    @property
    def row(self) -> TunedRow:
        """Either: what the training took and what the adapter does is the same in both."""
        found = self.alone or self.passages
        if found is None:
            raise ValueError("a line without an arm")
        return found


def lines(rows: Sequence[TunedRow]) -> list[Line]:
    """One line an adapter, in the study's order; more where several of its arms show passages."""
    shared: dict[tuple[str, ...], list[TunedRow]] = {}
    for row in rows:
        shared.setdefault(row.adapters, []).append(row)
    found = []
    for group in shared.values():
        alone, passages = [row for row in group if row.way == "alone"], [row for row in group if row.way != "alone"]
        found += [Line(one, other) for one, other in zip_longest(alone, passages)]
    return found


def tally(claims: Sequence[Claim]) -> str:
    """ "9 confirmed, 5 refuted, 6 undecided, 3 not measured"."""
    counts = [(status, sum(claim.status == status for claim in claims)) for status in STATUSES]
    return ", ".join(f"{number} {status}" for status, number in counts if number)


def notes(guide: Guide) -> list[str]:
    """What a reader must know of the groups."""
    found = []
    lonely = {arm for group in guide.groupings for arm in group.one_seed}
    one = dict.fromkeys(row.label for row in guide.rows if row.arm in lonely)
    if one and not all(group.open for group in guide.groupings):
        found.append(f"One seed only: {', '.join(one)}. How much training luck moves them is taken from the other arms' seeds, not from their own.")
    if any(group.open for group in guide.groupings):
        found.append(
            "Some pairs have no interval (one seed everywhere, or too few documents), so they could not be told apart, whatever their means."
        )
    dead = sorted({arm for group in guide.groupings for arm in group.unscored})
    if dead:
        found.append(f"Without a score, and so left out: {', '.join(dead)}.")
    found += [f"{row.label} {row.failed}" for row in {row.adapters: row for row in guide.rows if row.failed}.values()]
    return found


def times(value: float | None, base: float | None) -> str:
    """ "1.31 ×"; NONE where either is not there."""
    return NONE if value is None or not base else f"{value / base:.2f} ×"


def settings_words(chosen: Mapping[str, Any]) -> str:
    """ "learning_rate 0.003, k 1"."""
    return ", ".join(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in chosen.items())


def trials_words(one: Chosen) -> str:
    """ "3 complete, 1 pruned"."""
    counts = (("complete", one.complete), ("pruned", one.pruned), ("failed", one.failed))
    return ", ".join(f"{number} {state}" for state, number in counts if number)


def noise_rows(guide: Guide) -> dict[str, dict[str, RobustnessRow]]:
    """arm -> variant -> its row; of several seeds the first."""
    found: dict[str, dict[str, RobustnessRow]] = {}
    for row in guide.robustness:
        found.setdefault(row.arm, {}).setdefault(row.variant, row)
    return found


# ── charts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def charts_of(guide: Guide) -> dict[str, tuple[str, Markup]]:
    """File name -> (caption, chart): quality against parameters and against time, for each family in which adapters differ in size."""
    found = {}
    for family in FAMILIES:
        rows = [row for row in guide.of_family(family) if row.score is not None and row.trainable and row.training_seconds]
        if len({row.trainable for row in rows}) < 2:
            continue  # one cost: nothing to weigh
        key, where = family.replace(" ", "-"), "Without passages" if family == "alone" else "With passages"
        for kind, unit, ticks, say in (
            ("parameters", "trained parameters", POWERS, powers),
            ("time", "training time a seed", TIMES, clock),
        ):
            caption = f"{where}: score against {unit}"
            spots = [_spot(guide, row, row.trainable if kind == "parameters" else row.training_seconds, unit) for row in rows]
            marks = [Mark(f"{one.arm}, not tuned", 100 * one.score) for one in guide.untuned if one.family == family]
            chart = peftcharts.tradeoff_chart(spots, marks, title=f"{caption}.", x_unit=unit, y_unit=f"{guide.metric}, %", ticks=ticks, say=say)
            found[f"{kind}-{key}"] = (caption, chart)
    return found


def _spot(guide: Guide, row: TunedRow, x: float | None, unit: str) -> Spot:
    best = next((g for g in guide.groupings if any(member.arm == row.arm for member in g.members)), None)
    good = best is None or row.arm in (best.members[0].arm, *best.like_best)
    low, high = (None if bound is None else 100 * bound for bound in (row.low, row.high))
    cost = f"{count(x)} {unit}" if unit.startswith("trained") else f"{seconds(x)} {unit}"
    interval = "no interval" if low is None or high is None else f"{low:.1f} to {high:.1f}"
    label = row.arm if row.way == "RAFT" else row.label
    standing = "not told apart from the best mean" if good else "surely below the best mean"
    words = f"{percent(row.score)} ({interval}), {cost}, {standing}"
    return Spot(label, words, float(x or 1), 100 * (row.score or 0.0), low, high, filled=good, pointed=row.way == "RAFT")


def powers(value: float) -> str:
    """ "10 k", "1 M"."""
    for unit, scale in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.3g}"


def clock(value: float) -> str:
    """ "30 s", "2 min", "1 h"."""
    for unit, scale in (("d", 86_400), ("h", 3600), ("min", 60)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.3g} s"


def shift_chart(guide: Guide) -> Markup:
    """Where each adapter changes hidden states; "" where none was measured."""
    strips: dict[tuple[str, ...], Strip] = {}
    for row in guide.rows:
        if row.shift and not row.control:
            strips.setdefault(row.adapters, Strip(row.arm, row.shift))
    title = "How far each adapter moves the hidden states, layer by layer, in per cent of their length."
    return peftcharts.strip_chart(list(strips.values()), title=title, say=lambda value: percent(value, 1)) if strips else Markup("")


def figures(guide: Guide) -> dict[str, tuple[str, str]]:
    """File name -> (caption, SVG file's text)."""
    css = chart_css()
    drawn = {"methods": ("Where each method acts in a transformer, by the unified view", layer_figure(guide.methods)), **charts_of(guide)}
    shift = shift_chart(guide)
    if shift:
        drawn["shift"] = ("How far each adapter moves the hidden states, layer by layer; each row by its own largest", shift)
    return {f"{name}.svg": (caption, peftcharts.standalone(chart, css)) for name, (caption, chart) in drawn.items()}


# ── docs/peft.md ─────────────────────────────────────────────────────────────────────────────────────────────────────


def write_document(run: Run, page: Path, command: str) -> None:
    """Write a run's guide as a Markdown page, its figures into the folder of the same name beside it."""
    guide = read_guide(run)
    if guide is None:
        raise MissingError(f"{run.folder}: no guide, because no arm is fine-tuned or the run is not reported. Report it: ragft report {run.folder}")
    for name, (_, text) in figures(guide).items():
        write_text(page.with_suffix("") / name, text)
    write_text(page, guide_markdown(guide, command, page.stem, _made_by(read_json(run.folder / "manifest.json"))))


def _made_by(manifest: Mapping[str, Any]) -> str:
    """ "ragft 0.1.0, commit 0123456789ab, on 2 x86_64 cores"."""
    code, machine = manifest["code"], manifest["machine"]
    commit = f", commit {code['commit'][:12]}" if code["commit"] else ""
    return f"ragft {code['version']}{commit}, on {machine['cores']} {machine['processor']} cores"


def summary(run: Run) -> dict[str, Any]:
    """The status of every piece of advice, and which arms were not told apart from the best mean, for scripts."""
    guide = read_guide(run)
    if guide is None:
        return {"advice": {}, "not_told_apart": {}}
    groups = {group.family: [group.members[0].arm, *group.like_best] for group in guide.groupings if group.members}
    return {"advice": {claim.key: claim.status for claim in guide.claims}, "not_told_apart": groups}


def guide_markdown(guide: Guide, command: str, folder: str = "peft", made_by: str = "ragft") -> str:
    """The whole guide as Markdown; figures are linked from `folder`."""
    made = environment(markdown=True)
    made.filters["safe_code"] = Markup  # inside code or a link, where marks are not to be escaped
    letters = {member.arm: member.letters for group in guide.groupings for member in group.members}
    words = {"name": line_name, "seeds": seeds_words, "scored": lambda row: scored_words(row, letters)}
    which = {**view(guide), **words, "figures": figures(guide)}
    page = {"which": which, "command": command, "folder": folder, "made_by": made_by}
    return made.get_template("guide.md").render(page)


def line_name(line: Line) -> str:
    """ "lora", "raft (lora, RAFT)", "shuffled (lora, control: shuffled)"."""
    row = line.row
    kind = f"control: {row.format}" if row.control else "RAFT" if row.way == "RAFT" else "" if row.format == "qa" else f"format {row.format}"
    name = row.label if line.alone and line.passages else row.arm
    return f"{name} ({row.method}, {kind})" if kind else name


def scored_words(row: TunedRow | Untuned | None, letters: Mapping[str, str]) -> str:
    """ "43.5 (32 to 55) ab"."""
    if row is None or row.score is None:
        return NONE
    interval = "no interval" if row.low is None or row.high is None else f"{100 * row.low:.1f} to {100 * row.high:.1f}"
    return f"{100 * row.score:.1f} ({interval}) {letters.get(row.arm, '')}".strip()


def seeds_words(row: TunedRow | None) -> str:
    return NONE if row is None or not row.seed_means else " · ".join(f"{100 * mean:.1f}" for mean in row.seed_means)
