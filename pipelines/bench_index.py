"""Building an index: ragft's against LangChain's `FAISS.from_documents`, same chunks, same embedder, same process.

    pip install langchain-community
    python pipelines/bench_index.py [--repeat 3]

Two cores, about 2 minutes. Prints JSON: seconds of both sides (the best of the repeats, which alternate), their ratio,
chunks per second, and how many of 50 questions get the same four passages in the same order from both.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from ragft.privacy import keep_private
from ragft.threads import wait_briefly

ROOT = Path(__file__).parents[1]
K = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    keep_private()
    wait_briefly()
    print(json.dumps(bench(arguments.repeat), indent=1))


def bench(repeat: int) -> dict:
    from ragft.build import IndexPlan, build_index, make_retriever, open_index
    from ragft.domain import load_domain
    from ragft.models import find_model
    from ragft.prompts import passage
    from ragft.retrieval.dense import load_embedder

    domain = load_domain(ROOT / "data" / "tarnbeck")
    model, embedder = find_model("smollm2-135m-instruct", "generator"), find_model("all-minilm-l6-v2", "embedder")
    plan = IndexPlan(domain, model, embedder, chunk_tokens=80, chunk_overlap=0, k=K)
    load_embedder(embedder.folder)(["warm up"])
    ours, theirs, store, parts = [], [], None, None
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            build_index(plan, Path(folder))
            ours.append(time.perf_counter() - began)
            open_index.cache_clear()
            parts = open_index(Path(folder), "bench", embedder)
        began = time.perf_counter()
        store = langchain_index(parts.chunks, load_embedder(embedder.folder), passage)
        theirs.append(time.perf_counter() - began)
    questions = [question for question, _ in domain.split("test")][:50]
    dense = make_retriever("dense", parts)
    same = sum(
        [hit.chunk.id for hit in hits] == [found.id for found in store.similarity_search(question.text, k=K)]
        for question, hits in zip(questions, dense.search(questions, K), strict=True)
    )
    return {
        "chunks": len(parts.chunks),
        "ragft_seconds": min(ours),
        "langchain_seconds": min(theirs),
        "ratio": min(theirs) / min(ours),
        "chunks_per_second": len(parts.chunks) / min(ours),
        "same_passages": f"{same} of {len(questions)}",
        "ragft_includes": "chunking, BM25, embedding, choosing the retriever on the dev questions, writing to disk",
        "langchain_includes": "embedding and FAISS, of chunks that are given to it",
    }


def langchain_index(chunks, embed, passage):
    """LangChain's vector store over the same texts, embedded by the same model."""
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    class Shared(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return embed(texts).tolist()

        def embed_query(self, text: str) -> list[float]:
            return embed([text])[0].tolist()

    return FAISS.from_documents([Document(id=chunk.id, page_content=passage(chunk)) for chunk in chunks], Shared())


if __name__ == "__main__":
    main()
