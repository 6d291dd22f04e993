"""What is trained on: targets, prompts, and where the gold passage stands."""

from __future__ import annotations

import random

import pytest

from ragft.errors import InputError
from ragft.prompts import closed_book, open_book
from ragft.tuning.formats import RAFT_SHARE_WITHOUT_GOLD, TrainingData, mixed, qa, raft, raft_passages, text
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


def test_raft_without_any_evidence_is_refused():
    with pytest.raises(InputError, match="needs training questions with evidence"):
        raft(data(gold=""))
