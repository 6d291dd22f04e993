"""The table of what counts as declining to answer, and of answers that only look like it."""

import time

import pytest

from ragft.metrics.answer import is_abstention
from ragft.prompts import REFUSAL

REFUSALS = """I don't know.|I don’t know|I do not know.|i dont know|I really don't know.|I don't know, but maybe 42 bar.|Don't know
Sorry, I don't know.|I'm sorry, but I do not know.|I'm afraid I don't know.|Answer: I don't know.|"I don't know."|Based on the passages, I don't know.
Unfortunately, I don't have that information.|I don't have enough information to answer this question.|I have no idea.|I'm not sure.
I cannot answer this question.|I can't find the answer in the passages.|I am unable to determine this.|We cannot determine this from the passages.
Unknown.|It is unknown.|It is not known.|N/A|Unknown. The passages are about pumps.
Not mentioned.|Not mentioned in the passages.|Not specified|It is not stated.|The price is not stated.|The price isn't mentioned.
The cost of the Kova 30 is not given in the provided passages.|The answer is not in the passages.|Based on the passages, the price is not mentioned.
The passages do not mention the price.|The passages don't say.|The passages do not explicitly mention who leads the team.
The provided passages do not contain information about this.|The text does not mention this.|This document does not specify the price.
The given context doesn't contain the answer.|The context does not provide enough information.|None of the passages mention a price.
Neither passage mentions a price.|No passage mentions the price.|The passages hold no answer.|The passages provide no information on this.
There is no information about the price.|There is no mention of the price in the passages.|There is not enough information to answer.
No information is provided.|No information about this is available.|Not enough information.|It cannot be determined from the passages.
我不知道。|不知道。|抱歉，我不知道。|对不起，我无法回答这个问题。|我不清楚|我不确定答案。|无法回答。|无法从段落中得知答案。|根据给出的段落，我不知道。
段落中没有提到价格。|段落没有提到|文中未提及。|文中没有提到这一点|根据段落，无法确定。|根据给出的段落，没有相关信息。|没有提到|没有答案|未知
资料中没有相关信息|价格在段落中没有提到。|段落中并没有说明价格|给出的段落没有提供答案|不知道。段落只说了重量。"""

ANSWERS = """42 bar|42 bar.|The answer is 42 bar.|Based on the passages, 42 bar.|The passages say 42 bar.|I know: 42 bar.
42 bar. The weight is not stated.
No|No.|No, it is not.|Yes|None|Nothing|Nobody|It does not.|It is not waterproof.|They do not know.|...
Not stated by the board until 2024|Not mentioned by name until chapter 3|Not before May|Not given to contractors|Not available in Norway|Not included
The warranty does not cover hoses|The document does not expire.|The text does not scroll.|The information does not leave the company.
The pump does not contain oil.|The board did not say until 2024.|Lunch is not provided.|A hose is not provided with the pump.
We are unable to refund after 30 days.|We cannot tell customers before May.|We could not find a supplier in 2023.|We don't have information desks.
No information desk|There is no information desk in Ardley.|No data is stored.|No details to third parties|Insufficient oil pressure|Not enough oil
Unknown Pleasures|Unknown Worlds, in 2003|Don't Know Why|The Sorry State|The answer is unknown to the public until 2030
42 巴|不是|没有|否|没有提供早餐|不确定性原理|不了解情况的人|未知领域公司|没有相关经验要求|无法避免|不明飞行物|根据段落，42巴|信息技术部
42巴。重量未提及。"""


def table(text):
    return [entry for line in text.splitlines() for entry in line.split("|")]


@pytest.mark.parametrize("text", [*table(REFUSALS), *REFUSAL.values(), "", " \n "])
def test_refusals(text):
    assert is_abstention(text)
    assert is_abstention(text.upper() if text.isascii() else text + "\n")


@pytest.mark.parametrize("text", table(ANSWERS))
def test_answers_that_are_no_refusals(text):
    assert not is_abstention(text)


@pytest.mark.parametrize("text", ["!" * 2000, "sorry, " * 300, "a b " * 500, "the given passages " * 100, "段落" * 500, " . " * 700, "not " * 500])
def test_babble_takes_no_time(text):
    began = time.perf_counter()
    assert is_abstention(text) is False
    assert time.perf_counter() - began < 0.5  # it took minutes where a pattern backtracks without bound
