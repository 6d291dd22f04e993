"""Every shape of a break-even in words."""

from __future__ import annotations

import pytest

from ragft.breakeven import BreakEven
from ragft.cost import Prices
from ragft.costwords import amount, between, break_even_words

PRICES = Prices(questions_per_month=5000, updates_per_month=1)


def words(at, cheaper, interval, exists, axis="questions"):
    return break_even_words(BreakEven("lora", "rag", axis, at, cheaper, interval, exists), PRICES)


@pytest.mark.parametrize(
    ("value", "text"),
    [(3100.4, "3,100"), (12.4, "12"), (9.96, "10"), (9.94, "9.9"), (2.31, "2.3"), (0.044, "0.044"), (0.0001, "almost 0"), (0, "0")],
)
def test_amounts(value, text):
    assert amount(value) == text


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        (((3100.0, 9800.0),), "between 3,100 and 9,800"),
        (((3100.0, None),), "above 3,100"),
        (((0.0, 9800.0),), "below 9,800"),
        (((0.0, 300.0), (9000.0, None)), "below 300 or above 9,000"),
        (((0.0, None),), "at any number"),
        (((3100.1, 3100.2),), "at 3,100"),
    ],
)
def test_intervals(segments, text):
    assert between(segments) == text


@pytest.mark.parametrize(
    ("even", "text"),
    [
        (
            (4000.0, "above", ((3100.0, 9800.0),), 0.999),
            "lora is cheaper than rag above 4,000 questions a month; at the 5,000 of this study it is the cheaper one, but that is not sure. "
            "The break-even lies between 3,100 and 9,800 (95 % interval).",
        ),
        (
            (7000.0, "above", ((6000.0, None),), 0.83),
            "lora is cheaper than rag above 7,000 questions a month; at the 5,000 of this study it is the dearer one. "
            "The break-even lies above 6,000 at least; no upper end is known (95 % interval). "
            "The probability that there is a break-even at all, up to 1,000,000,000 questions a month, is 83 %.",
        ),
        (
            (2000.0, "below", ((0.0, 4000.0),), 0.75),
            "lora is cheaper than rag below 2,000 questions a month; at the 5,000 of this study it is the dearer one. "
            "The break-even lies below 4,000, or there is none (95 % interval). "
            "The probability that there is a break-even at all, up to 1,000,000,000 questions a month, is 75 %.",
        ),
        (
            (2000.0, "below", ((0.0, None),), 0.5),
            "lora is cheaper than rag below 2,000 questions a month; at the 5,000 of this study it is the dearer one, but that is not sure. "
            "Which of the two is cheaper cannot be told from these measurements, at any number (95 % interval). "
            "The probability that there is a break-even at all, up to 1,000,000,000 questions a month, is 50 %.",
        ),
        (
            (9000.0, "below", ((0.0, 300.0), (8000.0, None)), 0.5),
            "lora is cheaper than rag below 9,000 questions a month; at the 5,000 of this study it is the cheaper one. "
            "The break-even lies below 300 or above 8,000, or there is none (95 % interval). "
            "The probability that there is a break-even at all, up to 1,000,000,000 questions a month, is 50 %.",
        ),
        (
            (None, "always", (), 0.0),
            "lora is cheaper than rag at any number of questions a month. At no number is that in doubt (95 % interval).",
        ),
        (
            (None, "never", ((50_000.0, None),), 0.12),
            "lora is not cheaper than rag at any number of questions a month. A break-even above 50,000 cannot be ruled out (95 % interval). "
            "The probability that there is a break-even at all, up to 1,000,000,000 questions a month, is 12 %.",
        ),
        (
            (None, "never", None, None),
            "lora is not cheaper than rag at any number of questions a month. "
            "How sure that is cannot be told from these measurements: something was timed only once.",
        ),
        (
            (4000.0, "above", ((4000.0, 4000.0),), 1.0),  # exact
            "lora is cheaper than rag above 4,000 questions a month; at the 5,000 of this study it is the cheaper one.",
        ),
        (
            (2.31, "below", ((1.7, 3.14),), 1.0, "updates"),
            "lora is cheaper than rag below 2.3 updates a month; at the 1 of this study it is the cheaper one. "
            "The break-even lies between 1.7 and 3.1 (95 % interval).",
        ),
        (
            (None, "always", ((40.0, None),), 0.3, "updates"),
            "lora is cheaper than rag at any number of updates a month. A break-even above 40 cannot be ruled out (95 % interval). "
            "The probability that there is a break-even at all, up to 10,000 updates a month, is 30 %.",
        ),
    ],
)
def test_sentences(even, text):
    assert words(*even) == text


@pytest.mark.parametrize(("exists", "said"), [(0.004, False), (0.006, True), (0.994, True), (0.996, False), (None, False)])
def test_a_probability_is_said_where_it_is_neither_0_nor_1(exists, said):
    assert ("The probability" in words(4000.0, "above", ((3100.0, 9800.0),), exists)) == said
