"""Documents, and a writer that knows them: a Runnable that replies by looking at the prompt, in English and in Chinese."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

NUMBER = 24
ENGLISH = [f"{letter}orvik" for letter in "ABCDEFGHIJKLMNOPQRSTUVWX"]
CHINESE = [
    f"{first}{second}泵"
    for first, second in zip("甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥乾坤", "山川江河湖海云雨风雪雷电松竹梅兰菊荷桃李杏柳枫桐", strict=True)
]
KNOWN = 6  # of one pump in so many the writer knows everything without reading


def write_corpus(folder: Path, language: str = "en") -> Path:
    """A document a pump: its weight in one sentence and its year in another; some have a table."""
    folder.mkdir(parents=True)
    for n in range(NUMBER):
        (folder / f"p{n:02}.md").write_text(document(n, language), encoding="utf-8")
    return folder


def document(n: int, language: str) -> str:
    if language == "zh":
        return f"# {CHINESE[n]}\n\n{CHINESE[n]}重{n + 10}公斤。它建于{n + 1950}年。\n"
    table = f"\n| Property | {ENGLISH[n]} pump |\n|---|---|\n| {'Order code' if n % 2 else 'Colour'} | X-{n:03} |\n" if n < 12 else ""
    return f"# {ENGLISH[n]} pump\n\nThe {ENGLISH[n]} pump weighs {n + 10}.5 kg. It was built in {n + 1950}.\n{table}"


ASKED = {
    "en": (
        ("What does the {0} pump weigh?", "The {0} pump weighs {1}.5 kg.", "{1}.5 kg"),
        ("In which year was the {0} pump built?", "It was built in {2}.", "{2}"),
    ),
    "zh": (("{0}有多重？", "{0}重{1}公斤。", "{1}公斤"), ("{0}建于哪一年？", "它建于{2}年。", "{2}年")),
}
WORDED = {
    "en": (
        (
            ("How heavy is the {0} pump?", "Tell me the weight of the {0} pump.", "What is the mass of the {0} pump?"),
            ("I must lift the {0} pump: how many kilograms?", "A carrier asks about the {0} pump. Which figure do I name?"),
        ),
        (
            ("When was the {0} pump built?", "Tell me in what year someone built the {0} pump.", "Which year is the {0} pump from?"),
            ("How old a design is the {0} pump, by its construction?", "Somebody dates the {0} pump. What do I say?"),
        ),
    ),
    "zh": (
        (("{0}的重量是多少？", "请告诉我{0}的重量。", "{0}多重？"), ("要搬{0}，得准备多大的力气？", "有人问{0}的分量，怎么答？")),
        (("{0}是什么时候建的？", "请告诉我{0}的建造年份。", "{0}哪年建成？"), ("要写{0}的历史，年份写哪一个？", "有人问起{0}的年头，从何时算起？")),
    ),
}


@dataclass
class Script:
    """What the writer replies; `change` may put another reply in the place of the usual one, by sort of prompt: (user turn, usual) -> reply."""

    language: str = "en"
    change: dict[str, Any] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    prompts: list[tuple[str, str]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @property
    def model(self) -> RunnableLambda:
        return RunnableLambda(self)

    def __call__(self, messages: Any) -> AIMessage:
        system, user = (message.text for message in messages)
        sort = next((name for name in ("questions", "train", "answerable") if f'"{name}":' in system), "passages" if "[1]" in user else "none")
        with self.lock:
            self.calls[sort] += 1
            self.prompts.append((system, user))
        usual = {"questions": self.questions, "train": self.wordings, "answerable": self.critique}.get(sort, self.answer)(user)
        changed = self.change.get(sort)
        return AIMessage(changed(user, usual) if changed else usual)

    def number(self, text: str) -> int:
        names = CHINESE if self.language == "zh" else ENGLISH
        return max(range(NUMBER), key=lambda n: text.rfind(names[n]))  # the last that is named: in the question, behind the passages

    def filled(self, n: int, part: str) -> str:
        return part.format((CHINESE if self.language == "zh" else ENGLISH)[n], n + 10, n + 1950)

    def questions(self, user: str) -> str:
        n = self.number(user)
        made = [{name: self.filled(n, part) for name, part in zip(("question", "quote", "answer"), one, strict=True)} for one in ASKED[self.language]]
        return json.dumps({"questions": made}, ensure_ascii=False)

    def wordings(self, user: str) -> str:
        n = self.number(user)
        which = 0 if self.filled(n, ASKED[self.language][0][0]) in user else 1
        train, held_out = WORDED[self.language][which]
        return json.dumps(
            {"train": [self.filled(n, text) for text in train], "held_out": [self.filled(n, text) for text in held_out]}, ensure_ascii=False
        )

    def critique(self, user: str) -> str:
        return '{"answerable": true, "stands_alone": true, "one_answer": true}'

    def answer(self, user: str) -> str:
        """What the passages say of the pump that is asked about; without them nothing, but for what it knows."""
        passages, _, question = user.rpartition("问题：" if self.language == "zh" else "Question: ")
        n, asks = self.number(question), ASKED[self.language]
        which = next(
            which for which in (0, 1)
            if question in [self.filled(n, text) for text in (asks[which][0], *WORDED[self.language][which][0], *WORDED[self.language][which][1])]
        )  # fmt: skip
        quote = self.filled(n, asks[0][1])  # the sentence that names the pump
        known = quote in passages or (not passages and n % KNOWN == 0)
        return self.filled(n, asks[which][2]) if known else {"en": "I don't know.", "zh": "我不知道。"}[self.language]
