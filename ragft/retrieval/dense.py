"""Search by meaning: sentence-transformers embeddings, inner product by FAISS (ragft.retrieval.nearest)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ragft.errors import InputError
from ragft.registry import retriever
from ragft.retrieval.base import Nearest, RetrieverParts, ranked
from ragft.retrieval.nearest import Exact
from ragft.types import Chunk, Hit, Question

EMBED_BATCH, GPU_BATCH = 16, 128  # texts at once: on two cores a batch of 64 took a tenth longer


class Embedder:
    """Texts -> unit vectors, float32, in the order given."""

    def __init__(self, folder: Path):
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(folder), trust_remote_code=False, model_kwargs={"use_safetensors": True})

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        size = EMBED_BATCH if self._model.device.type == "cpu" else GPU_BATCH
        vectors = self._model.encode(list(texts), batch_size=size, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(vectors, dtype=np.float32)


@lru_cache(maxsize=1)
def load_embedder(folder: Path) -> Embedder:
    return Embedder(folder)


class Dense:
    """The chunks with the highest cosine similarity to the question."""

    def __init__(self, chunks: Sequence[Chunk], nearest: Nearest, embed: Callable[[Sequence[str]], np.ndarray]):
        self._chunks, self._nearest, self._embed = chunks, nearest, embed

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        if not questions:
            return []
        scores, numbers = self._nearest.search(self._embed([q.text for q in questions]), min(k, len(self._chunks)))
        found = [zip(row.tolist(), products.tolist(), strict=True) for row, products in zip(numbers, scores, strict=True)]
        return [ranked(self._chunks, [pair for pair in pairs if pair[0] >= 0]) for pairs in found]


@retriever("dense", "search by meaning with the study's embedder", needs=["embedder"])
def dense(parts: RetrieverParts) -> Dense:
    if parts.vectors is None or parts.embed is None:
        raise InputError("the dense retriever needs an embedder: set embedder in the study, or use retriever: bm25.")
    return Dense(parts.chunks, parts.nearest or Exact(parts.vectors), parts.embed)
