"""What `ragft questions make` is worth without a model: made facts against a domain's hand-written ones, and what a reader said of a sample.

    python pipelines/check_made.py data/tarnbeck
    python pipelines/check_made.py data/tarnbeck --draw 60 > data/tarnbeck/made-sample.jsonl      # then read them, and mend the marks

A made fact is in the ledger (facts.jsonl) where one of the same document has its answer and shares a word of its subject with the
question; the ledger does not hold all that the documents say. made-sample.jsonl holds held-out questions drawn at random (the same ones for the
same rules), and for each whether it is answerable (the answer is right; for one without answer, that there is none), unique (one answer, and
it says what it means) and grammatical, as one of the authors read them. Any machine: two seconds. Prints JSON; `still_made` says how many of
the sample the rules of today make in the same words.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragft.asking.make import make_questions
from ragft.domain.loaders import load_documents
from ragft.scripting import job_parser, run_job
from ragft.text import contains, words

MARKS = ("answerable", "unique", "grammatical")
SEED = 2  # of the sample; one that led to a change of the rules is not drawn again


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("domain", type=Path, help="a folder with corpus/, facts.jsonl and made-sample.jsonl")
    parser.add_argument("--draw", type=int, metavar="N", help="print so many questions to be read, with marks that are all true")
    given = parser.parse_args(arguments)
    return run_job("check_made", lambda: as_lines(draw(given.domain, given.draw)) if given.draw else check(given.domain))


def as_lines(rows: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def draw(domain: Path, number: int) -> list[dict[str, Any]]:
    documents, _ = load_documents(domain / "corpus")
    held_out = sorted((line for line in make_questions(documents).lines if line["split"] != "train"), key=lambda line: line["id"])
    kept = ("kind", "question", "answers")
    return [{name: line[name] for name in kept} | dict.fromkeys(MARKS, True) for line in random.Random(SEED).sample(held_out, number)]


def check(domain: Path) -> dict[str, Any]:
    documents, _ = load_documents(domain / "corpus")
    lines = make_questions(documents).lines
    facts = {line["fact"]: line for line in lines if line["answers"] and line["kind"] not in ("reversed", "two-document")}
    ledger, sample = read(domain / "facts.jsonl"), read(domain / "made-sample.jsonl")
    same = {fact: [known["fact"] for known in ledger if is_same(line, known)] for fact, line in facts.items()}
    return {
        "made_facts": len(facts),
        "of_them_in_the_ledger": sum(map(bool, same.values())),
        "ledger_facts": len(ledger),
        "of_them_made": len({known for found in same.values() for known in found}),
        "sample": len(sample),
        "still_made": len({row["question"] for row in sample} & {line["question"] for line in lines}),
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
    sys.exit(main())
