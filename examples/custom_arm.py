"""A whole arm of your own: the documents' sentence with most of the question's words. In study.yaml: arms: [base, rag, lookup]."""

import re
from collections.abc import Sequence

from ragft import load_domain
from ragft.plugins import Question, Reply, SystemParts, arm, system


@system("best-sentence", "the sentence that shares most words with the question")
class BestSentence:
    def __init__(self, parts: SystemParts):
        self._domain = load_domain(parts.folder)
        self._sentences = [one for document in self._domain.documents for one in re.split(r"(?<=[.!?])\s+|\n+", document.text)]

    def reply(self, questions: Sequence[Question]) -> list[Reply]:
        asked = (set(question.text.lower().split()) for question in questions)
        return [Reply(max(self._sentences, key=lambda one: len(words & set(one.lower().split())))) for words in asked]

    def key(self) -> str:
        return self._domain.sha256  # other documents, other answers: then the arm is asked again


@arm("lookup", "the documents' best sentence")
def lookup() -> dict[str, str]:
    return {"system": "best-sentence"}
