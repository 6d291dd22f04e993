"""A statement -> wordings of the question that it answers, those for training and those held out, in English and Chinese.

The two families of frames share no wording: a held-out question is never a trained one with another name in it. What the frames
say is plain, so that it is grammatical whatever stands in it; a person asks in more ways, and `ragft questions check` and a review
do not replace one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragft.asking.mine import Statement, is_name

Frames = tuple[tuple[str, ...], tuple[str, ...]]  # for training, held out

ENGLISH: dict[str, Frames] = {
    "attribute": (
        ("What {be} the {a} of {s}?", "Tell me the {a} of {s}.", "For {s}, what {be} the {a}?"),
        ("I am looking at {s}: which {a} should I write down?", "Somebody asks for the {a}, and means {s}. What is the answer?"),
    ),
    "entry": (
        ('What is listed as "{a}" for {s}?', 'For {s}, what do we have under "{a}"?', 'Give me the entry "{a}" of {s}.'),
        ('I am looking at {s}: what belongs under "{a}"?', 'Somebody has to fill in "{a}", and means {s}. What is the answer?'),
    ),
    "thing": (
        ("What or who is {s}?", "Please name {s}.", "I need {s}. What do our documents say?"),
        ("A colleague has forgotten {s}. What should I reply?", "Look up {s} for me."),
    ),
    "when": (
        ("When was {s} {a}?", "On what date was {s} {a}?", "Give me the date on which {s} was {a}."),
        ("I must note when {s} was {a}: which date is right?", "Which day do our documents give for {s} being {a}?"),
    ),
    "by whom": (
        ("By whom is or was {s} {a}?", "Who {a} {s}, or does so now?", "{s}: {a} by whom?"),
        ("Whose name do our documents give for {s} being {a}?", "I want to thank the one by whom {s} is or was {a}. Who is it?"),
    ),
    "gap": (
        ("What stands in the gap? {s}", "Fill the gap: {s}", "Complete this sentence: {s}"),
        ("Something is missing where the line is. What is it? {s}", "A reader cannot make out the part marked by the line: {s}"),
    ),
    "reversed": (
        ("What has {v} as its {a}?", "To what does the {a} {v} belong?", "Which one is it whose {a} is {v}?"),
        ("I have only the {a}, {v}. What is it the {a} of?", "Find what goes with {v} as {a}."),
    ),
    "two-document": (
        ("What {be} the {a} of the {b} of {s}?", "Take the {b} of {s}: what {be} its {a}?", "Tell me the {a} of what {s} has as its {b}."),
        ("{s} has a {b}. Which {a} does that have?", "I know {s} only. Starting from its {b}, which {a} do I find?"),
    ),
}
CHINESE: dict[str, Frames] = {
    "attribute": (
        ("{s}的{a}是什么？", "请告诉我{s}的{a}。", "就{s}而言，{a}是什么？"),
        ("有人问起{s}，想知道{a}，该怎么回答？", "我手边是{s}，要记下它的{a}，写什么？"),
    ),
    "entry": (
        ("{s}的「{a}」一栏写的是什么？", "就{s}而言，「{a}」一栏是什么？", "请告诉我{s}在「{a}」一项的内容。"),
        ("我在查{s}，「{a}」应当填什么？", "有人问起{s}的「{a}」，该怎么回答？"),
    ),
    "gap": (
        ("下面空缺处是什么？{s}", "请填空：{s}", "把这句话补完整：{s}"),
        ("这句话有一处看不清，那里写的是什么？{s}", "横线处原来写的是什么？{s}"),
    ),
    "reversed": (
        ("{a}为{v}的是什么？", "{v}是什么的{a}？", "哪一项的{a}是{v}？"),
        ("我只知道{a}是{v}，它属于哪一项？", "按{a}{v}去找，找到的是什么？"),
    ),
    "two-document": (
        ("{s}的{b}的{a}是什么？", "先看{s}的{b}，它的{a}是什么？", "请告诉我{s}的{b}的{a}。"),
        ("我只知道{s}，从它的{b}查下去，{a}是什么？", "{s}有一个{b}，那个{b}的{a}是什么？"),
    ),
}
# The last word of a heading that "the … of" goes with; any other is quoted as it stands: "next due", "what to do", 放什么
_NOUNS = """address age amount author battery brand brightness budget capacity capital category city code colour color composition cost
country date deadline density depth designer diameter dimensions director distance duration email endurance extension fee flow frequency
founder height interval language leader length licence license limit location manager manufacturer mass material maximum minimum model
number operator origin owner phone place population port position power pressure price product project quantity range rate rating reach
reference region release resolution responsibility revenue role room salary score serial size speed state status supplier supply surface
telephone temperature term threshold time title tolerance torque type unit value variety version voltage volume warranty weight width year
driver contact discount equipment article packing
价格 单价 日期 地点 名额 讲师 编号 型号 重量 长度 宽度 高度 温度 电压 功率 容量 时间 周期 负责人
电话 地址 版本 颜色 材料 产地 供应商 费用 期限 频率 器具"""
NOUNS = {*_NOUNS.split()}
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


@dataclass(frozen=True, slots=True)
class Wordings:
    """Questions that ask for the same: for training, and held out."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def wordings(found: Statement) -> Wordings:
    """Three for training and two held out."""
    form = "entry" if found.form == "attribute" and not is_noun(found.attribute) else found.form
    return _filled(form, found.language, found.within, s=subject(found), a=key(found.attribute, found.language))


def backwards(found: Statement) -> Wordings:
    """Asking from the value of an attribute for what has it."""
    return _filled("reversed", found.language, found.within, a=key(found.attribute, found.language), v=found.value)


def two_hops(first: Statement, second: Statement) -> Wordings:
    """Asking for an attribute of what the first statement names."""
    names = {"s": subject(first), "b": key(first.attribute, first.language), "a": key(second.attribute, second.language)}
    return _filled("two-document", first.language, first.within or second.within, **names)


def _filled(form: str, language: str, within: str, **names: str) -> Wordings:
    train, held_out = LANGUAGES[language][form]
    be = "are" if _is_plural(names.get("a", "")) else "is"

    def fill(frame: str) -> str:
        text = frame.format(**names, be=be)
        if within:
            text = f"根据《{within}》，{text}" if language == "zh" else f'According to "{within}": {text}'
        return text[0].upper() + text[1:]

    return Wordings(tuple(map(fill, train)), tuple(map(fill, held_out)))


def key(name: str, language: str) -> str:
    """ "Order code" within a sentence: "order code"; a word in capitals, or with one inside, stays."""
    if language == "zh" or not name or re.match(r"\S*[A-Z0-9]\S*[A-Z]|[A-Z]\b", name):
        return name
    return name[0].lower() + name[1:]


def subject(found: Statement) -> str:
    """The subject within a sentence: "The investigation of INC-2291" is "the investigation of INC-2291"; what has a gap is a sentence itself.

    What is no name is quoted: "Move cells by lorry only" is somebody's word for a row.
    """
    if found.form == "attribute" and found.within and not is_name(found.subject):
        return f"「{found.subject}」" if found.language == "zh" else f'"{found.subject}"'
    return found.subject if found.form == "gap" else re.sub(r"^(The|Our|A|An) (?=\w)", lambda article: article[0].lower(), found.subject)


def is_noun(name: str) -> bool:
    """Whether "the … of" goes with the name of an attribute."""
    last = name.split()[-1].casefold() if name.split() else ""
    return last in NOUNS or last.removesuffix("s") in NOUNS or any(name.endswith(noun) for noun in NOUNS if len(noun) > 1 and not noun.isascii())


def _is_plural(name: str) -> bool:
    last = name.split()[-1] if name.split() else ""
    return last.endswith("s") and not last.endswith(("ss", "us", "is"))
