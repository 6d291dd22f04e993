"""What README and docs show: blocks of code and commands in the text, and what is to be done with each kind.

A block is run by its language: the commands of bash and Python in the page's own order in one folder (docworld.py), YAML is read as a study.
Data is parsed, and what a command prints is shown. What is not run stands here, with the reason and, of a script, the test that runs it on a tiny
model; tests/test_doc_examples.py fails for what is neither. Of commands in the text only the options are checked.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
FILES = [path for pattern in ("*.md", "docs/**/*.md", "data/*/README.md") for path in ROOT.glob(pattern)]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in FILES if path.name != "CHANGELOG.md")  # which tells of commands as they once were
RUN = ("bash", "python", "yaml")
READ = ("csv", "json", "jsonl", "toml")  # parsed
SHOWN = ("text",)  # what a command prints; checked where CHECKED says so
CHECKED = ("docs/tutorial.md",)  # pages whose `text` blocks are what the command before them prints, whatever the model

# Blocks that a test of its own runs, by page and language.
OWN_TESTS = {
    ("docs/batch.md", "sh"): "tests/test_batch_docs.py",
    ("docs/batch.md", "yaml"): "tests/test_batch_docs.py",
    ("docs/batch.md", "python"): "tests/test_batch_docs.py",
    ("docs/python.md", "python"): "tests/test_python_docs.py",
    ("docs/plugins.md", "python"): "tests/test_python_docs.py",
    ("docs/plugins.md", "yaml"): "tests/test_python_docs.py",
}
# Commands that are only parsed, by how they begin.
ONLY_PARSED = {
    "ragft validate": "a minute at least, hours for the page; `make test` runs `ragft validate --quick`",
    "ragft check data/general": "tests/test_end_to_end.py runs it, on the real weights",
    "ragft questions make docs --out study --writer local:smollm2-135m-instruct": "asks the real model for minutes; a scripted writer is in tests/written",
    "ragft dashboard": "serves until it is stopped; tests/dashboard opens its pages",
    "python pipelines/compare_peft.py": "17 methods, alone and behind retrieval; tests/test_compare_peft.py runs two of them",
    "python pipelines/bench_generation.py": "asks many hundreds of questions; tests/test_pipelines.py runs it with a few",
    "python pipelines/sweep.py": "starts processes, which know nothing of tiny models in the place of the real ones; tests/test_sweep.py runs it",
    "make": "installs packages, or runs for minutes; that there is such a target is checked",
}
# Other commands that are not called, by how they begin.
NOT_CALLED = {
    "python data/make_documents.py": "needs reportlab, which nothing else does; what it made is read by tests/test_data.py",
    "inspect": "another tool, not installed; tests/test_scorelogs.py reads logs as these lines write them",
    "cp": "the shell's; tests/test_batch_docs.py runs it",
}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """Every block of a page; one that is only indented has no language."""
    tokens = MarkdownIt().parse((ROOT / page).read_text(encoding="utf-8"))
    return [
        Block(page, (token.map or [0])[0] + 1, (token.info.split() or [""])[0], token.content)
        for token in tokens
        if token.type in ("fence", "code_block")
    ]


def inline(page: str) -> list[str]:
    """Every command that stands in a page's text: `ragft …`, `python …`, `make …`."""
    tokens = MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8"))
    spans = [child.content for token in tokens for child in token.children or () if child.type == "code_inline"]
    return sorted({span for span in spans if re.match(r"(ragft|python|make) [^-]", span)})


def own_test(block: Block) -> str | None:
    """The test that this block is left to."""
    return OWN_TESTS.get((block.page, block.language))


def lines(block: Block) -> list[list[str]]:
    """The words of each command of a bash block, without comments; a backslash continues a line."""
    found = [shlex.split(line, comments=True) for line in block.text.replace("\\\n", " ").splitlines()]
    return [words for words in found if words]


def starts(words: list[str], table: dict[str, str]) -> str | None:
    """The entry of a table that these words begin with."""
    said = " ".join(words)
    return next((entry for entry in table if f"{said} ".startswith(f"{entry} ")), None)


def make_targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
