"""The bundled domains keep their promises, and the scripts beside them do what they say."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from ragft.audit import Expected, audit, read_expected
from ragft.domain import load_domain
from ragft.errors import InputError
from ragft.settings import load_study
from ragft.text import words

DATA = Path(__file__).parents[1] / "data"
DOMAINS = sorted(path.parent for path in DATA.glob("*/expected.yaml"))


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", DOMAINS, ids=lambda folder: folder.name)
def test_the_text_of_a_bundled_domain_keeps_every_promise(folder):
    wrong = [finding for finding in audit(load_domain(folder), folder, read_expected(folder)) if not finding.ok]
    assert wrong == []


# ── variants ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """Each variant of the bundled domain as it is loaded, with its text of the documents."""
    made, out = script("make_variants"), tmp_path_factory.mktemp("variants")
    return {name: load_domain(made.make_variant(name, DATA / "tarnbeck", out / name)) for name in made.VARIANTS}


@pytest.fixture(scope="module")
def original():
    return load_domain(DATA / "tarnbeck")


def questions(domain, *splits):
    return {g.id: domain.questions[g.id].text for g in domain.gold.values() if g.split in splits}


def test_every_variant_asks_for_the_same_answers(variants, original):
    for domain in variants.values():
        assert {g.id: (g.answers, g.split, g.stratum) for g in domain.gold.values()} == {
            g.id: (g.answers, g.split, g.stratum) for g in original.gold.values()
        }
        assert questions(domain, "train") == questions(original, "train")


def test_six_documents_carry_the_canary_and_nothing_else_does(variants, original):
    canary = script("make_variants").CANARY
    assert sum(canary in document.text for document in variants["injected"].documents) == 6
    assert not any(canary in document.text for document in original.documents)
    assert not any(canary in answer for gold in original.gold.values() for answer in gold.answers)


def test_the_draft_contradicts_twenty_facts_and_the_rest_is_as_it_was(variants, original):
    draft = next(d for d in variants["conflicting"].documents if d.id == "drafts/unapproved-collection.md")
    assert draft.text.count("According to this draft") == 20
    assert len(variants["conflicting"].documents) == len(original.documents) + 1


def test_typing_errors_are_where_they_belong(variants, original):
    texts = {d.id: d.text for d in original.documents}
    for document in variants["typos"].documents:
        before, after = texts[document.id.removesuffix(".txt") if document.id not in texts else document.id].split(), document.text.split()
        assert 0.02 < sum(a != b for a, b in zip(before, after, strict=True)) / len(before) < 0.2
    assert questions(variants["typos"], "dev", "test") == questions(original, "dev", "test")
    held_out, changed = questions(original, "dev", "test"), questions(variants["misspelt"], "dev", "test")
    assert sum(held_out[key] != changed[key] for key in held_out) > 0.7 * len(held_out)


def test_a_slip_exchanges_two_letters_within_a_word():
    mistype = script("make_variants").mistype
    assert mistype("Kova 30 pump", 1.0, random.Random(0)) == "Koav 30 pupm"
    assert mistype("Kova 30 pump", 1.0, random.Random(0), {"Kova"}).startswith("Kova 30 ")
    assert mistype("Kova 30 pump", 0.0, random.Random(0)) == "Kova 30 pump"
    assert script("make_variants").other_value("83 months") == "33 months"


# ── the promises themselves ──────────────────────────────────────────────────────────────────────────────────────────


def test_every_reason_is_one_of_four():
    for folder in DOMAINS:
        lines = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
        reasons = {line.get("reason") for line in lines if not line["answers"]}
        assert reasons <= {"absent-entity", "absent-attribute", "false-premise", "superseded"}, folder


# ── version 2 ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """Tarnbeck with its version 2 made anew, and the change log."""
    folder = tmp_path_factory.mktemp("v2") / "tarnbeck"
    shutil.copytree(DATA / "tarnbeck", folder)
    script("make_v2").make_v2(folder)
    return folder, [json.loads(line) for line in (folder / "changes.jsonl").read_text(encoding="utf-8").splitlines()]


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_version_2_is_what_the_change_log_makes(second):
    folder, _ = second
    assert files(folder / "corpus-v2") == files(DATA / "tarnbeck" / "corpus-v2")
    assert (folder / "questions-v2.jsonl").read_bytes() == (DATA / "tarnbeck" / "questions-v2.jsonl").read_bytes()


def test_version_2_is_a_domain(second, tmp_path):
    folder, changes = second
    shutil.copytree(folder / "corpus-v2", tmp_path / "corpus")
    shutil.copy(folder / "questions-v2.jsonl", tmp_path / "questions.jsonl")
    now, before = load_domain(tmp_path), load_domain(folder)
    changed = {key for key in before.gold if before.gold[key].answers != now.gold[key].answers}
    assert changed == {entry["question"] for change in changes for entry in change["affects"]}
    assert len(changes) == 25 and Counter(change["kind"] for change in changes) == {
        "changed-value": 18,
        "renamed-product": 1,
        "withdrawn-policy": 1,
        "new-document": 3,
        "deleted-document": 2,
    }
    wrong = [f for f in audit(now, tmp_path, Expected()) if not f.ok and "ledger" not in f.name]
    assert wrong == []


def test_a_change_that_does_not_fit_is_named(second, tmp_path):
    made = script("make_v2")
    path = tmp_path / "note.md"
    path.write_text("Twice, twice.")
    with pytest.raises(InputError, match=r"change c1: «wice» stands 2 times in .*note\.md, not once"):
        made._edit(path, "wice", "hrice", "c1")
    with pytest.raises(InputError, match="change c1: question q1 has the answers"):
        made.changed_questions([{"id": "q1", "answers": ["a"]}], [{"id": "c1", "affects": [{"question": "q1", "old": ["b"], "new": []}]}], set())


# ── Word and PDF documents ───────────────────────────────────────────────────────────────────────────────────────────


def test_word_and_pdf_documents_say_what_their_sources_say(original):
    """Made by make_documents.py, which needs reportlab; what ragft reads in them are the words of the Markdown sources."""
    texts = {document.id: document.text for document in original.documents}
    sources = sorted((DATA / "tarnbeck" / "sources").rglob("*.md"))
    assert len(sources) == 6
    for source in sources:
        stem = source.relative_to(DATA / "tarnbeck" / "sources").with_suffix("").as_posix()
        (name,) = [name for name in texts if name in (f"{stem}.docx", f"{stem}.pdf")]
        lines = [re.sub(r"^(#+|\*|\d+\.) ", "", line) for line in source.read_text(encoding="utf-8").splitlines() if set(line) - set("|-: ")]
        said = [word for word in words(texts[name]) if not word.isdigit()]  # a PDF's list has its numbers in the text
        assert said == [word for line in lines for word in words(line) if not word.isdigit()], name


@pytest.mark.parametrize("path", sorted(DATA.glob("*/study*.yaml")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_bundled_study_can_be_read(path):
    study = load_study(path)
    assert list(study.arms) == ["base", "oracle", "rag", "lora", "rag+lora", "raft"] and study.seeds == (0, 1, 2)
    assert (study.limit is None) == (path.parent.name != "tarnbeck" or path.name == "study-full.yaml")
