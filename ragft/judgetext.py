"""What `ragft judge` prints: the judge beside the metric and people, arm by arm, the corrected differences, and whether a verdict may use it."""

from __future__ import annotations

from ragft.agreement import Agreement, Share
from ragft.judged import Judged, JudgedArm, JudgedDifference
from ragft.numbers import NONE, percent, signed, span
from ragft.views import table


def judged_text(found: Judged) -> str:
    """Two tables and the sentences below them."""
    heads = ["arm", "graded correct", "corrected", "95 % interval", f"agrees with {found.metric}", "with people", "false +", "false −", "failures"]
    parts = [table(heads, [_arm(arm) for arm in found.arms], right=range(1, 9))]
    if found.differences:
        rows = [_difference(difference) for difference in found.differences]
        parts.append(table(["difference in points", "judge alone", "corrected", "interval"], rows, right=range(1, 4)))
    people = f"{found.labels:,} labels on {found.labelled:,} of {found.questions:,} questions" if found.labelled else "no human labels"
    blocked = (
        f"No verdict may rest on this judge. {found.blocked}" if found.blocked else "Nothing found speaks against this judge; few labels see little."
    )
    legend = (
        ["false +: wrong answers that it called right; false −: right answers that it called wrong; one answer a question."] if found.labelled else []
    )
    return "\n\n".join([*parts, "\n".join([*legend, f"Judge {found.name} ({found.judge}), {people}.", blocked, *found.warnings])])


def _arm(arm: JudgedArm) -> list[str]:
    rates = [arm.errors.false_positive, arm.errors.false_negative] if arm.errors else [None, None]
    made = arm.corrected.estimate.mean if arm.corrected else None
    interval = NONE if arm.low is None or arm.high is None else f"{100 * arm.low:.0f} to {100 * arm.high:.0f}"
    agreed = [_agreement(arm.with_metric), _agreement(arm.with_people)]
    return [arm.arm, percent(arm.grade), percent(made), interval, *agreed, *map(_rate, rates), f"{arm.failures:,} of {arm.answers:,}"]


def _agreement(found: Agreement | None) -> str:
    return percent(found.share) if found else NONE


def _rate(found: Share | None) -> str:
    return f"{percent(found.value)} of {found.of}" if found and found.of else NONE


def _difference(found: JudgedDifference) -> list[str]:
    made = found.corrected.estimate.mean if found.corrected else None
    return [f"{found.arm} − {found.minus}", signed(found.grade), signed(made), span(found.low, found.high, NONE)]
