"""One question as it is shown: by the report, which chooses a few, and by the dashboard, which reads one alone."""

from __future__ import annotations

import pytest

from ragft import examples, ladder, scoring
from ragft.answerlog import question_lines, record_at
from ragft.errors import InputError
from ragft.material import read_material
from ragft.pages import environment
from ragft.store import Run
from ragft.types import Answer, Gold
from tests.made_run import Plan, make_run

LABEL = Gold("q", ("42",), (), "works.md", "test", "f", 0, "exact", "trained-fact")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "run", Plan(error="rag"))


def test_one_question_read_alone_is_marked_as_when_all_are_read(run):
    m = read_material(run)
    for gold in m.golds:
        answers, rows = {}, []
        for place in scoring.finished(run):
            folder = run.seed_folder(*place)
            for name, kind in (("answers.jsonl", Answer), ("scores.jsonl", dict)):
                path = folder / name
                read = record_at(kind, path, question_lines(path)[gold.id])
                if kind is Answer:
                    answers[place] = read
                else:
                    rows.append((*place, [read]))
        found = examples.marks_of(m, scoring.frame_of(rows, [gold]), answers, gold)
        for seed in (0, 1, 2):
            seeds = {arm.name: seed if seed in arm.seeds else arm.seeds[0] for arm in m.arms}
            expected = ladder.marks(m.told, "match", seeds, m.golds)[gold.id]
            assert {arm: found[arm, own] for arm, own in seeds.items()} == expected


def test_arms_that_were_shown_the_same_are_grouped(run):
    m = read_material(run)
    gold = m.golds[1]
    given = [examples.Given(arm.name, m.answers(arm)[gold.id], "right") for arm in m.arms]
    found = {tuple(group["arms"]): group["retrieves"] for group in examples.shown(given, gold)}
    assert found == {("base", "lora"): False, ("oracle", "rag", "rag+lora"): True}


def test_a_whole_system_says_itself_what_it_read():
    answer = Answer("q", "42", "ok", None, "How much?\n\nIt is 42.", None, 0, contexts=("It is 42.",))
    (group,) = examples.shown([examples.Given("prod", answer, "right", 1.0, True)], LABEL)
    assert (group["system"], group["read"], group["passages"]) == (True, ("It is 42.",), [])
    text = (
        environment()
        .get_template("example.html")
        .render(x=examples.example("How much?", LABEL, [examples.Given("prod", answer, "right", 1.0, True)]))
    )
    assert "What prod says to have read: 1 text" in text and "The exact prompt" not in text and "the question only" not in text


def test_a_line_is_found_by_its_question_whatever_it_holds(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_text('{"question": "a \\"b\\" ö", "match": 1}\n\n{"other": 2}\n{"question": "c", "text": "ü"}\n{"question": "to', encoding="utf-8")
    found = question_lines(path)
    assert list(found) == ['a "b" ö', "c"]
    assert record_at(dict, path, found["c"]) == {"question": "c", "text": "ü"}
    path.write_text(path.read_text(encoding="utf-8").replace("1}", "10}"), encoding="utf-8")
    with pytest.raises(InputError, match=r"scores\.jsonl:4"):
        record_at(dict, path, found["c"])
