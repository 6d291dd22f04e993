"""Replies are asked for once, kept as they come, and failures are counted; and how writers are named and asked."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from functools import partial

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda

from ragft.errors import InputError, MissingError
from ragft.types import Prompt
from ragft.written.replies import Replies
from ragft.written.schema import Critique, read_as
from ragft.written.writer import ChatWriter, Failed, make_writer

YES = '{"answerable": true, "stands_alone": true, "one_answer": true}'
PROMPTS = [Prompt("Check.", f"question {n}") for n in range(20)]


def silent(done: int, total: int) -> None:
    pass


@dataclass
class Counted:
    """Replies with what `say` makes of a prompt; BROKEN is a failed call, KILLED a kill."""

    say: object = lambda user: YES
    about: str = "counted"
    local: bool = True
    seen: list[str] = field(default_factory=list)

    def replies(self, prompts):
        for place, prompt in enumerate(prompts):
            self.seen.append(prompt.user)
            said = self.say(prompt.user)
            if said == "KILLED":
                raise KeyboardInterrupt
            yield place, Failed("TimeoutError: no answer") if said == "BROKEN" else said


def ask(writer, path, prompts=PROMPTS):
    replies = Replies(writer, path)
    return replies, replies.ask("critique", prompts, partial(read_as, Critique), silent)


def test_replies_are_in_order_and_the_same_prompt_is_sent_once(tmp_path):
    writer = Counted(lambda user: YES.replace("true", str(user != "question 3").lower()))
    replies, found = ask(writer, tmp_path / "r.jsonl", [*PROMPTS, PROMPTS[3]])
    assert [one.answerable for one in found] == [n != 3 for n in range(20)] + [False]
    assert len(writer.seen) == replies.sent == 20


def test_every_reply_is_counted_as_it_comes(tmp_path):
    """A small local model may take minutes for the first of them."""
    ask(Counted(), tmp_path / "r.jsonl", PROMPTS[:3])
    seen: list[tuple[int, int]] = []
    Replies(Counted(), tmp_path / "r.jsonl").ask("critique", PROMPTS, partial(read_as, Critique), lambda done, total: seen.append((done, total)))
    assert seen == [(done, 20) for done in (*range(3, 17), *range(16, 21))]


def test_after_a_kill_only_what_is_left_is_sent(tmp_path):
    path = tmp_path / "r.jsonl"
    with pytest.raises(KeyboardInterrupt):
        ask(Counted(lambda user: "KILLED" if user == "question 7" else YES), path)
    assert len(path.read_text().splitlines()) == 7
    with path.open("a") as file:
        file.write('{"key": "torn", "rep')
    writer = Counted()
    replies, found = ask(writer, path)
    assert writer.seen == [f"question {n}" for n in range(7, 20)] and None not in found
    assert [json.loads(line)["reply"] for line in path.read_text().splitlines()] == [YES] * 20
    assert len(replies) == 20


def test_another_writer_is_asked_anew(tmp_path):
    ask(Counted(), tmp_path / "r.jsonl")
    other = Counted(about="another")
    ask(other, tmp_path / "r.jsonl")
    assert len(other.seen) == 20


def test_failures_are_counted_by_reason_and_failed_calls_are_made_again(tmp_path):
    def say(user):
        return {"question 1": "BROKEN", "question 2": "Yes, it is fine.", "question 3": "{}"}.get(user, YES)

    replies, found = ask(Counted(say), tmp_path / "r.jsonl")
    assert [place for place, one in enumerate(found) if one is None] == [1, 2, 3]
    assert dict(replies.failures) == {
        "failed calls, critique": 1,
        "replies that are no JSON, critique": 1,
        "replies that have another form than asked for, critique": 1,
    }
    again = Counted()
    ask(again, tmp_path / "r.jsonl")
    assert again.seen == ["question 1"], "what cannot be read is kept as it is: it was paid for"


def test_too_many_failures_stop_before_the_rest_is_sent(tmp_path):
    half = Counted(lambda user: YES if int(user.split()[1]) % 2 else "no")
    assert sum(one is None for one in ask(half, tmp_path / "half.jsonl")[1]) == 10
    more = Counted(lambda user: YES if int(user.split()[1]) % 3 == 1 else "no")
    with pytest.raises(
        InputError, match=r"writer counted: 11 of the first 16 replies about critique failed \(they are no JSON.*leave --writer out.*r.jsonl"
    ):
        ask(more, tmp_path / "r.jsonl")
    assert len(more.seen) == 16


def test_where_replies_cannot_be_kept_none_is_asked_for(tmp_path):
    (tmp_path / "file").write_text("")
    writer = Counted()
    with pytest.raises(InputError, match="cannot be written"):
        ask(writer, tmp_path / "file" / "r.jsonl")
    assert writer.seen == []


# ── writers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chat_model_gets_system_and_user(tmp_path):
    seen = []
    writer = ChatWriter(RunnableLambda(lambda messages: seen.append([(m.type, m.text) for m in messages]) or "said"), "m:a")
    assert list(writer.replies(PROMPTS[:1])) == [(0, "said")]
    assert seen == [[("system", "Check."), ("human", "question 0")]]


def test_langchains_own_fake_model_writes():
    found = dict(ChatWriter(FakeListChatModel(responses=[YES]), "m:a").replies(PROMPTS))
    assert found == dict.fromkeys(range(20), YES)


def test_a_call_is_tried_again_and_then_given_up(monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    tries: list[str] = []

    def say(messages):
        tries.append(messages[1].text)
        if messages[1].text == "question 0" or len(tries) < 3:
            raise TimeoutError("no\nanswer")
        return YES

    writer = ChatWriter(RunnableLambda(say), "m:a")
    assert list(writer.replies(PROMPTS[1:2])) == [(0, YES)] and len(tries) == 3
    assert list(writer.replies(PROMPTS[:1])) == [(0, Failed("TimeoutError: no answer"))] and len(tries) == 6


def test_what_is_no_text_is_a_failure():
    assert list(ChatWriter(RunnableLambda(lambda messages: {"text": 1}), "m:a").replies(PROMPTS[:1])) == [
        (0, Failed("replied with a dict, not with text"))
    ]


def test_names(tmp_path, monkeypatch):
    (tmp_path / "our_writer.py").write_text(
        "from langchain_core.language_models.fake_chat_models import FakeListChatModel\nmodel = FakeListChatModel(responses=['said'])\nnumber = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    writer = make_writer("our_writer:model")
    assert list(writer.replies(PROMPTS[:1])) == [(0, "said")] and writer.about == "our_writer:model" and not writer.local
    with pytest.raises(InputError, match="writer 'our_writer:number': a int, and not a LangChain"):
        make_writer("our_writer:number")
    with pytest.raises(MissingError, match="writer 'no_such_writer:model': no module named"):
        make_writer("no_such_writer:model")
    with pytest.raises(MissingError, match="no-such-model"):
        make_writer("local:no-such-model")


@pytest.mark.parametrize("name", ["gpt-4", ":model", "module:", "local", "local:", ""])
def test_a_name_that_is_neither(name):
    with pytest.raises(InputError, match="module:attribute"):
        make_writer(name)


def test_a_local_model(tmp_path, tiny_model, monkeypatch):
    """One with random weights writes no JSON; a prompt that it would see without its middle is a failure."""
    with pytest.raises(InputError, match="reads 512 tokens at once, and needs 2048"):
        make_writer(f"local:{tiny_model}")
    folder = shutil.copytree(tiny_model, tmp_path / "wide")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    monkeypatch.setattr("ragft.written.writer.MAX_NEW_TOKENS", 4)
    writer = make_writer(f"local:{folder}")
    assert writer.local and writer.about.startswith("local ")
    with pytest.raises(InputError, match="16 of the first 16 replies about critique failed"):
        ask(writer, tmp_path / "r.jsonl")
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 16
    (said,) = writer.replies([Prompt("Check.", "word " * 3000)])
    assert said == (0, Failed("its prompt is longer than the model's window"))
