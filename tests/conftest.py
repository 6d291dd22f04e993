"""What tests share: a tiny model, a tiny embedder and a small domain, made on the fly; no network, no real weights."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tiny import save_tiny_model, write_domain

from ragft import registry
from ragft.privacy import keep_private
from ragft.threads import wait_briefly

keep_private()
wait_briefly()
MAIN = sys.modules["__main__"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", metavar="DIR", help="where the pictures of the dashboard are drawn (tests/dashboard/test_browser_pictures.py)")


@pytest.fixture(autouse=True)
def own_main():
    """Streamlit's AppTest leaves its script in the place of the main module, which processes that later tests start would run."""
    yield
    sys.modules["__main__"] = MAIN


@pytest.fixture
def own_plugins():
    """What a test registers is gone after it."""
    before = {kind: registry.entries(kind) for kind in registry.BUILTIN}  # loaded first: else what loading adds would be dropped
    yield
    for kind, found in before.items():
        registry._entries[kind].clear()
        registry._entries[kind].update(found)


@pytest.fixture
def domain_folder(tmp_path: Path) -> Path:
    return write_domain(tmp_path / "works")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="session", params=["llama", "qwen2", "gpt2"])
def any_tiny_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp(f"tiny-{request.param}"), request.param)


@pytest.fixture(scope="session")
def tiny_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder around a random two-layer BERT."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as st
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-embedder")
    letters = [chr(c) for c in range(97, 123)] + [str(d) for d in range(10)] + list(".,?:;-%<>")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    bert = folder / "bert"
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(bert)
    BertModel(
        BertConfig(vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    ).save_pretrained(bert)
    transformer = st.Transformer(str(bert))
    SentenceTransformer(modules=[transformer, st.Pooling(32)]).save(str(folder / "st"))
    return folder / "st"


@pytest.fixture(scope="session")
def tiny_reranker(tiny_embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of one label with random weights, which reads what the tiny embedder reads."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("tiny-reranker")
    config = AutoConfig.from_pretrained(tiny_embedder, num_labels=1, initializer_range=0.5)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_embedder).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_study(domain_folder: Path, tiny_model: Path):
    """A study over the small domain that takes seconds: lexical search, two seeds, few tokens."""
    from ragft.settings import Study

    return Study(
        domain=str(domain_folder), model=str(tiny_model), embedder=None, seeds=(0, 1), chunk_tokens=32, context_tokens=96, k=2,
        max_new_tokens=6, batch_size=4, train_tokens=1500, train_batch_size=4,
    )  # fmt: skip
