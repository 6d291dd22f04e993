"""Where the points go: every lost point has one cause, the first that fits, and with the score the parts add up to all answers.

A lost point is 1 - score of one answer (arm, seed, question), so a graded score of 0.7 loses 0.3 of one. An answer without
a score loses its whole point, as failed. No model, no files, no HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np

from ragft.charts import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, YELLOW, Part
from ragft.diagnosis import no_interval
from ragft.metrics.answer import YES_NO
from ragft.numbers import percent, points, signed, span
from ragft.text import contains, words
from ragft.types import Gold

if TYPE_CHECKING:
    import pandas as pd

    from ragft.compare import Comparison

RIGHT = 0.5  # a graded score (token_f1) counts as right from here on; match and exact_match are 0 or 1
PALE_RED = "#f4b183"  # beside RED: the same cause, in part
MOST_TOLD = 3

# What was scored, then the causes in their order of priority (see `rungs`).
PARTS = (
    Part("right", "points scored: right, or rightly refused", BLUE),
    Part("failed", "failed, or not scored", BLACK),
    Part("missed", "none of the evidence was among the passages", RED),
    Part("partial", "some of the evidence was not among the passages", PALE_RED, BLACK),
    Part("form", "holds the answer, but says more than the metric allows", YELLOW, BLACK),
    Part("refused", "refused, though the documents answer it", SKY, BLACK),
    Part("prior", "says what the model says without passages, though all the evidence was shown", GREEN),
    Part("misread", "wrong, though all the evidence was shown", ORANGE, BLACK),
    Part("wrong", "wrong (no passages, or evidence unknown)", GREY, BLACK),
    Part("invented", "answered, though the documents do not answer it", PINK, BLACK),
)


@dataclass(frozen=True, slots=True)
class Losses:
    """One arm's points over all its seeds, by the keys of PARTS; they add up to `answers` = questions x seeds."""

    arm: str
    answers: int
    seeds: int
    points: dict[str, float]

    def share(self, part: str) -> float:
        return self.points[part] / self.answers

    @property
    def shares(self) -> dict[str, float]:
        return {part.key: self.share(part.key) for part in PARTS}

    @property
    def lost(self) -> float:
        """The share of points that are lost, in [0, 1]."""
        return 1 - self.share("right")

    def biggest(self, most: int = MOST_TOLD) -> list[str]:
        """The parts that lose most, the largest first."""
        found = [part.key for part in PARTS if part.key != "right" and self.points[part.key] > 0]
        return sorted(found, key=lambda key: -self.points[key])[:most]


# ── marking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def rungs(frame: pd.DataFrame, metric: str, golds: Sequence[Gold]) -> np.ndarray:
    """The part of each row's lost point, whether or not it lost one: the first cause that fits.

    The frame has arm, seed, question, outcome, the metric, recall@k and the columns of `with_texts`; None or NaN: not
    applicable. recall@k is known where an arm was given passages for an answerable question with stated evidence.
    """
    answerable = {gold.id: gold.answerable for gold in golds}
    asked = np.array([answerable[key] for key in frame["question"]], dtype=bool)
    score, recall, outcome = _numbers(frame[metric]), _numbers(frame["recall@k"]), np.asarray(frame["outcome"], dtype=object)
    shown = ~np.isnan(recall)
    causes = {
        "failed": (outcome == "error") | np.isnan(score),
        "invented": ~asked,
        "missed": recall == 0,
        "partial": recall < 1,
        "form": np.asarray(frame["holds"], dtype=bool),
        "refused": outcome == "abstained",
        "prior": shown & np.asarray(frame["prior"], dtype=bool),
        "misread": shown,
    }
    return np.select(list(causes.values()), list(causes), "wrong")


def _numbers(column: Iterable[Any]) -> np.ndarray:
    """NaN for what is not applicable."""
    return np.array([np.nan if value is None else value for value in column], dtype=float)


def with_texts(
    frame: pd.DataFrame, texts: Mapping[tuple[str, int], Mapping[str, str]], golds: Sequence[Gold], metric: str, base: str | None
) -> pd.DataFrame:
    """The frame with what only the answers' texts tell: `holds`, a reference answer (no yes or no) stands in it; `prior`, it is what the arm
    `base` (the same model, untuned, without passages; None: there is none) says to that question, and that loses points itself.

    `texts`: (arm, seed) -> question -> answer. Texts are the same where their words are (see ragft.text.words).
    """
    wanted, priors = {gold.id: _wanted(gold.answers) for gold in golds}, _priors(frame, texts, metric, base)
    rows = list(zip(frame["arm"], frame["seed"], frame["question"], strict=True))
    said = [(key, words(texts[arm, seed][key])) for arm, seed, key in rows]
    return frame.assign(
        holds=[any(contains(text, reference) for reference in wanted[key]) for key, text in said],
        prior=[priors.get(key) == text for key, text in said],
    )


def _wanted(references: Iterable[str]) -> list[list[str]]:
    """The references' words, to be looked for in order and without a gap; yes and no stand in too many wrong answers to tell."""
    return [wanted for wanted in map(words, references) if "".join(wanted) not in YES_NO]


def _priors(frame: pd.DataFrame, texts: Mapping[tuple[str, int], Mapping[str, str]], metric: str, base: str | None) -> dict[str, list[str]]:
    """Question -> the words of the base's answer, where it loses points and has any."""
    own = frame[frame["arm"] == base]
    # below 1, not below RIGHT: a wrong figure with the right unit has half the words of a graded metric
    rows = zip(own["seed"], own["question"], _numbers(own[metric]) < 1, strict=True)
    found = {key: words(texts[str(base), seed][key]) for seed, key, loses in rows if loses}
    return {key: said for key, said in found.items() if said}


def marks(frame: pd.DataFrame, metric: str, seeds: Mapping[str, int], golds: Sequence[Gold]) -> dict[str, dict[str, str]]:
    """question -> arm -> "right" where the answer's score is at least RIGHT, else the part of its lost point; one seed of each arm."""
    one = frame[frame["seed"] == frame["arm"].map(seeds)]
    found: dict[str, dict[str, str]] = {gold.id: {} for gold in golds}
    rows = zip(one["question"], one["arm"], _numbers(one[metric]) >= RIGHT, rungs(one, metric, golds), strict=True)
    for question, arm, right, rung in rows:
        found[question][arm] = "right" if right else str(rung)
    return found


def losses(frame: pd.DataFrame, metric: str, golds: Sequence[Gold]) -> tuple[Losses, ...]:
    """One record an arm, in the frame's order. The frame is that of a Material."""
    marked = frame.assign(_rung=rungs(frame, metric, golds), _score=np.nan_to_num(_numbers(frame[metric])))
    found = []
    for arm, part in marked.groupby("arm", sort=False):
        by_rung = {str(key): list(scores) for key, scores in part.groupby("_rung")["_score"]}
        # a part's answers less their scores, both without rounding on the way: 1 - score, added up, would round every time
        lost = {p.key: len(by_rung.get(p.key, ())) - fsum(by_rung.get(p.key, ())) for p in PARTS}
        made = Losses(str(arm), len(part), part["seed"].nunique(), lost | {"right": fsum(part["_score"])})
        if abs(fsum(made.points.values()) - made.answers) > 1e-12 * made.answers:
            raise AssertionError(f"{arm}: the parts {made.points} do not add up to {made.answers} answers")
        found.append(made)
    return tuple(found)


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Cause:
    """What a lost point is lost by, as a clause, and what may mend it: with a retriever, and without."""

    because: str
    mend: str
    alone: str = ""  # "": the same


_KNOWLEDGE = "passages, or training on these facts"
CAUSES = {
    "failed": Cause("the answer failed or has no score", "asking again; answers.jsonl says what went wrong"),
    "missed": Cause("none of the evidence was among the passages", "better retrieval: another retriever, other chunks, more passages (k)"),
    "partial": Cause("some of the evidence was not among the passages", "better retrieval: more passages (k), longer chunks"),
    "form": Cause(
        "the answer says more than the metric allows, though it holds the right one",
        "a stricter instruction, or training on answers of the wanted form",
    ),
    "refused": Cause(
        "it declined to answer what the documents do answer",
        "an instruction that leaves less room to decline, or training on such questions",
        _KNOWLEDGE,
    ),
    "prior": Cause(
        "it said what the model says without passages, though all the evidence was shown",
        "an instruction to trust the passages, or training with passages (format raft)",
    ),
    "misread": Cause("it answered wrongly though all the evidence was shown", "a model that reads better, or training with passages (format raft)"),
    "wrong": Cause(
        "it answered wrongly, and no evidence is known to have been shown", "evidence stated with the questions, to know more", _KNOWLEDGE
    ),
    "invented": Cause("it answered what the documents do not answer", "an instruction, or training, to say so"),
}


def told(lost: Losses, retrieves: bool) -> str:
    """The biggest losses of one arm and what may mend them, in a sentence. Points are of 100."""
    pieces = [f"{_piece(lost, key)} ({CAUSES[key].mend if retrieves else CAUSES[key].alone or CAUSES[key].mend})" for key in lost.biggest()]
    if not pieces:
        return f"{lost.arm} loses no points."
    return f"Of the {points(lost.lost)} that {lost.arm} loses: {'; '.join(pieces)}. In brackets: what may mend it."


def _piece(lost: Losses, key: str) -> str:
    return f"{points(lost.share(key))} because {CAUSES[key].because}"


NEVER = (", no retrieval can bring", "")


def steps(comparison: Comparison, base: str | None, lost: Sequence[Losses]) -> list[str]:
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
        most = "the most that better retrieval of so many passages could bring" if top > rag else nothing
        sentences.append(f"With the gold passages ({oracle.arm}) it scores {percent(top)}: {_step(top - rag)} ({bounds}); {most}.")
        rest = next((one for one in lost if one.arm == oracle.arm and one.biggest()), None)
        if rest:
            pieces = "; ".join(_piece(rest, key) for key in rest.biggest())
            cut = rest.share("missed") + rest.share("partial")
            never, more = ("", f" A larger k may bring the {points(cut)} whose evidence did not fit; the rest no retrieval can.") if cut else NEVER
            sentences.append(f"What is lost even with the gold passages, {points(rest.lost)}{never}: {pieces}.{more}")
    return sentences


def _step(difference: float) -> str:
    return "no change" if signed(difference) == "0.0" else f"{points(difference)} {'more' if difference > 0 else 'less'}"


def form_words(lost: Sequence[Losses], least: float = 0.0) -> str:
    """What the length rule of the metric costs arms that answer in whole sentences, where it is more than `least` of the points; "": none."""
    wordy = [part for part in lost if part.share("form") > least]
    if not wordy:
        return ""
    said = "; ".join(f"{p.arm} {percent(p.share('form'))} (with them it would score {percent(p.share('right') + p.share('form'))})" for p in wordy)
    return (
        f"Some answers hold a reference answer but say more than the metric allows, and lose points by it: {said}. "
        "That is form, not knowledge: a stricter instruction may mend it without fine-tuning."
    )
