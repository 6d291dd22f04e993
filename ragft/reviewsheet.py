"""The sheet on which people judge the labels of a run's held-out questions: a random sample, and all that every arm has wrong.

    write_review_sheet(run, Path("review.csv"), 60)     # then somebody fills in the column `verdict`
    review = read_verdicts(run, Path("review.csv"))

The sample is drawn in proportion from every stratum and kind. Whoever judges from the top and stops early still leaves a random one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ragft.agreement import sample_questions
from ragft.answerlog import question_lines, records_at
from ragft.compare import ScoreTable
from ragft.errors import InputError
from ragft.judges import UNANSWERED
from ragft.labelrate import label_rate
from ragft.ladder import RIGHT
from ragft.review import FILE, OK, VERDICTS, Review, Reviewed, inputs_of, question_texts
from ragft.scoring import finished, own_chunks, read_gold, score_table
from ragft.settings import load_study
from ragft.sheets import cell, read_sheet, refuse_old, same_text, write_sheet
from ragft.store import Run, write_json
from ragft.types import Answer, Chunk, Gold, Span

COLUMNS = ("id", "why", "kind", "stratum", "question", "reference", "document", "evidence", "answers", "verdict", "note")
SAMPLE, DISPUTED, BOTH = "sample", "all arms disagree", "both"
BETWEEN = " | "
DECLINED = "(declined to answer)"
MOST_ANSWERS, LONGEST = 6, 200  # different answers in a cell, and characters of each
LONGEST_QUOTE = 1000  # characters: where no quote is given the evidence is a whole document, which no cell holds


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet that was written."""

    path: Path
    sampled: int
    further: int  # rows that are there only because all arms disagree


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_review_sheet(run: Run, path: Path, number: int) -> Sheet:
    """A CSV with a sample of `number` questions, then all others that every arm has wrong, and an empty column `verdict`.

    The same sample every time. Raises InputError where the file is there already, MissingError while an arm has not answered.
    """
    refuse_old(path, "verdicts")
    rows = review_rows(run, number)
    write_sheet(path, COLUMNS, [_cells(row) for row in rows])
    sampled = sum(row.sampled for row in rows)
    return Sheet(path, sampled, len(rows) - sampled)


@dataclass(frozen=True)
class Row:
    """A question to judge, with what a reviewer needs to know."""

    why: str  # SAMPLE, DISPUTED or BOTH
    gold: Gold
    question: str
    evidence: str  # the quotes; "" where there are none, or no arm retrieves
    answers: Mapping[str, Sequence[str]]  # the words of an answer -> the arms that gave it, under any seed

    @property
    def sampled(self) -> bool:
        return self.why in (SAMPLE, BOTH)

    @property
    def disputed(self) -> bool:
        return self.why in (DISPUTED, BOTH)


def review_rows(run: Run, number: int) -> list[Row]:
    """A random sample of `number` questions, then all others that every arm has wrong. The same ones every time.

    Raises MissingError while an arm has not answered.
    """
    study, golds, texts = load_study(run.folder / "study.yaml"), read_gold(run), question_texts(run)
    table = score_table(run, study.metric, study.reference)
    disputed, drawn = _disputed(table), _drawn(golds, number)
    others = [gold.id for gold in golds if gold.id in disputed and gold.id not in drawn]
    said = _said(run, [arm.name for arm in table.arms if not arm.control], [*drawn, *others])
    further = sorted(others, key=lambda question: -_alike(said.get(question, {})))
    by_id, chunks = {gold.id: gold for gold in golds}, _chunks(run)
    whys = {key: DISPUTED if key not in drawn else BOTH if key in disputed else SAMPLE for key in (*drawn, *further)}
    return [Row(why, by_id[key], texts[key], _quotes(by_id[key], chunks), said.get(key, {})) for key, why in whys.items()]


def _cells(row: Row) -> list[str]:
    gold, reference = row.gold, BETWEEN.join(dict.fromkeys(row.gold.answers)) or UNANSWERED
    cells = [row.why, gold.kind, gold.stratum, row.question, reference, gold.document, row.evidence, _listed(row.answers), "", ""]
    return [gold.id, *(" ".join(text.split()) for text in cells)]  # a row is a line, so that an error names the row of a spreadsheet


def _drawn(golds: Sequence[Gold], number: int) -> list[str]:
    """The sample, in random order."""
    return [golds[place].id for place in sample_questions([f"{gold.stratum} / {gold.kind}" for gold in golds], number, seed=0)]


def _disputed(table: ScoreTable) -> set[str]:
    """The questions that every arm but the controls has wrong under every seed. A failed answer says nothing, and one arm alone is not "all"."""
    arms = [arm for arm in table.arms if not arm.control]
    answered = np.sum([~np.isnan(arm.scores).all(axis=0) for arm in arms], axis=0) >= 2
    right = np.any([(arm.scores >= RIGHT).any(axis=0) for arm in arms], axis=0)
    return {question for question, found in zip(table.questions, answered & ~right, strict=True) if found}


def _said(run: Run, arms: Collection[str], questions: Collection[str]) -> dict[str, dict[str, list[str]]]:
    """question -> the words of an answer -> the arms that gave it, under any seed."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, seed in finished(run):
        if name not in arms:
            continue
        path = run.seed_folder(name, seed) / "answers.jsonl"
        places = question_lines(path)
        for answer in records_at(Answer, path, [places[key] for key in questions if key in places]):
            if answer.outcome != "error":
                words = DECLINED if answer.outcome == "abstained" else " ".join(answer.text.split())
                names = found.setdefault(answer.question, {}).setdefault(words, [])
                names += [name] if name not in names else []
    return found


def _alike(answers: Mapping[str, Sequence[str]]) -> int:
    """How many arms gave one and the same answer: where many did and the label says otherwise, the label is the first suspect."""
    return max((len(arms) for words, arms in answers.items() if words != DECLINED), default=0)


def _listed(answers: Mapping[str, Sequence[str]]) -> str:
    """The different answers with their arms, those of many arms first."""
    ordered = sorted(answers.items(), key=lambda item: -len(item[1]))
    shown = [f"{', '.join(arms)}: {words if len(words) <= LONGEST else words[: LONGEST - 1] + '…'}" for words, arms in ordered[:MOST_ANSWERS]]
    return BETWEEN.join([*shown, *([f"and {len(ordered) - MOST_ANSWERS} other answers"] if len(ordered) > MOST_ANSWERS else [])])


def _chunks(run: Run) -> dict[str, list[Chunk]]:
    """The run's chunks by document, in order; none where no arm retrieves."""
    found: dict[str, list[Chunk]] = {}
    for chunk in sorted(own_chunks(run), key=lambda chunk: chunk.span.start):
        found.setdefault(chunk.span.document, []).append(chunk)
    return found


def _quotes(gold: Gold, chunks: Mapping[str, Sequence[Chunk]]) -> str:
    """Each piece of evidence, at the first place where it stands. From the chunks, for the run's documents may be gone."""
    quotes = (_words_at(piece.spans[0], chunks) for piece in gold.evidence if piece.spans)
    return BETWEEN.join(words if len(words) <= LONGEST_QUOTE else words[: LONGEST_QUOTE - 1] + "…" for words in quotes if words)


def _words_at(span: Span, chunks: Mapping[str, Sequence[Chunk]]) -> str:
    words, place = "", span.start
    for chunk in chunks.get(span.document, ()):
        start, end = chunk.span.start, min(chunk.span.end, span.end)
        if end > place and start < span.end:  # chunks may overlap, or leave white space between them
            words += (" " if start > place else "") + chunk.text[max(0, place - start) : end - start]
            place = end
    return " ".join(words.split())


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_verdicts(run: Run, path: Path) -> Review:
    """What stands in a filled-in sheet. Case and spaces of a verdict do not matter; none: not judged yet.

    Raises InputError, with the line, for what is no verdict, an id or words that are not of this run, and where rows of the
    sample were removed, for what is left would be no random sample.
    """
    golds, texts, rows, unjudged = read_gold(run), question_texts(run), list[Reviewed](), 0
    ids = {cell(key): key for key in texts} | {key: key for key in texts}
    taken = ("id", "verdict", "note")
    lines = read_sheet(path, ("id", "why", "question", "verdict"), COLUMNS, taken, lambda row: texts.get(ids.get(row["id"], "")))
    sampled = [ids.get(row["id"], "") for _, row in lines if row["why"].lower() in (SAMPLE, BOTH)]
    for line, row in lines:
        question, verdict = _checked(row, f"{path}:{line}", ids, texts)
        if verdict:
            why = row["why"].lower()
            rows.append(Reviewed(question, why in (SAMPLE, BOTH), why in (DISPUTED, BOTH), verdict, row.get("note", "")))
        unjudged += not verdict
    if set(sampled) != set(_drawn(golds, len(sampled))):
        raise InputError(
            f"{path}: its sample is not the one that was drawn: rows were removed, or the column 'why' was changed. "
            "Take all rows as they were written, and leave the verdict empty where you cannot judge."
        )
    if not rows:
        raise InputError(f"{path}: holds no verdict. Write one of {', '.join(VERDICTS)} into the column 'verdict'.")
    return _review(run, rows, len(golds), len(sampled), unjudged)


def _checked(row: Mapping[str, str], place: str, ids: Mapping[str, str], texts: Mapping[str, str]) -> tuple[str, str]:
    """The question's id and the verdict, "" for none."""
    key, verdict = row["id"], " ".join(row["verdict"].lower().split())
    if key not in ids:
        raise InputError(f"{place}: no held-out question of this run has the id '{key}'. Fill in a sheet that was written for it.")
    if not same_text(row["question"], texts[ids[key]]):
        raise InputError(f"{place}: '{ids[key]}' is another question in this run. Fill in a sheet that was written for it.")
    if row["why"].lower() not in (SAMPLE, DISPUTED, BOTH):
        raise InputError(f"{place}: '{row['why']}' under 'why'. It is one of {SAMPLE}, {DISPUTED}, {BOTH}: leave it as it was written.")
    if verdict and verdict not in VERDICTS:
        raise InputError(f"{place}: '{row['verdict']}' is no verdict. Write one of {', '.join(VERDICTS)}, or nothing where you have not judged yet.")
    return ids[key], verdict


def _review(run: Run, rows: Sequence[Reviewed], total: int, sampled: int, unjudged: int) -> Review:
    drawn = rows if len(rows) == total else [row for row in rows if row.sampled]  # of all questions, none is missing: no sample is needed
    wrong, known_wrong = (sum(row.verdict != OK for row in some) for some in (drawn, rows))
    rate = label_rate(wrong, len(drawn), total, known_wrong=known_wrong, known_right=len(rows) - known_wrong)
    return Review(inputs_of(run), rate, sampled, unjudged, tuple(rows))


def review_of(run: Run, rows: Sequence[Row], verdicts: Mapping[str, tuple[str, str]], before: Review | None = None) -> Review:
    """The review of these rows: question -> its verdict, of VERDICTS, and a note. What `before` says of other questions stays."""
    here = {row.gold.id for row in rows}
    judged = [Reviewed(row.gold.id, row.sampled, row.disputed, *verdicts[row.gold.id]) for row in rows if row.gold.id in verdicts]
    kept = [row for row in (before.rows if before else ()) if row.question not in here]
    sampled = sum(row.sampled for row in rows)
    return _review(run, [*judged, *kept], len(read_gold(run)), sampled, len(rows) - len(judged))


def store_review(run: Run, review: Review) -> None:
    """As review.json: the next verdict of the run takes it into account. A review without a verdict is none."""
    if review.rows:
        write_json(run.folder / FILE, review)
    else:
        (run.folder / FILE).unlink(missing_ok=True)
