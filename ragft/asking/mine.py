"""Documents -> statements that a question can ask for: of tables, "key: value" lines, records, and a few plain kinds of sentence.

A rule takes what it is sure of and leaves the rest. Every statement names what it is about by its own name, so that the question
stands without the document, and quotes the line or sentence that states it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from ragft.chunkers import headings
from ragft.domain.sentences import sentences
from ragft.text import CJK, cjk_share, language_of, words
from ragft.types import Document

Form = Literal["attribute", "thing", "when", "by whom", "gap"]
MOST_WORDS, MOST_CHARACTERS, MOST_KEY_WORDS, MOST_THING_WORDS, MOST_TITLE_WORDS = 10, 80, 5, 14, 6
MOST_TERM = 40  # characters of what a list defines


@dataclass(frozen=True, slots=True)
class Statement:
    """What a document says: that `attribute` of `subject` is `value`. The other forms read

    thing: that `subject` ("the order code of the Marl 12") is `value`; when, by whom: that `subject` was `attribute` ("founded") at or
    by `value`; gap: that `value` stands where the sentence `subject` has a gap.
    """

    document: str
    quote: str
    subject: str
    attribute: str
    value: str
    form: Form
    kind: str
    language: str
    within: str = ""  # the document's title, where the subject's own name does not say what is meant


_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = rf"(?:\d{{1,2}} (?:{_MONTH}) \d{{4}}|(?:{_MONTH}) \d{{1,2}}, \d{{4}}|(?:{_MONTH}) \d{{4}}|\d{{4}}-\d\d-\d\d|(?:1[5-9]|20)\d\d)"
_DATE_ZH = r"(?:\d{2,4}年(?:\d{1,2}月(?:\d{1,2}日)?)?)"
_NAME = r"[A-Z][\w'’-]+(?: (?:[a-z]{2,3} )?[A-Z][\w'’-]+)+"
_NUMBER = r"\d+(?:[.,]\d+)*"
_UNIT = (
    r"(?:%|°C|°F|per cent|percent|degrees|[kMG]?[WVAHz]{1,2}h?|[mcdk]?m(?:/s)?|[km]?g|[km]?l|[kMG]i?B|bar|rpm|"
    r"(?!(?:was|has|is|its|this|does|times)\b)[a-z]{3,}s|metre|litre|hour|minute|second|day|week|month|year)"
)
_AMOUNT = rf"(?:[£€$¥] ?{_NUMBER}|{_NUMBER}[ \u00a0]?{_UNIT})"
_AMOUNT_ZH = rf"(?:{_NUMBER}(?:元|天|小时|分钟|公斤|千克|克|升|毫升|米|厘米|毫米|台|次|人|个|度|℃|%))"

_PAIR = re.compile(r"^[ \t]*(?:[-*+•]|\d+[.)])?[ \t]*\**([^\s:：|*#][^:：|*]{0,39}?)\**[ \t]*[:：][ \t]*\**[ \t]*(\S.{0,79}?)\**[ \t]*$")
_FIELDS = re.compile(r"^[^:;]{1,40}: [^;]+(?:; [^:;]{1,40}: [^;]+)+$")
_THING = re.compile(r"^(?:The|Our) (?P<thing>[^,;:]+?) (?:is|are) (?P<value>[^,;]+?)(?=[,;]|[.](?:\s|$)| which | who | but | because | and the )")
_THING_ZH = re.compile(r"^(?P<subject>[^，。；：的]{2,20})的(?P<attribute>[^，。；：的是为]{2,10})(?:是|为)(?P<value>[^，。；]{1,20})(?=[，。；])")
_WHEN = re.compile(
    rf"^(?P<subject>[A-Z][^,;:]{{2,60}}?) was (?:first )?(?P<done>[a-z]+(?:ed|built|made|sold|held|set up|shut)) (?:on|in) (?P<value>{_DATE})\b"
)
_WHOM = re.compile(rf"^(?P<subject>[A-Z][^,;:]{{2,60}}?) (?:was|is) (?P<done>[a-z]+ed) by (?P<value>{_NAME})\b")
_SPLIT_ROW = re.compile(r"(?<!\\)\|")

# headings and heads of columns that name nothing
_GENERIC = """overview introduction summary notes note details values value properties property field fields item items name key general
contents background description remarks remark misc other contact about purpose scope faq questions data table specification
specifications parameter parameters 概述 简介 说明 项目 名称 数值 参数 备注 内容 其他"""
GENERIC = {*_GENERIC.split(), "technical data"}
_NOT_KEYS = "note warning tip example important caution attention hint q a question answer see http https todo remark 注意 提示 例如 备注 问 答"
NOT_KEYS = {*_NOT_KEYS.split()}
_NOT_SUBJECTS = "all any both each either every neither none nobody other others sum total 全部 其他 合计 总计 无"
NOT_SUBJECTS = {*_NOT_SUBJECTS.split()}
NO_VALUE = {"", "-", "–", "—", "n/a", "na", "none", "tbd", "?", "无", "暂无"}
_TORN_KEY = re.compile(r"\b(?:to|from|by|of|for|with|in|on|at|and|or|than|if|when|who|what|which|how|is|are|can|must|may|should)$")
_POINTING = re.compile(
    r"\b(?:it|its|they|their|them|this|that|these|those|he|she|his|her|we|our|you|your|former|latter|above|below|here|there|then|same)\b", re.I
)


def mine(document: Document) -> Iterator[Statement]:
    """Every statement that the rules find in a document, in its order; none twice."""
    seen, flat = set[tuple[str, str, str]](), " ".join(document.text.split())
    for statement in _all(document):
        key = (statement.subject, statement.attribute, statement.value)
        # a sentence may have been put together across what stands between its lines, such as a table
        if key not in seen and _sound(statement) and " ".join(statement.quote.split()) in flat:
            seen.add(key)
            yield statement


def _all(document: Document) -> Iterator[Statement]:
    text, language = document.text, language_of(document.text)
    heads, title = headings(text), _named(document.title)
    lines = list(_lines(text))
    table, prose = list[str](), list[str]()
    for (start, line), (_, following) in pairwise([*lines, (len(text), "")]):
        row = line.strip()
        titled = _is_title(row, prose, following.strip())
        fields = list(_of_line(document, row, _subject(title, heads, start), language)) if row and row.count("|") < 2 else []
        if row.startswith(": ") and prose and len(prose[-1]) <= MOST_TERM:  # a definition list of Markdown
            term = prose.pop()
            fields = [_attribute(document, f"{term} {row}", _subject(title, heads, start), term, row[2:], language)]
        if fields or titled or not _goes_on(row):
            yield from _of_prose(document, " ".join(prose), language)
            prose = []
        yield from fields
        if row.count("|") > 1:
            table.append(row)
            if following.count("|") < 2:
                yield from _of_table(document, table, _subject(title, heads, start), language)
                table = []
        elif row and not fields and not titled and not row.startswith(("#", "```", "~~~")):
            prose.append(row)
    yield from _of_prose(document, " ".join(prose), language)


def _goes_on(row: str) -> bool:
    """Whether a line goes on with the paragraph of the line before: text is often broken at some width."""
    return bool(row) and row.count("|") < 2 and not re.match(r"[#`~>]|[-*+•] |\d+[.)] ", row)


def _is_title(row: str, before: Sequence[str], following: str) -> bool:
    """Whether a line without any mark is a heading all the same, as in text and PDF files: short, no sentence, and one begins below it."""
    begins = not before or before[-1].endswith((".", "!", "?", ":", "。", "！", "？", "："))
    own = bool(re.match(rf"[A-Z{CJK}]", row)) and len(words(row)) <= MOST_TITLE_WORDS and not re.search(r"[.!?:;,。！？：；，]$|\b(?:the|an?)$", row)
    own = own and not _TORN_KEY.search(row)
    return begins and own and bool(re.match(rf"[A-Z{CJK}]", following)) and len(following) > len(row)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, line.rstrip("\n")
        start += len(line)


def _named(heading: str) -> str:
    """What a title names: "Marl 12 flow meter: data sheet" is about the Marl 12 flow meter."""
    return re.split(r":(?!\d)|：|（|\(", heading)[0].strip(' \t#*「」"“”')


def _subject(title: str, heads: Iterable[tuple[int, int, str]], position: int) -> str:
    """The nearest heading above that names a thing, else the document's title."""
    path = list[tuple[int, str]]()
    for start, level, words_ in heads:
        if start <= position:
            path = [(lv, w) for lv, w in path if lv < level] + [(level, _named(words_))]
    named = [heading for _, heading in path if is_name(heading)]
    return named[-1] if named else title


def is_name(text: str) -> bool:
    """Whether a heading is a thing's own name: it has a digit, a capital beyond its first word, or Chinese letters in brackets."""
    if (
        text.casefold() in GENERIC
        or text.endswith(("?", "？"))
        or re.fullmatch(rf"(?:{_DATE}|{_DATE_ZH}|{_AMOUNT}|{_AMOUNT_ZH}|[\d\W]+)(?:度)?", text)
    ):
        return False
    return bool(re.search(r"\d", text) or re.search(r"(?<=\s)[A-Z]", text) or (cjk_share(text) > 0.5 and re.search(r"[A-Z「]", text)))


# ── tables, fields and lines ─────────────────────────────────────────────────────────────────────────────────────────


def _of_table(document: Document, rows: list[str], subject: str, language: str) -> Iterator[Statement]:
    cells = [[cell.strip().strip("*`") for cell in _SPLIT_ROW.split(row.strip().strip("|"))] for row in rows]
    if len(cells) < 3 or not all(re.fullmatch(r":?-{2,}:?", cell) for cell in cells[1] if cell):
        return
    head = cells[0]
    for row, quote in zip(cells[2:], rows[2:], strict=True):
        if len(row) != len(head) or len(head) < 2:
            continue
        if len(head) == 2 and head[0].casefold() in GENERIC:
            about = head[1] if head[1].casefold() not in GENERIC and is_name(head[1]) else subject
            yield _attribute(document, quote, about, row[0], row[1], language)
        elif not re.fullmatch(r"[\d.,\s]*", row[0]):
            for name, cell in zip(head[1:], row[1:], strict=True):
                yield _attribute(document, quote, row[0], name, cell, language)


def _of_line(document: Document, line: str, subject: str, language: str) -> Iterator[Statement]:
    if _FIELDS.match(line):
        fields = [part.split(": ", 1) for part in line.split("; ")]
        named = next((place for place, (_, value) in enumerate(fields) if re.search(r"[^\W\d_]", value)), 0)  # a running number names nothing
        for name, value in fields[named + 1 :]:
            # what a column means depends on the table: the size of an instrument is that of its firmware in a list of firmware
            yield replace(_attribute(document, line, fields[named][1], name.replace("_", " "), value, language), within=_named(document.title))
    elif (pair := _PAIR.match(line)) and not re.search(r"[.!?。！？]\s", line):
        yield _attribute(document, line, subject, pair[1].replace("_", " "), pair[2], language)


def _attribute(document: Document, quote: str, subject: str, name: str, value: str, language: str) -> Statement:
    own, title = _named(subject), _named(document.title)
    within = "" if is_name(own) or own == title else title
    return Statement(document.id, quote, own, name.strip(), value.strip().rstrip(".。;；"), "attribute", kind_of(value), language, within)


# ── sentences ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_prose(document: Document, text: str, language: str) -> Iterator[Statement]:
    for sentence in sentences(re.sub(r"^(?:[-*+•]|\d+[.)])?[ \t]*", "", text)):
        yield from _of_sentence(document, sentence, language)


def _of_sentence(document: Document, sentence: str, language: str) -> Iterator[Statement]:
    def found(subject: str, attribute: str, value: str, form: Form) -> Statement:
        return Statement(document.id, sentence, subject.strip(), attribute.strip(), value.strip(), form, kind_of(value), language)

    if language == "zh":
        if made := _THING_ZH.match(sentence):
            yield found(made["subject"], made["attribute"], made["value"], "attribute")
            return
    elif (made := _THING.match(sentence)) and _names_something(made["thing"]) and _tells(made["value"]):
        yield found(f"the {made['thing']}", "", made["value"], "thing")
        return
    elif made := _WHEN.match(sentence):
        yield found(made["subject"], made["done"], made["value"], "when")
        return
    elif made := _WHOM.match(sentence):
        yield found(made["subject"], made["done"], made["value"], "by whom")
        return
    gaps = re.findall(f"{_DATE_ZH}|{_AMOUNT_ZH}" if language == "zh" else rf"\b{_DATE}\b|(?<![\w.,-]){_AMOUNT}(?!\w)", sentence)
    if language != "zh" and not re.match(r"[A-Z\"“]", sentence):
        return  # a piece of a list, or of a sentence
    gaps = [gap for gap in gaps if language == "zh" or not re.search(rf"[A-Z][\w-]* {re.escape(gap)}", sentence)]  # "Korvid 215 marks"
    telling = len(gaps) == 1 and not re.fullmatch(r"\d{4}", gaps[0]) and sentence.count(gaps[0]) == 1
    if (
        telling
        and 6 <= len(words(sentence)) <= 40
        and is_name(sentence.replace(gaps[0], ""))
        and not re.search(r"[:：|]", sentence)
        and not _POINTING.match(sentence)
    ):
        yield found(sentence.rstrip(".。").replace(gaps[0], "____"), "", gaps[0], "gap")


def _names_something(thing: str) -> bool:
    """Whether "the order code of the Marl 12" says by itself what it is about."""
    return len(thing.split()) <= MOST_THING_WORDS and bool(re.search(r"\s[A-Z]|\d", thing)) and " of " in thing


def _tells(value: str) -> bool:
    """Whether what stands after "is" is a value and not a remark."""
    return bool(re.search(rf"\d|^{_NAME}", value)) and not re.match(
        r"(?:in|on|at|to|by|from|with|under|not|never|only|still|also|now|always|often|the same|so|as)\b", value
    )


# ── what is left out ─────────────────────────────────────────────────────────────────────────────────────────────────


def _sound(found: Statement) -> bool:
    """Whether it can be asked for: short, named, no pronoun that points out of it, and the answer not in the question."""
    key, value = found.attribute.casefold(), found.value
    if value.casefold() in NO_VALUE or not 0 < len(words(value)) <= MOST_WORDS or len(value) > MOST_CHARACTERS or "http" in value:
        return False
    if not words(found.subject) or found.subject.casefold() in GENERIC | NOT_SUBJECTS or _POINTING.search(found.subject):
        return False
    if found.form == "attribute":
        if not key or key in NOT_KEYS | GENERIC or _TORN_KEY.search(key) or len(key.split()) > MOST_KEY_WORDS or len(found.subject) > MOST_CHARACTERS:
            return False
        if re.search(r"[.!?。！？]|\d", key) or _POINTING.search(key):
            return False
    asked = f" {' '.join(words(f'{found.subject} {found.attribute}'))} "
    return f" {' '.join(words(value))} " not in asked


def kind_of(value: str) -> str:
    if re.fullmatch(rf"{_DATE}|{_DATE_ZH}", value.strip()):
        return "date"
    if re.fullmatch(_NAME, value.strip()):
        return "name"
    if re.fullmatch(r"(?=.*\d)[\w./-]*[A-Z-][\w./-]*", value.strip()):
        return "code"
    return "exact-value" if re.search(r"\d", value) else "other"
