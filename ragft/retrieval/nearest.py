"""Which vectors are nearest to a question's: compared with every one while there are few, by FAISS's HNSW or IVF where there are many.

    nearest.faiss     of more than EXACT vectors; read where it lies (memory-mapped), like the vectors themselves

HNSW (Malkov & Yashunin, 1603.09320) and IVF look at a part of the vectors only. How large a part is set when the index is built: so
that they find at least RECALL of what an exact search finds for the questions that are handed over, which lie apart from what they ask
about, and for some of the vectors themselves. What was reached is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ragft.retrieval.base import Nearest

EXACT, GRAPH = 50_000, 200_000  # vectors up to which all are compared, and up to which a graph is built: it takes longer than lists
LINKS, BUILD_WIDTH = 32, 80  # of HNSW: neighbours of a vector, and how many are looked at to find them
LISTS_PER_ROOT = 4  # of IVF: lists for each square root of the number of vectors
TRAINED_PER_LIST = 64  # vectors from which the middle of each list is found
RECALL, TRIED, DEEP = 0.95, 256, 10  # of the first DEEP, on so many questions and vectors
FARTHEST = 0.25  # of the vectors or lists: whatever looks at more is no faster than comparing all
NEAR = 1e-6  # products that differ by less are equal: a passage that stands there twice may be found in either place
FILE = "nearest.faiss"


class Exact:
    """Every vector is compared, where it lies: nothing is copied."""

    def __init__(self, vectors: np.ndarray):
        self._vectors = vectors

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        found: tuple[np.ndarray, np.ndarray] = faiss.knn(x, self._vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
        return found


@dataclass(frozen=True)
class Reached:
    """What was built, how far it looks, and the share of an exact search's first DEEP that it finds."""

    kind: str  # HNSW or IVF
    setting: str  # FAISS's name of how far it looks
    value: int
    recall: float


def build_nearest(vectors: np.ndarray, folder: Path, asked: np.ndarray | None = None) -> Reached | None:
    """Write nearest.faiss for (n, d) unit vectors; None, and nothing, where an exact search is fast enough or nothing else finds RECALL.

    The same for the same vectors. `asked`: (questions, d), of questions as they will be asked; there may be none.
    """
    number = len(vectors)
    if number <= EXACT:
        return None
    own = vectors[:: max(1, number // TRIED)][:TRIED]
    tried = np.ascontiguousarray(own if asked is None else np.concatenate([asked[:TRIED], own])[:TRIED])
    index, kind, setting = (*_graph(vectors), "efSearch") if number <= GRAPH else (*_lists(vectors), "nprobe")
    reached = _set(index, vectors, tried, kind, setting)
    if reached is not None:
        faiss.write_index(index, str(folder / FILE))
    return reached


def open_nearest(folder: Path, vectors: np.ndarray) -> Nearest:
    """The index in that folder, or an exact search of the vectors."""
    if not (folder / FILE).is_file():
        return Exact(vectors)
    index: Nearest = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC)
    return index


def _graph(vectors: np.ndarray) -> tuple[Any, str]:
    index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_WIDTH
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # threads that race for links would build another graph every time
    try:
        index.add(vectors)
    finally:
        faiss.omp_set_num_threads(threads)
    return index, "HNSW"


def _lists(vectors: np.ndarray) -> tuple[Any, str]:
    lists = int(LISTS_PER_ROOT * len(vectors) ** 0.5)
    index: Any = faiss.index_factory(vectors.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical = True  # unit vectors: so are the middles of the lists
    index.cp.max_points_per_centroid = TRAINED_PER_LIST
    index.train(vectors)
    index.add(vectors)
    return index, "IVF"


def _set(index: Any, vectors: np.ndarray, tried: np.ndarray, kind: str, setting: str) -> Reached | None:
    """Double how far it looks until that finds enough; None: it never does."""
    deep = min(DEEP, len(vectors))
    right, _ = Exact(vectors).search(tried, deep)
    space, value = faiss.ParameterSpace(), DEEP
    everywhere = len(vectors) if kind == "HNSW" else index.nlist
    while value <= max(DEEP, FARTHEST * everywhere):
        space.set_index_parameter(index, setting, value)
        recall = share_found(index.search(tried, deep)[0], right)
        if recall >= RECALL:
            return Reached(kind, setting, value, recall)
        value *= 2
    return None


def share_found(found: np.ndarray, right: np.ndarray) -> float:
    """The share of the (questions, k) products that an exact search has, `right`, which another search found as well, in [0, 1]."""
    return float((found >= right[:, -1:] - NEAR).mean())
