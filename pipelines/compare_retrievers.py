"""Every retriever on public data sets: how often the first passage is from the document that answers.

    python pipelines/compare_retrievers.py DATA [--chunk-tokens 256 512] [--table]

DATA is a folder with the data sets as their authors publish them, those that are there: xquad/xquad.en.json and xquad.zh.json,
cmrc2018-trial/cmrc2018_trial.json, pubmedqa/ori_pqal.json, product-docs/anthropic_docs.json with docs_evaluation_dataset.json.
Two cores, about 9 minutes beside other work. Prints JSON, or with --table the Markdown table of docs/retrieval.md: recall@1 and recall@5 on the gold
document, over all questions but the dev questions, by which `auto` chose its retriever and the size of the chunks was chosen.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ragft.errors import MissingError
from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.threads import wait_briefly

LINES = (
    "auto",
    "hybrid",
    "hybrid dense_share=0.7",
    "rrf",
    "bm25",
    "bm25 k1=0.9 b=0.4",
    "dense",
    "hybrid + mmr",
    "hybrid + neighbours",
)
DEPTHS = (1, 5)
SETS = {
    "XQuAD English": ("squad", "xquad/xquad.en.json"),
    "XQuAD Chinese": ("squad", "xquad/xquad.zh.json"),
    "CMRC 2018 trial": ("squad", "cmrc2018-trial/cmrc2018_trial.json"),
    "PubMedQA": ("pubmedqa", "pubmedqa/ori_pqal.json"),
    "product-docs": ("sections", "product-docs/anthropic_docs.json"),
}


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--chunk-tokens", type=int, nargs="+", default=[256, 512], help="of these the first that dev questions are best with")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="whose tokens a chunk is measured in (default: %(default)s)")
    parser.add_argument("--embedder", default="all-minilm-l6-v2", help="for dense search (default: %(default)s)")
    parser.add_argument("--table", action="store_true", help="print the Markdown table instead of JSON")
    given = parser.parse_args(arguments)
    keep_private()
    wait_briefly()
    return run_job("compare_retrievers", lambda: compare(given))


def compare(given: argparse.Namespace) -> dict[str, Any] | str:
    """Every data set that is there. Raises MissingError for none."""
    there = {name: (kind, given.data / file) for name, (kind, file) in SETS.items() if (given.data / file).is_file()}
    if not there:
        raise MissingError(f"{given.data}: none of the data sets is there. It needs one of: {', '.join(file for _, file in SETS.values())}")
    found = {name: measured(kind, file, given.chunk_tokens, given.model, given.embedder) for name, (kind, file) in there.items()}
    return table(found) if given.table else found


def measured(kind: str, file: Path, sizes: Sequence[int], model_name: str, embedder_name: str) -> dict[str, Any]:
    """Shares of the data set's questions whose gold document is among the first passages, by retriever and depth."""
    from ragft.build import DEV_QUESTIONS, IndexPlan, build_index, open_index, resolve_retriever
    from ragft.domain import load_domain
    from ragft.domain.importers import import_data
    from ragft.models import find_model

    model, embedder = find_model(model_name, "generator"), find_model(embedder_name, "embedder")
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "domain")
        if kind == "sections":
            import_sections(file, folder)
        else:
            import_data(kind, file, folder)
        domain = load_domain(folder)
        dev = domain.split("dev")[:DEV_QUESTIONS]
        by_size: dict[int, tuple[float, Any, str]] = {}
        for size in sizes:
            index = Path(root, f"index-{size}")
            index.mkdir()
            build_index(IndexPlan(domain, model, embedder, size, 0, DEPTHS[0]), index)
            parts, auto = open_index(index, f"{file} {size}", embedder), resolve_retriever("auto", index)
            by_size[size] = (first_right(auto, parts, dev)[f"recall@{DEPTHS[0]}"], parts, auto)
        chosen = max(sizes, key=lambda size: (by_size[size][0], -sizes.index(size)))
        _, parts, auto = by_size[chosen]
        asked = [pair for split in ("train", "test") for pair in domain.split(split) if pair[1].evidence]
        shares = {line: first_right(auto if line == "auto" else line, parts, asked) for line in LINES}
        counts = {"documents": len(domain.documents), "chunks": len(parts.chunks), "questions": len(asked)}
        on_dev = {size: found for size, (found, *_) in by_size.items()}
        return {**counts, "auto": auto, "chunk_tokens": chosen, "recall_on_dev": on_dev, "shares": shares}


def first_right(line: str, parts: Any, asked: Sequence[Any]) -> dict[str, float]:
    """How often a passage of a gold document is among the first."""
    from ragft.build import make_retriever

    pairs = [pair for pair in asked if pair[1].evidence]
    golds = [{span.document for piece in gold.evidence for span in piece.spans} for _, gold in pairs]
    hits = make_retriever(line, parts).search([question for question, _ in pairs], max(DEPTHS))
    documents = [[hit.chunk.span.document for hit in one] for one in hits]
    return {f"recall@{depth}": share(documents, golds, depth) for depth in DEPTHS}


def share(documents: Sequence[Sequence[str]], golds: Sequence[set[str]], depth: int) -> float:
    return sum(not gold.isdisjoint(found[:depth]) for found, gold in zip(documents, golds, strict=True)) / len(golds)


def import_sections(file: Path, folder: Path) -> None:
    """Sections of a documentation and questions that name those which answer, any of which is enough."""
    sections = json.loads(file.read_text(encoding="utf-8"))
    asked = json.loads((file.parent / "docs_evaluation_dataset.json").read_text(encoding="utf-8"))
    names = {section["chunk_link"]: f"s{number:03}.txt" for number, section in enumerate(sections)}
    (folder / "corpus").mkdir(parents=True)
    for section in sections:
        (folder / "corpus" / names[section["chunk_link"]]).write_text(section["text"], encoding="utf-8")
    lines = [
        {
            "id": one["id"],
            "question": one["question"],
            "answers": [one["correct_answer"]],
            "evidence": [[{"document": names[link]} for link in one["correct_chunks"]]],
            "split": "dev" if number % 5 == 0 else "test",
        }
        for number, one in enumerate(asked)
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def table(found: dict[str, dict[str, Any]]) -> str:
    rows = [["retriever", *found], ["---", *("--:" for _ in found)]]
    rows += [[f"`{line}`", *(cell(one["shares"][line]) for one in found.values())] for line in LINES]
    rows += [["`auto` chose", *(f"`{one['auto']}`" for one in found.values())]]
    rows += [["tokens of a chunk", *(str(one["chunk_tokens"]) for one in found.values())]]
    rows += [[what, *(f"{one[what]:,}" for one in found.values())] for what in ("documents", "chunks", "questions")]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def cell(shares: dict[str, float]) -> str:
    return " / ".join(f"{100 * value:.1f}" for value in shares.values())


if __name__ == "__main__":
    sys.exit(main())
