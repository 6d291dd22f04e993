"""Rule-based wordings of a question: frames around it, and requests made of it, in English and Chinese.

The rules keep the question's words, so its meaning is safe; they vary how it is asked. What the domain's own authors
word differently is worth more, and is used first (ragft.tuning.formats).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

FRAMES = {
    "en": (
        "Please tell me: {0}",
        "A quick question: {0}",
        "I have a question. {0}",
        "{0} Please answer briefly.",
        "Could you help me with this? {0}",
        "A colleague asks: {0}",
        "For the record: {0}",
        "I need to know this: {0}",
        "Can you answer this? {0}",
        "According to our documents: {0}",
        "Here is what I was asked: {0}",
        "One more thing: {0}",
        "To be sure: {0}",
        "{0} A short answer will do.",
        "Somebody on the phone asks: {0}",
        "Let me ask you something. {0}",
        "Please look at this question: {0}",
    ),
    "zh": (
        "请问，{0}",
        "请告诉我：{0}",
        "想请教一下：{0}",
        "有个问题：{0}",
        "麻烦回答一下：{0}",
        "同事问：{0}",
        "我想知道：{0}",
        "按照我们的资料，{0}",
        "帮我确认一下：{0}",
        "有人来电问：{0}",
        "新来的同事想知道：{0}",
        "请简短回答：{0}",
        "{0}请直接回答。",
        "还有一点想问：{0}",
        "根据文件回答：{0}",
        "顺便问一句：{0}",
        "问题是这样的：{0}",
    ),
}
REQUESTS = (  # around an indirect question, such as "who chairs the trustees"
    "Tell me {0}.",
    "Do you know {0}?",
    "I would like to know {0}.",
    "Could you tell me {0}?",
    "Please say {0}.",
    "It would help me to know {0}.",
    "We were asked {0}.",
    "Somebody wants to know {0}.",
    "Remind me {0}.",
    "I am trying to find out {0}.",
)
DEMANDS = ("Give me {0}.", "Please state {0}.", "I am looking for {0}.", "I need {0}.")  # of a thing, such as "the base price for milk"

# "What is the base price for milk?" -> what, is, the base price for milk; not "What is the mould called?"
_TORN = r"(?<!ed)(?<!made)(?<!kept)(?<!due)(?<! for)(?<! to)(?<! of)"  # a word at the end that belongs to the verb
_TO_BE = re.compile(rf"(?P<asks>What|Who) (?P<verb>is|are|was|were) (?P<thing>(?:the|our|your) (?!.* used )[^,;:?]+{_TORN})\?")
# a question about its own subject needs no turning round: "Who chairs the trustees?"; one with an auxiliary may
_SUBJECT = re.compile(r"(?:Who|What|Which [a-z]+) [a-z]+s [^,;:?]+\?")
_AUXILIARY = re.compile(r"\b(?:am|is|are|was|were|do|does|did|has|have|had|can|could|will|would|shall|should|may|might|must|ought)\b")
# the thing must have an object of its own, or an adjective behind it would be torn from its verb: "What is the pump good at?"
_OF = re.compile(r"(?:the|our|your) [\w' -]+? (?:of|for|in|at) ")


def paraphrases(question: str, language: str, count: int, seed: int, taken: Callable[[str], bool] = lambda text: False) -> list[str]:
    """At most `count` different wordings of a question (not the question itself) that are not `taken`; the same for the same seed."""
    found = list(dict.fromkeys(_all(question.strip(), language)))
    random.Random(f"{seed} {question}").shuffle(found)
    return [text for text in found if text != question and not taken(text)][:count]


def _all(question: str, language: str) -> Iterator[str]:
    yield from (frame.format(question) for frame in FRAMES.get(language, FRAMES["en"]))
    if language == "zh":
        return
    indirect = _indirect(question)
    if indirect:
        yield from (request.format(indirect) for request in REQUESTS)
    asked = _TO_BE.fullmatch(question)
    if asked and asked["asks"] == "What" and _OF.match(asked["thing"]):
        yield from (demand.format(asked["thing"]) for demand in DEMANDS)


def _indirect(question: str) -> str | None:
    """The question as a clause: "what the base price for milk is", "who chairs the trustees"; None where the rules do not reach."""
    asked = _TO_BE.fullmatch(question)
    if asked and _OF.match(asked["thing"]):
        return f"{asked['asks'].lower()} {asked['thing']} {asked['verb']}"
    if _SUBJECT.fullmatch(question) and not _AUXILIARY.search(question):
        return question[0].lower() + question[1:-1]
    return None
