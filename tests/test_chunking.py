import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragft import registry
from ragft.chunkers import by_headings, by_sentences
from ragft.chunking import chunk_documents, holds, overlap, relevant_chunks
from ragft.errors import InputError
from ragft.types import Chunk, Document, Evidence, Span


def count(text: str) -> int:
    """A made-up tokenizer: a token is a Chinese character or up to four letters."""
    return len(re.findall(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]{1,4}", text))


def cut(text: str, size: int, lap: int = 0) -> tuple[Chunk, ...]:
    return chunk_documents([Document("d.md", text, "Title")], size, lap, count)


MARKDOWN = """# Kova 30

The Kova 30 is a dosing pump. It doses chlorine.

## Limits

The pressure is 42 bar. It weighs 12 kg.

```
# not a heading
run
```

## Service

Ask Petra Lund.
"""


def test_markdown_by_hand():
    chunks = cut(MARKDOWN, 14)
    assert [c.text for c in chunks] == [
        "# Kova 30\n\nThe Kova 30 is a dosing pump.",
        "It doses chlorine.",
        "## Limits\n\nThe pressure is 42 bar. It weighs 12 kg.",
        "```\n# not a heading\nrun\n```",
        "## Service\n\nAsk Petra Lund.",
    ]
    limits = "Title > Kova 30 > Limits"
    assert [c.heading for c in chunks] == ["Title > Kova 30"] * 2 + [limits] * 2 + ["Title > Kova 30 > Service"]


@pytest.mark.parametrize("name", registry.entries("chunker"))
@pytest.mark.parametrize("size", [6, 14, 60])
@pytest.mark.parametrize("text", [MARKDOWN, "一。二，三。" * 9, "no end " * 40, "# only\n\n# headings\n", "x"])
def test_every_chunker_keeps_all_of_the_text_in_its_place(name, size, text):
    document = Document("d.md", text, "Title")
    chunks = chunk_documents([document], size, 0, count, registry.lookup("chunker", name).make)
    assert all(text[c.span.start : c.span.end] == c.text for c in chunks)
    kept = {i for c in chunks for i in range(c.span.start, c.span.end)}
    assert all(letter.isspace() for i, letter in enumerate(text) if i not in kept)


def test_sentences_stay_whole_and_run_on_across_paragraphs():
    chunks = chunk_documents([Document("d.md", "One two. Three four.\n\nFive six. Seven.", "T")], 5, 0, count, by_sentences)
    assert len(chunks) > 1 and all(c.text.endswith(".") for c in chunks)
    assert any("\n\n" in c.text for c in chunk_documents([Document("d.md", "A b.\n\nC d. E f.", "T")], 4, 0, count, by_sentences))


def test_sections_are_not_put_together():
    text = "# A\n\nOne.\n\n## B\n\nTwo.\n\n```\n# no heading\n```\n\n## C\n\nThree."
    chunks = chunk_documents([Document("d.md", text, "T")], 60, 0, count, by_headings)
    assert [c.heading for c in chunks] == ["T > A", "T > A > B", "T > A > C"] and "no heading" in chunks[1].text
    assert len(chunk_documents([Document("d.md", text, "T")], 60, 0, count)) == 1, "by tokens they are"


def test_a_chunker_that_leaves_text_out_is_an_error():
    with pytest.raises(InputError, match=r"d.md: the chunker leaves text out"):
        chunk_documents([Document("d.md", "One. Two.", "T")], 9, 0, count, lambda text, size, count_tokens: [text[5:]])


def test_a_heading_equal_to_the_title_is_not_repeated_and_an_empty_one_is_none():
    chunks = chunk_documents([Document("d.md", "# Title\n\n#\n\nWords.\n\n# Other #\n\nMore.", "Title")], 3, 0, count)
    assert chunks[0].heading == "Title"
    assert chunks[-1].heading == "Title > Other"


def test_chinese_is_cut_after_sentences_then_commas():
    assert [c.text for c in cut("泵的压力是四十二巴。重量是十二公斤。", 10)] == ["泵的压力是四十二巴。", "重量是十二公斤。"]
    assert [c.text for c in cut("泵的压力很高，重量是十二公斤", 8)] == ["泵的压力很高，", "重量是十二公斤"]


def test_repeated_text_keeps_its_own_place():
    chunks = cut("-" * 40, 4)  # cut between characters: each piece occurs everywhere
    assert (chunks[0].span.start, chunks[0].span.end) == (0, 4)
    assert "".join(c.text for c in chunks) == "-" * 40
    assert len({c.id for c in chunks}) == len(chunks)


def test_overlap_reaches_back_over_whole_words():
    chunks = cut("one two six ten nine day way", 4, 2)
    assert [c.text for c in chunks] == ["one two", "one two six ten", "six ten nine day", "nine day way"]
    assert all(b.span.start < a.span.end < b.span.end for a, b in pairwise(chunks))


@pytest.mark.parametrize(("size", "lap"), [(16, 16), (16, 17), (16, -1)])
def test_overlap_must_leave_room(size, lap):
    with pytest.raises(InputError, match="chunk_overlap"):
        cut("text", size, lap)


def test_an_empty_document_has_no_chunks():
    assert cut(" \n\n\t", 4) == ()


def test_a_heading_stays_with_the_text_below():
    text = "# Kova\n\n## Limits\n\nThe pressure is 42 bar.\n\n## End"
    assert [c.text for c in cut(text, 6)] == ["# Kova\n\n## Limits\n\nThe pressure is 42 bar.", "## End"]


def test_a_list_of_headings_is_cut_all_the_same():
    chunks = cut("\n\n".join(f"## Part {n}" for n in range(50)), 10)
    assert len(chunks) > 5 and max(count(c.text) for c in chunks) <= 20


PIECES = ["a", "aaaa", "-----", "# H", "## H", "\n", "\n\n", " ", "  ", "。", "，", "中", "文字", "line\n", "line\n", "42 bar. ", "\r\n", "\t"]
TEXTS = st.lists(st.sampled_from([*PIECES, "x" * 50, "\u3000", "```\n", "\x1c", "<p>", "</p>"]), max_size=50).map("".join)


@settings(max_examples=250, deadline=None)
@given(TEXTS, st.integers(1, 12), st.integers(0, 6), st.data())
def test_chunks_map_back_and_leave_nothing_out(text, size, lap, data):
    chunks = cut(text, size, min(lap, size - 1))
    covered = set()
    for chunk in chunks:
        assert text[chunk.span.start : chunk.span.end] == chunk.text
        assert chunk.text and chunk.text == chunk.text.strip()
        assert chunk.id == f"d.md:{chunk.span.start}-{chunk.span.end}"
        assert count(chunk.text) <= (2 * size if "# " in text or "```" in text else size)
        covered |= set(range(chunk.span.start, chunk.span.end))
    assert all(i in covered for i, character in enumerate(text) if not character.isspace())
    assert [c.span.end for c in chunks] == sorted(c.span.end for c in chunks)
    words = [m.span() for m in re.finditer(r"\S+", text)]
    if words:  # evidence of whole words is never lost between two chunks
        first = data.draw(st.integers(0, len(words) - 1))
        last = data.draw(st.integers(first, min(first + 8, len(words) - 1)))
        assert relevant_chunks(chunks, [Evidence((Span("d.md", words[first][0], words[last][1]),))])[0]


def chunk(start: int, end: int, document: str = "d") -> Chunk:
    return Chunk(f"{document}:{start}", Span(document, start, end), "x" * (end - start), "")


@pytest.mark.parametrize(
    ("piece", "quote", "held"),
    [
        ((0, 100), (10, 30), True),  # inside
        ((0, 100), (80, 120), True),  # half of it
        ((0, 100), (85, 125), False),  # 15 of 40
        ((0, 100), (0, 1000), True),  # a quote longer than the chunk, which is all made of it
        ((0, 100), (70, 1000), False),  # 30 of the chunk's 100
        ((0, 100), (100, 120), False),  # only touches
        ((0, 100), (200, 201), False),
    ],
)
def test_holds(piece, quote, held):
    assert holds(chunk(*piece), Span("d", *quote)) is held
    assert not holds(chunk(*piece, document="e"), Span("d", *quote))


def test_relevant_chunks_are_given_for_each_piece_and_any_of_its_places():
    chunks = [chunk(0, 100), chunk(100, 200), chunk(0, 100, "e")]
    twice = Evidence((Span("d", 10, 20), Span("e", 50, 60)))
    assert relevant_chunks(chunks, [twice, Evidence((Span("d", 150, 160),)), Evidence((Span("gone", 0, 5),))]) == [
        {"d:0", "e:0"},
        {"d:100"},
        frozenset(),
    ]
    assert overlap(Span("d", 0, 10), Span("d", 4, 20)) == 6 and overlap(Span("d", 0, 10), Span("e", 0, 10)) == 0
