"""A metric of your own: for numbers, the right one and no other; `match` lets a wrong one stand beside it.

# study.yaml
plugins: [custom_metric.py]
metric: numbers_right
"""

import re

from ragft.plugins import Answer, Gold, metric


def numbers(text: str) -> set[str]:
    return {found.replace(",", "") for found in re.findall(r"\d[\d,.]*\d|\d", text)}


@metric("numbers_right", "the answer's numbers are those of a reference answer")
def numbers_right(answer: Answer, gold: Gold) -> float | None:
    if answer.outcome == "error" or not any(map(numbers, gold.answers)):
        return None  # a failed answer, and a question without a number: not applicable, which is not 0
    return float(any(numbers(answer.text) == numbers(known) for known in gold.answers))
