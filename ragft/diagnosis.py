"""Where answers go wrong, what the figures mean in words, and which questions to show. No model, no files, no HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragft.charts import BLACK, BLUE, GREY, ORANGE, PINK, RED, SKY, YELLOW, Part
from ragft.domain.splits import order
from ragft.metrics.answer import YES_NO
from ragft.numbers import percent, points, signed, span
from ragft.text import contains, words
from ragft.types import Gold, Span

if TYPE_CHECKING:
    import pandas as pd

    from ragft.compare import Comparison, Difference, Interaction
    from ragft.cost import BreakEven
    from ragft.material import Arm
    from ragft.stats import Estimate

RIGHT = 0.5  # a graded score (token_f1) counts as right from here on; match and exact_match are 0 or 1
OUT_OF_REACH = 1e9  # questions a month: a break-even beyond is none

# Every answer is exactly one of these, so the parts add up to all answers.
PARTS = (
    Part("right", "right (or rightly refused)", BLUE),
    Part("refused", "refused, though the documents answer it", SKY, BLACK),
    Part("wordy", "holds the answer, but says more than the metric allows", YELLOW, BLACK),
    Part("misread", "wrong, though all the evidence was shown", ORANGE, BLACK),
    Part("missed", "wrong, and the evidence was not (all) shown", RED),
    Part("wrong", "wrong (no passages, or evidence unknown)", GREY, BLACK),
    Part("invented", "answered, though the documents do not answer it", PINK, BLACK),
    Part("failed", "failed, or not scored", BLACK),
)


@dataclass(frozen=True, slots=True)
class Losses:
    """One arm's answers over all its seeds, by PARTS; the counts add up to `answers` = questions x seeds."""

    arm: str
    answers: int
    seeds: int
    counts: dict[str, int]

    def share(self, part: str) -> float:
        return self.counts[part] / self.answers

    @property
    def shares(self) -> dict[str, float]:
        return {part.key: self.share(part.key) for part in PARTS}


def part_of(row: Mapping[str, Any], metric: str, answerable: bool) -> str:
    """Which of PARTS one scored answer is. `row` has outcome, metric, `holds` and recall@k (None or NaN: not applicable)."""
    score = number(row[metric])
    if row["outcome"] == "error" or score is None:
        return "failed"
    if score >= RIGHT:
        return "right"
    if not answerable:
        return "invented"
    if row["outcome"] == "abstained":
        return "refused"
    if row.get("holds"):
        return "wordy"
    shown = number(row.get("recall@k"))
    return "wrong" if shown is None else "misread" if shown == 1.0 else "missed"


def number(value: Any) -> float | None:
    """None for what is not applicable (None or NaN)."""
    return None if value is None or value != value else float(value)


def holds(text: str, references: Iterable[str]) -> bool:
    """Whether the text has a reference's words in order and without a gap, whatever its length; yes and no do not count."""
    said = words(text)
    return any(contains(said, wanted) for wanted in map(words, references) if "".join(wanted) not in YES_NO)


def losses(frame: pd.DataFrame, metric: str, answerable: Mapping[str, bool]) -> tuple[Losses, ...]:
    """One record an arm, in the frame's order. The frame is that of a Material."""
    found = []
    for arm, part in frame.groupby("arm", sort=False):
        rows: list[Any] = part.to_dict("records")
        counts = {p.key: 0 for p in PARTS}
        for row in rows:
            counts[part_of(row, metric, answerable[row["question"]])] += 1
        found.append(Losses(str(arm), len(rows), part["seed"].nunique(), counts))
    return tuple(found)


# ── which questions to show ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Choice:
    """A question to show, and the class it was chosen for."""

    question: str
    why: str


def marks(frame: pd.DataFrame, metric: str, seeds: Mapping[str, int], golds: Sequence[Gold]) -> dict[str, dict[str, str]]:
    """question -> arm -> which of PARTS its answer is, for one seed of each arm."""
    answerable = {gold.id: gold.answerable for gold in golds}
    found: dict[str, dict[str, str]] = {gold.id: {} for gold in golds}
    rows: list[Any] = frame[frame["seed"] == frame["arm"].map(seeds)].to_dict("records")
    for row in rows:
        found[row["question"]][row["arm"]] = part_of(row, metric, answerable[row["question"]])
    return found


def rival(comparison: Comparison, recommend: str, arms: Sequence[Arm]) -> str | None:
    """The arm to set against the reference: the recommended one if it is tuned, else the tuned one with the best mean."""
    known = [difference.arm for difference in comparison.challengers]
    tuned = [arm.name for arm in arms if arm.tuning and arm.name in known] or known
    if recommend in tuned:
        return recommend
    return max(tuned, key=lambda name: comparison.row(name).estimate.mean, default=None)


def choose_examples(
    marks: Mapping[str, Mapping[str, str]], golds: Sequence[Gold], reference: str, rival: str | None, most: int = 6
) -> tuple[Choice, ...]:
    """At most `most` questions: two the reference has right and the rival not, two the other way round, one that no arm
    has right, one unanswerable; filled up with questions on which arms disagree, then with any.

    `marks[question][arm]` is one of PARTS. Within a class the order is a fixed, meaningless one, so nobody picks.
    """
    shuffled = sorted(golds, key=lambda gold: order(gold.id))
    chosen: dict[str, Choice] = {}

    def take(how_many: int, why: str, fits: Callable[[Gold, Mapping[str, str]], bool]) -> None:
        fitting = [g.id for g in shuffled if g.id not in chosen and fits(g, marks[g.id])]
        for key in fitting[: min(how_many, most - len(chosen))]:
            chosen[key] = Choice(key, why)

    if rival:
        take(2, f"{reference} is right, {rival} is not", lambda g, m: g.answerable and m[reference] == "right" != m[rival])
        take(2, f"{rival} is right, {reference} is not", lambda g, m: g.answerable and m[rival] == "right" != m[reference])
    take(1, "no arm is right", lambda g, m: g.answerable and "right" not in m.values())
    take(1, "unanswerable: the right answer is to say so", lambda g, m: not g.answerable)
    take(most, "the arms disagree", lambda g, m: len({part == "right" for part in m.values()}) > 1)
    take(most, "all arms agree", lambda g, m: True)
    return tuple(chosen.values())


def marked(text: str, place: Span, evidence: Iterable[Span]) -> list[tuple[str, bool]]:
    """The text of a chunk at `place` in pieces, each with whether it is part of the evidence."""
    hits = [e for e in evidence if e.document == place.document]
    inside = [any(e.start <= place.start + i < e.end for e in hits) for i in range(len(text))]
    pieces: list[tuple[str, bool]] = []
    begin = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or inside[i] != inside[begin]:
            pieces.append((text[begin:i], inside[begin]))
            begin = i
    return pieces


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def no_interval(found: Estimate) -> str:
    """Why there is none."""
    if found.question_df > 0:
        return "no interval (one seed)"
    return "no interval (one document)" if found.documents < 2 else "no interval (too few documents)"


def meaning(found: Difference, margin: float) -> str:
    """What a simultaneous interval says about one difference, against no difference and against the margin."""
    low, high = found.low, found.high
    if low is None or high is None:
        return f"{no_interval(found.estimate)}: the difference may be chance"
    if low > margin:
        return "better by more than the margin"
    if high < -margin:
        return "worse by more than the margin"
    if low > -margin and high < margin:
        return "no difference that matters"
    if low > 0:
        return "better, but perhaps by less than the margin"
    if high < 0:
        return "worse, but perhaps by less than the margin"
    if high < margin:
        return "not better by more than the margin; possibly worse"
    if low > -margin:
        return "not worse by more than the margin; possibly better"
    return "open: better and worse by more than the margin are both possible"


@dataclass(frozen=True, slots=True)
class TwoByTwo:
    """The four scores of an interaction, what the sum of the single effects would give, and a sentence."""

    found: Interaction
    base: float
    rag: float
    tuned: float
    both: float
    words: str

    @property
    def expected(self) -> float:
        return self.rag + self.tuned - self.base


def two_by_two(comparison: Comparison, found: Interaction) -> TwoByTwo:
    base, rag, tuned, both = (comparison.row(name).estimate.mean for name in (found.base, found.rag, found.tuned, found.both))
    return TwoByTwo(found, base, rag, tuned, both, _interaction_words(found, max(rag, tuned), both, comparison.margin))


def _interaction_words(found: Interaction, better_alone: float, both: float, margin: float) -> str:
    low, high = found.low, found.high
    if low is None or high is None:
        return f"Undecided, {no_interval(found.estimate)}: whether they add up, overlap or get in each other's way cannot be told."
    if low > 0:
        return "They help each other: together they bring more than the sum of what each brings alone."
    if high < 0 and both < better_alone:
        return "They get in each other's way: together they score below the better of the two alone."
    if high < 0:
        return "They overlap: together they bring less than the sum of what each brings alone, though not less than the better of the two."
    if low > -margin and high < margin:
        return "They add up: any deviation from the plain sum is smaller than the margin."
    return "Undecided: the interval contains 0, so they may simply add up, overlap or help each other."


def ladder(comparison: Comparison, base: str | None) -> list[str]:
    """From the model alone over retrieved passages to the gold passages: what each rung brings, in sentences."""
    if comparison.reference in comparison.unscored:
        return []
    rag, oracle = comparison.row(comparison.reference).estimate.mean, comparison.ceiling
    sentences = []
    if base and base != comparison.reference and base not in comparison.unscored:
        alone = comparison.row(base).estimate.mean
        sentences.append(f"On its own ({base}), the model scores {percent(alone)}.")
        sentences.append(f"With {comparison.reference} it scores {percent(rag)}: {_step(rag - alone)}.")
    if oracle:
        top = comparison.row(oracle.arm).estimate.mean
        bounds = span(oracle.low, oracle.high, no_interval(oracle.estimate))
        surely = oracle.low is not None and oracle.high is not None and oracle.low > -comparison.margin and oracle.high < comparison.margin
        nothing = (
            "better retrieval alone would bring nothing that matters" if surely else "whether better retrieval would bring anything cannot be told"
        )
        most = "the most that better retrieval alone could bring" if top > rag else nothing
        sentences.append(f"With the gold passages ({oracle.arm}) it scores {percent(top)}: {_step(top - rag)} ({bounds}); {most}.")
        sentences.append(f"The remaining {points(1 - top)} have other causes: reading, wording, refusals, answers to unanswerable questions.")
    return sentences


def form_words(lost: Sequence[Losses]) -> str:
    """What the length rule of the metric costs the arms that answer in whole sentences; "" where it costs none."""
    wordy = [part for part in lost if part.counts["wordy"]]
    if not wordy:
        return ""
    said = "; ".join(
        f"{p.arm} {percent(p.share('wordy'))} (with them it would have {percent(p.share('right') + p.share('wordy'))} right)" for p in wordy
    )
    return (
        f"Some answers hold a reference answer but say more than the metric allows: {said}. "
        "That is form, not knowledge: a stricter instruction may mend it without fine-tuning."
    )


def _step(difference: float) -> str:
    return "no change" if signed(difference) == "0.0" else f"{points(difference)} {'more' if difference > 0 else 'less'}"


def break_even_words(even: BreakEven, stated: float) -> str:
    """When one arm is the cheaper one over the horizon; `stated` are the study's questions a month."""
    out_of_reach = even.volume is not None and even.volume > OUT_OF_REACH
    if even.cheaper == "always" or (out_of_reach and even.cheaper == "below"):
        return f"{even.arm} is cheaper than {even.other} at any number of questions."
    if even.cheaper == "never" or out_of_reach or even.volume is None:
        return f"{even.arm} is not cheaper than {even.other} at any number of questions."
    cheaper = (stated > even.volume) == (even.cheaper == "above")
    return (
        f"{even.arm} is cheaper than {even.other} {even.cheaper} {even.volume:,.0f} questions a month; "
        f"at the {stated:,.0f} of this study it is the {'cheaper' if cheaper else 'dearer'} one."
    )
