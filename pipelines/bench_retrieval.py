"""Retrieval, measured: building and updating an index, BM25, a million vectors, reading PDF files; each beside what a team would use.

    pip install -e ".[bench]"      # for the parts index and bm25
    python pipelines/bench_retrieval.py [--only index bm25 vectors open pdf] [--repeat 3]

Two cores, about 4 minutes, 3.7 GB of memory. All sides of a part run in this process, in turns; the figures are the best of
the repeats. Prints JSON:

    index    the same chunks and embedder: ragft's index against LangChain's FAISS.from_documents, on a first build and after 5 %
             of the documents changed: LangChain embeds all anew, ragft what is new; the largest difference of a vector
    bm25     questions a second over 20,000 chunks, against rank_bm25's BM25Okapi on the same terms
    vectors  1,000,000 clustered unit vectors of 384 numbers: seconds to build, recall@10 against an exact search, seconds of a
             question asked alone, the most memory
    open     100,000 chunks with their vectors: seconds until the index can be asked, and of the first question
    pdf      3,000 pages of text: pages a second
"""

from __future__ import annotations

import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np

from ragft.build import IndexPlan, token_counter
from ragft.domain import Domain, load_domain
from ragft.domain.loaders import load_documents
from ragft.errors import MissingError
from ragft.meter import PeakMemory
from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.threads import wait_briefly
from ragft.types import Chunk, Document, Question, Span

ROOT = Path(__file__).parents[1]
K, CHUNK_TOKENS = 4, 80
CHANGED = 0.05
OTHER_SIDES = {"index": "langchain_community", "bm25": "rank_bm25"}
DIMENSIONS = 384


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="some of the parts (default: all)")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args(arguments)
    keep_private()
    wait_briefly()
    return run_job("bench_retrieval", lambda: measured(given.only, given.repeat))


def measured(parts: Sequence[str], repeat: int) -> dict[str, Any]:
    """What each part found. Raises MissingError where something that one compares with is not installed."""
    for part, package in OTHER_SIDES.items():
        if part in parts and find_spec(package) is None:
            raise MissingError(f'part {part} compares with {package}, which is not installed: pip install -e ".[bench]", or name other parts: --only')
    return {name: PARTS[name](repeat) for name in parts}


def best(repeat: int, *works: Callable[[], Any]) -> list[float]:
    """The fewest seconds of each, all in turn."""
    seconds = [[timed(work) for work in works] for _ in range(repeat)]
    return [min(found) for found in zip(*seconds, strict=True)]


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# ── building and updating ────────────────────────────────────────────────────────────────────────────────────────────


def index(repeat: int, domain: Domain | None = None, model: str = "smollm2-135m-instruct", embedder: str = "all-minilm-l6-v2") -> dict[str, Any]:
    """Both sides from the same finished chunks of the bundled domain. ragft's also makes BM25 and writes to disk; cutting is timed beside it."""
    from ragft.build import build_index, open_index
    from ragft.models import find_model
    from ragft.prompts import passage
    from ragft.retrieval.dense import load_embedder

    whole = domain or load_domain(ROOT / "data" / "tarnbeck")
    bare = replace(whole, gold={}, questions={})  # LangChain chooses nothing by dev questions, so neither does ragft here
    plan = IndexPlan(bare, find_model(model, "generator"), find_model(embedder, "embedder"), CHUNK_TOKENS, 0, K)
    changed = replace(plan, domain=replace(bare, documents=edited(bare.documents)))
    load_embedder(plan.embedder.folder)(["warm up"])
    cutting = best(repeat, lambda: chunks_of(plan, fresh=True))[0]
    plan, changed = (Finished(**{f.name: getattr(one, f.name) for f in fields(one)}) for one in (plan, changed))
    with tempfile.TemporaryDirectory() as folder:
        places, stores = dict[str, Path](), dict[str, Any]()

        def ours(name: str, given: IndexPlan, previous: str | None = None) -> None:
            places[name] = Path(tempfile.mkdtemp(dir=folder))
            build_index(given, places[name], previous=places[previous] if previous else None)

        def theirs(name: str, given: IndexPlan) -> None:
            stores[name] = langchain_index(chunks_of(given), plan.embedder.folder, passage)

        first = best(repeat, lambda: ours("old", plan), lambda: theirs("old", plan))
        update = best(repeat, lambda: ours("new", changed, "old"), lambda: theirs("new", changed))
        parts = open_index(places["new"], "bench", plan.embedder)
        exact = np.stack([stores["new"].index.reconstruct(number) for number in range(len(parts.chunks))])
        return {
            "documents": len(bare.documents),
            "chunks": len(parts.chunks),
            "chunks_per_second": len(parts.chunks) / first[0],
            "ratio_first_build": first[1] / first[0],
            "ratio_after_change": update[1] / update[0],
            "seconds": {"first_build": first, "after_change": update, "cutting_beside": cutting},
            "largest_vector_difference": float(np.abs(np.asarray(parts.vectors) - exact).max()),
        }


def chunks_of(plan: IndexPlan, fresh: bool = False) -> tuple[Chunk, ...]:
    """Cut once; which LangChain is given, too."""
    if fresh or plan.domain.documents not in _CUT:
        _CUT[plan.domain.documents] = IndexPlan.chunks(plan, plan.domain.documents, token_counter(plan.model))
    return _CUT[plan.domain.documents]


_CUT: dict[tuple[Document, ...], tuple[Chunk, ...]] = {}


class Finished(IndexPlan):
    """A plan whose chunks are cut already."""

    def chunks(self, documents: Iterable[Document], count_tokens: Callable[[str], int]) -> tuple[Chunk, ...]:
        return chunks_of(self)


def edited(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    """One document in twenty with a sentence more at its end."""
    step = round(1 / CHANGED)
    return tuple(
        replace(one, text=f"{one.text}\n\nRevised in November, after review {number}.") if number % step == 0 else one
        for number, one in enumerate(documents)
    )


def langchain_index(chunks: tuple[Chunk, ...], folder: Path, passage: Callable[[Chunk], str]) -> Any:
    """LangChain's vector store over the same texts, embedded by the same model as sentence-transformers' defaults have it: 32 at once."""
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document as Page
    from langchain_core.embeddings import Embeddings

    from ragft.retrieval.dense import load_embedder

    model = load_embedder(folder)._model

    class Shared(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return model.encode(texts, normalize_embeddings=True, show_progress_bar=False).tolist()

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    return FAISS.from_documents([Page(id=chunk.id, page_content=passage(chunk)) for chunk in chunks], Shared())


# ── BM25 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def bm25(repeat: int, chunks: int = 20_000, questions: int = 200) -> dict[str, Any]:
    """The same terms on both sides; of rank_bm25 as many questions as take some seconds."""
    from rank_bm25 import BM25Okapi

    from ragft.prompts import passage
    from ragft.retrieval.bm25 import Bm25, index_terms
    from ragft.text import search_terms

    written, asked = made_chunks(chunks), [Question(str(number), text(random.Random(-number - 1), 8)) for number in range(questions)]
    ours = Bm25(written, index_terms(written))
    theirs = BM25Okapi([search_terms(passage(chunk)) for chunk in written])
    few = asked[: max(1, questions // 10)]
    found: dict[str, Any] = {}

    def their_search() -> None:
        found["theirs"] = [theirs.get_top_n(search_terms(question.text), written, n=K) for question in few]

    seconds = best(repeat, lambda: found.update(ours=ours.search(asked, K)), their_search)
    rates = len(asked) / seconds[0], len(few) / seconds[1]
    same = sum(hits[0].chunk.id == other[0].id for hits, other in zip(found["ours"], found["theirs"], strict=False))
    return {
        "chunks": chunks,
        "ratio": rates[0] / rates[1],
        "questions_per_second": rates,
        "same_first_passage": f"{same} of {len(few)}",  # rank_bm25 weighs a term that half the chunks hold otherwise
    }


def text(rng: random.Random, length: int, vocabulary: int = 30_000) -> str:
    """Words with the frequencies of a language (Zipf): the one of rank r about 1/r as often as the first."""
    return " ".join(f"w{int(vocabulary ** rng.random())}" for _ in range(length))


def made_chunks(number: int) -> list[Chunk]:
    """A hundred words each."""
    rng = random.Random(0)
    return [Chunk(f"d{n}:0-9", Span(f"d{n}", 0, 9), text(rng, 100), f"Document {n}") for n in range(number)]


# ── many vectors ─────────────────────────────────────────────────────────────────────────────────────────────────────


def clustered(number: int, seed: int, middles: np.ndarray) -> np.ndarray:
    """Unit vectors around these middles, as far from their own as about half a radian."""
    rng = np.random.default_rng(seed)
    made = np.empty((number, middles.shape[1]), dtype=np.float32)
    for first in range(0, number, 50_000):  # in parts: the random numbers come in double precision
        part = made[first : first + 50_000]
        part[:] = middles[rng.integers(len(middles), size=len(part))] + rng.normal(scale=0.5 / middles.shape[1] ** 0.5, size=part.shape)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return made


def unit_middles(number: int, dimensions: int = DIMENSIONS) -> np.ndarray:
    made = np.random.default_rng(9).normal(size=(number, dimensions)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def vectors(repeat: int, number: int = 1_000_000, questions: int = 500) -> dict[str, Any]:
    """`repeat` times the questions one by one; built once."""
    from ragft.retrieval.nearest import Exact, build_nearest, open_nearest, share_found

    middles = unit_middles(max(10, number // 100))
    asked = clustered(2 * questions, 2, middles)
    with tempfile.TemporaryDirectory() as folder, PeakMemory() as peak:
        np.save(Path(folder, "vectors.npy"), clustered(number, 1, middles))
        gc.collect()
        stored = np.load(Path(folder, "vectors.npy"), mmap_mode="r")
        began = time.perf_counter()
        reached = build_nearest(stored, Path(folder), asked[questions:])
        built = time.perf_counter() - began
        search, exact = open_nearest(Path(folder), stored), Exact(stored)
        recall = share_found(search.search(asked[:questions], 10)[0], exact.search(asked[:questions], 10)[0])
        alone = {
            name: sorted(timed(lambda one=one, side=side: side.search(one[None], 10)) for _ in range(repeat) for one in asked[:questions:5])
            for name, side in (("approximate", search), ("exact", exact))
        }
    return {
        "vectors": number,
        "kind": reached and f"{reached.kind}, {reached.setting} {reached.value}",
        "build_seconds": built,
        "recall_at_10": recall,
        "p95_milliseconds": {name: 1000 * quantiles(found, n=20)[-1] for name, found in alone.items()},
        "peak_gib": peak.bytes / 2**30,
    }


def opening(repeat: int, number: int = 100_000, embedder: str = "all-minilm-l6-v2") -> dict[str, Any]:
    """An index as build_index writes it, with made vectors in the place of embedded ones."""
    from ragft.build import make_retriever, open_index
    from ragft.models import find_model
    from ragft.retrieval.bm25 import index_terms, store_terms
    from ragft.retrieval.dense import load_embedder
    from ragft.retrieval.nearest import build_nearest
    from ragft.store import write_jsonl

    model, chunks = find_model(embedder, "embedder"), made_chunks(number)
    dimensions = load_embedder(model.folder)(["warm up"]).shape[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jsonl(folder / "chunks.jsonl", chunks)
        store_terms(index_terms(chunks), folder)
        made = clustered(number, 1, unit_middles(max(10, number // 100), dimensions))
        np.save(folder / "vectors.npy", made)
        began = time.perf_counter()
        build_nearest(made, folder)
        built = time.perf_counter() - began
        del made, chunks
        found: dict[str, Any] = {}

        def opened() -> None:
            open_index.cache_clear()
            found["search"] = make_retriever("hybrid", open_index(folder, "bench", model))

        seconds = best(repeat, opened, lambda: found["search"].search([Question("q", "w3 w500 w12000")], K))
    return {"chunks": number, "seconds_to_open": seconds[0], "seconds_of_first_question": seconds[1], "nearest_build_seconds": built}


# ── PDF ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def pdf(repeat: int, pages: int = 3000, pages_per_file: int = 100) -> dict[str, Any]:
    """Files of a hundred pages with fifty lines each."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(pages // pages_per_file):
            Path(folder, f"manual-{number}.pdf").write_bytes(made_pdf(pages_per_file, number))
        (seconds,) = best(repeat, lambda: load_documents(Path(folder)))
        documents, _ = load_documents(Path(folder))
    return {
        "pages": sum(len(document.pages) for document in documents),
        "characters": sum(len(document.text) for document in documents),
        "pages_per_second": pages / seconds,
    }


def made_pdf(pages: int, seed: int) -> bytes:
    """A PDF with a text layer: a catalogue, a font, and for each page the page and its text."""
    rng = random.Random(seed)
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for page in range(pages):
        lines = " ".join(f"({text(rng, 10)}) Tj 0 -14 Td" for _ in range(50))
        stream = f"BT /F1 10 Tf 40 780 Td {lines} ET".encode()
        box = f"/MediaBox [0 0 595 842] /Contents {5 + 2 * page} 0 R /Resources << /Font << /F1 3 0 R >> >>"
        objects += [f"<< /Type /Page /Parent 2 0 R {box} >>".encode(), b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, len(out))
    return bytes(out) + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {"index": index, "bm25": bm25, "vectors": vectors, "open": opening, "pdf": pdf}

if __name__ == "__main__":
    sys.exit(main())
