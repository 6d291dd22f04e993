"""Arms with the fake generator: batches, failures, outcomes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from ragft import arms
from ragft.arms import Composed
from ragft.generation.echo import EchoGenerator
from ragft.prompts import Style
from ragft.types import Chunk, Completion, Hit, Prompt, Question, Span, Usage

PASSAGES = [
    Chunk("kova", Span("kova.md", 0, 9), "The Kova 30 has a maximum pressure of 42 bar.", "Kova 30"),
    Chunk("vela", Span("vela.md", 0, 9), "The Vela 7 reaches 0.8 mbar.", "Vela 7"),
]
QUESTIONS = [Question("q1", "maximum pressure Kova"), Question("q2", "vacuum of the Vela 7 in the long run and beyond"), Question("q3", "zzz")]


class Fixed:
    """Finds the same passages for every question."""

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        return [tuple(Hit(chunk, rank, 1.0) for rank, chunk in enumerate(PASSAGES[:k], start=1)) for _ in questions]


class Fragile(EchoGenerator):
    """Fails when a prompt asks for zzz."""

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        if any("zzz" in prompt.user for prompt in prompts):
            raise RuntimeError("out of memory")
        return super().complete(prompts)


def composed(generator=None, retriever=None, **settings) -> Composed:
    return Composed(generator or EchoGenerator(), retriever, **{"k": 2, "context_tokens": 100, "language": "en", "batch_size": 2, **settings})


def answers(arm: Composed) -> dict:
    return {answer.question: answer for batch in arm.prepare(QUESTIONS) for answer in arm.answer(batch)}


def test_open_book_answers_come_from_passages_and_keep_their_hits():
    found = answers(composed(retriever=Fixed()))
    assert found["q1"].text == "The Kova 30 has a maximum pressure of 42 bar."
    assert [hit.chunk.id for hit in found["q1"].hits] == ["kova", "vela"]
    assert "[1] Kova 30" in found["q1"].prompt


@pytest.mark.parametrize(
    ("text", "prompt_cut", "answer_cut", "outcome"),
    [
        ("42 bar", False, False, "ok"),
        ("42 bar and", False, True, "truncated"),
        ("I don't know.", False, True, "abstained"),
        ("I don't know.", True, False, "truncated"),
        ("", True, False, "truncated"),
    ],
)
def test_a_cut_prompt_is_no_refusal(text, prompt_cut, answer_cut, outcome):
    assert arms.outcome_of(Completion(text, "", Usage(1, 1, 0.0, 0.0, 1), prompt_cut, answer_cut)) == outcome


class Citing(EchoGenerator):
    """Says what it is told."""

    said = "42 bar [1]"

    def complete(self, prompts):
        return [replace(completion, text=self.said) for completion in super().complete(prompts)]


@pytest.mark.parametrize(
    ("said", "text", "outcome", "cited"),
    [
        ("42 bar [1]", "42 bar", "ok", (2,)),  # best last: the first passage shown is the second hit
        ("42 bar [2, 1].", "42 bar.", "ok", (1, 2)),
        ("42 bar [7]", "42 bar", "ok", (0,)),
        ("[1] I don't know.", "I don't know.", "abstained", (2,)),
        ("42 bar", "42 bar", "ok", ()),
        ("I don't know. [1]", "I don't know.", "abstained", (2,)),
        ("[1]", "", "ok", (2,)),
    ],
)
def test_citations_are_taken_off_the_answer_and_point_at_hits(said, text, outcome, cited):
    generator = Citing()
    generator.said = said
    found = answers(composed(generator, Fixed(), style=Style(cite=True, order="best-last")))["q1"]
    assert (found.text, found.outcome, found.cited) == (text, outcome, cited)
    assert "[1] Vela 7" in found.prompt and "by their numbers" in found.prompt


def test_who_was_not_asked_to_cite_or_shown_nothing_cites_nothing():
    plain = answers(composed(Citing(), Fixed()))["q1"]
    closed = answers(composed(Citing(), style=Style(cite=True)))["q1"]
    assert (plain.text, plain.cited) == (closed.text, closed.cited) == ("42 bar [1]", None)
    assert "numbers" not in closed.prompt


def test_latency_is_that_of_whole_single_questions():
    class Slow(EchoGenerator):
        asked: ClassVar[list[int]] = []

        def complete(self, prompts):
            self.asked.append(len(prompts))
            time.sleep(0.01)
            return super().complete(prompts)

    seconds = arms.latencies(composed(Slow(), Fixed()), QUESTIONS)
    assert Slow.asked == [1, 1, 1] and len(seconds) == 3 and all(0.01 <= s < 5 for s in seconds)


def test_closed_book_arm_has_no_hits_and_refusals_are_outcomes():
    found = answers(composed())
    assert found["q1"].hits is None
    assert found["q1"].outcome == "abstained"


def test_batches_are_by_length_and_the_same_every_time():
    batches = composed().prepare(QUESTIONS)
    assert [batch.ids for batch in batches] == [["q2", "q1"], ["q3"]]
    assert [batch.number for batch in batches] == [0, 1]
    assert [batch.ids for batch in composed().prepare(QUESTIONS)] == [batch.ids for batch in batches]


class ByWord:
    """Finds the passage whose first word the question names, the Kova's for others."""

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        return [(Hit(PASSAGES[1 if "Vela" in question.text else 0], 1, 1.0),) for question in questions]


def test_prompts_with_the_same_passage_are_answered_together():
    texts = ["Kova a", "Vela b", "Kova one two three four five six", "Vela b c", "Kova d e f", "Vela g h i j k l m n o p q r s"]
    questions = [Question(f"q{number}", text) for number, text in enumerate(texts)]
    batches = composed(retriever=ByWord(), batch_size=3).prepare(questions)
    assert [batch.ids for batch in batches] == [["q5", "q3", "q1"], ["q2", "q4", "q0"]]
    assert [batch.ids for batch in composed(retriever=ByWord(), batch_size=4).prepare(questions)] == [["q5", "q3", "q1", "q2"], ["q4", "q0"]]


@pytest.mark.parametrize("retriever", [None, ByWord()])
def test_no_batch_is_larger_than_its_longest_prompt_allows(monkeypatch, retriever):
    monkeypatch.setattr(arms, "BATCH_TOKENS", 100)
    questions = [Question(f"q{n}", ("Vela " if n % 2 else "") + "why " * (1 + 7 * n % 40)) for n in range(40)]
    batches = composed(retriever=retriever, batch_size=8).prepare(questions)
    lengths = [[EchoGenerator().length(prompt) for prompt in batch.prompts] for batch in batches]
    assert sum(map(len, lengths)) == 40 and max(map(len, lengths)) > 1
    assert all(len(batch) == 1 or max(batch) * len(batch) <= 100 for batch in lengths)


def test_very_long_prompts_get_smaller_batches(monkeypatch):
    monkeypatch.setattr(arms, "BATCH_TOKENS", 30)
    assert all(len(batch.ids) == 1 for batch in composed().prepare(QUESTIONS))


def test_context_is_filled_to_the_budget_and_no_further():
    found = answers(composed(retriever=Fixed(), context_tokens=14))
    assert [hit.chunk.id for hit in found["q1"].hits] == ["kova"]


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_one_failing_question_is_an_error_and_takes_no_other_with_it(batch_size):
    found = answers(composed(Fragile(), Fixed(), batch_size=batch_size))
    assert found["q3"].outcome == "error"
    assert found["q3"].error == "RuntimeError: out of memory"
    assert found["q3"].usage is None
    assert [found[key].outcome for key in ("q1", "q2")] == ["ok", "ok"]
