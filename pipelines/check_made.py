"""What `ragft questions make` is worth without a model: made facts against a domain's hand-written ones, and what a reader said of a sample.

    python pipelines/check_made.py data/tarnbeck

A made fact is in the ledger (facts.jsonl) where one of the same document has its answer and shares a word of its subject with the
question; the ledger does not hold all that the documents say. made-sample.jsonl holds held-out questions drawn at random, and for each whether
it is answerable (the answer is right; for one without answer, that there is none), unique (one answer, and it says what it means) and
grammatical, as one of the authors read them. Two seconds. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragft.asking.make import make_questions
from ragft.domain.loaders import load_documents
from ragft.text import contains, words

MARKS = ("answerable", "unique", "grammatical")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain", type=Path, help="a folder with corpus/, facts.jsonl and made-sample.jsonl")
    print(json.dumps(check(parser.parse_args().domain), indent=1))


def check(domain: Path) -> dict[str, Any]:
    documents, _ = load_documents(domain / "corpus")
    facts = {line["fact"]: line for line in make_questions(documents).lines if line["answers"] and line["kind"] not in ("reversed", "two-document")}
    ledger, sample = read(domain / "facts.jsonl"), read(domain / "made-sample.jsonl")
    same = {fact: [known["fact"] for known in ledger if is_same(line, known)] for fact, line in facts.items()}
    return {
        "made_facts": len(facts),
        "of_them_in_the_ledger": sum(map(bool, same.values())),
        "ledger_facts": len(ledger),
        "of_them_made": len({known for found in same.values() for known in found}),
        "sample": len(sample),
        **{mark: sum(row[mark] for row in sample) for mark in MARKS},
        "notes": [f"{row['question']} {row['note']}" for row in sample if "note" in row],
    }


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def is_same(line: dict[str, Any], known: dict[str, Any]) -> bool:
    answer, value = words(line["answers"][0]), words(known["value"])
    near = not set(documents_of(line)).isdisjoint(known["documents"]) and not set(words(known["subject"])).isdisjoint(words(line["question"]))
    return near and (contains(answer, value) or contains(value, answer))


def documents_of(line: dict[str, Any]) -> Iterator[str]:
    """Where the evidence of a made question stands."""
    for piece in line["evidence"]:
        yield from (place["document"] for place in (piece if isinstance(piece, list) else [piece]))


if __name__ == "__main__":
    main()
