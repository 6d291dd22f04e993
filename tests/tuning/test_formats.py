"""What is trained on: targets, prompts, and where the gold passage stands."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.errors import InputError
from ragft.prompts import Style, closed_book, open_book
from ragft.tuning.formats import (
    RAFT_SHARE_WITHOUT_GOLD,
    TrainingData,
    exchanged,
    mixed,
    other_documents,
    paraphrase,
    qa,
    raft,
    raft_passages,
    shuffled,
    text,
)
from ragft.types import Chunk, Gold, Question, Span


def chunk(name: str) -> Chunk:
    return Chunk(name, Span("d.md", 0, 4), f"text {name}", "Title")


CHUNKS = [chunk(name) for name in "abcd"]


def data(retrieved="abc", gold="b", answers=("42 bar", "42 bars")) -> TrainingData:
    question = Question("q", "How much?")
    known = Gold("q", answers, (), "d.md", "train", "f", 0, "value", "trained-fact")
    return TrainingData(
        [(question, known)], CHUNKS, "en", 0, 3, list, {"q": [c for c in CHUNKS if c.id in retrieved]}, {"q": [c for c in CHUNKS if c.id in gold]}
    )


def test_qa_trains_the_closed_book_prompt_and_the_first_answer():
    assert [(e.prompt, e.completion) for e in qa(data())] == [(closed_book("How much?", "en"), "42 bar")]


def test_unanswerable_questions_teach_the_refusal():
    assert qa(data(answers=()))[0].completion == "I don't know."


def test_text_trains_every_passage_without_a_prompt():
    examples = text(data())
    assert [e.completion for e in examples] == [f"Title\ntext {name}" for name in "abcd"]
    assert all(e.prompt is None for e in examples)


def test_mixed_is_text_and_qa():
    assert mixed(data()) == text(data()) + qa(data())


class Fixed(random.Random):
    """A source of chance that says what it is told."""

    def __init__(self, share: float):
        super().__init__(0)
        self.share = share

    def random(self) -> float:
        return self.share


def ids(chunks):
    return "".join(c.id for c in chunks)


def test_retrieved_gold_stays_where_retrieval_put_it():
    assert ids(raft_passages(CHUNKS[:3], [CHUNKS[1]], 3, Fixed(0.9))) == "abc"


def test_missed_gold_replaces_the_weakest_distractor():
    shown = raft_passages(CHUNKS[:3], [CHUNKS[3]], 3, Fixed(0.9))
    assert sorted(ids(shown)) == ["a", "b", "d"]


def test_a_share_of_the_questions_sees_no_gold():
    assert ids(raft_passages(CHUNKS[:3], [CHUNKS[1]], 3, Fixed(0.1))) == "ac"
    rng = random.Random(0)
    without = sum("b" not in ids(raft_passages(CHUNKS[:3], [CHUNKS[1]], 3, rng)) for _ in range(4000)) / 4000
    assert without == pytest.approx(RAFT_SHARE_WITHOUT_GOLD, abs=0.02)


def test_one_passage_is_the_gold_or_the_best_distractor():
    assert ids(raft_passages(CHUNKS, [CHUNKS[1]], 1, Fixed(0.9))) == "b"
    assert ids(raft_passages(CHUNKS, [CHUNKS[0]], 1, Fixed(0.1))) == "b"


def test_unanswerable_question_sees_what_retrieval_finds():
    assert ids(raft_passages(CHUNKS[:3], [], 3, Fixed(0.1))) == "abc"


def test_raft_trains_the_prompt_that_answering_uses():
    example = raft(data())[0]
    passages = [[CHUNKS[i] for i in shown] for shown in ((0, 1, 2), (0, 2))]
    assert example.prompt in [open_book("How much?", shown, "en") for shown in passages]
    assert example.completion == "42 bar"


def test_raft_cites_the_gold_by_the_number_under_which_it_stands_where_citations_are_asked_for():
    found = set()
    for seed in range(12):
        (example,) = raft(replace(data(), seed=seed, style=Style(cite=True, order="best-last")))
        number = re.search(rf"\[(\d)\] [^\n]*\n{CHUNKS[1].text}", example.prompt.user)
        assert example.completion == (f"42 bar [{number[1]}]" if number else "42 bar")
        found.add(bool(number))
    assert found == {True, False}


def test_raft_without_any_evidence_is_refused():
    with pytest.raises(InputError, match="needs training questions with evidence"):
        raft(data(gold=""))


def facts(*rows: tuple[str, int, str, str, str]) -> TrainingData:
    """(fact, wording, question, answer, document) as training data."""
    pairs = [
        (Question(f"{fact}-{wording}", text), Gold(f"{fact}-{wording}", (answer,), (), document, "train", fact, wording, "value", "trained-fact"))
        for fact, wording, text, answer, document in rows
    ]
    return TrainingData(pairs, (), "en", 0, 1, list, {}, {})


TWO = facts(
    ("f1", 3, "How heavy is it?", "12 kg", "a.md"),
    ("f1", 1, "What does it weigh?", "12 kg", "a.md"),
    ("f2", 0, "Who leads the service team?", "Mira Holt", "b.md"),
)


def asked(examples) -> list[str]:
    return [example.prompt.user.removeprefix("Question: ") for example in examples]


def test_qa_takes_the_first_wording_of_each_fact():
    assert asked(qa(TWO)) == ["What does it weigh?", "Who leads the service team?"]


def test_paraphrase_takes_own_wordings_first_and_makes_the_rest():
    assert asked(paraphrase(TWO, 1)) == asked(qa(TWO))
    two = asked(paraphrase(TWO, 2))
    assert two[:3] == ["What does it weigh?", "How heavy is it?", "Who leads the service team?"] and len(two) == 4
    sixteen = paraphrase(TWO, 16)
    assert len(sixteen) == len(set(asked(sixteen))) == 32
    assert [e.completion for e in sixteen] == ["12 kg"] * 16 + ["Mira Holt"] * 16
    assert sixteen == paraphrase(TWO, 16) != paraphrase(replace(TWO, seed=1), 16)


def test_paraphrase_never_makes_a_held_out_wording():
    made = asked(paraphrase(TWO, 16))[-1]
    assert made not in asked(paraphrase(replace(TWO, held_out=lambda text: text == made), 40))


@pytest.mark.parametrize("wordings", [0, -1, 2.5, True, "4"])
def test_paraphrase_says_what_a_dose_is(wordings):
    with pytest.raises(InputError, match="whole number from 1"):
        paraphrase(TWO, wordings)


def test_other_documents_are_those_that_no_held_out_question_asks_about():
    assert asked(other_documents(replace(TWO, tested_documents=frozenset({"a.md"})))) == ["Who leads the service team?"]
    elsewhere = facts(("x", 0, "What is the base price?", "43 pence", "milk.md")).questions
    assert asked(other_documents(replace(TWO, tested_documents=frozenset({"a.md", "b.md"}), elsewhere=elsewhere))) == ["What is the base price?"]
    with pytest.raises(InputError, match="every document"):
        other_documents(replace(TWO, tested_documents=frozenset({"a.md", "b.md"})))


def test_shuffled_exchanges_the_answers():
    assert [(e.prompt, e.completion) for e in shuffled(TWO)] == [(e.prompt, a) for e, a in zip(qa(TWO), ["Mira Holt", "12 kg"], strict=True)]
    with pytest.raises(InputError, match="two different answers"):
        shuffled(facts(("f1", 0, "A?", "yes", "a.md"), ("f2", 0, "B?", "yes", "a.md")))


@given(st.lists(st.sampled_from("abcde"), min_size=2, max_size=40), st.integers(0, 5))
def test_as_few_answers_as_possible_stay(answers, seed):
    made = exchanged(answers, random.Random(seed))
    assert sorted(made) == sorted(answers)
    most = max(answers.count(answer) for answer in answers)
    assert sum(a == b for a, b in zip(made, answers, strict=True)) == max(0, 2 * most - len(answers))
