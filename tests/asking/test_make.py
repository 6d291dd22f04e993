"""Question files made by rules: what is in them, what is kept out, and that they are a domain that can be run."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from ragft.asking.lines import SHARES
from ragft.asking.make import facts_by_rules, make_questions
from ragft.asking.study import make_study
from ragft.cli import main
from ragft.decide import VERDICTS
from ragft.domain import load_domain
from ragft.domain.loaders import load_documents
from ragft.domain.records import plain
from ragft.domain.scaffold import init_study
from ragft.errors import InputError
from ragft.text import contains, words
from ragft.types import Document

DATA = Path(__file__).parents[2] / "data"


def sheets(number: int = 24, **more: str) -> list[Document]:
    """Data sheets of pumps with an order code, an owner and a weight each; and further texts."""
    made = []
    for n in range(number):
        rows = f"| Order code | KV-{n:03} |\n| Owner | Ada Quill{'abcdefghijklmnopqrstuvwxyz'[n]} |\n| Weight | {n + 10}.5 kg |\n"
        made.append(Document(f"p{n}.md", f"# Kova {n} pump\n\n| Property | Kova {n} |\n|---|---|\n{rows}", f"Kova {n} pump"))
    return made + [Document(name, text, name) for name, text in more.items()]


@pytest.fixture(scope="module")
def made():
    return make_questions(sheets())


def test_every_fact_is_asked_and_the_same_documents_give_the_same(made):
    assert made.counts["facts"] == 72
    assert made.lines == make_questions(sheets()).lines
    assert len({line["id"] for line in made.lines}) == len(made.lines) == len({plain(line["question"]) for line in made.lines})


def test_splits_are_by_document_then_fact_then_wording(made):
    train = [line for line in made.lines if line["split"] == "train" and line["answers"]]
    tested = [line for line in made.lines if line["split"] != "train" and line["answers"] and line["kind"] not in ("reversed", "two-document")]
    facts = {line["fact"] for line in train}
    assert not {plain(line["question"]) for line in train} & {plain(line["question"]) for line in tested}
    assert all(count == 3 for count in Counter(line["fact"] for line in train).values())
    documents = {line["evidence"][0]["document"] for line in train}
    strata = Counter((line["fact"] in facts, line["evidence"][0]["document"] in documents) for line in tested)
    assert all(strata[kind] > 0 for kind in ((True, True), (False, True), (False, False)))
    assert sum(SHARES.values()) == 1


def test_what_the_documents_do_not_say_is_in_none_that_names_the_thing():
    documents = sheets(24, **{"k.md": "# Kova 3 pump\n\nColour: red\n\n# Kova 4 pump\n\nColour: blue\n"})
    found = [line for line in make_questions(documents).lines if line["kind"] == "unanswerable"]
    assert found
    for line in found:
        assert line["answers"] == [] and "no document" in line["reason"]
        if "colour" in line["reason"]:
            assert not contains(words(line["question"]), ["kova", "3"]) and not contains(words(line["question"]), ["kova", "4"])


def test_a_fact_with_two_answers_is_left_out():
    documents = sheets(24, **{"other.md": "# Kova 3\n\nWeight: 99 kg\n\nOrder code: KV-003\n"})
    documents[-1] = Document("other.md", documents[-1].text, "Kova 3")
    made = make_questions(documents)
    assert made.counts["facts with several answers in the corpus"] == 1
    assert not [line for line in made.lines if "Kova 3:" in line["question"] and "weight" in line["question"]]
    (alike,) = {json.dumps(line["evidence"]) for line in made.lines if line["answers"] == ["KV-003"]}
    assert len(json.loads(alike)[0]) == 2, "stated in two places, any of which is enough"


def test_what_follows_from_two_documents_needs_both():
    documents = sheets(24, **{"people.md": "| Person | Room |\n|---|---|\n| Ada Quillc | 9 west |\n| Ada Quilld | 7 east |\n"})
    hops = [line for line in make_questions(documents).lines if line["kind"] == "two-document"]
    assert {line["answers"][0] for line in hops} == {"9 west", "7 east"}
    assert all(len(line["evidence"]) == 2 and line["split"] != "train" for line in hops)


def test_from_the_value_only_where_one_thing_has_it(made):
    backwards = [line for line in made.lines if line["kind"] == "reversed"]
    assert backwards and all(line["answers"][0].startswith("Kova") and line["split"] != "train" for line in backwards)


def test_when_and_by_whom_are_two_facts():
    text = "Kova Works was founded on 4 May 1987. Kova Works was founded by Anna Holt."
    found = facts_by_rules([Document("a.md", text, "History")], Counter())
    assert sorted(fact.answers[0] for fact in found) == ["4 May 1987", "Anna Holt"]
    assert len({fact.id for fact in found}) == 2


def test_a_limit_of_facts_a_document():
    table = "| Part | Price |\n|---|---|\n" + "".join(f"| P-{n:03} | £{n}.40 |\n" for n in range(100))
    lines = make_questions([*sheets(), Document("t.md", table, "t")], per_document=5).lines
    assert len({line["fact"] for line in lines if line["answers"] and line["evidence"][0]["document"] == "t.md"}) == 5


def test_too_little_is_said():
    with pytest.raises(InputError, match="0 facts in 1 documents"):
        make_questions([Document("a.md", "# A\n\nNothing to ask for here.\n", "A")])


@pytest.mark.parametrize("name", ["tarnbeck", "hollinbeck", "luwu-zh"])
def test_bundled_documents(name):
    """No answer stands in its question; each has its evidence; no question has two answers."""
    documents, _ = load_documents(DATA / name / "corpus")
    lines = make_questions(documents).lines
    assert len(lines) > 100
    for line in lines:
        if line["answers"] and line["kind"] != "reversed":
            assert not contains(words(line["question"]), words(line["answers"][0])), line


# ── the study ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_from_a_folder_of_documents_to_a_study_that_loads(tmp_path, capsys):
    assert main(["questions", "make", str(DATA / "hollinbeck" / "corpus"), "--out", str(tmp_path / "mine")]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "mine" / "study.yaml") and "questions to test" in said.err
    domain = load_domain(tmp_path / "mine")
    assert len(domain.split("test")) > 50 and domain.trains_tested_facts
    assert main(["questions", "check", str(tmp_path / "mine"), "--quick"]) == 0


def test_after_init_the_study_gets_its_questions_and_all_arms(tmp_path):
    study = init_study(tmp_path / "mine", DATA / "hollinbeck" / "corpus")
    assert "Write questions.jsonl" in study.read_text()
    assert make_study(tmp_path / "mine").study == study
    assert "Write questions.jsonl" not in study.read_text() and "questions from 'questions-made-by-rules.jsonl'" in study.read_text()
    assert "oracle" in study.read_text() and len(load_domain(tmp_path / "mine").split("train")) > 20
    with pytest.raises(InputError, match="questions already"):
        make_study(tmp_path / "mine")


def test_a_study_among_its_own_documents_is_refused(tmp_path):
    corpus = shutil.copytree(DATA / "hollinbeck" / "corpus", tmp_path / "docs")
    with pytest.raises(InputError, match="lies among the documents"):
        make_study(corpus, corpus / "my-study")


def test_what_was_not_read_is_said(tmp_path, capsys):
    corpus = shutil.copytree(DATA / "hollinbeck" / "corpus", tmp_path / "docs")
    (corpus / "drawing.xyz").write_text("?")
    assert main(["questions", "make", str(corpus), "--out", str(tmp_path / "mine")]) == 0
    assert "drawing.xyz" in capsys.readouterr().err


def test_from_bare_documents_to_a_verdict_without_a_question_written_by_hand(tmp_path, capsys, tiny_model):
    study = tmp_path / "mine"
    assert main(["init", str(study), "--corpus", str(DATA / "hollinbeck" / "corpus")]) == 0
    assert main(["questions", "make", str(study)]) == 0
    capsys.readouterr()
    settings = {"model": tiny_model, "embedder": "null", "seeds": "[0]", "arms": "[base, oracle, rag, lora, raft]", "max_new_tokens": 4}
    settings |= {"train_tokens": 3000, "train_batch_size": 4, "k": 1, "chunk_tokens": 64, "context_tokens": 96}
    changes = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    assert main(["run", str(study), "--runs", str(tmp_path / "runs"), "--limit", "6", "--json", *changes]) == 0
    decided = json.loads(capsys.readouterr().out)
    assert decided["decision"]["verdict"] in VERDICTS


def test_a_folder_of_documents_needs_a_place(tmp_path):
    with pytest.raises(InputError, match="--out"):
        make_study(DATA / "hollinbeck" / "corpus")
