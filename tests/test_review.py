"""What a review makes of a run's verdict: warnings, the cap, the record, the report, and the command around it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from made_run import Plan, make_run
from test_reviewsheet import fill, rows_of

from ragft.cli import main
from ragft.comparison import Comparison
from ragft.doubts import CAPPED
from ragft.errors import MismatchError
from ragft.labelrate import label_rate
from ragft.review import Review, Reviewed, inputs_of, label_doubt, read_review, review_sentences
from ragft.reviewsheet import DISPUTED, read_verdicts, store_review, write_review_sheet
from ragft.scoring import scores_frame
from ragft.store import Run, find_run, read_json, read_record
from ragft.study import Decider, decide_run, load_result, replay, report_run

SURE = {"rag+lora": 10, "rag": 1, "oracle": 10, "base": 0, "lora": 0}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Run:
    """rag+lora is far ahead, on twenty documents with two questions each."""
    run = make_run(tmp_path_factory.mktemp("runs") / "run", Plan(documents=20, skill=SURE))
    assert load_result(run).decision.verdict == "adopt-both", "what the tests below cap"
    return run


@pytest.fixture
def run(made, tmp_path) -> Run:
    shutil.copytree(made.folder, tmp_path / "run")
    return find_run(tmp_path / "run")


def reviewed(run: Run, path, verdict, number: int = 40) -> Review:
    """A review that is stored: `verdict` says what of each row."""
    write_review_sheet(run, path, number)
    fill(path, verdict)
    found = read_verdicts(run, path)
    store_review(run, found)
    return found


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_labels_right_leaves_the_verdict_as_it_is_and_says_so(run, tmp_path):
    before = load_result(run).decision
    reviewed(run, tmp_path / "r.csv", lambda row: "ok")
    decision = decide_run(run)
    assert decision.warnings[0] == "Wrong labels: 0 of 40 held-out questions (0 %), all of which were reviewed."
    assert decision.warnings[1:] == before.warnings and decision.headline == before.headline


def test_a_small_sample_caps_the_claim_but_not_the_verdict(run, tmp_path):
    reviewed(run, tmp_path / "r.csv", lambda row: "" if row["why"] == DISPUTED else "ok", 4)
    before, decision = load_result(run).decision, decide_run(run)
    assert (decision.verdict, decision.recommend, decision.because) == (before.verdict, before.recommend, before.because)
    assert decision.headline == f"{before.headline} {CAPPED}"
    rate = label_rate(0, 4, 40)
    assert decision.warnings[0].startswith(f"Wrong labels: 0 of 4 questions drawn at random (0 %), so 0 to {rate.most} of all 40 held-out questions")
    assert f"{rate.most} wrong labels, the most that the review leaves possible, could in the worst case take" in decision.warnings[1]


def test_wrong_labels_are_named_and_nothing_is_recomputed(run, tmp_path):
    scores = (run.folder / "comparison.json").read_bytes()
    found = reviewed(run, tmp_path / "r.csv", lambda row: "wrong" if row["id"] == "q03" else "ambiguous" if row["id"] == "q07" else "ok")
    decision = decide_run(run)
    assert {row.question for row in found.wrong} == {"q03", "q07"}
    said = " ".join(decision.warnings)
    assert "Wrong labels: 2 of 40 held-out questions (5 %)" in said and "q03 (wrong)" in said and "q07 (ambiguous)" in said
    assert "Correct them in questions.jsonl and run again" in said
    assert "Even the 2 wrong labels found could not change the verdict" in said and CAPPED not in decision.headline
    assert (run.folder / "comparison.json").read_bytes() == scores


def test_how_far_differences_move_by_the_scores_themselves(run, tmp_path):
    """By hand from the scores of each question: the wrong labels, and as many more as may be wrong, at their worst."""
    reviewed(run, tmp_path / "r.csv", lambda row: "" if row["why"] == DISPUTED else "wrong" if row["id"] < "q08" else "ok", 15)
    review = read_review(run)
    doubt = label_doubt(run, read_record(Comparison, run.folder / "comparison.json"))
    means = scores_frame(run).groupby(["arm", "question"])["match"].mean()
    judged = {row.question: row.verdict for row in review.rows}
    more = review.rate.most - len(review.wrong)
    assert review.wrong and 0 < more < 40 - len(judged)
    for one, other in (("rag+lora", "rag"), ("lora", "rag"), ("base", "lora")):
        d = means[one] - means[other]
        for sign, move in ((1, doubt.moves[one, other].down), (-1, doubt.moves[one, other].up)):
            room = {question: 1 + sign * value for question, value in d.items()}
            known = sum(room[row.question] for row in review.wrong)
            others = sorted((value for question, value in room.items() if question not in judged), reverse=True)[:more]
            assert move == pytest.approx((known + sum(others)) / 40)


def test_a_slider_knows_of_the_review(run, tmp_path):
    reviewed(run, tmp_path / "r.csv", lambda row: "" if row["why"] == DISPUTED else "ok", 4)
    decision = decide_run(run)
    assert Decider.of(run)().headline == decision.headline and decision.headline.endswith(CAPPED)
    assert Decider.of(run)().warnings == decision.warnings


# ── the record and the report ────────────────────────────────────────────────────────────────────────────────────────


def test_the_review_is_part_of_the_record(run, tmp_path):
    before = replay(run)
    reviewed(run, tmp_path / "r.csv", lambda row: "ok")
    with pytest.raises(MismatchError, match=r"the questions or their gold answers changed \(review.json\)"):
        replay(run)
    decide_run(run)
    first = replay(run)
    assert first != before and "review.json" in read_json(run.folder / "record.json")["questions"]
    store_review(run, read_verdicts(run, (fill(tmp_path / "r.csv", lambda row: "wrong" if row["id"] == "q01" else "ok"), tmp_path / "r.csv")[1]))
    with pytest.raises(MismatchError, match=r"review\.json"):
        replay(run)
    decide_run(run)
    assert replay(run) not in (before, first)


def test_labels_that_were_changed_since_are_not_vouched_for(run, tmp_path):
    reviewed(run, tmp_path / "r.csv", lambda row: "ok")
    path = run.folder / "gold.jsonl"
    path.write_text(path.read_text().replace("11 bar", "eleven bar"))
    with pytest.raises(MismatchError, match=f"changed since they were reviewed.*ragft questions review {run.folder}"):
        decide_run(run)


def test_the_report_shows_it(run, tmp_path):
    page = report_run(run).read_text()
    assert "Nobody has reviewed them" in page and "Wrong labels" not in page
    reviewed(run, tmp_path / "r.csv", lambda row: "" if row["why"] == DISPUTED else "ok", 4)
    decide_run(run)
    page = report_run(run).read_text()
    assert "Nobody has reviewed them" not in page and CAPPED in page
    assert page.count("questions drawn at random (0 %)") == 2, "among the warnings, and where the run is made from"
    assert CAPPED in (run.folder / "report.md").read_text() and "drawn at random" in (run.folder / "report.md").read_text()


# ── sentences ────────────────────────────────────────────────────────────────────────────────────────────────────────


def review_of(run: Run, sampled: int, rows: list[Reviewed]) -> Review:
    drawn = [row for row in rows if row.sampled]
    wrong = sum(row.verdict != "ok" for row in rows)
    rate = label_rate(sum(row.verdict != "ok" for row in drawn), len(drawn), 40, known_wrong=wrong, known_right=len(rows) - wrong)
    return Review(inputs_of(run), rate, sampled, 0, tuple(rows))


def test_what_was_passed_over_and_what_was_not_drawn_is_said(run):
    drawn = [Reviewed(f"q{i:02d}", True, False, "ok" if i else "wrong", "") for i in range(10)]
    beside = [Reviewed(f"q{i:02d}", False, True, "unanswerable", "") for i in range(20, 31)]
    first, second, third = review_sentences(review_of(run, 12, [*drawn, *beside]))
    assert first.startswith("Wrong labels: 1 of 10 questions drawn at random (10 %), so 12 to ") and "2 more were drawn and have no verdict" in first
    assert second.startswith("Among 11 further questions that all arms had wrong: 11 wrong labels.")
    assert "q00 (wrong), q20 (unanswerable)" in third and "and 4 others" in third
    assert len(review_sentences(review_of(run, 10, drawn[1:]))) == 1, "nothing wrong, nothing beside"


def test_without_a_judged_sample_only_what_was_found_counts(run):
    store_review(run, review_of(run, 5, [Reviewed("q01", False, True, "wrong", "")]))
    first, *_ = decide_run(run).warnings
    assert first == "How many labels are wrong is not known: no question of the random sample was reviewed."
    doubt = label_doubt(run, read_record(Comparison, run.folder / "comparison.json"))
    assert doubt.most == "the 1 wrong label found" and max(move.down for move in doubt.moves.values()) <= 2 / 40
    assert np.isfinite([move.up for move in doubt.moves.values()]).all()


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_writes_a_sheet_and_says_what_to_do(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["questions", "review", str(run.folder)]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == "review.csv" and len(rows_of(tmp_path / "review.csv")) >= 40
    assert "ok, wrong, ambiguous, unanswerable" in err and f"ragft questions review {run.folder} --verdicts review.csv" in err
    assert main(["questions", "review", str(run.folder), "--out", "small.csv", "--sample", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sampled"] == 4
    assert main(["questions", "review", str(run.folder)]) == 1
    assert capsys.readouterr().err == "ragft: review.csv: exists, and may hold verdicts. Give another name, or move it away.\n"


def test_the_command_reads_it_back_and_decides_again(run, tmp_path, capsys):
    path = tmp_path / "r.csv"
    write_review_sheet(run, path, 4)
    fill(path, lambda row: "" if row["why"] == DISPUTED else "ok")
    assert main(["questions", "review", str(run.folder), "--verdicts", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("4 verdicts; ") and "0 of 4 questions drawn at random" in out
    assert err.startswith("Decided again: adopt-both (rag+lora).") and CAPPED in err
    assert load_result(run).decision.headline.endswith(CAPPED) and CAPPED in (run.folder / "report.html").read_text()
    assert replay(run)
    assert main(["questions", "review", str(run.folder), "--verdicts", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rate"]["judged"] == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--verdicts", "r.csv", "--out", "other.csv"], "--out and --sample go with a new sheet"),
        (["--verdicts", "r.csv", "--sample", "3"], "--out and --sample go with a new sheet"),
        (["--verdicts", "nowhere.csv"], "nowhere.csv: cannot be read"),
        (["--verdicts", "bad.csv"], "bad.csv:2: 'right' is no verdict. Write one of ok, wrong, ambiguous, unanswerable"),
    ],
)
def test_mistakes_are_one_line_and_store_nothing(run, tmp_path, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    write_review_sheet(run, tmp_path / "bad.csv", 4)
    fill(tmp_path / "bad.csv", lambda row: "right")
    assert main(["questions", "review", str(run.folder), *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and not (run.folder / "review.json").exists()


def test_the_verdicts_stand_in_the_help(capsys):
    assert main(["questions", "review", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert all(verdict in said for verdict in ("wrong (the reference", "ambiguous (the question", "unanswerable (the documents"))
