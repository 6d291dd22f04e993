"""A comparison with a baseline run as Markdown, for the summary of a CI job. Texts of questions, models and folders are shown as they stand."""

from __future__ import annotations

from ragft.numbers import ordinary, percent, points, signed, span
from ragft.regression import Regression, Side

TITLES = {
    "not-worse": "Not worse than the baseline",
    "worse": "Worse than the baseline",
    "undecided": "Undecided: the new run may be worse than the baseline",
}


def regression_page(found: Regression) -> str:
    """What was found, both runs side by side, what differs between them, and the questions that lost most."""
    difference = found.difference
    lines = [
        f"## {TITLES[found.outcome]}",
        "",
        ordinary(found.because),
        "",
        f"| arm {ordinary(found.arm)} | baseline | new |",
        "|---|---|---|",
        _row("run", found.baseline.run, found.new.run),
        _row("model", found.baseline.model, found.new.model),
        _row(f"{found.metric} (95 % interval)", _level(found.baseline), _level(found.new)),
        _row("seeds", str(found.baseline.seeds), str(found.new.seeds)),
        "",
        f"New minus baseline: {signed(difference.estimate.mean)} points ({span(difference.low, difference.high)}), margin {points(found.margin)}, "
        f"alpha {found.alpha:g} one-sided; {found.questions} questions from {found.documents} documents, {found.lost} lost, {found.gained} gained.",
    ]
    if found.detectable is not None:
        most = f"of {points(found.detectable)} or more" if found.detectable <= 1 else "of no size"
        lines += ["", f"So many questions show a true drop {most} as worse, with 80 % probability."]
    lines += _bullets("What differs", found.changed) + _bullets("Mind", found.warnings)
    if found.most_lost:
        lines += ["", "| question | text | baseline | new |", "|---|---|---:|---:|"]
        lines += [f"| {ordinary(one.id)} | {ordinary(one.question)} | {percent(one.baseline)} | {percent(one.new)} |" for one in found.most_lost]
    return "\n".join(lines) + "\n"


def refusal_page(why: str) -> str:
    """What is said where the runs are not compared."""
    return f"## Not compared with the baseline\n\n{ordinary(why)}\n"


def _row(what: str, before: str, now: str) -> str:
    return f"| {ordinary(what)} | {ordinary(before)} | {ordinary(now)} |"


def _level(side: Side) -> str:
    level = side.level
    bounds = "no interval" if level.low is None or level.high is None else f"{100 * level.low:.0f} to {100 * level.high:.0f}"
    return f"{percent(level.mean)} ({bounds})"


def _bullets(title: str, sentences: tuple[str, ...]) -> list[str]:
    return ["", f"{title}:", "", *(f"- {ordinary(sentence)}" for sentence in sentences)] if sentences else []
