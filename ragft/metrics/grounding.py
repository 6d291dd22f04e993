"""Whether an answer could come from the passages, and whether it does: sufficiency of the context, and groundedness.

Both are lexical, so that they cost nothing and can be checked by hand; they say nothing of what a text means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from ragft.metrics.answer import YES_NO
from ragft.metrics.retrieval import found_ranks
from ragft.prompts import passage
from ragft.registry import metric
from ragft.text import contains, pairs_of_cjk, words
from ragft.types import Answer, Gold


@metric("sufficiency", "whether the passages that the model was shown hold what the answer takes", of="retrieval")
def sufficiency(answer: Answer, gold: Gold) -> float | None:
    """1 if all pieces of evidence are among the passages, else 0; without evidence, if a reference answer stands in one of them.

    "Sufficient context" (Joren et al., 2411.06037) by evidence instead of a judging model. Not applicable to unanswerable
    questions, errors, arms that retrieve nothing and, without evidence, to yes and no, which stand everywhere.
    """
    if answer.hits is None or answer.outcome == "error" or not gold.answerable:
        return None
    ranks = found_ranks(answer, gold)
    if ranks is not None:
        return float(None not in ranks)
    return float(holds_answer([passage(hit.chunk) for hit in answer.hits], gold)) if has_words(gold) else None


def has_words(gold: Gold) -> bool:
    """Whether a reference answer is something else than yes or no, so that it can be looked for."""
    return any(_telling(gold))


def holds_answer(texts: Sequence[str], gold: Gold) -> bool:
    """Whether such an answer stands in one of the texts."""
    shown = [words(text) for text in texts]
    return any(contains(text, reference) for reference in _telling(gold) for text in shown)


def _telling(gold: Gold) -> list[list[str]]:
    return [reference for reference in map(words, gold.answers) if "".join(reference) not in YES_NO]


@metric("groundedness", "share of the answer's words that stand in its passages; without passages, in the gold document", of="grounding")
def groundedness(answer: Answer, gold: Gold, documents: Mapping[str, str]) -> float | None:
    """K-precision (Adlakha et al., 2307.16877): of the answer's words that are not the question's, those of the text, in [0, 1].

    Of Chinese and Japanese, pairs of characters: single ones stand everywhere. `documents` are the corpus' texts by id: an arm that
    was shown nothing, and names nothing that it read, is held against the question's own document.
    Not applicable to errors, to answers that decline or repeat the question, and where there is no text.
    """
    if answer.outcome in ("error", "abstained"):
        return None
    texts = [documents[gold.document]] if gold.document in documents else []
    if answer.hits is not None:
        texts = [passage(hit.chunk) for hit in answer.hits]
    elif answer.contexts is not None:
        texts = list(answer.contexts)
    said = [word for word in _terms(answer.text) if word not in _known(gold.question)]
    if not said or not texts:
        return None
    there = frozenset().union(*map(_known, texts))
    return sum(word in there for word in said) / len(said)


@metric("entailment", "probability, by an NLI model, that the answer follows from a passage that it was shown", of="entailment")
def entailment(answer: Answer, gold: Gold, judged: Mapping[str, float]) -> float | None:
    """Of the passage with the highest, in [0, 1]; `judged` by question. Not applicable where no NLI model was asked (ragft.entail)."""
    return judged.get(answer.question)


@lru_cache(maxsize=4096)  # the same passages and documents for many answers
def _known(text: str) -> frozenset[str]:
    return frozenset(_terms(text))


def _terms(text: str) -> list[str]:
    return list(pairs_of_cjk(words(text)))
