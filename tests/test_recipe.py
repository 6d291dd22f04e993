"""How a study spells a retriever: read, written back, and refused with what to do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft import registry
from ragft.errors import InputError
from ragft.recipe import Step, needs, normal, options_of, spelled, steps_of


def test_a_line_by_hand():
    assert steps_of("hybrid dense_share=0.7 + rerank depth=30 + neighbours") == (
        Step("hybrid", {"dense_share": 0.7}),
        Step("rerank", {"depth": 30}),
        Step("neighbours"),
    )
    assert steps_of("langchain my_search:retriever") == (Step("langchain", {"where": "my_search:retriever"}),)
    assert steps_of("hybrid 1 + rerank 5") == (Step("hybrid", {"dense_share": 1.0}), Step("rerank", {"depth": 5}))  # the first option needs no name


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("bm25", "bm25"),
        ("hybrid  dense_share=.5", "hybrid"),  # a default is not written
        ("bm25 b=0.40 k1=1.20", "bm25 k1=1.2 b=0.4"),
        ({"hybrid": {"dense_share": 0.3}, "rerank": 30, "neighbours": None}, "hybrid dense_share=0.3 + rerank depth=30 + neighbours"),
        ({"langchain": "my module:x=1"}, "langchain where='my module:x=1'"),
        ("auto", "auto"),
        (None, None),
        (7, 7),  # no retriever at all: the study says so
    ],
)
def test_the_normal_form(said, meant):
    assert normal(said) == meant
    assert normal(normal(said)) == meant


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("bm52", "unknown retriever 'bm52'. Did you mean 'bm25'?"),
        ("", "write a retriever, then stages"),
        ("bm25 +", "write a retriever, then stages"),
        ("rerank", "'rerank' is a stage, which comes after a retriever, as in: hybrid + rerank"),
        ("hybrid + bm25", "'bm25' is a retriever, which comes first"),
        ("hybrid + rerenk", "unknown stage 'rerenk'. Did you mean 'rerank'?"),
        ("oracle + neighbours", "it takes no stages"),
        ("hybrid share=0.5", "unknown option of hybrid 'share'. Did you mean 'dense_share'?"),
        ("oracle 3", "unknown option of oracle '3'"),
        ("hybrid dense_share=much", "option dense_share of hybrid must be a number, not 'much'"),
        ("hybrid + rerank depth=2.5", "option depth of rerank must be a whole number, not '2.5'"),
        ("hybrid + rerank depth=true", "option depth of rerank must be a whole number, not 'true'"),
        ("langchain", "retriever 'langchain' needs where"),
        ("langchain 'my", "a quotation mark is not closed"),
        ({"hybrid": [1]}, "an option of hybrid is a text, a number, true or false, not [1]"),
        ({}, "write a retriever, then stages"),
    ],
)
def test_what_cannot_be_read(line, why):
    with pytest.raises(InputError, match=re.escape(why)):
        normal(line)


VALUES = {float: st.floats(0, 1), int: st.integers(1, 99), bool: st.booleans(), str: st.text("ab =+'\"\\:.é", min_size=1)}


@st.composite
def steps(draw):
    names = [
        draw(st.sampled_from([name for name in registry.entries("retriever") if name != "oracle"])),
        *draw(st.lists(st.sampled_from(list(registry.entries("stage"))), max_size=3)),
    ]
    made = []
    for place, name in enumerate(names):
        entry = registry.lookup("stage" if place else "retriever", name)
        options = {}
        for option, parameter in options_of(entry).items():
            kind = str if parameter.default is parameter.empty else type(parameter.default)
            if parameter.default is parameter.empty or draw(st.booleans()):
                options[option] = draw(VALUES[kind].filter(lambda value, own=parameter.default: value != own))
        made.append(Step(name, options))
    return tuple(made)


@given(steps())
def test_every_line_is_read_as_it_was_meant(meant):
    assert steps_of(spelled(meant)) == meant


def test_what_a_line_needs():
    assert needs("bm25 + neighbours") == set()
    assert needs("hybrid + rerank") == {"embedder", "reranker"}
    assert needs("bm25 + hyde + mmr") == {"model", "embedder"}
    assert needs("auto") == {"embedder"}
