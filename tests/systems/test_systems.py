"""What each system says to a question, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ragft import recipe, registry
from ragft.errors import InputError, MissingError
from ragft.systems.base import Reply, SystemParts, Whole
from ragft.types import Gold, Question

PARIS = Question("q1", "What is the capital of France?")
ROME = Question("q2", "What is the capital of Italy?")


def made(line: str, parts: SystemParts | None = None):
    step = recipe.system_of(line)
    return step.entry.make(parts or SystemParts(), **step.options)


# ── the arm around one ───────────────────────────────────────────────────────────────────────────────────────────────


class Said:
    def __init__(self, *replies: Reply):
        self.replies = list(replies)

    def reply(self, questions):
        return [self.replies.pop(0) for _ in questions]

    def key(self):
        return None


def test_replies_become_answers():
    said = Said(Reply("Paris", 1.5, 10, 2, 0.01, ("a passage",)), Reply(error="timeout"), Reply("I don't know."), Reply("Pa", 1.0, cut=True))
    arm = Whole(said, batch_size=3)
    questions = [PARIS, ROME, replace(PARIS, id="q3"), replace(PARIS, id="q4")]
    batches = arm.prepare(questions)
    assert [batch.ids for batch in batches] == [["q1", "q2", "q3"], ["q4"]]
    answers = [answer for batch in batches for answer in arm.answer(batch)]
    assert [answer.outcome for answer in answers] == ["ok", "error", "abstained", "truncated"]
    first, failed, unknown, _ = answers
    assert first.usage and (first.usage.seconds, first.usage.prompt_tokens, first.usage.cost) == (1.5, 10, 0.01)
    assert first.hits is None and first.prompt.endswith("a passage")
    assert failed.usage is None and failed.error == "timeout" and unknown.usage is None


# ── copy ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_copier_gives_the_nearest_training_answer():
    def gold(key: str, answer: str) -> Gold:
        return Gold(key, (answer,), (), "d", "train", key, 0, "other", "trained-fact")

    train = ((Question("t1", "Which city is the capital of France?"), gold("t1", "Paris")), (Question("t2", "Who baked bread?"), gold("t2", "Ada")))
    copier = made("copy", SystemParts(train))
    assert [reply.text for reply in copier.reply([PARIS, Question("q", "Who baked the bread?")])] == ["Paris", "Ada"]
    assert copier.reply([Question("q", "zzz")])[0] == Reply("I don't know."), "where it has nothing to copy it declines"
    with pytest.raises(InputError, match="split"):
        made("copy")


# ── logged answers ───────────────────────────────────────────────────────────────────────────────────────────────────


def logged(tmp_path, *rows):
    (tmp_path / "prod.jsonl").write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return made("answers prod.jsonl", SystemParts(folder=tmp_path))


def test_answers_are_found_by_id_or_by_question(tmp_path):
    system = logged(
        tmp_path,
        {"id": "q1", "answer": "Paris", "latency": 2, "cost": 0.5, "contexts": ["a"], "prompt_tokens": 7},
        {"question": "what is the capital of ITALY", "answer": "", "error": "timeout"},
    )
    first, second, third = system.reply([PARIS, ROME, Question("q9", "Anything else?")])
    assert first == Reply("Paris", 2.0, 7, 0, 0.5, ("a",))
    assert second.error == "timeout" and third.error == "no answer to it is in prod.jsonl"


def test_a_changed_file_is_another_system(tmp_path):
    before = logged(tmp_path, {"id": "q1", "answer": "Paris"}).key()
    assert before != logged(tmp_path, {"id": "q1", "answer": "Rome"}).key()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "Paris"}, 'the "id" or the "question"'),
        ({"id": "q1"}, '"answer" must be a text'),
        ({"id": "q1", "answer": "a", "cost": -1}, '"cost" must be a number'),
        ({"id": "q1", "answer": "a", "seconds": "two"}, '"seconds" must be a number'),
        ({"id": "q1", "answer": "a", "contexts": "b"}, '"contexts" must be a list'),
        ({"id": "q1", "answr": "a"}, "Did you mean 'answer'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, row, message):
    with pytest.raises(InputError, match=rf"prod\.jsonl:2: .*{message}"):
        logged(tmp_path, {"id": "q0", "answer": "x"}, row)


def test_two_answers_to_one_question(tmp_path):
    with pytest.raises(InputError, match=r"prod\.jsonl:2: a second answer to id 'q1'"):
        logged(tmp_path, {"id": "q1", "answer": "a"}, {"id": "q1", "answer": "b"})


def test_no_file(tmp_path):
    with pytest.raises(MissingError, match="taken from the domain's folder"):
        made("answers prod.jsonl", SystemParts(folder=tmp_path))


# ── chains ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_chain(tmp_path, monkeypatch, code: str) -> None:
    (tmp_path / "our_chain.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "our_chain", raising=False)


CHAIN = """
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
text = RunnableLambda(lambda question: "Paris" if "France" in question else 1 / 0)
message = RunnableLambda(lambda question: AIMessage("Paris"))
mapping = RunnableLambda(lambda question: {"query": question, "result": "Paris", "source_documents": [Document("a passage")]})
def function(question): return {"answer": AIMessage("Paris"), "context": "a passage"}
wrong = RunnableLambda(lambda question: 42)
number = 3
"""


@pytest.mark.parametrize(("name", "contexts"), [("text", ()), ("message", ()), ("mapping", ("a passage",)), ("function", ("a passage",))])
def test_what_a_chain_may_give(tmp_path, monkeypatch, name, contexts):
    write_chain(tmp_path, monkeypatch, CHAIN)
    (reply,) = made(f"langchain our_chain:{name}").reply([PARIS])
    assert (reply.text, reply.contexts, reply.error) == ("Paris", contexts, "") and reply.seconds is not None


def test_what_a_chain_raises_is_a_failed_answer(tmp_path, monkeypatch):
    write_chain(tmp_path, monkeypatch, CHAIN)
    right, wrong = made("langchain our_chain:text").reply([PARIS, ROME])
    assert right.text == "Paris" and wrong.error == "ZeroDivisionError: division by zero"
    assert "without a text" in made("langchain our_chain:wrong").reply([PARIS])[0].error


def test_what_is_no_chain(tmp_path, monkeypatch):
    write_chain(tmp_path, monkeypatch, CHAIN)
    with pytest.raises(InputError, match="neither a LangChain Runnable nor a function"):
        made("langchain our_chain:number")
    with pytest.raises(InputError, match="langchain 'our_chain:chain': our_chain has no 'chain'"):
        made("langchain our_chain:chain")


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("copy", "copy"),
        ({"answers": "prod.jsonl"}, "answers prod.jsonl"),
        ({"langchain": "our_chain:chain"}, "langchain our_chain:chain"),
        ({"openai": {"url": "http://localhost:8000/v1", "model": "qwen", "parallel": 4}}, "openai http://localhost:8000/v1 model=qwen"),
        ({"openai": {"url": "http://x/v1", "model": "m", "parallel": 8}}, "openai http://x/v1 model=m parallel=8"),
    ],
)
def test_a_line_in_its_normal_form(given, line):
    assert recipe.normal_system(given) == line == recipe.normal_system(line)


def test_a_wrong_line():
    with pytest.raises(InputError, match="Did you mean 'answers'"):
        recipe.normal_system("answer prod.jsonl")
    with pytest.raises(InputError, match="needs file"):
        recipe.normal_system("answers")


@pytest.mark.parametrize("name", registry.entries("system"))
def test_every_system_says_what_it_is(name):
    entry = registry.entries("system")[name]
    assert entry.summary and isinstance(entry.facts["generates"], bool)
