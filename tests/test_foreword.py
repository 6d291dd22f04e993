"""What is said before a study runs, from its own question set."""

from __future__ import annotations

import re

import pytest
from tiny import write_domain

from ragft import cautions
from ragft.foreword import foreword
from ragft.settings import Study
from ragft.study import prepare

ARMS = {"base": {}, "rag": {"retriever": "bm25"}, "lora": {"tuning": "lora"}}


def lines_of(many: int, documents: int) -> tuple[dict[str, str], list[dict]]:
    """A corpus and questions: `many` test questions spread over the documents, and two for training."""
    corpus = {f"d{i}.md": f"# Page {i}\n\nThe value of {i} is {i} bar.\n" for i in range(documents)}
    lines = [
        {"id": f"q{i}", "question": f"What is value {i}?", "answers": [f"{i} bar"], "document": f"d{i % documents}.md", "split": "test"}
        for i in range(many)
    ]
    for number in (0, 1):
        lines.append(
            {"id": f"t{number}", "question": f"What of training {number}?", "answers": [f"{number} kg"], "document": "d0.md", "split": "train"}
        )
    return corpus, lines


@pytest.fixture
def said(tmp_path, tiny_model):
    def say(many: int, documents: int, **settings) -> list[str]:
        folder = write_domain(tmp_path / f"works-{many}-{documents}", *lines_of(many, documents))
        study = Study.model_validate({"domain": str(folder), "model": str(tiny_model), "embedder": None, "arms": ARMS, **settings})
        return foreword(prepare(study, tmp_path / "runs")).splitlines()

    return say


def test_it_counts_the_questions_that_are_asked_not_the_limit(said):
    head, expectation, unseen = said(40, 20, limit=1000)
    assert unseen.startswith("38 of 40 answerable test questions are about documents that no training question asks about")
    assert head == "works-40-20: 3 arms (base, rag, lora), 3 seeds a tuned arm; 40 test questions from 20 documents."
    assert said(40, 20) == [head, expectation, unseen]
    assert "20 test questions from 20 documents" in said(40, 20, limit=20)[0]


def test_it_promises_a_gain_and_an_equivalence_margin(said):
    pattern = (
        r"Expect to show a true gain of about (\d+) points or more over rag \(the margin of 3 points included\); equal arms can be proven equal "
        r"within about (\d+) points, not within 3 points\. Both with 80 % probability, if two arms differ on one question in five; promise nothing smaller\."
    )
    few, many = (re.fullmatch(pattern, said(n, n // 2)[1]) for n in (40, 240))
    assert int(many[1]) < int(few[1]) and int(many[2]) < int(few[2])


def test_an_equivalence_margin_within_reach_is_not_denied(said):
    assert re.search(r"equal within about \d+ points\. Both", said(240, 120, margin=0.5)[1])


@pytest.mark.parametrize(
    ("many", "documents", "settings", "mind"),
    [
        (2, 2, {}, "Only 2 documents carry the test questions"),
        (40, 20, {"seeds": [0]}, "No tuned arm has two scored seeds"),
        (10, 1, {}, "Only 1 document carries the test questions"),
    ],
)
def test_where_no_gain_can_be_shown_it_says_so(said, many, documents, settings, mind):
    _, expectation, *minds = said(many, documents, **settings)
    assert expectation == "Expect no gain over rag to be shown, however large: there are too few questions, documents or seeds."
    assert any(line.startswith(mind) for line in minds)


def test_two_seeds_and_five_tuned_arms_are_told_before(said):
    arms = {"rag": {"retriever": "bm25"}, **{f"t{i}": {"tuning": "lora", "options": {"rank": i}} for i in range(1, 6)}}
    _, _, _, seeds, many = said(40, 20, arms=arms, seeds=[0, 1])
    assert "fewer than 3 seeds (t1 2, t2 2, t3 2, t4 2, t5 2)" in seeds
    assert many.startswith("5 tuned arms are compared at once")


def test_an_arm_alone_has_nothing_to_show(said):
    assert said(40, 20, arms={"rag": {"retriever": "bm25"}}) == [
        "works-40-20: 1 arm (rag); 40 test questions from 20 documents.",
        "No arm is compared with rag.",
    ]


def test_a_question_set_that_fine_tuning_cannot_know_is_said_before_and_after():
    seen, unseen = ["trained-fact"] * 3, ["untrained-document"] * 4
    (sentence,) = cautions.about_strata([*seen, *unseen, "unanswerable"], tuned=True)
    assert sentence.startswith("4 of 7 answerable test questions are about documents that no training question asks about")
    assert cautions.about_strata([*seen, *unseen[:3]], tuned=True) == []
    assert cautions.about_strata(unseen, tuned=False) == []
    assert cautions.about_strata(["", ""], tuned=True) == []


def test_controls_promise_nothing_and_widen_nothing(said):
    control = {"exchanged": {"tuning": "lora", "format": "shuffled"}, "again": {"tuning": "lora", "format": "shuffled", "learning_rate": 0.1}}
    plain, with_controls = said(200, 40), said(200, 40, arms=ARMS | control)
    assert with_controls[1:] == plain[1:]
