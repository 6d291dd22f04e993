"""How well the leakage gate finds planted leaks, and how often it finds one where there is none.

    python pipelines/bench_leakage.py data/tarnbeck data/hollinbeck data/luwu-zh [--embedder all-minilm-l6-v2] [--table]

For each domain: clean, then with 1, 5, 10 and 20 % of its untrained held-out facts leaked into training. A `near copy` is the held-out
question but for a word or two in front of it; `by people` are held-out wordings of trained facts, written by people, as if the
file did not say that they ask for the same. Two cores: two seconds, with an embedder
16. Prints JSON, or with --table the table of docs/questions.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragft.domain import Domain, load_domain
from ragft.domain.splits import order
from ragft.leakage import Embed, find_leaks
from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.threads import wait_briefly
from ragft.types import Gold, Question

SHARES = (0.01, 0.05, 0.10, 0.20)
OTHER_QUESTIONS = ("reversed", "two-document", "comparison")  # kinds that ask for something else than the trained question does
LEAD = {"en": "Please tell me: {}", "zh": "请告诉我：{}"}


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("domains", nargs="+", type=Path)
    parser.add_argument("--embedder", help="also compare by meaning, with this embedder")
    parser.add_argument("--table", action="store_true", help="print the Markdown table instead of JSON")
    given = parser.parse_args(arguments)
    keep_private()
    wait_briefly()
    return run_job("bench_leakage", lambda: bench(given))


def bench(given: argparse.Namespace) -> list[dict[str, Any]] | str:
    ways: dict[str, Embed | None] = {"words": None}
    if given.embedder:
        ways["words and meaning"] = remembered(given.embedder)
    found = [row for folder in given.domains for row in measured(load_domain(folder), ways)]
    return table(found) if given.table else found


def remembered(name: str) -> Embed:
    """The embedder, which is asked for each question once."""
    import numpy as np

    from ragft.models import find_model
    from ragft.retrieval.dense import load_embedder

    embed, known = load_embedder(find_model(name, "embedder").folder), dict[str, Any]()

    def vectors(texts: Iterable[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, embed(new), strict=True) if new else ())
        return np.stack([known[text] for text in texts])

    return vectors


def measured(domain: Domain, ways: dict[str, Embed | None]) -> list[dict[str, Any]]:
    """A row for each way of comparing."""
    rows = []
    for way, embed in ways.items():
        asked = [gold for gold in domain.gold.values() if gold.split != "train" and gold.answerable]
        alarms = len(find_leaks(domain, embed))
        rows.append(
            {
                "domain": domain.name,
                "compared by": way,
                "held out": len(asked),
                "false alarms": alarms,
                "near copy": [caught(domain, embed, share, copied) for share in SHARES],
                "by people": [caught(domain, embed, share, undeclared) for share in SHARES],
            }
        )
    return rows


Plant = Callable[[Domain, float], tuple[Domain, set[str]]]


def caught(domain: Domain, embed: Embed | None, share: float, plant: Plant) -> tuple[int, int]:
    """How many of the planted leaks were found, and how many there are."""
    leaking, planted = plant(domain, share)
    return len({leak.question for leak in find_leaks(leaking, embed)} & planted), len(planted)


def copied(domain: Domain, share: float) -> tuple[Domain, set[str]]:
    """So many held-out questions of untrained facts, with a few words before them, in training as other facts."""
    chosen = some([gold for gold in domain.gold.values() if gold.split != "train" and gold.stratum.startswith("untrained")], share)
    gold, questions = dict(domain.gold), dict(domain.questions)
    for one in chosen:
        key = f"planted {one.id}"
        gold[key] = replace(one, id=key, split="train", fact=key)
        questions[key] = Question(key, LEAD[domain.language].format(domain.questions[one.id].text))
    return replace(domain, gold=gold, questions=questions), {one.id for one in chosen}


def undeclared(domain: Domain, share: float) -> tuple[Domain, set[str]]:
    """So many held-out wordings of trained facts as if they asked for other facts."""
    chosen = some(
        [gold for gold in domain.gold.values() if gold.stratum == "trained-fact" and gold.split != "train" and gold.kind not in OTHER_QUESTIONS],
        share,
    )
    changed = {one.id: replace(one, fact=f"other {one.fact}", stratum="untrained-fact") for one in chosen}
    return replace(domain, gold={key: changed.get(key, gold) for key, gold in domain.gold.items()}), set(changed)


def some(golds: list[Gold], share: float) -> list[Gold]:
    return sorted(golds, key=lambda gold: order(gold.id))[: round(share * len(golds))]


def table(rows: list[dict[str, Any]]) -> str:
    head = [
        "domain",
        "compared by",
        "held out",
        "false alarms",
        *(f"{what}, {100 * share:g} %" for what in ("near copy", "by people") for share in SHARES[1:]),
    ]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for row in rows:
        shares = [f"{got} of {of}" for what in ("near copy", "by people") for got, of in row[what][1:]]
        lines.append("| " + " | ".join([row["domain"], row["compared by"], str(row["held out"]), str(row["false alarms"]), *shares]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
