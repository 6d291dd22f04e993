"""What people found of a run's labels, review.json: how many are wrong, which, and how far that could move the run's differences.

    ragft questions review RUN                           # a sheet of questions to judge
    ragft questions review RUN --verdicts review.csv     # read back: review.json

The sheet is `reviewsheet`'s, the statistics are `labelrate`'s; what it means for a verdict is said by `doubts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragft.comparison import Comparison
from ragft.errors import MismatchError
from ragft.labelrate import LabelDoubt, LabelRate, Move, worst_move
from ragft.numbers import percent
from ragft.scoring import read_gold, score_table
from ragft.stats import contrast_values
from ragft.store import Run, fingerprint, read_jsonl_as, read_record
from ragft.types import Question

FILE = "review.json"
OK = "ok"
VERDICTS = {
    OK: "the reference answer is right",
    "wrong": "the reference answer is wrong or incomplete",
    "ambiguous": "the question is unclear, or has more than one right answer",
    "unanswerable": "the documents do not say",
}
MOST_NAMED = 8  # wrong labels in a sentence; review.json has all


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One question that somebody judged."""

    question: str
    sampled: bool  # drawn at random
    disputed: bool  # all arms had it wrong
    verdict: str
    note: str


@dataclass(frozen=True)
class Review:
    """All that was judged. `rate` is that of the random sample; what was judged because all arms had it wrong is no part of it."""

    inputs: str  # of the questions and answers that were judged
    rate: LabelRate
    sampled: int  # questions of the sample, judged or not
    unjudged: int  # rows of the sheet without a verdict
    rows: tuple[Reviewed, ...]

    @property
    def wrong(self) -> list[Reviewed]:
        return [row for row in self.rows if row.verdict != OK]


def question_texts(run: Run) -> dict[str, str]:
    """The words of each held-out question."""
    return {question.id: question.text for question in read_jsonl_as(Question, run.folder / "questions.jsonl")}


def inputs_of(run: Run) -> str:
    """What differs when a question or a reference answer does."""
    return fingerprint([question_texts(run), {gold.id: gold.answers for gold in read_gold(run)}])


def read_review(run: Run) -> Review | None:
    """The run's review; None: there is none. Raises MismatchError where questions or answers were changed since."""
    path = run.folder / FILE
    if not path.is_file():
        return None
    found = read_record(Review, path)
    if found.inputs != inputs_of(run):
        raise MismatchError(
            f"{path}: questions or reference answers were changed since they were reviewed. "
            f"Delete the file, and write a sheet of what is there now: ragft questions review {run.folder}"
        )
    return found


def label_doubt(run: Run, found: Comparison) -> LabelDoubt | None:
    """What the review means for the differences of this comparison; None: nobody reviewed the labels."""
    review = read_review(run)
    if review is None:
        return None
    table = score_table(run, found.metric, found.reference)
    verdicts = {row.question: row.verdict for row in review.rows}
    wrong = np.array([verdicts.get(question, OK) != OK for question in table.questions])
    unknown = np.array([question not in verdicts for question in table.questions])
    more = _more(review)
    moves: dict[tuple[str, str], Move] = {}
    for one in (*found.challengers, *found.against_base):
        values = contrast_values([(1.0, table.arm(one.arm).scores), (-1.0, table.arm(one.minus).scores)])
        moves[one.arm, one.minus] = worst_move(values.mean(axis=0), wrong, unknown, more)
    return LabelDoubt(tuple(review_sentences(review)), _most(review, more), moves)


def _more(review: Review) -> int:
    """Wrong labels that may be left among the questions that nobody judged. Without a sample nothing is known of them, and nothing is supposed."""
    if not review.rate.judged:
        return 0
    return review.rate.most - len(review.wrong)


def _most(review: Review, more: int) -> str:
    number = len(review.wrong) + more
    if not number:
        return ""
    labels = f"{number} wrong label{'s' * (number != 1)}"
    return f"{labels}, the most that the review leaves possible," if more else f"the {labels} found"


def review_text(review: Review) -> str:
    """What was read, for the command line."""
    judged = f"{len(review.rows)} verdict{'s' * (len(review.rows) != 1)}; {review.unjudged} rows without one."
    return "\n".join([judged, *review_sentences(review)])


# ── in sentences ─────────────────────────────────────────────────────────────────────────────────────────────────────


def review_sentences(review: Review) -> list[str]:
    """The rate with its interval, what was found beside the sample, and which labels are wrong."""
    found = [_rate(review)]
    beside = [row for row in review.rows if not row.sampled]
    if beside and review.rate.judged < review.rate.total:
        many, wrong = len(beside), sum(row.verdict != OK for row in beside)
        found.append(
            f"Among {many} further question{'s' * (many != 1)} that all arms had wrong: {wrong} wrong label{'s' * (wrong != 1)}. "
            "They were not drawn at random and are no part of that rate."
        )
    if review.wrong:
        found.append(f"Scored as they stand, nevertheless: {_named(review)}. Correct them in questions.jsonl and run again.")
    return found


def _rate(review: Review) -> str:
    rate = review.rate
    if not rate.judged:
        return "How many labels are wrong is not known: no question of the random sample was reviewed."
    if rate.judged == rate.total:
        return f"Wrong labels: {rate.wrong} of {rate.total} held-out questions ({percent(rate.value)}), all of which were reviewed."
    left = review.sampled - rate.judged
    late = f" {left} more were drawn and have no verdict; if they were passed over because they are hard, that is too few." if left else ""
    return (
        f"Wrong labels: {rate.wrong} of {rate.judged} questions drawn at random ({percent(rate.value)}), so {rate.least} to {rate.most} of all "
        f"{rate.total} held-out questions ({percent(rate.low)} to {percent(rate.high)}, 95 % interval).{late}"
    )


def _named(review: Review) -> str:
    shown, others = review.wrong[:MOST_NAMED], len(review.wrong) - MOST_NAMED
    names = [f"{row.question} ({row.verdict})" for row in shown]
    return ", ".join(names) + (f" and {others} others" if others > 0 else "")
