"""README: what a newcomer types first. Its commands and programs are run by test_doc_examples.py, its links followed by test_docs.py."""

from __future__ import annotations

import docblocks
import pytest


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_two_commands_of_a_newcomer_are_there(page):
    lines = [words for block in docblocks.blocks(page) if block.language == "bash" for words in docblocks.lines(block)]
    assert ["make", "demo"] in lines and ["make", "test"] in lines


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_dashboard_is_named_and_shown(page):
    lines = [words for block in docblocks.blocks(page) if block.language == "bash" for words in docblocks.lines(block)]
    assert ["ragft", "dashboard"] in lines and "make dashboard" in docblocks.inline(page)
    assert "](docs/dashboard/verdict.png)" in (docblocks.ROOT / page).read_text(encoding="utf-8")
