"""The sheet for reviewers: whom it holds and why, what stands in it, and what is refused when it comes back."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from made_run import DEFAULT, Plan, make_run

from ragft.errors import InputError
from ragft.judges import UNANSWERED
from ragft.review import read_review
from ragft.reviewsheet import BOTH, COLUMNS, DECLINED, DISPUTED, SAMPLE, read_verdicts, review_of, review_rows, store_review, write_review_sheet
from ragft.scoring import finished, read_gold
from ragft.store import Run, find_run, read_jsonl_as, write_jsonl
from ragft.study import score_run
from ragft.types import Answer, Chunk, Evidence, Question, Span

CONTROLLED = {**DEFAULT, "swap": {"tuning": "lora", "format": "shuffled"}}
WEAK = {"oracle": 4, "rag": 3, "rag+lora": 4, "swap": 10}  # out of ten: the control has right what all others have wrong


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "run", Plan(documents=30, arms=CONTROLLED, skill=WEAK, error="rag"))


@pytest.fixture
def run(made, tmp_path) -> Run:
    shutil.copytree(made.folder, tmp_path / "run")
    return find_run(tmp_path / "run")


def rows_of(path: Path) -> list[dict]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def fill(path: Path, verdict, delimiter: str = ",") -> list[dict]:
    """Write `verdict(row)` into each row of a sheet, as a spreadsheet would."""
    rows = [{**row, "verdict": verdict(row)} for row in rows_of(path)]
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8")
    return rows


def answers_in(row: dict) -> list[tuple[list[str], str]]:
    """What stands under `answers`: arms and words."""
    return [(arms.split(", "), words) for arms, words in (part.split(": ", 1) for part in row["answers"].split(" | "))]


def all_wrong(run: Run) -> set[str]:
    """By the stored scores, one after another: no arm but the control has it right, and two or more have a score of it."""
    right, answered = set(), {}
    for arm, seed in finished(run):
        if arm != "swap":
            for row in read_jsonl_as(dict, run.seed_folder(arm, seed) / "scores.jsonl"):
                right |= {row["question"]} if row["match"] == 1 else set()
                answered.setdefault(row["question"], set()).update([arm] if row["match"] is not None else [])
    return {question for question, arms in answered.items() if len(arms) >= 2} - right


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_holds_a_sample_and_every_question_that_all_arms_have_wrong(run, tmp_path):
    sheet = write_review_sheet(run, tmp_path / "r.csv", 20)
    rows, disputed = rows_of(tmp_path / "r.csv"), all_wrong(run)
    why = Counter(row["why"] for row in rows)
    assert (sheet.sampled, sheet.further) == (20, why[DISPUTED]) and why[SAMPLE] + why[BOTH] == 20
    assert min(why[SAMPLE], why[BOTH], why[DISPUTED]) > 0, "the fixture has all three"
    assert {row["id"] for row in rows if row["why"] in (DISPUTED, BOTH)} == disputed
    assert not {row["id"] for row in rows if row["why"] == SAMPLE} & disputed
    assert [row["why"] == DISPUTED for row in rows] == sorted(row["why"] == DISPUTED for row in rows), "the sample comes first"
    assert len({row["id"] for row in rows}) == len(rows)


def test_the_sample_is_in_proportion_and_the_same_every_time(run, tmp_path):
    write_review_sheet(run, tmp_path / "a.csv", 20)
    write_review_sheet(run, tmp_path / "b.csv", 20)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    drawn = Counter(row["stratum"] for row in rows_of(tmp_path / "a.csv") if row["why"] != DISPUTED)
    every = Counter(gold.stratum for gold in read_gold(run))
    assert len(every) == 2 and all(abs(drawn[name] - 20 * number / every.total()) <= 1 for name, number in every.items())
    assert write_review_sheet(run, tmp_path / "all.csv", 1000).sampled == 60


def test_a_control_and_a_failed_answer_make_no_dispute(run, tmp_path):
    """The control has questions right that all others have wrong; were all answers but one arm's failed, one arm alone is not all."""
    write_review_sheet(run, tmp_path / "a.csv", 1)
    question = next(row["id"] for row in rows_of(tmp_path / "a.csv") if row["why"] == DISPUTED)
    for arm, seed in finished(run):
        if arm != "base":
            path = run.seed_folder(arm, seed) / "answers.jsonl"
            answers = read_jsonl_as(Answer, path)
            write_jsonl(path, [replace(a, outcome="error", text="", error="E") if a.question == question else a for a in answers])
    score_run(run)
    write_review_sheet(run, tmp_path / "b.csv", 1)
    before, after = ({row["id"] for row in rows_of(tmp_path / name) if row["why"] != SAMPLE} for name in ("a.csv", "b.csv"))
    assert before - after == {question}


def test_what_a_reviewer_needs_stands_in_a_row(run, tmp_path):
    write_jsonl(
        run.folder / "artifacts/index-1/chunks.jsonl",
        [
            Chunk("d00.md:0-6", Span("d00.md", 0, 6), "The ki", "h"),
            Chunk("d00.md:4-31", Span("d00.md", 4, 31), "king of bars is 0 bar here.", "h"),
            Chunk("d01.md:0-6", Span("d01.md", 0, 6), "Others", "h"),
        ],
    )
    write_review_sheet(run, tmp_path / "r.csv", 60)
    rows = {row["id"]: row for row in rows_of(tmp_path / "r.csv")}
    first = rows["q00"]
    assert first["question"] == "What is value q00?" and first["reference"] == "0 bar" and first["document"] == "d00.md"
    assert first["evidence"] == "king of", "characters 4 to 12 from two chunks that overlap, once"
    assert (first["verdict"], first["note"]) == ("", "") and tuple(first) == COLUMNS
    assert rows["q04"]["reference"] == UNANSWERED and rows["q04"]["stratum"] == "unanswerable"
    assert "swap" not in "".join(row["answers"] for row in rows.values())
    by_arm = {arm: {a.question: a for a in read_jsonl_as(Answer, run.seed_folder(arm, 0) / "answers.jsonl")} for arm in ("base", "oracle")}
    for question, row in rows.items():
        for arm, answers in by_arm.items():
            said = DECLINED if answers[question].outcome == "abstained" else answers[question].text
            assert said in [words for arms, words in answers_in(row) if arm in arms]
    assert {arm for arms, _ in answers_in(first) for arm in arms} == {"base", "oracle", "lora", "rag+lora"}, "the answer of rag failed"


def test_what_many_arms_say_with_one_voice_comes_first(run, tmp_path):
    write_review_sheet(run, tmp_path / "r.csv", 1)
    rows = [row for row in rows_of(tmp_path / "r.csv") if row["why"] == DISPUTED]
    alike = [max((len(arms) for arms, words in answers_in(row) if words != DECLINED), default=0) for row in rows]
    assert alike == sorted(alike, reverse=True) and len(set(alike)) > 1


def test_no_cell_is_a_formula_and_the_sheet_is_still_read(run, tmp_path):
    questions = read_jsonl_as(Question, run.folder / "questions.jsonl")
    write_jsonl(run.folder / "questions.jsonl", [replace(q, text=f"=HYPERLINK({q.id})") for q in questions])
    write_review_sheet(run, tmp_path / "r.csv", 60)
    rows = fill(tmp_path / "r.csv", lambda row: "ok")
    assert all(row["question"].startswith("'=") for row in rows)
    assert len(read_verdicts(run, tmp_path / "r.csv").rows) == len(rows)


def test_it_is_never_overwritten(run, tmp_path):
    write_review_sheet(run, tmp_path / "r.csv", 3)
    fill(tmp_path / "r.csv", lambda row: "ok")
    before = (tmp_path / "r.csv").read_bytes()
    with pytest.raises(InputError, match="may hold verdicts"):
        write_review_sheet(run, tmp_path / "r.csv", 3)
    assert (tmp_path / "r.csv").read_bytes() == before


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_rate_is_that_of_the_sample(run, tmp_path, delimiter):
    write_review_sheet(run, tmp_path / "r.csv", 20)
    rows = fill(tmp_path / "r.csv", lambda row: " Wrong " if row["why"] == DISPUTED else "AMBIGUOUS" if row["id"] < "q10" else "ok", delimiter)
    sample = [row for row in rows if row["why"] != DISPUTED]
    found = read_verdicts(run, tmp_path / "r.csv")
    wrong = sum(row["id"] < "q10" for row in sample)
    assert wrong and (found.rate.wrong, found.rate.judged, found.rate.total, found.sampled, found.unjudged) == (wrong, 20, 60, 20, 0)
    assert len(found.rows) == len(rows) and len(found.wrong) == wrong + len(rows) - 20
    assert {row.verdict for row in found.rows} == {"wrong", "ambiguous", "ok"}
    assert found.rate.least >= len(found.wrong), "no fewer can be wrong than were found to be"
    store_review(run, found)
    assert read_review(run) == found


def test_a_sheet_from_a_chinese_spreadsheet_is_read_or_refused(made, tmp_path):
    """Such a one saves in GB18030, without a mark, with semicolons and Windows' line ends."""

    def returned(run: Run) -> Path:
        path = tmp_path / f"{run.folder.parent.name}.csv"
        write_review_sheet(run, path, 10)
        rows = [{**row, "verdict": "Wrong", "note": "“参考答案”不完整"} for row in rows_of(path)]
        with path.open("w", newline="", encoding="gb18030") as file:
            writer = csv.DictWriter(file, COLUMNS, delimiter=";", lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(rows)
        return path

    chinese = make_run(tmp_path / "zh" / "run", Plan(text="冷却剂"))
    found = read_verdicts(chinese, returned(chinese))
    assert {row.note for row in found.rows} == {"“参考答案”不完整"} and {row.verdict for row in found.rows} == {"wrong"}
    with pytest.raises(InputError, match=r"\.csv:2: not UTF-8, and what is written here cannot be read for sure"):  # its questions are plain English
        read_verdicts(made, returned(made))


def test_what_is_not_judged_is_counted_and_left_out(run, tmp_path):
    write_review_sheet(run, tmp_path / "r.csv", 20)
    left = [row["id"] for row in rows_of(tmp_path / "r.csv")][12:]
    found = (fill(tmp_path / "r.csv", lambda row: "" if row["id"] in left else "ok"), read_verdicts(run, tmp_path / "r.csv"))[1]
    assert (found.rate.judged, found.rate.wrong, found.sampled, found.unjudged) == (12, 0, 20, len(left))


def test_when_all_are_judged_the_rate_is_known(run, tmp_path):
    write_review_sheet(run, tmp_path / "r.csv", 60)
    fill(tmp_path / "r.csv", lambda row: "wrong" if row["id"] in ("q01", "q02") else "ok")
    rate = read_verdicts(run, tmp_path / "r.csv").rate
    assert (rate.wrong, rate.judged, rate.least, rate.most, rate.low) == (2, 60, 2, 2, 2 / 60)


def test_it_is_known_too_where_the_sample_and_the_disputed_are_all(run, tmp_path):
    for number in range(59, 0, -1):
        path = tmp_path / f"{number}.csv"
        if (sheet := write_review_sheet(run, path, number)).further and sheet.sampled + sheet.further == 60:
            break
    else:
        pytest.fail("no such sample: another fixture is needed")
    rows = fill(path, lambda row: "wrong" if row["why"] == DISPUTED else "ok")
    rate = read_verdicts(run, path).rate
    wrong = sum(row["why"] == DISPUTED for row in rows)
    assert (rate.wrong, rate.judged, rate.least, rate.most, rate.value) == (wrong, 60, wrong, wrong, wrong / 60)


def test_a_verdict_undone_after_all_were_given_leaves_the_sample_that_was_drawn(run):
    for number in range(59, 0, -1):
        rows = review_rows(run, number)
        if len(rows) == 60 and sum(row.sampled for row in rows) == number:
            break
    every = {row.gold.id: ("ok", "") for row in rows}
    whole = review_of(run, rows, every)
    assert (whole.rate.judged, whole.sampled) == (60, number)
    beside = next(row.gold.id for row in rows if not row.sampled)
    undone = review_of(run, review_rows(run, whole.sampled), {key: said for key, said in every.items() if key != beside}, whole)
    assert (undone.rate.judged, undone.sampled, undone.unjudged) == (number, number, 1)


def change(rows: list[dict], number: int, **cells: str) -> list[dict]:
    return [{**row, **cells} if i == number else row for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (
            lambda rows: change(rows, 1, verdict="maybe"),
            r"r\.csv:3: 'maybe' is no verdict\. Write one of ok, wrong, ambiguous, unanswerable, or nothing",
        ),
        (lambda rows: change(rows, 1, id="q99"), r"r\.csv:3: no held-out question of this run has the id 'q99'"),
        (lambda rows: change(rows, 1, question="What is it?"), r"r\.csv:3: '\w+' is another question in this run"),
        (lambda rows: change(rows, 1, why="mine"), r"r\.csv:3: 'mine' under 'why'"),
        (lambda rows: change(rows, 1, why=DISPUTED), r"its sample is not the one that was drawn"),
        (lambda rows: rows[1:], "rows were removed, or the column 'why' was changed"),
        (lambda rows: [{**row, "verdict": ""} for row in rows], "holds no verdict. Write one of ok, wrong, ambiguous, unanswerable"),
        (lambda rows: [*rows, rows[0]], "stands in line 2 already"),
    ],
)
def test_a_wrong_sheet_is_refused_with_its_line(run, tmp_path, alter, message):
    path = tmp_path / "r.csv"
    write_review_sheet(run, path, 20)
    rows = alter(fill(path, lambda row: "ok"))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError, match=message):
        read_verdicts(run, path)


def test_evidence_may_stand_in_several_pieces(run, tmp_path):
    gold = read_gold(run)
    pieces = (Evidence((Span("d00.md", 0, 3), Span("d01.md", 0, 3))), Evidence((Span("d01.md", 4, 7),)), Evidence((Span("gone.md", 0, 3),)))
    write_jsonl(run.folder / "gold.jsonl", [replace(gold[0], evidence=pieces), *gold[1:]])
    chunks = [Chunk(f"{name}:0-7", Span(name, 0, 7), f"abc {name[1:3]}z", "h") for name in ("d00.md", "d01.md")]
    write_jsonl(run.folder / "artifacts/index-1/chunks.jsonl", chunks)
    write_review_sheet(run, tmp_path / "r.csv", 60)
    assert next(row for row in rows_of(tmp_path / "r.csv") if row["id"] == "q00")["evidence"] == "abc | 01z"
