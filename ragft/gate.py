"""The leakage gate of a run: before anything is trained or asked, held-out questions that training gives away are found and named.

What was found stays in the run as leaks.json. A study that states `waive_leaks: why` runs all the same, and its report says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ragft.context import Context
from ragft.domain import Domain
from ragft.errors import InputError
from ragft.leakage import Embed, Leak, blocking, find_leaks
from ragft.models import Model
from ragft.store import fingerprint, read_record, write_json

FILE = "leaks.json"
# Why meanings were not compared
NO_EMBEDDER = "the study has no embedder"
NOT_LOADED = "no arm searches by meaning, so no embedder was loaded; ragft questions check compares by meaning, too"


@dataclass(frozen=True, slots=True)
class Pair:
    """A leak with its words, for a reader."""

    leak: Leak
    question: str
    trained: str
    answer: str
    trained_answer: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What was found in a domain: `inputs` say in which; `waived` is the study's reason to run all the same."""

    inputs: str
    held_out: int  # answerable dev and test questions
    pairs: tuple[Pair, ...]
    by_meaning: bool  # an embedder compared meanings, too
    waived: str = ""
    words_only: str = ""  # why not by meaning, where there was something to compare

    @property
    def blocking(self) -> list[Pair]:
        """The pairs that must not stay."""
        stop = {leak.question for leak in blocking([pair.leak for pair in self.pairs], self.held_out)}
        return [pair for pair in self.pairs if pair.leak.question in stop]


def look(domain: Domain, embedder: Model | None, why_none: str = NO_EMBEDDER) -> Gate:
    """The leaks of a domain. With an embedder, questions are compared by meaning too: about a second for every hundred.

    `why_none`: why there is none, for a reader.
    """
    embed: Embed | None = None
    if embedder:
        from ragft.retrieval.dense import load_embedder

        embed = load_embedder(embedder.folder)
    pairs = tuple(_pair(domain, leak) for leak in find_leaks(domain, embed))
    trained, *held_out = (sum(gold.answerable for _, gold in domain.split(name)) for name in ("train", "dev", "test"))
    words_only = why_none if embedder is None and trained and any(held_out) else ""
    return Gate(_inputs(domain, embedder), sum(held_out), pairs, embedder is not None, words_only=words_only)


def _inputs(domain: Domain, embedder: Model | None) -> str:
    asked = {split: [(q.text, g.answers, g.fact, g.kind) for q, g in domain.split(split)] for split in ("train", "dev", "test")}
    return fingerprint([asked, embedder.sha256 if embedder else None])


def _pair(domain: Domain, leak: Leak) -> Pair:
    one, other = domain.gold[leak.question], domain.gold[leak.train]
    return Pair(leak, domain.questions[one.id].text, domain.questions[other.id].text, one.answers[0], other.answers[0])


def pass_gate(context: Context) -> Gate:
    """Find the leaks of the run's domain, or read what was found in it before. Raises InputError where some must not stay and are not waived."""
    path, study = context.run.folder / FILE, context.study
    found = read_gate(context.run.folder)
    if found is None or found.inputs != _inputs(context.domain, context.embedder):
        found = look(context.domain, context.embedder, NOT_LOADED if study.embedder else NO_EMBEDDER)
    found = replace(found, waived=study.waive_leaks.strip())
    if found.blocking and not found.waived:
        raise InputError(f"{_told(found)} All of them, side by side: ragft questions check {study.domain}")
    write_json(path, found)
    return found


def read_gate(folder: Path) -> Gate | None:
    """What a run's gate found; None: it was made before there was one."""
    return read_record(Gate, folder / FILE) if (folder / FILE).is_file() else None


def _told(found: Gate) -> str:
    stop = found.blocking
    pair, many = stop[0], len(stop) > 1
    return (
        f"{len(stop)} held-out question{'s' * many} can be answered by copying a training answer, such as «{pair.question}» ({pair.leak.question}) "
        f"from «{pair.trained}» ({pair.leak.train}): {', '.join(pair.leak.signs)}. Take one of each pair out or give both the same fact, "
        "or state `waive_leaks: why` in the study, which the report repeats."
    )


def gate_warnings(folder: Path) -> list[str]:
    """What a reader must know before trusting a run whose leaks were waived."""
    found = read_gate(folder)
    if found is None or not found.blocking:
        return []
    return [f"{_share(found)} can be answered by copying a training answer. The leakage gate was waived: «{found.waived}»."]


def gate_notes(folder: Path) -> list[str]:
    """What a reader of the run's results should know of a few likely leaks."""
    found = read_gate(folder)
    if found is None:
        return []
    few = f"{_share(found)} look as if training asked for the same. So few may do so by accident, and change no verdict; {FILE} has them."
    return [few] * bool(found.pairs and not found.blocking) + _unlooked(found)


def _unlooked(found: Gate) -> list[str]:
    return [f"Leaks were looked for by words only and not by meaning: {found.words_only}."] if found.words_only else []


def _share(found: Gate) -> str:
    return f"{len(found.pairs)} of {found.held_out} held-out questions"


def gate_text(found: Gate) -> str:
    """All pairs side by side, for the command line."""
    if not found.pairs:
        how = "words and meanings" if found.by_meaning else "words"
        clean = f"No leak: none of {found.held_out} held-out questions can be answered from a training question, compared by {how}."
        return "\n".join([clean, *_unlooked(found)])
    stop = {pair.leak.question for pair in found.blocking}
    lines = []
    for pair in found.pairs:
        lines += [
            f"{'LEAK' if pair.leak.question in stop else 'maybe'}  {', '.join(pair.leak.signs)}",
            f"    {pair.leak.split:5} {pair.leak.question}: {pair.question}  ->  {pair.answer}",
            f"    train {pair.leak.train}: {pair.trained}  ->  {pair.trained_answer}",
        ]
    total = (
        f"{len(found.pairs)} of {found.held_out} held-out questions; {len(stop)} must not stay."
        if stop
        else (f"{len(found.pairs)} of {found.held_out} held-out questions look alike; so few may do so by accident.")
    )
    return "\n".join([*lines, "", total, *_unlooked(found)])
