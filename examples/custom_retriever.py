"""A retriever of your own: passages that share rare triples of letters with the question, which spelling mistakes leave mostly intact.

In study.yaml: plugins: [custom_retriever.py], and in an arm: retriever: trigrams, or with a stage around it: trigrams + neighbours.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ragft.plugins import Hit, Question, RetrieverParts, ranked, retriever, top


def triples(text: str) -> set[str]:
    return {text[i : i + 3].lower() for i in range(len(text) - 2)}


@retriever("trigrams", "passages that share rare triples of letters with the question")
class Trigrams:
    def __init__(self, parts: RetrieverParts, rarity: float = 1.0):
        self._chunks, self._triples = parts.chunks, [triples(chunk.text) for chunk in parts.chunks]
        holders = Counter(one for found in self._triples for one in found)
        self._weight = {one: 1 / number**rarity for one, number in holders.items()}

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        asked = (triples(question.text) for question in questions)
        scores = (np.array([sum(self._weight[one] for one in wanted & found) for found in self._triples]) for wanted in asked)
        return [ranked(self._chunks, top(found, k)) for found in scores]
