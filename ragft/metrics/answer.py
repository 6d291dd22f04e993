"""Metrics of an answer's text against the reference answers.

One policy for refusals in all of them: an abstention is right (1) on an unanswerable question and wrong (0) on an
answerable one; any other answer to an unanswerable question is wrong. An errored answer is not scored at all.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

from ragft.metrics.refusal import is_abstention
from ragft.registry import metric
from ragft.text import CJK, contains, is_cjk, normalise, words
from ragft.types import Answer, Gold

# lenient, but a long answer that lists candidates does not count (see `match`)
LENGTH_FACTOR, LENGTH_ALLOWANCE = 3, 10
CJK_WORDS = 0.5  # a CJK character is about half a word
# The answer's first word decides: "not allowed" holds "allowed", 不可以 holds 可以
YES_NO = {
    *("yes", "no", "maybe", "true", "false"),
    *("是", "否", "不是", "有", "没有", "能", "不能", "会", "不会", "对", "不对", "可以", "不可以", "需要", "不需要"),
}
_LEAD_IN = re.compile(r"^\W*((the answer is|answer)\b|答案是?)\W*")


def _graded(answer: Answer, gold: Gold, grade: Callable[[str, str], float]) -> float | None:
    """The policy for refusals and errors, around a grade of (text, reference answer) that is maximised over references."""
    if answer.outcome == "error":
        return None
    declined = answer.outcome == "abstained"
    if not gold.answerable:
        return float(declined)
    if declined and not any(is_abstention(reference) for reference in gold.answers):  # "Unknown" may be the right answer
        return 0.0
    return max(grade(answer.text, reference) for reference in gold.answers)


@metric("match", "lenient: the answer holds a reference answer and does not ramble")
def match(answer: Answer, gold: Gold) -> float | None:
    """1 if a reference's words stand in the answer in order and without a gap and the answer does not ramble, else 0.

    It rambles when it has more than 3 × the reference's length + 10 words that are not the question's own: naming many
    candidates does not count, while a full sentence that takes up the question does, so that an arm is not marked down
    for its style (a CJK character is half a word). For yes/no the answer must begin with the word. Numbers are compared
    whole: 4.2 is not in 14.2 and not 42."""
    return _graded(answer, gold, lambda text, reference: match_one(text, reference, gold.question))


def match_one(text: str, reference: str, question: str = "") -> float:
    said, wanted = words(text), words(reference)
    if not wanted:  # a reference of symbols only, such as "€"
        return float(normalise(text).strip() == normalise(reference).strip())
    asked = set(words(question))
    if _length([word for word in said if word not in asked]) > LENGTH_FACTOR * _length(wanted) + LENGTH_ALLOWANCE:
        return 0.0
    if "".join(wanted) in YES_NO:
        said = words(_LEAD_IN.sub("", normalise(text)))
        return float(said[: len(wanted)] == wanted)
    return float(contains(said, wanted))


def _length(tokens: Sequence[str]) -> float:
    return sum(CJK_WORDS if is_cjk(token) else 1 for token in tokens)


@metric("exact_match", "the SQuAD rule: equal after dropping case, punctuation and articles")
def exact_match(answer: Answer, gold: Gold) -> float | None:
    """1 if the normalised answer equals a normalised reference (Rajpurkar et al., 1606.05250), else 0."""
    return _graded(answer, gold, lambda text, reference: float(squad_normalise(text) == squad_normalise(reference)))


@metric("token_f1", "overlap of words, the SQuAD rule; characters for Chinese")
def token_f1(answer: Answer, gold: Gold) -> float | None:
    """F1 of the bags of words, maximised over references, in [0, 1] (1606.05250; CJK by character as in CMRC 2018).

    Two texts of which nothing is left ("A" and "the") count as equal, as in the script of SQuAD 2.0; that of 1.1 says 0."""
    return _graded(answer, gold, f1_one)


def f1_one(text: str, reference: str) -> float:
    said, wanted = squad_words(text), squad_words(reference)
    if not said or not wanted:
        return float(said == wanted)
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted)) if common else 0.0


_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = set(string.punctuation + "，。：？！“”；（）《》、‘’「」『』…—·～【】")


def squad_normalise(text: str) -> str:
    """Lower case, no punctuation, no English articles, single spaces: the published SQuAD v1.1 rule, plus full-width punctuation."""
    kept = "".join(c for c in text.lower() if c not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def squad_words(text: str) -> list[str]:
    """The normalised text's words, each CJK character a word of its own."""
    return re.sub(f"([{CJK}])", r" \1 ", squad_normalise(text)).split()


@metric("abstained", "whether the answer declines to answer", score=False)
def abstained(answer: Answer, gold: Gold) -> float | None:
    return None if answer.outcome == "error" else float(answer.outcome == "abstained")


@metric("false_answer", "whether an unanswerable question was answered all the same", score=False)
def false_answer(answer: Answer, gold: Gold) -> float | None:
    return None if gold.answerable or answer.outcome == "error" else float(answer.outcome != "abstained")


@metric("answer_words", "length of the answer in words (characters for Chinese)", score=False)
def answer_words(answer: Answer, gold: Gold) -> float | None:
    return None if answer.outcome == "error" else float(len(words(answer.text)))


@metric("seconds", "compute time: the question's share of its batch, retrieval included", score=False)
def seconds(answer: Answer, gold: Gold) -> float | None:
    return None if answer.usage is None else answer.usage.seconds + answer.usage.retrieval_seconds


@metric("cost", "what a system says that the answer cost, in the study's currency", score=False)
def cost(answer: Answer, gold: Gold) -> float | None:
    return None if answer.usage is None else answer.usage.cost


@metric("prompt_tokens", "tokens read", score=False)
def prompt_tokens(answer: Answer, gold: Gold) -> float | None:
    return float(answer.usage.prompt_tokens) if answer.usage and answer.usage.prompt_tokens else None


@metric("completion_tokens", "tokens written", score=False)
def completion_tokens(answer: Answer, gold: Gold) -> float | None:
    # no prompt is without a token: where none was counted, the system did not say how many there were
    return float(answer.usage.completion_tokens) if answer.usage and answer.usage.prompt_tokens else None
