"""Every command and program in a block of README and docs is run, on a tiny model, or stands in docblocks.py with the reason why it is not.

Blocks of YAML are read as studies, data is parsed. Commands within the text are not run: that they, their options, scripts and targets exist is checked.
"""

from __future__ import annotations

import argparse
import csv
import doctest
import importlib.util
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

import docblocks
import docworld
import pytest
import yaml
from docblocks import Block
from typer.main import get_command

from ragft import registry
from ragft.cli import app
from ragft.settings import Study

ALL = [block for page in docblocks.PAGES for block in docblocks.blocks(page)]
INLINE = sorted({span for page in docblocks.PAGES for span in docblocks.inline(page)})
RUN_PAGES = sorted({block.page for block in ALL if block.language in docblocks.RUN and not docblocks.own_test(block)})
REASONS = {**docblocks.ONLY_PARSED, **docblocks.NOT_CALLED}


@pytest.fixture(scope="session")
def workshop(tmp_path_factory, tiny_model, tiny_embedder):
    """The folder with everything, once; each page works in a copy."""
    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        docworld.tiny_weights(patch, tiny_model, tiny_embedder)
        patch.chdir(folder)
        docworld.build(folder)
    return folder


@pytest.fixture
def here(workshop, tmp_path, monkeypatch, tiny_model, tiny_embedder):
    """A copy of the workshop as the working folder; names that a page registers are gone afterwards."""
    folder = tmp_path / "here"
    shutil.copytree(workshop, folder)
    docworld.tiny_weights(monkeypatch, tiny_model, tiny_embedder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for kind in registry.KINDS:
        monkeypatch.setitem(registry._entries, kind, registry.entries(kind))
    yield folder
    docworld.forget_modules(folder)


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("block", ALL, ids=str)
def test_every_block_has_a_language_that_is_run_read_or_shown(block):
    allowed = (*docblocks.RUN, *docblocks.READ, *docblocks.SHOWN)
    assert docblocks.own_test(block) or block.language in allowed, f"{block}: {block.language!r}; see docblocks.py"


@pytest.mark.parametrize(("left", "test"), docblocks.OWN_TESTS.items(), ids=str)
def test_what_is_left_to_a_test_of_its_own_has_one(left, test):
    page, language = left
    assert any((block.page, block.language) == left for block in ALL)
    said = (docblocks.ROOT / test).read_text(encoding="utf-8")
    assert page.split("/")[-1] in said and f'"{language}"' in said


@pytest.mark.parametrize("page", RUN_PAGES)
def test_the_page_runs_from_top_to_bottom(page, here, monkeypatch):
    """Every command and program of a page, in its order, in one folder."""
    from langchain_core.language_models import FakeListChatModel

    monkeypatch.setattr("langchain.chat_models.init_chat_model", lambda *_, **__: FakeListChatModel(responses=["CORRECT"]))
    names: dict = {"__name__": "page"}
    said = ""
    for block in docblocks.blocks(page):
        if docblocks.own_test(block):
            continue
        if block.language == "bash":
            said = "".join(call(words) for words in docblocks.lines(block))
        elif block.language == "python":
            python(block, names)
        elif block.language == "yaml":
            read_yaml(block)
        elif block.language == "text" and page in docblocks.CHECKED:
            missing = [line for line in block.text.splitlines() if line.strip() and line.strip() not in said]
            assert not missing, f"{block}: the command does not print {missing[0]!r}, but\n{said}"


@pytest.mark.parametrize("block", [block for block in ALL if block.language in docblocks.READ], ids=str)
def test_data_that_is_shown_can_be_read(block):
    if block.language == "csv":
        rows = list(csv.reader(block.text.splitlines()))
        assert len({len(row) for row in rows}) == 1 and len(rows) > 1
    elif block.language == "toml":
        assert tomllib.loads(block.text)
    else:
        parts = block.text.splitlines() if block.language == "jsonl" else [block.text]
        assert all(json.loads(part) for part in parts)


def call(words: list[str]) -> str:
    """One line of a bash block; what it printed where it was run."""
    if docblocks.starts(words, docblocks.NOT_CALLED):
        return ""
    if docblocks.starts(words, docblocks.ONLY_PARSED):
        parse(words)
        return ""
    if words[0] not in docworld.PROGRAMS:
        raise AssertionError(f"nothing runs {' '.join(words)!r}: say in docblocks.NOT_CALLED why, or leave it out")
    docworld.between(words[1:])
    return run_into(words)


def run_into(words: list[str]) -> str:
    """`… > file` writes what is printed there."""
    program, *arguments = words
    if ">" in arguments:
        at = arguments.index(">")
        Path(arguments[at + 1]).write_text(docworld.PROGRAMS[program](arguments[:at]), encoding="utf-8")
        return ""
    return docworld.PROGRAMS[program](arguments)


def python(block: Block, names: dict) -> None:
    """Programs of a page share their names; sessions are compared with what they show. `# name.py` on top: it is also that file."""
    if block.text.startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(block.text, names, str(block), block.page, block.line)
        found = doctest.DocTestRunner().run(test, clear_globs=False)
        names.update(test.globs)
        assert found.attempted and not found.failed
        return
    if named := re.match(r"# ([\w/]+\.py)\n", block.text):
        Path(named[1]).parent.mkdir(parents=True, exist_ok=True)
        Path(named[1]).write_text(block.text, encoding="utf-8")
    exec(compile("\n" * block.line + block.text, str(docblocks.ROOT / block.page), "exec"), names)


def read_yaml(block: Block) -> None:
    """A study, or what may stand in one, with each line that is commented out as well."""
    raw = yaml.safe_load(block.text)
    Study.model_validate({"domain": ".", **raw})
    for line in re.findall(r"^# (\w+: .*)$", block.text, flags=re.MULTILINE):
        more = yaml.safe_load(line)
        assert set(more) <= set(Study.model_fields), f"{block}: {line}"
        Study.model_validate({"domain": ".", **raw, **more})


def test_what_is_not_run_is_still_there():
    """An exception that no page needs any more goes away."""
    said = [" ".join(words) for block in ALL if block.language == "bash" for words in docblocks.lines(block)] + INLINE
    for entry in REASONS:
        assert any(f"{line} ".startswith(f"{entry} ") for line in said), entry


@pytest.mark.parametrize(("entry", "reason"), REASONS.items())
def test_the_tests_that_a_reason_names_are_there(entry, reason):
    """A script that is only parsed must name one, which names it."""
    named = [docblocks.ROOT / path for path in re.findall(r"tests/[\w/.]*\w", reason)]
    assert all(path.exists() for path in named)
    if entry.startswith("python pipelines/"):
        script = re.escape(Path(entry.split()[1]).stem)
        assert any(re.search(rf"\b{script}\b", path.read_text(encoding="utf-8")) for path in named)


def hidden(blocks: list[Block]) -> list[str]:
    """Lines with a script of pipelines/ in blocks that nothing runs."""
    unrun = [block for block in blocks if block.language != "bash" and not docblocks.own_test(block)]
    return [line for block in unrun for line in block.text.splitlines() if re.search(r"\bpython pipelines/", line)]


def test_every_line_with_a_script_is_run_or_listed():
    """Lines of bash blocks are: `call` parses what is listed and runs the rest."""
    assert hidden(ALL) == []
    assert len(hidden([Block("page.md", 1, language, "$ python pipelines/gate.py A B\n") for language in ("text", "bash", "yaml")])) == 2


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("bash", "curl https://example.org"),
        ("bash", "make nothing"),
        ("bash", "ragft run --nonsense"),
        ("bash", "python pipelines/choose_k.py data/tarnbeck --nonsense"),
        ("bash", "python pipelines/compare_peft.py data/tarnbeck --nonsense"),
        ("bash", "python pipelines/gate.py no-such-run neither"),
        ("python", "raise ValueError"),
        ("python", ">>> 1 + 1\n3\n"),
        ("yaml", "arms: [rag, nonsense]"),
        ("yaml", "k: 2\n# margin: two"),
    ],
)
def test_an_example_that_does_not_work_is_noticed(language, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    block = Block("page.md", 1, language, text)
    with pytest.raises((AssertionError, SystemExit, ValueError)):
        if language == "bash":
            call(*docblocks.lines(block))
        elif language == "python":
            python(block, {})
        else:
            read_yaml(block)


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("span", INLINE)
def test_commands_in_the_text_are_known(span):
    """Their commands, options, scripts and targets; arguments may be placeholders or left out."""
    program, *words = span.split()
    if docblocks.starts(span.split(), docblocks.NOT_CALLED):
        assert (docblocks.ROOT / words[0]).is_file()
    elif program == "make":
        assert words[0] in docblocks.make_targets()
    elif program == "python":
        assert Path(words[0]).stem.isupper() or parse_script(words) is None  # NAME.py is any script
    elif words and not words[0].isupper():
        command, rest = command_of(words)
        options = [word.partition("=")[0] for word in rest if word.startswith("--")]
        assert set(options) <= {opt for p in getattr(command, "params", []) for opt in p.opts} | {"--help"}


def parse(words: list[str]) -> None:
    """Of a command that is not run: that it would be taken."""
    program, *rest = words
    if program == "make":
        assert set(rest) <= docblocks.make_targets()
    elif program == "python":
        parse_script(rest)
    else:
        parse_ragft(rest)


def command_of(words: list[str]):
    """The command that these words name, and what follows."""
    command = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    assert command is not get_command(app), words
    assert not getattr(command, "commands", {}) or not words, f"{words[0]!r} is no command"
    return command, words


def parse_ragft(words: list[str]) -> None:
    command, rest = command_of(words)
    command.make_context(command.name, list(rest), resilient_parsing=False)


class ParsedError(Exception):
    """A script has read its arguments."""


def parse_script(words: list[str]) -> None:
    """Let a script read these arguments, and stop it there. SystemExit where it does not take them."""
    parse = argparse.ArgumentParser.parse_args

    def stop(parser, args=None, namespace=None):
        parse(parser, args, namespace)
        raise ParsedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", words)
        patch.syspath_prepend(str(docblocks.ROOT / "pipelines"))
        path = docblocks.ROOT / words[0]
        spec = importlib.util.spec_from_file_location(f"shown_{path.stem}", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        with pytest.raises(ParsedError):
            module.main()
