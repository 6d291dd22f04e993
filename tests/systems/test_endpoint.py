"""An endpoint that speaks the chat protocol, as a local server that can be told to fail."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ragft import recipe
from ragft.arms import Composed
from ragft.errors import InputError
from ragft.systems import endpoint
from ragft.systems.base import SystemParts
from ragft.systems.endpoint import Endpoint, EndpointError
from ragft.types import Prompt, Question


class Server(ThreadingHTTPServer):
    """Answers with the last word of the user's turn, after as many failures as it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.reply: dict[str, Any] | str | None = None
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.keys.append(self.headers.get("Authorization"))
            status, headers = self.server.failures.pop(0) if self.server.failures else (200, {})
        said = body["messages"][-1]["content"].split()[-1]
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        good = {"choices": [{"message": {"content": f" {said} "}, "finish_reason": "stop"}], "usage": usage}
        answer = self.server.reply if self.server.reply is not None else good
        data = (answer if isinstance(answer, str) else json.dumps(answer)).encode() if status == 200 else b"no"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(endpoint, "LONGEST_PAUSE", 0.01)


def made(server: Server, more: str = "") -> Endpoint:
    step = recipe.system_of(f"openai {server.url} model=qwen {more}")
    return step.entry.make(SystemParts(max_new_tokens=7), **step.options)


def test_what_is_asked_and_what_comes_back(server, monkeypatch):
    monkeypatch.setenv("OUR_KEY", "secret")
    (found,) = made(server, "key=OUR_KEY").complete([Prompt("Answer.", "Say Paris")])
    assert server.bodies == [
        {
            "model": "qwen",
            "messages": [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Say Paris"}],
            "temperature": 0,
            "max_tokens": 7,
        }
    ]
    assert server.keys == ["Bearer secret"]
    assert (found.text, found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.cost) == ("Paris", 100, 10, None)
    assert found.prompt == "Answer.\n\nSay Paris" and not found.answer_cut


def test_many_come_back_in_order(server):
    prompts = [Prompt("", f"word{n}") for n in range(20)]
    assert [one.text for one in made(server, "parallel=8").complete(prompts)] == [f"word{n}" for n in range(20)]


def test_what_may_pass_is_tried_again(server):
    server.failures = [(429, {"Retry-After": "0.005"}), (503, {}), (500, {"Retry-After": "a date"})]
    assert made(server).complete([Prompt("", "Paris")])[0].text == "Paris" and len(server.bodies) == 4


def test_what_does_not_pass_is_given_up(server):
    server.failures = [(500, {})] * 100
    with pytest.raises(EndpointError, match="500: no"):
        made(server).complete([Prompt("", "Paris")])
    assert len(server.bodies) == endpoint.ATTEMPTS
    server.bodies.clear()
    server.failures = [(400, {})]
    with pytest.raises(EndpointError, match="400: no"):
        made(server).complete([Prompt("", "Paris")])
    assert len(server.bodies) == 1, "a wrong request is not repeated"


def test_a_server_that_is_not_there(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(EndpointError, match="ConnectError"):
        made(server).complete([Prompt("", "Paris")])


@pytest.mark.parametrize("reply", ["no json", {}, {"choices": []}, {"choices": [{"message": None}]}])
def test_what_is_no_completion(server, reply):
    server.reply = reply
    with pytest.raises(EndpointError, match="no chat completion"):
        made(server).complete([Prompt("", "Paris")])


def test_an_answer_that_was_cut(server):
    server.reply = {"choices": [{"message": {"content": "Par"}, "finish_reason": "length"}]}
    (found,) = made(server).complete([Prompt("", "Paris")])
    assert found.answer_cut and found.usage.prompt_tokens == 0


def test_cost_and_ceiling(server):
    system = made(server, "prompt_price=1 completion_price=10 ceiling=0.0003")
    assert system.complete([Prompt("", "a")])[0].usage.cost == pytest.approx(0.0002)
    system.complete([Prompt("", "b")])
    assert system.spent == pytest.approx(0.0004)
    with pytest.raises(InputError, match=r"has cost 0\.0004, and its ceiling is 0\.0003"):
        system.complete([Prompt("", "c")])
    assert len(server.bodies) == 2


def test_the_ceiling_holds_within_a_batch_and_without_a_count(server):
    prompts = [Prompt("", f"word{n}") for n in range(32)]
    system = made(server, "prompt_price=1 completion_price=10 ceiling=0.0005 parallel=1")
    with pytest.raises(InputError, match=r"has cost 0\.0006, and its ceiling is 0\.0005"):
        system.complete(prompts)
    assert len(server.bodies) == 3
    system.ceiling = 1.0
    assert len(system.complete(prompts)) == 32 and len(server.bodies) == 32, "what was paid is not paid again"
    server.reply = {"choices": [{"message": {"content": "Paris is a town"}}]}
    silent = made(server, "prompt_price=1 completion_price=1000000 ceiling=7 parallel=1")
    with pytest.raises(InputError, match="its ceiling is 7"):
        silent.complete(prompts)
    assert silent.spent == pytest.approx(8, abs=0.1) and silent.complete(prompts[:1])[0].usage.cost is None


def test_as_an_arm_one_failure_is_one_failed_answer_and_no_question_is_paid_twice(server):
    arm = Composed(made(server, "parallel=1"), None, 1, 400, "en", 8)
    questions = [Question(f"q{n}", f"word{n}") for n in range(4)]
    server.failures = [(200, {}), (400, {})]
    (batch,) = arm.prepare(questions)
    answers = arm.answer(batch)
    assert sorted(answer.outcome for answer in answers) == ["error", "ok", "ok", "ok"]
    assert len(server.bodies) == 4, "neither those that were answered are asked again nor the one that failed"
    server.failures = []
    assert [answer.outcome for answer in arm.answer(batch)] == ["ok"] * 4, "another start tries it again"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("openai ftp://x model=m", "must begin with http"),
        ("openai http://x model=m key=NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
        ("openai http://x model=m parallel=0", "at least 1"),
        ("openai http://x model=m ceiling=5", "needs prompt_price"),
    ],
)
def test_what_cannot_be_an_endpoint(line, message):
    step = recipe.system_of(line)
    with pytest.raises(InputError, match=message):
        step.entry.make(SystemParts(), **step.options)
