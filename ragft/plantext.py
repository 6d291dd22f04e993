"""What `ragft plan` prints, and what plan.html knows."""

from __future__ import annotations

from typing import Any

from ragft.numbers import money, points, rough
from ragft.plan import Plan, Work, part_words
from ragft.views import table

SUPPOSED = (
    "Supposed: two arms differ on one question in five, two such differences in one document correlate by 0.05, training seeds differ by "
    "2 points; 80 % power. What the run measures replaces that. Promise nothing smaller."
)


def plan_text(plan: Plan) -> str:
    """Counts, what can be shown by slice, what to add, and what it will take."""
    asked = ", ".join(f"{number} {split}" for split, number in plan.questions.items())
    seeds = f", {len(plan.seeds)} seeds" if plan.trainings else ""
    head = [
        f"{plan.study}: {plan.documents} documents; questions: {asked}; {len(plan.arms)} arms ({', '.join(plan.arms)}){seeds}.",
        f"{plan.trainings} trainings, {plan.answers:,} answers" + (f", {plan.trials} trials of settings first." if plan.trials else "."),
    ]
    rows = [[part_words(part), str(part.questions), str(part.documents), shown(part.gain), shown(part.equivalence)] for part in plan.parts]
    headers = ["what can be shown", "questions", "documents", f"gain over {plan.reference}", "equal within"]
    lines = [*head, "", table(headers, rows, right=range(1, 5)), SUPPOSED, *about_slices(plan), "", "To add:", *(f"  - {line}" for line in plan.add)]
    return "\n".join([*lines, *(["", *_work(plan.work)] if plan.work else [])])


def about_slices(plan: Plan) -> list[str]:
    """What must be known of slices that the study fixed beforehand."""
    said = []
    if any(part.fixed for part in plan.parts) or plan.unknown:
        said.append("Slices marked as fixed are tested together and share the error, so each shows less; the others are exploratory, each by itself.")
    if plan.unknown:
        said.append(f"Fixed too, but only the answers will tell which questions they hold: {', '.join(plan.unknown)}.")
    return said


def shown(share: float | None) -> str:
    """ "12 points"; "none" where nothing can be shown."""
    return "none" if share is None else points(round(share, 3))


def _work(work: Work) -> list[str]:
    rows = [[step.what, str(step.times), rough(step.seconds), rough(step.total)] for step in work.steps]
    total = (
        f"In all about {rough(work.seconds)} on this machine ({rough(work.least)} to {rough(work.most)}), {work.peak_gib:.1f} GiB of memory at most, "
        f"{money(work.cost, work.currency)} at the stated prices. From a probe of seconds; other work on the machine makes it longer."
    )
    return [table(["what it takes", "times", "each", "together"], rows, right=range(1, 4)), total, *work.notes]


def view(plan: Plan) -> dict[str, Any]:
    """What plan.html knows."""
    return {
        "plan": plan,
        "parts": [(part, part_words(part)) for part in plan.parts],
        "shown": shown,
        "supposed": " ".join([SUPPOSED, *about_slices(plan)]),
    }
