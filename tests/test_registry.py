"""Names to functions: plugins, suggestions, double registration."""

from __future__ import annotations

import pytest

from ragft import registry
from ragft.errors import InputError
from ragft.types import Answer, Gold

GOLD = Gold("q", ("42 bar",), (), "d.md", "test", "f", 0, "value", "trained-fact")


def test_a_metric_is_one_decorated_function(own_plugins):
    @registry.metric("gold_mentioned", "The answer contains a reference answer.")
    def gold_mentioned(answer, gold):
        return float(any(g.lower() in answer.text.lower() for g in gold.answers))

    entry = registry.lookup("metric", "gold_mentioned")
    assert entry.make(Answer("q", "It is 42 BAR.", "ok", None, "", None, 0), GOLD) == 1.0
    assert entry.summary == "The answer contains a reference answer."


def test_unknown_name_lists_what_is_known():
    with pytest.raises(InputError, match=r"unknown retriever 'xyz'\. Known: bm25, dense, hybrid, langchain, long-context, oracle, rrf\."):
        registry.lookup("retriever", "xyz")
    with pytest.raises(InputError, match="Did you mean 'hybrid'"):
        registry.lookup("retriever", "hybird")


def test_a_name_belongs_to_one_module(own_plugins):
    def match(answer, gold):
        return 1.0

    registry.entries("metric")
    match.__module__ = "elsewhere"
    with pytest.raises(InputError, match="metric 'match' is registered twice"):
        registry.metric("match", "another")(match)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_kind_has_entries_with_a_summary(kind):
    found = registry.entries(kind)
    assert found
    assert all(entry.summary and not entry.summary.endswith(".") for entry in found.values())
