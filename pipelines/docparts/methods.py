"""Each fine-tuning method: its picture, what the registry says of it, and what docs/peft.md measured."""

from __future__ import annotations

import re
from collections.abc import Mapping

from docparts.blockfigure import block_figure
from docparts.marked import table
from docparts.registered import options
from ragft import registry
from ragft.numbers import NONE

# the columns of docs/peft.md's two tables of arms that a method's page repeats, in its own words
SCORED = {
    "without passages": "score without passages (untuned: {base})",
    "with passages": "score with passages (untuned: {rag})",
}
TOOK = {
    "trained": "parameters trained",
    "share": "of all parameters",
    "file": "the adapter's file",
    "training a seed": "training a seed, 40,000 tokens",
    "memory": "memory while training",
    "answer time": "time of an answer, against the untuned model",
    "merged": "the same, merged into the weights",
    "prose loss": "loss on ordinary prose, nats a token",
    "general questions": "general questions that the untuned model has right, in points",
}


def parts(peft_page: str) -> dict[str, str]:
    """`peft_page` is the text of docs/peft.md. Raises KeyError where it lacks a method or a column."""
    arms, took = (measured(peft_page, column) for column in ("without passages", "training a seed"))
    untuned = {"base": arms["base, not tuned"]["without passages"], "rag": arms["rag, not tuned"]["with passages"]}
    found = {f"method/{name}": _method(name, arms[name], took[name], untuned) for name in registry.entries("tuning")}
    return {**found, "methods": _overview(arms, took)}


def figures() -> dict[str, str]:
    """docs/methods/<name>.svg by file name."""
    return {f"{name}.svg": block_figure(name, entry.summary) for name, entry in registry.entries("tuning").items()}


def measured(page: str, column: str) -> dict[str, dict[str, str]]:
    """The rows of the table of adapters that has that column, by adapter; cells by column. Letters of groups are left out."""
    for header, body in re.findall(r"^\| (adapter \|.*?)\|\n\|[-:| ]+\|\n((?:\|.*\n)+)", page, flags=re.MULTILINE):
        names = [name.strip() for name in header.split("|")]
        if column in names:
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
            return {row[0]: {name: re.sub(r"\) [a-z]+$", ")", cell) for name, cell in zip(names, row, strict=True)} for row in rows}
    raise KeyError(f"docs/peft.md has no table of adapters with a column '{column}'")


def _method(name: str, arm: Mapping[str, str], took: Mapping[str, str], untuned: Mapping[str, str]) -> str:
    entry = registry.lookup("tuning", name)
    facts = entry.facts
    rows = [
        ["paper", f"[arXiv {facts['paper']}](https://arxiv.org/abs/{facts['paper']})"],
        ["options", options("tuning", name) or NONE],
        ["learning rate", f"{facts['learning_rate']:g}, unless stated or searched"],
        ["folds into the weights", "yes: then it costs no time" if facts["mergeable"] else "no"],
        ["beside a base in 4 bits", "yes" if facts["quantised"] else "no"],
        ["in the unified view", f"Δh = {facts['form']}; {facts['insertion']}; on {facts['modifies']}; {facts['composition']}"],
    ]
    rows += [[words, took[column]] for column, words in TOOK.items() if took[column] != NONE]
    rows += [[words.format(**untuned), f"{arm[column]} %"] for column, words in SCORED.items()]
    return f"![Where {name} acts in a layer]({name}.svg)\n\n{entry.summary[0].upper()}{entry.summary[1:]}.\n\n{table(['', name], rows)}"


def _overview(arms: Mapping[str, Mapping[str, str]], took: Mapping[str, Mapping[str, str]]) -> str:
    columns = ("trained", "training a seed", "answer time", "general questions")
    rows = []
    for name in registry.entries("tuning"):
        figures = [*(took[name][column] for column in columns), *(arms[name][column] for column in SCORED)]
        rows.append([f"[{name}]({page_of(name)}#{name})", *figures])
    return table(["method", "parameters trained", "training a seed", "an answer takes", "general questions", "alone, %", "with passages, %"], rows)


PAGES = {
    "adapters.md": ("adapter", "adapter-pfeiffer", "parallel-adapter", "mam"),
    "virtual-tokens.md": ("prefix", "p-tuning-v2", "prompt", "p-tuning"),
    "low-rank.md": ("lora", "dora", "rslora", "pissa"),
    "scales-and-rotations.md": ("ia3", "vera", "oft", "boft"),
    "full.md": ("full",),
}


def page_of(name: str) -> str:
    """The page below docs/methods/ that describes a method."""
    return next(page for page, methods in PAGES.items() if name in methods)
