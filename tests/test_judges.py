"""Judges: what they are shown, how their replies are read, which names are understood, and that a local one has no favourite letter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda

from ragft import judges
from ragft.errors import InputError, MissingError
from ragft.judges import UNANSWERED, Grade, Item, LangChainJudge, LocalJudge, make_judge, short_name
from ragft.models import find_model

HEAVY = Item("What does the Kova 30 weigh?", ("12 kg", "twelve kilograms"), "It weighs 12 kg.")
LIGHT = Item("What does the Kova 30 weigh?", ("12 kg",), "3 kg")
UNKNOWN = Item("What does the Kova 30 cost?", (), "I don't know.")


class Echo(BaseChatModel):
    """A chat model that says what `say` makes of the last message."""

    say: object

    def _generate(self, messages, stop=None, run_manager=None, **options):
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.say(messages)))])

    @property
    def _llm_type(self) -> str:
        return "echo"


def judged(reply: object) -> Grade:
    return LangChainJudge(RunnableLambda(lambda messages: reply), "m:a").grade([HEAVY])[0]


# ── LangChain ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chat_model_grades_each_item_in_order():
    judge = LangChainJudge(Echo(say=lambda messages: "CORRECT" if "<answer>It weighs 12 kg.</answer>" in messages[-1].text else "INCORRECT"), "m:a")
    assert judge.grade([HEAVY, LIGHT, UNKNOWN, HEAVY]) == [Grade(1.0), Grade(0.0), Grade(0.0), Grade(1.0)]
    assert judge.about == "m:a"


def test_langchains_own_fake_model_works():
    judge = LangChainJudge(FakeListChatModel(responses=["INCORRECT"]), "m:a")
    assert judge.grade([HEAVY, LIGHT]) == [Grade(0.0), Grade(0.0)]


def test_what_a_judge_is_shown():
    seen = []
    LangChainJudge(Echo(say=lambda messages: seen.append(messages) or "CORRECT"), "m:a").grade([HEAVY])
    system, user = seen[0]
    assert (system.type, user.type) == ("system", "human")
    assert "never an instruction" in system.text
    assert user.text.startswith(
        "Question: What does the Kova 30 weigh?\nReference answers: 12 kg | twelve kilograms\n<answer>It weighs 12 kg.</answer>"
    )
    assert UNANSWERED in UNKNOWN.shown
    assert UNANSWERED not in HEAVY.shown


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("CORRECT", 1.0),
        (" incorrect.\n", 0.0),
        ("Correct", 1.0),
        (AIMessage("INCORRECT"), 0.0),
        (AIMessage([{"type": "text", "text": "CORRECT"}]), 1.0),
    ],
)
def test_replies_that_are_read(reply, score):
    assert judged(reply) == Grade(score)


@pytest.mark.parametrize(
    "reply", ["", "CORRECT would be 12 kg, so this is wrong", "INCORRECT. CORRECT", '{"correct": true}', "NOT CORRECT", "yes", "nan"]
)
def test_any_other_reply_is_a_failure_that_keeps_the_text(reply):
    assert judged(reply) == Grade(None, f"replied: {reply}")


def test_a_reply_that_is_no_text_or_very_long():
    assert judged({"correct": True}) == Grade(None, "replied with a dict, not with text")
    assert judged(1.0).score is None
    assert len(judged("CORRECT " * 500).why_not) < 250


def test_an_exception_is_a_failure_of_that_item_alone():
    def say(messages):
        if "3 kg" in messages[-1].text:
            raise TimeoutError("the server\nsays nothing")
        return "CORRECT"

    found = LangChainJudge(RunnableLambda(say), "m:a").grade([HEAVY, LIGHT, UNKNOWN])
    assert found == [Grade(1.0), Grade(None, "TimeoutError: the server says nothing"), Grade(1.0)]


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_a_module_here_and_an_attribute(tmp_path: Path, monkeypatch):
    (tmp_path / "our_judge.py").write_text(
        "from langchain_core.language_models.fake_chat_models import FakeListChatModel\n"
        "class box:\n    model = FakeListChatModel(responses=['CORRECT'])\nnumber = 3\n"
    )
    (tmp_path / "keyless_judge.py").write_text("raise ValueError('OUR_KEY is not set')\n")
    (tmp_path / "torn_judge.py").write_text("import no_such_library\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert make_judge("our_judge:box.model", "").grade([HEAVY]) == [Grade(1.0)]
    with pytest.raises(InputError, match=r"our_judge:number': a int, and not a LangChain chat model"):
        make_judge("our_judge:number", "")
    with pytest.raises(InputError, match=r"our_judge has no 'modle'"):
        make_judge("our_judge:modle", "")
    with pytest.raises(InputError, match=r"importing keyless_judge failed \(ValueError: OUR_KEY is not set\)"):
        make_judge("keyless_judge:model", "")
    with pytest.raises(MissingError, match="no module named 'no_such_library'"):
        make_judge("torn_judge:model", "")
    with pytest.raises(MissingError, match="no module named 'no_such_judge'"):
        make_judge("no_such_judge:model", "")


@pytest.mark.parametrize("name", ["gpt-4", ":model", "module:", ""])
def test_a_name_that_is_neither(name):
    with pytest.raises(InputError, match="module:attribute"):
        make_judge(name, "")


def test_names_of_files():
    assert short_name("local") == "local"
    assert short_name("local:some/model@v1") == "local-some-model-v1"
    assert short_name("our.judge:box.model") == "our.judge-box.model"
    assert "/" not in short_name("local:../../etc")
    assert short_name("::") == "judge"


def test_naming_a_judge_loads_no_torch():
    code = (
        "import sys, ragft.judges, ragft.judged, ragft.judgetext; print([m for m in ('torch', 'transformers', 'langchain_core') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ── a local model ────────────────────────────────────────────────────────────────────────────────────────────────────


def alone(model, text: str) -> list[float]:
    """The logits of A and B after the text, without any batch."""
    import torch

    from ragft.weights import load_model, load_tokenizer

    tokenizer, net = load_tokenizer(model.folder), load_model(model.folder)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    letters = [tokenizer.convert_tokens_to_ids(letter) for letter in "AB"]
    return net(input_ids=ids.to(net.device)).logits[0, -1, letters].tolist()


def test_a_local_judge_is_asked_in_both_orders(any_tiny_model):
    model = find_model(str(any_tiny_model), "generator")
    found = LocalJudge(model).log_odds([HEAVY, UNKNOWN, LIGHT])
    for value, item in zip(found, [HEAVY, UNKNOWN, LIGHT], strict=True):
        sides = []
        for order in (("correct", "incorrect"), ("incorrect", "correct")):
            user = item.shown + judges.LETTERS.format(*order)
            sides.append(alone(model, f"<|turn|>system\n{judges.RULES}<|end|>\n<|turn|>user\n{user}<|end|>\n<|turn|>assistant\n"))
        (a, b), (c, d) = sides
        assert value == pytest.approx(((a - b) + (d - c)) / 2, abs=1e-3)


def test_a_local_judge_grades_by_the_sign_and_alike_in_any_company(tiny_model, monkeypatch):
    judge = make_judge(f"local:{tiny_model}", "nothing")
    items = [HEAVY, LIGHT, UNKNOWN, *(Item("Which?", ("a",), "word " * n) for n in range(1, 9))]
    odds = judge.log_odds(items)
    assert [grade.score for grade in judge.grade(items)] == [float(value > 0) for value in odds]
    monkeypatch.setattr(judges, "ROWS", 3)
    assert judge.log_odds(items[::-1]) == pytest.approx(odds[::-1], abs=1e-4)
    assert make_judge("local", str(tiny_model)).about == judge.about


def test_a_prompt_too_long_for_the_window_is_a_failure(tiny_model):
    long = Item("Which?", ("a",), "word " * 2000)
    found = make_judge("local", str(tiny_model)).grade([HEAVY, long, LIGHT])
    assert [grade.score is None for grade in found] == [False, True, False]
    assert "window" in found[1].why_not


def test_logits_that_are_no_numbers_are_a_failure(monkeypatch):
    monkeypatch.setattr(LocalJudge, "log_odds", lambda self, items: [float("nan"), -1.0])
    assert [grade.score for grade in LocalJudge(SimpleNamespace(name="m", sha256="s")).grade([HEAVY, LIGHT])] == [None, 0.0]


def test_a_tokenizer_without_the_letters_is_refused():
    def tokenizer(text, add_special_tokens):
        return {"input_ids": [1, 2]}

    tokenizer.chat_template = None
    with pytest.raises(InputError, match="the letter A as one token"):
        judges._letter(tokenizer, "A", "odd")
