"""Made-up texts, vectors and PDF files of any size, the same every time: what bench_retrieval.py measures with."""

from __future__ import annotations

import random

import numpy as np

from ragft.types import Chunk, Span

DIMENSIONS = 384


def text(rng: random.Random, length: int, vocabulary: int = 30_000) -> str:
    """Words with the frequencies of a language (Zipf): the one of rank r about 1/r as often as the first."""
    return " ".join(f"w{int(vocabulary ** rng.random())}" for _ in range(length))


def made_chunks(number: int) -> list[Chunk]:
    """A hundred words each."""
    rng = random.Random(0)
    return [Chunk(f"d{n}:0-9", Span(f"d{n}", 0, 9), text(rng, 100), f"Document {n}") for n in range(number)]


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
