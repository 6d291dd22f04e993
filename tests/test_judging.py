"""A judge over a run: every answer once and blindly, stopped and gone on with, label sheets, and what the labels make of the grades."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from made_run import EVIL, Plan, make_run

from ragft.agreement import corrected
from ragft.errors import InputError, MismatchError, MissingError
from ragft.judged import Judged, assess, read_judged
from ragft.judges import UNANSWERED, Grade, Item
from ragft.judgetext import judged_text
from ragft.judging import Graded, judge_run
from ragft.labels import COLUMNS, Labels, answers_to_grade, read_labels, write_label_sheet
from ragft.pages import environment
from ragft.store import Run, find_run, read_jsonl_as, write_jsonl
from ragft.types import Answer

ARMS = {
    "base": {},
    "oracle": {"retriever": "oracle"},
    "rag": {"retriever": "bm25"},
    "lora": {"tuning": "lora"},
    "rag+lora": {"retriever": "bm25", "tuning": "lora"},
}


def truth(item: Item) -> float:
    """What a person would say of the made answers."""
    return float(item.answer.strip() in item.references if item.references else item.answer == "I don't know.")


class Fake:
    """A judge that says the truth but where `errs` says otherwise, and counts what it was asked."""

    def __init__(self, errs=lambda item, said: said, about: str = "fake"):
        self.errs, self.about = errs, about
        self.asked: list[Item] = []

    def grade(self, items):
        self.asked += items
        return [Grade(score, "" if score is not None else "said nothing") for score in (self.errs(item, truth(item)) for item in items)]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("made") / "run", Plan(arms=ARMS, documents=30)).folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    shutil.copytree(made, tmp_path / "run")
    return find_run(tmp_path / "run")


def stored(run: Run, arm: str, seed: int = 0, name: str = "j") -> list[Graded]:
    return read_jsonl_as(Graded, run.seed_folder(arm, seed) / f"judge-{name}.jsonl")


def all_labels(run: Run, questions: int | None = None) -> Labels:
    """The truth of all answers to the first so many questions."""
    asked = answers_to_grade(run)
    chosen = list(dict.fromkeys(one.question for one in asked))[:questions]
    return Labels({one.key: truth(one.item) for one in asked if one.question in chosen}, len(chosen), 0)


def fill(
    path: Path,
    mark=lambda row: str(int(truth(Item("", tuple(row["reference"].split(" | ")) if row["reference"] != UNANSWERED else (), row["answer"])))),
    delimiter=",",
) -> list[dict]:
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    rows = [{**row, "correct": mark(row)} for row in rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8")
    return rows


# ── grading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_answer_gets_a_grade_and_the_same_words_are_asked_once(run):
    judge, seen = Fake(), []
    judge_run(run, judge, "j", lambda done, total: seen.append((done, total)))
    assert len(judge.asked) == len(set(judge.asked))
    assert seen[0] == (0, len(judge.asked))
    assert seen[-1] == (len(judge.asked), len(judge.asked))
    for arm, seeds in (("base", [0]), ("lora", [0, 1, 2])):
        for seed in seeds:
            answers = {a.question: a for a in read_jsonl_as(Answer, run.seed_folder(arm, seed) / "answers.jsonl")}
            rows = stored(run, arm, seed)
            assert sorted(row.question for row in rows) == sorted(answers)
            assert {row.judge for row in rows} == {"fake"}
    again = Fake()
    judge_run(run, again, "j", lambda done, total: pytest.fail("nothing is left to do"))
    assert again.asked == []


def test_nothing_tells_the_arm_and_arms_are_mixed(run):
    judge = Fake()
    judge_run(run, judge, "j")
    owners: dict[Item, set[str]] = {}
    for one in answers_to_grade(run):
        owners.setdefault(one.item, set()).add(one.arm)
        assert one.arm not in (one.item.question, one.item.answer)
    only = [next(iter(owners[item])) for item in judge.asked if len(owners[item]) == 1]
    assert sum(one != other for one, other in pairwise(only)) >= len(set(only))
    other = Fake()
    judge_run(run, other, "k")
    assert other.asked == judge.asked  # the same order every time


class KilledError(Exception):
    pass


def test_a_stopped_judge_goes_on_to_the_same_grades(run, made, tmp_path):
    def dies(item, said, left=[40]):  # noqa: B006 a counter
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return said

    with pytest.raises(KilledError):
        judge_run(run, Fake(dies), "j")
    half = [row for arm in ARMS for row in stored(run, arm)]
    assert 0 < len(half) < 300
    torn = run.seed_folder("lora", 1) / "judge-j.jsonl"
    torn.write_bytes(torn.read_bytes()[:-9])  # a kill in the middle of a line
    cut = run.seed_folder("lora", 2) / "judge-j.jsonl"
    cut.write_bytes(cut.read_bytes().rstrip(b"\n"))  # a line without its end
    rest = Fake()
    judge_run(run, rest, "j")
    shutil.copytree(made, tmp_path / "whole")
    whole, all_at_once = find_run(tmp_path / "whole"), Fake()
    judge_run(whole, all_at_once, "j")
    assert 0 < len(rest.asked) < len(all_at_once.asked)
    for arm in ARMS:
        for seed in run.seeds(arm):
            assert sorted(stored(run, arm, seed), key=lambda row: row.question) == sorted(stored(whole, arm, seed), key=lambda row: row.question)


def test_an_answer_given_anew_is_graded_anew(run):
    judge_run(run, Fake(), "j")
    path = run.seed_folder("base", 0) / "answers.jsonl"
    answers = read_jsonl_as(Answer, path)
    write_jsonl(path, [replace(answers[0], text="something new"), *answers[1:]])
    with pytest.raises(MissingError, match="1 answers are not graded yet, such as 'q00'"):
        assess(run, "j", None)
    again = Fake()
    judge_run(run, again, "j")
    assert [item.answer for item in again.asked] == ["something new"]
    assess(run, "j", None)


def test_two_judges_are_never_mixed(run):
    judge_run(run, Fake(), "j")
    with pytest.raises(MismatchError, match="graded by fake, not by another"):
        judge_run(run, Fake(about="another"), "j")
    judge_run(run, Fake(about="another"), "k")
    with pytest.raises(MissingError, match="ragft judge"):
        assess(run, "nobody", None)
    for path in run.folder.glob("arms/base/seed-0/judge-k.jsonl"):
        shutil.copy(path, path.with_name("judge-j.jsonl"))
    with pytest.raises(MismatchError, match="another and fake"):
        assess(run, "j", None)


def test_a_judge_that_never_answers_stops_at_once_and_leaves_nothing(run):
    silent = Fake(lambda item, said: None)
    with pytest.raises(InputError, match=r"judge fake: no grade for any of 16 answers \(said nothing\)"):
        judge_run(run, silent, "j")
    assert len(silent.asked) == 16
    assert not list(run.folder.rglob("judge-*"))


def test_failures_are_kept_counted_and_never_scored(run):
    fails = Fake(lambda item, said: None if item.answer == "3 bar" else said)
    judge_run(run, fails, "j")
    found = assess(run, "j", all_labels(run))
    by_arm = {arm.arm: arm for arm in found.arms}
    assert by_arm["rag"].failures == sum(row.score is None for row in stored(run, "rag")) == 1
    assert by_arm["rag"].grade == pytest.approx(np.mean([row.score for row in stored(run, "rag") if row.score is not None]))
    assert by_arm["rag"].with_metric.n == 59
    assert by_arm["rag"].corrected.estimate.n == 59
    assert by_arm["base"].failures == 0
    assert found.blocked == ""


def test_an_answer_that_failed_is_not_for_a_judge(tmp_path):
    run = make_run(tmp_path / "run", Plan(arms=ARMS, error="rag", dead="lora"))
    judge_run(run, Fake(), "j")
    found = assess(run, "j", all_labels(run))
    by_arm = {arm.arm: arm for arm in found.arms}
    assert (by_arm["rag"].answers, by_arm["rag"].failures) == (19, 0)
    assert (by_arm["lora"].answers, by_arm["lora"].grade, by_arm["lora"].corrected) == (0, None, None)
    assert [d.arm for d in found.differences] == ["base", "rag+lora"]
    assert any("lora" in line and "not compared" in line for line in found.warnings)
    assert found.blocked == ""


# ── labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sheet_holds_all_answers_of_its_questions_once_and_no_arm(run, tmp_path):
    sheet = write_label_sheet(run, tmp_path / "sheet.csv", 12)
    rows = fill(tmp_path / "sheet.csv")
    assert (sheet.questions, sheet.answers) == (12, len(rows))
    keys = {one.key: one.question for one in answers_to_grade(run)}
    questions = {keys[row["id"]] for row in rows}
    assert len(questions) == 12
    assert sorted(row["id"] for row in rows) == sorted(key for key, question in keys.items() if question in questions)
    assert {key for row in rows for key in row} == set(COLUMNS)
    assert len({question for one in answers_to_grade(run) if (question := one.question) in questions and one.arm == "lora"}) == 12
    labels = read_labels(run, tmp_path / "sheet.csv")
    assert (labels.questions, labels.skipped) == (12, 0)
    assert labels.correct == {row["id"]: float(row["correct"]) for row in rows}


def test_a_sheet_is_the_same_for_the_same_seed_and_never_overwritten(run, tmp_path):
    texts = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_label_sheet(run, tmp_path / name, 12, seed)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1] != texts[2]
    with pytest.raises(InputError, match="may hold labels"):
        write_label_sheet(run, tmp_path / "a", 12)
    assert write_label_sheet(run, tmp_path / "all", 1000).questions == 60


def test_no_cell_of_a_sheet_is_a_formula(run, tmp_path):
    path = run.seed_folder("base", 0) / "answers.jsonl"
    texts = ["=1+1", "+HYPERLINK()", "@SUM(A1)", "-5 °C", 'say "a,b"\nand more']
    answers = read_jsonl_as(Answer, path)
    write_jsonl(path, [replace(a, text=text) for a, text in zip(answers, texts, strict=False)] + answers[len(texts) :])
    write_label_sheet(run, tmp_path / "sheet.csv", 60)
    found = {row["answer"] for row in fill(tmp_path / "sheet.csv", lambda row: "yes")}
    assert {"'=1+1", "'+HYPERLINK()", "'@SUM(A1)", "-5 °C", 'say "a,b"\nand more'} <= found
    assert read_labels(run, tmp_path / "sheet.csv").questions == 60


@pytest.mark.parametrize(("one", "zero"), [("1", "0"), ("yes", "no"), ("TRUE", "FALSE"), (" Yes ", "No")])
def test_labels_as_people_and_spreadsheets_write_them(run, tmp_path, one, zero):
    write_label_sheet(run, tmp_path / "sheet.csv", 5)
    rows = fill(tmp_path / "sheet.csv", lambda row: one if "bar" in row["answer"] else zero, delimiter=";")
    found = read_labels(run, tmp_path / "sheet.csv").correct
    assert found == {row["id"]: float("bar" in row["answer"]) for row in rows}


def test_stopping_early_is_fine_and_said(run, tmp_path):
    write_label_sheet(run, tmp_path / "sheet.csv", 12)
    keys = {one.key: one.question for one in answers_to_grade(run)}
    rows = fill(tmp_path / "sheet.csv")
    first = list(dict.fromkeys(keys[row["id"]] for row in rows))[:4]
    fill(tmp_path / "sheet.csv", lambda row: row["correct"] if keys[row["id"]] in first else "")
    labels = read_labels(run, tmp_path / "sheet.csv")
    assert (labels.questions, labels.skipped) == (4, 8)
    judge_run(run, Fake(), "j")
    warnings = assess(run, "j", labels).warnings
    assert any("8 of 12 questions of the sheet are not labelled" in line for line in warnings)
    assert any("Only 4 documents have a labelled question" in line for line in warnings)


def sheet_with(run: Run, tmp_path: Path, change) -> Path:
    path = tmp_path / "sheet.csv"
    write_label_sheet(run, path, 6)
    fill(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")
    return path


def relabelled(lines: list[str], number: int, mark: str) -> list[str]:
    return [line[: line.rindex(",") + 1] + mark if i == number else line for i, line in enumerate(lines)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: relabelled(lines, 2, "maybe"), r"sheet.csv:3: 'maybe' is no label. Write one of 1, yes, true, 0, no, false"),
        (lambda lines: relabelled(lines, 2, "0.5"), "'0.5' is no label"),
        (lambda lines: [*lines, lines[3]], r"the id '\w+' stands in line 4 already"),
        (lambda lines: [*lines, "feed12345678,q,r,a,1"], "has the id 'feed12345678'. Label a sheet that was written for this run"),
        (lambda lines: ["key,answer,mark", *lines[1:]], "sheet.csv:1: there is no column 'correct'"),
        (lambda lines: [], "sheet.csv:1: there is no column 'correct'"),
        (lambda lines: lines[:1], "holds no label"),
        (lambda lines: [line[: line.rindex(",") + 1] for line in lines[:1]] + lines[1:], "there is no column 'correct'"),
    ],
)
def test_a_wrong_sheet_is_refused_with_its_line(run, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        read_labels(run, sheet_with(run, tmp_path, change))


def test_a_question_of_which_some_answers_are_labelled_is_refused(run, tmp_path):
    keys = {one.key: one.question for one in answers_to_grade(run)}
    path = sheet_with(run, tmp_path, lambda lines: lines)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    several = next(i for i, row in enumerate(rows) if sum(keys[other["id"]] == keys[row["id"]] for other in rows) > 1)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(relabelled(lines, several + 1, "")) + "\n")
    with pytest.raises(InputError, match=rf"sheet.csv:{several + 2}: question '{keys[rows[several]['id']]}' has labels for some answers only"):
        read_labels(run, path)
    path.write_text("\n".join(line for i, line in enumerate(lines) if i != several + 1) + "\n")
    with pytest.raises(InputError, match=f"lines of question '{keys[rows[several]['id']]}' are missing"):
        read_labels(run, path)


# ── what the grades are worth ────────────────────────────────────────────────────────────────────────────────────────


def test_without_labels_no_verdict_but_agreement_with_the_metric(run):
    judge_run(run, Fake(), "j")
    found = assess(run, "j", None)
    assert found.blocked == "Without human labels nobody knows how often this judge errs, and in whose favour."
    assert (found.labelled, found.labels, found.alike) == (0, 0, None)
    for arm in found.arms:
        assert arm.with_metric.share == 1.0  # the made answers are such that match is right
        assert (arm.with_people, arm.errors, arm.corrected, arm.low) == (None, None, None, None)
    assert [d.corrected for d in found.differences] == [None] * 3
    assert read_judged(run) == [found]


def test_a_judge_who_is_right_needs_no_correction(run):
    judge_run(run, Fake(), "j")
    found = assess(run, "j", all_labels(run))
    assert found.blocked == ""
    assert [d.arm for d in found.differences] == ["base", "lora", "rag+lora"]
    for difference in found.differences:
        assert difference.corrected.estimate.mean == pytest.approx(difference.grade)
    for arm in found.arms:
        assert arm.corrected.estimate.mean == pytest.approx(arm.grade)
        assert (arm.with_people.share, arm.errors.false_positive.value, arm.errors.false_negative.value) == (1.0, 0.0, 0.0)
    assert (found.labelled, found.questions, found.warnings) == (60, 60, ())


def test_bounds_hold_for_all_challengers_and_hold_the_seeds(run):
    judge_run(run, Fake(lambda item, said: 1 - said if item.answer == "wrong" and "q1" in item.question else said), "j")
    labels = all_labels(run, 40)
    found = assess(run, "j", labels)
    base, lora = (next(d for d in found.differences if d.arm == name) for name in ("base", "lora"))
    assert (base.low, base.high) == base.corrected.estimate.bounds(found.alpha / 3)
    assert base.corrected.estimate.seed_se == 0
    assert lora.corrected.estimate.seed_se > 0
    assert lora.corrected.labelled == 40
    grades = {arm: {row.question: row.score for row in stored(run, arm)} for arm in ("base", "rag")}
    said = {(one.arm, one.question): labels.correct.get(one.key, np.nan) for one in answers_to_grade(run)}
    questions = list(grades["rag"])
    judge = np.array([grades["base"][q] - grades["rag"][q] for q in questions])
    human = np.array([said["base", q] - said["rag", q] for q in questions])
    by_hand = corrected(judge, human, [f"d{int(q[1:]) // 2}" for q in questions])
    assert base.corrected.estimate.mean == pytest.approx(by_hand.estimate.mean)
    assert base.corrected.estimate.question_se == pytest.approx(by_hand.estimate.question_se)


def test_one_seed_alone_has_no_interval(tmp_path):
    run = make_run(tmp_path / "run", Plan(arms=ARMS, seeds=(0,)))
    judge_run(run, Fake(), "j")
    found = {d.arm: d for d in assess(run, "j", all_labels(run)).differences}
    assert (found["lora"].low, found["lora"].high) == (None, None)
    assert found["base"].low is not None


def flatters(arm: str, run: Run):
    """Calls most wrong answers of one arm right: what no arm but this one said."""
    own: dict[Item, set[str]] = {}
    for one in answers_to_grade(run):
        own.setdefault(one.item, set()).add(one.arm)
    return lambda item, said: 1.0 if own[item] == {arm} else said


def test_arms_judged_differently_block_the_verdict_and_are_put_right(tmp_path):
    run = make_run(tmp_path / "run", Plan(arms=ARMS, documents=40, skill={"base": 0, "rag": 5}))
    for arm, seed in [(name, number) for name in ARMS for number in run.seeds(name)]:  # every arm is wrong in words of its own
        path = run.seed_folder(arm, seed) / "answers.jsonl"
        write_jsonl(path, [replace(a, text=f"wrong in {arm}") if a.text == "wrong" else a for a in read_jsonl_as(Answer, path)])
    judge_run(run, Fake(flatters("base", run)), "j")
    found = assess(run, "j", all_labels(run))
    assert "It calls wrong answers right more often in some arms than in others (" in found.blocked
    assert "rag 0 % of" in found.blocked
    assert "oracle" not in found.blocked  # cannot be deployed, so nothing is decided about it
    assert found.alike.false_positive < 0.001
    base = next(arm for arm in found.arms if arm.arm == "base")
    people = np.mean([truth(one.item) for one in answers_to_grade(run) if one.arm == "base"])
    assert base.grade > people + 0.3
    assert base.corrected.estimate.mean == pytest.approx(people)


def test_many_failures_block_the_verdict(run):
    judge_run(run, Fake(lambda item, said: None if item.answer == "wrong" and item.question.endswith("1?") else said), "j")
    found = assess(run, "j", all_labels(run))
    assert next(arm.failures for arm in found.arms if arm.arm == "base") == 3
    assert "of base" not in found.blocked  # 5 % are not more than 5 %
    judge_run(run, Fake(lambda item, said: None if item.answer == "wrong" and item.question[-2] in "17" else said), "k")
    found = assess(run, "k", all_labels(run))
    base = next(arm for arm in found.arms if arm.arm == "base")
    assert base.failures > 3
    assert f"The judge failed on {base.failures} of the 60 answers of base" in found.blocked
    assert "at most 5 % may" in found.blocked


def test_failing_on_one_arm_altogether_blocks_too(run):
    write_jsonl(
        run.seed_folder("base", 0) / "answers.jsonl",
        [replace(a, text=f"own {a.question}") for a in read_jsonl_as(Answer, run.seed_folder("base", 0) / "answers.jsonl")],
    )
    judge_run(run, Fake(lambda item, said: None if item.answer.startswith("own") else said), "j")
    found = assess(run, "j", all_labels(run))
    assert "The judge failed on 60 of the 60 answers of base (100 %; at most 5 % may)." in found.blocked
    assert [d.arm for d in found.differences] == ["lora", "rag+lora"]


# ── shown ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def page(found: Judged) -> str:
    return environment().get_template("judge.html").render(j=found, c={"metric": "match"})


@pytest.mark.parametrize("labelled", [0, 40])
def test_the_report_and_the_terminal_say_the_same(run, labelled):
    judge_run(run, Fake(), "j")
    found = assess(run, "j", all_labels(run, labelled) if labelled else None)
    html, text = page(found), judged_text(found)
    assert ("No verdict may rest on this judge" in html) == (labelled == 0) == ("No verdict may rest" in text)
    for shown in (html, text):
        for name in ARMS:
            assert name in shown
        assert "lora − rag" in shown
    assert (f"{found.labels} labels on 40 of 60 questions" in text) == (labelled == 40)
    assert "None" not in html + text
    assert html.count("<h3") == html.count("</h3>") == 1  # a part of the report's section on judges


def test_what_a_user_wrote_is_text_on_the_page(tmp_path):
    run = make_run(tmp_path / "run", Plan(arms={"rag": {"retriever": "bm25"}, f"a{EVIL}": {}}, text=EVIL))
    judge_run(run, Fake(about=EVIL), "j")
    html = page(assess(run, "j", all_labels(run)))
    assert "<script" not in html
    assert "<img" not in html
