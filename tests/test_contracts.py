"""What every registered plugin must keep: run over the registry, so that a plugin is tested the moment it registers."""

from __future__ import annotations

import numpy as np
import pytest

from ragft import registry
from ragft.build import make_retriever
from ragft.errors import InputError
from ragft.retrieval.base import RetrieverParts
from ragft.retrieval.langchain import LangChainRetriever
from ragft.settings import ArmSettings
from ragft.tuning.formats import TrainingData
from ragft.types import Answer, Chunk, Evidence, Example, Gold, Hit, Question, Span, Usage

TEXTS = ["The Kova 30 has a maximum pressure of 42 bar.", "The Vela 7 reaches 0.8 mbar.", "Mira Holt leads the service team.", "员工有二十七天假期。"]
CHUNKS = tuple(Chunk(f"c{i}", Span(f"d{i}.md", 0, len(text)), text, f"Title {i}") for i, text in enumerate(TEXTS))
QUESTIONS = [Question("q0", "What pressure has the Kova 30?"), Question("q1", "Who leads the service team?"), Question("q2", "???")]
EVIDENCE = {"q0": (Evidence((CHUNKS[0].span,)),), "q1": (Evidence((CHUNKS[2].span,)),)}
USAGE = Usage(10, 3, 0.1, 0.2, 2)


def embed(texts):
    """A bag of letters: a real, if poor, embedding."""
    vectors = np.array([[text.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for text in texts], dtype=np.float32) + 1e-3
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def gold(answers, evidence=()):
    return Gold("q0", tuple(answers), evidence, "d0.md", "train", "f", 0, "value", "trained-fact")


def written(prompts):
    return [f"What is it?\n{prompt.user[::-1]}" for prompt in prompts]


def relevance(pairs):
    """Letters that a question and a passage share: a real, if poor, cross-encoder."""
    return np.array([len(set(question.lower()) & set(text.lower())) for question, text in pairs], dtype=np.float32)


def langchain_retriever():
    return LangChainRetriever(retriever=registry.lookup("retriever", "bm25").make(RetrieverParts(CHUNKS)), k=9)


GIVEN = {"langchain": f"langchain {__name__}:langchain_retriever"}  # what must be given to those that do not do without
WHOLE = "long-context"  # it searches nothing, and is tested by itself
LINES = [GIVEN.get(name, name) for name in registry.entries("retriever") if name != WHOLE] + [f"bm25 + {name}" for name in registry.entries("stage")]


@pytest.mark.parametrize("line", LINES)
def test_retrievers(line):
    parts = RetrieverParts(CHUNKS, embed([c.text for c in CHUNKS]), embed, None, "en", written, relevance)
    retriever = make_retriever(line, parts, EVIDENCE)
    for k in (1, 3, 99):
        found = retriever.search(QUESTIONS, k)
        assert len(found) == len(QUESTIONS)
        for hits in found:
            assert len(hits) <= min(k, len(CHUNKS))
            assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
            assert len({hit.chunk.id for hit in hits}) == len(hits)
            assert all(hit.chunk in CHUNKS for hit in hits)
            scores = [hit.score for hit in hits]
            assert scores == sorted(scores, reverse=True)
    assert retriever.search(QUESTIONS, 2) == [hits[:2] for hits in retriever.search(QUESTIONS, 3)]
    assert retriever.search(QUESTIONS[::-1], 2) == retriever.search(QUESTIONS, 2)[::-1]
    assert retriever.search([], 2) == []
    assert retriever.search(QUESTIONS[:1], 1)[0][0].chunk.id == "c0"


@pytest.mark.parametrize("name", [n for n, e in registry.entries("metric").items()])
def test_metrics(name):
    entry = registry.lookup("metric", name)
    hits = (Hit(CHUNKS[1], 1, 1.0), Hit(CHUNKS[0], 2, 0.5))
    more = {"grounding": ({"d0.md": TEXTS[0]},), "entailment": ({},)}.get(entry.facts["of"], ())
    for outcome in ("ok", "abstained", "truncated"):
        for known in (gold(["42 bar"], EVIDENCE["q0"]), gold([])):
            for shown in (hits, (), None):
                for cited in (None, (), (1, 0)):
                    value = entry.make(Answer("q0", "42 bar", outcome, shown, "prompt", USAGE, 0, cited=cited), known, *more)
                    assert value is None or (isinstance(value, float) and value >= 0)
    failed = Answer("q0", "", "error", None, "prompt", None, 0, "RuntimeError")
    assert entry.make(failed, gold(["42 bar"]), *more) is None, "a failed answer is never a zero"
    if entry.facts["of"] == "retrieval":
        assert entry.make(Answer("q0", "42 bar", "ok", None, "p", USAGE, 0), gold(["42 bar"], EVIDENCE["q0"])) is None
        assert entry.make(Answer("q0", "42 bar", "ok", (), "p", USAGE, 0, cited=(0,)), gold(["42 bar"], EVIDENCE["q0"])) == 0.0


@pytest.mark.parametrize("name", registry.entries("format"))
def test_formats(name):
    entry = registry.lookup("format", name)
    questions = [
        (QUESTIONS[0], gold(["42 bar"], EVIDENCE["q0"])),
        (QUESTIONS[2], Gold("q2", (), (), "d1.md", "train", "u", 0, "unanswerable", "unanswerable")),
    ]
    data = TrainingData(questions, CHUNKS, "en", 0, 2, list, {"q0": CHUNKS[:2], "q2": CHUNKS[1:3]}, {"q0": CHUNKS[:1]})
    examples = entry.make(data)
    assert examples and examples == entry.make(data), "the same data and seed give the same examples"
    assert all(isinstance(example, Example) and example.completion.strip() for example in examples)
    if entry.facts["passages"]:
        assert all(example.prompt and "[1]" in example.prompt.user for example in examples)


@pytest.mark.parametrize("name", registry.entries("arm"))
def test_arms_are_complete_settings(name):
    settings = ArmSettings(**registry.lookup("arm", name).make())
    assert settings.retriever in (None, "auto", *registry.entries("retriever"))
    assert settings.tuning in (None, *registry.entries("tuning"))


@pytest.mark.parametrize("name", registry.entries("tuning"))
def test_tunings_are_classified(name):
    """What the unified view says of each built-in method; how they behave is in tuning/test_conformance.py."""
    facts = registry.lookup("tuning", name).facts
    assert facts["insertion"] in ("sequential", "parallel")
    assert all(facts[column] for column in ("paper", "form", "modifies", "composition")) and facts["learning_rate"] > 0


def test_oracle_without_evidence_is_refused():
    with pytest.raises(InputError, match="needs evidence"):
        registry.lookup("retriever", "oracle").make(RetrieverParts(CHUNKS))
