"""One question as it is shown to a reader: what was expected, every arm's answer with its mark, and what the arms were given to read.

The report shows a few, chosen by a rule (`diagnosis.choose_examples`), the dashboard any. Both show them by templates/example.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragft import diagnosis, ladder
from ragft.material import Material
from ragft.types import Answer, Gold, Hit


@dataclass(frozen=True, slots=True)
class Given:
    """An answer to one question: by whom, its mark, a key of ladder.PARTS, and its score by the comparison's metric; None: it has none."""

    label: str  # the arm, and the seed where several are shown
    answer: Answer
    mark: str
    score: float | None = None
    system: bool = False  # a whole system, which was asked the question alone: what it read is what it says


def examples(m: Material) -> list[dict[str, Any]]:
    """The chosen questions, each with every arm's answer of its lowest seed and what the arms were shown."""
    marks = ladder.marks(m.told, m.comparison.metric, {arm.name: arm.seeds[0] for arm in m.arms}, m.golds)
    scores = _scores(m)
    golds, answers = {gold.id: gold for gold in m.golds}, {arm.name: m.answers(arm) for arm in m.arms}
    rival = diagnosis.rival(m.comparison, m.decision.recommend, m.arms)
    return [
        example(
            m.questions[choice.question],
            golds[choice.question],
            [
                Given(arm.name, answers[arm.name][key], marks[key][arm.name], scores.get((arm.name, key)), bool(arm.system))
                for arm in m.arms
                for key in [choice.question]
            ],
            why=f"Shown because: {choice.why}.",
        )
        for choice in diagnosis.choose_examples(marks, m.golds, m.comparison.reference, rival)
    ]


def _scores(m: Material) -> dict[tuple[str, str], float]:
    """(arm, question) -> its score, of each arm's lowest seed."""
    rows = {arm.name: m.rows[arm.name, arm.seeds[0]] for arm in m.arms}
    return {(name, row["question"]): row[m.comparison.metric] for name, part in rows.items() for row in part}


def example(question: str, gold: Gold, given: Sequence[Given], why: str = "") -> dict[str, Any]:
    """What templates/example.html knows of a question."""
    return {"why": why, "question": question, "gold": gold, "given": given, "shown": shown(given, gold)}


def shown(given: Iterable[Given], gold: Gold) -> list[dict[str, Any]]:
    """What the arms were given, once for all with the same prompt."""
    groups: dict[str, list[Given]] = {}
    for one in given:
        groups.setdefault(one.answer.prompt, []).append(one)
    spans = [span for piece in gold.evidence for span in piece.spans]

    def passage(hit: Hit) -> dict[str, Any]:
        return {"hit": hit, "pieces": diagnosis.marked(hit.chunk.text, hit.chunk.span, spans)}

    return [
        {
            "arms": [one.label for one in ones],
            "prompt": prompt,
            "passages": [passage(hit) for hit in ones[0].answer.hits or ()],
            "retrieves": ones[0].answer.hits is not None,
            "system": ones[0].system,
            "read": ones[0].answer.contexts or (),
        }
        for prompt, ones in groups.items()
    ]


def marks_of(m: Material, frame: Any, answers: Mapping[tuple[str, int], Answer], gold: Gold) -> dict[tuple[str, int], str]:
    """(arm, seed) -> the mark of its answer to one question. The frame is that of scoring.scores_frame, this question's rows."""
    texts = {place: {gold.id: answer.text} for place, answer in answers.items()}
    told = ladder.with_texts(frame, texts, [gold], m.comparison.metric, m.base)
    found: dict[tuple[str, int], str] = {}
    for seed in told["seed"].unique():
        own = told[told["seed"] == seed]
        marks = ladder.marks(own, m.comparison.metric, dict.fromkeys(own["arm"], int(seed)), [gold])
        found |= {(arm, int(seed)): mark for arm, mark in marks[gold.id].items()}
    return found
