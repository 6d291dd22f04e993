"""Search by meaning: sentence-transformers embeddings, exact inner product by FAISS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import faiss
import numpy as np

from ragft.errors import InputError
from ragft.registry import retriever
from ragft.retrieval.base import RetrieverParts, ranked
from ragft.types import Chunk, Hit, Question

EMBED_BATCH = 64


class Embedder:
    """Texts -> unit vectors, float32, in the order given."""

    def __init__(self, folder: Path):
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(folder), trust_remote_code=False, model_kwargs={"use_safetensors": True})

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._model.encode(list(texts), batch_size=EMBED_BATCH, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(vectors, dtype=np.float32)


@lru_cache(maxsize=1)
def load_embedder(folder: Path) -> Embedder:
    return Embedder(folder)


class Dense:
    """Cosine similarity of the question with every chunk."""

    def __init__(self, chunks: Sequence[Chunk], vectors: np.ndarray, embed: Callable[[Sequence[str]], np.ndarray]):
        self._chunks, self._embed = chunks, embed
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(np.ascontiguousarray(vectors))

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        if not questions:
            return []
        scores, numbers = self._index.search(self._embed([q.text for q in questions]), min(k, len(self._chunks)))
        return [ranked(self._chunks, list(zip(row.tolist(), found.tolist(), strict=True))) for row, found in zip(numbers, scores, strict=True)]


@retriever("dense", "search by meaning with the study's embedder", needs=["embedder"])
def dense(parts: RetrieverParts) -> Dense:
    if parts.vectors is None or parts.embed is None:
        raise InputError("the dense retriever needs an embedder: set embedder in the study, or use retriever: bm25.")
    return Dense(parts.chunks, parts.vectors, parts.embed)
