"""What is left of a study: its scores as frames and back, its table, its chart, the list of runs, and what a notebook shows."""

from __future__ import annotations

import re
import xml.dom.minidom
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from made_run import EVIL, Plan, make_run
from tiny import write_domain

from ragft import scorefile
from ragft.domain import load_domain
from ragft.domain.records import read_records
from ragft.errors import InputError
from ragft.result import list_runs, load_result
from ragft.scorefile import compare_scores, decide_scores
from ragft.settings import Study, load_study
from ragft.study import report_run


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("runs") / "2026-01-31-works-1", Plan())
    report_run(run)
    return load_result(run)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return load_result(make_run(tmp_path_factory.mktemp("hostile") / "run", Plan(text=EVIL)))


# ── scores in and out ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_runs_table_gives_the_runs_verdict(result):
    found = decide_scores(result.score_table(), metric_name="match", model=result.decision.model)
    assert found.decision.because == result.decision.because
    assert found.comparison.challengers == result.comparison.challengers
    comparison, decision = found
    assert repr(found) == f"Verdict({decision.verdict}, {decision.recommend})"
    assert (comparison, decision) == (found.comparison, found.decision)
    assert compare_scores(result.score_table(), metric_name="match") == comparison


def test_an_arm_from_elsewhere_is_added_to_a_runs_table(result):
    table = result.score_table()
    mine = table[table["arm"] == "rag"].assign(arm="mine", score=1.0)
    found = compare_scores([table, mine], reference="rag").frame
    assert found.loc["mine", "minus_reference"] == pytest.approx(1 - found.loc["rag", "score"])


def test_a_frame_is_read_as_the_file_is(tmp_path):
    frame = pd.DataFrame(
        {
            "arm": ["rag", "rag", "lora", "lora"],
            "question": ["q1", "q2", "q1", "q2"],
            "document": pd.array(["a", "b", "a", "b"], dtype="string"),
            "score": [True, np.nan, np.float32(0.5), None],
            "seed": np.array([0, 0, 1, 1]),
            "kind": ["x", None, "x", pd.NA],
        }
    )
    frame.to_csv(tmp_path / "s.csv", index=False)
    one, other = scorefile.read_scores(frame), scorefile.read_scores(tmp_path / "s.csv")
    for mine, theirs in zip(one.table.arms, other.table.arms, strict=True):
        np.testing.assert_array_equal(mine.scores, theirs.scores)
    assert (one.table.documents, one.table.kinds) == (other.table.documents, other.table.kinds) == (("a", "b"), ("x", ""))


PLAIN = pd.DataFrame({"arm": ["rag", "lora"], "question": ["q1", "q1"], "document": ["d", "d"], "score": [1.0, 0.0]})


@pytest.mark.parametrize(
    ("frame", "error", "said"),
    [
        (PLAIN.drop(columns="score"), InputError, "the frame of scores: the column 'score' is missing. It needs arm, question, score"),
        (PLAIN.rename(columns={"score": "scores"}), InputError, "the column 'score' is missing. Is it 'scores'"),
        (PLAIN.assign(score=[1.0, 3.0]), InputError, "the frame of scores, row 2: score '3.0' is not a number from 0 to 1"),
        (PLAIN.assign(score=["1", "good"]), InputError, "the frame of scores, row 2: score 'good' is not a number"),
        (
            PLAIN.assign(arm=["rag", "mine"]),
            InputError,
            "what fills the slots of arm 'mine' is not known. Say it with the columns retriever and tuning",
        ),
        (PLAIN.assign(arm=["rag", "rag"]), InputError, "the frame of scores, row 2: a second score of question 'q1' by rag"),
        (PLAIN.assign(score=[[1.0], [2.0]]), InputError, "the frame of scores, row 1: 'score' is a list. Write a text or a number"),
        (PLAIN.assign(score=pd.Timestamp("2026-01-31")), InputError, "the frame of scores, row 1: 'score' holds a Timestamp"),
        (PLAIN.iloc[:0], InputError, "the frame of scores: no scores are in it"),
        (pd.concat([PLAIN, PLAIN["score"]], axis=1), InputError, "the column 'score' is there twice"),
        ([3], InputError, "scores are files or DataFrames, not int"),
        ([], InputError, "no file or frame of scores was given"),
    ],
)
def test_mistakes_in_a_frame(frame, error, said):
    with pytest.raises(error, match=re.escape(said)):
        decide_scores(frame)


def test_unknown_columns_of_a_frame_are_named():
    assert decide_scores(PLAIN.assign(remark="x")).decision.warnings[0] == "the frame of scores: unknown columns were ignored: 'remark'."


def test_the_table_of_a_comparison(result):
    frame = result.comparison.frame
    assert list(frame.index) == ["base", "oracle", "rag", "lora", "rag+lora"]
    assert list(frame.columns) == ["match", "low", "high", "seeds", "missing", "minus_reference", "minus_low", "minus_high"]
    assert frame["match"].to_dict() == {row.name: row.estimate.mean for row in result.comparison.arms}
    assert frame["seeds"].to_list() == [1, 1, 1, 3, 3]
    assert frame["minus_reference"].isna().to_dict() == {"base": False, "oracle": True, "rag": True, "lora": False, "rag+lora": False}
    own = result.scores.groupby("arm")["match"].mean()
    np.testing.assert_allclose(frame["match"], own[frame.index])


def test_runs_of_a_folder(result, tmp_path):
    found = list_runs(result.run.folder.parent)
    assert list(found.columns) == ["run", "began", "status", "questions", "verdict", "recommend"]
    assert found["run"].to_list() == [str(result.run.folder)]
    assert list_runs(tmp_path).empty and "verdict" in list_runs(tmp_path)


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_result_in_a_line_and_in_full(result):
    assert repr(result) == f"Result({str(result.run.folder)!r}: {result.decision.verdict}, {result.decision.recommend})"
    assert result.decision.headline in str(result) and "95 % interval" in str(result)
    assert result.report.is_file()


class Tags(HTMLParser):
    """The tags and attributes of a text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.text = set[str](), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags |= {tag, *(f"@{name}" for name, _ in attrs)}

    def handle_data(self, data):
        self.text += data


def test_a_notebook_shows_the_verdict_with_its_arms(result):
    shown = Tags(result._repr_html_()).text
    for part in (result.decision.headline, result.decision.because[0], "rag+lora", "95 % interval", "report.html"):
        assert part in shown
    whole = Tags(result.decision._repr_html_()).text
    assert all(said in whole for said in (*result.decision.because, *result.decision.would_change_if, *result.decision.warnings))
    assert "arm minus rag" in Tags(result.comparison._repr_html_()).text


def test_a_notebook_shows_a_domain_and_a_study(tmp_path):
    domain = load_domain(write_domain(tmp_path / "works"))
    assert repr(domain) == "Domain('works': 6 documents, 26 questions)"
    assert "6 documents, 26 questions" in Tags(domain._repr_html_()).text
    study = Study(domain=str(tmp_path / "works"), arms={"rag": {"retriever": "bm25"}}, limit=60)
    assert repr(study) == "Study('works': rag; smollm2-135m-instruct)" and "limit=60" in str(study)
    shown = Tags(study._repr_html_()).text
    assert all(part in shown for part in ("domain: works", "limit: 60", "bm25")) and str(tmp_path) not in shown


def test_nothing_hostile_gets_into_what_is_shown(hostile):
    """Names of models, documents and settings, and everything that is said of them."""
    verdict = decide_scores(PLAIN.assign(arm=["rag", EVIL], retriever=["x", ""], tuning=["", "y"]))
    study = load_study(hostile.run.folder / "study.yaml")
    for shown in (hostile, hostile.decision, hostile.comparison, verdict, study):
        found = Tags(shown._repr_html_())
        assert found.tags <= {"div", "p", "b", "br", "code", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "@style"}
    assert EVIL in Tags(verdict._repr_html_()).text and "tiny" + EVIL in Tags(hostile.decision._repr_html_()).text


def test_a_domain_shows_its_notes_as_text(tmp_path):
    folder = write_domain(tmp_path / "works")
    (folder / "corpus" / f"{EVIL.replace('|', '')}.xyz").write_text("x")
    shown = load_domain(folder)._repr_html_()
    assert "onerror" in shown and "img" not in Tags(shown).tags
    assert read_records(folder / "questions.jsonl", {d.id: d for d in load_domain(folder).documents})


# ── charts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["arms", "differences"])
def test_a_chart_stands_on_its_own(result, hostile, what, tmp_path):
    for one in (result, hostile):
        path = one.plot(what).save(tmp_path / "chart.svg")
        drawn = xml.dom.minidom.parse(str(path)).documentElement
        tags = {node.tagName for node in drawn.getElementsByTagName("*")}
        assert tags <= {"svg", "style", "rect", "title", "text", "line", "circle"}
        assert not re.search(r"var\(|href|url\(|@import", path.read_text()), "nothing is fetched, and colours are written out"
    assert result.plot(what)._repr_svg_() == result.plot(what).svg
    assert "rag+lora" in result.plot(what).svg and "chart" in repr(result.plot(what))


def test_the_rules_of_a_chart_cover_what_is_drawn(result):
    drawn = result.plot("differences").svg
    style = drawn.split("<style>")[1].split("</style>")[0]
    for name in {name for classes in re.findall(r'class="([^"]+)"', drawn) for name in classes.split()} - {"chart", "plain", "strong"}:
        assert f".{name}" in style


def test_mistakes_with_charts(result, tmp_path):
    with pytest.raises(InputError, match=r"unknown chart 'arm'\. Did you mean 'arms'"):
        result.plot("arm")
    with pytest.raises(InputError, match=r"chart.png: a chart is saved as SVG"):
        result.plot().save(tmp_path / "chart.png")
    assert list(tmp_path.iterdir()) == []
