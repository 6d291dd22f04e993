"""Whether lost points land where they belong: answers with one seeded fault each, scored and put on the ladder by ragft's own code.

A made-up corpus is cut by the product's chunker, questions carry evidence spans, and what an arm was shown and said becomes
Answer records; the product's metrics score them, recall@k too. Then one thing is made to go wrong, and nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import fsum

import pandas as pd

from ragft import ladder, registry
from ragft.arms import outcome_of
from ragft.chunking import chunk_documents, overlap
from ragft.ladder import Losses
from ragft.progress import Advance
from ragft.types import Answer, Chunk, Completion, Document, Evidence, Gold, Hit, Span, Usage
from ragft.validation import Cell, Finding, Setup, judged

METRICS = ("match", "exact_match", "token_f1")
LANDED = 0.95  # of the lost points of the faulted answers, in the fault's own part
ROUNDING = 1e-12  # of all answers, by which the parts may miss them
DOCUMENTS, SENTENCES, PASSAGES = 40, 8, 4
CHUNK_WORDS, OVERLAP_WORDS = 24, 6
USAGE = Usage(100, 5, 0.1, 0.1, 1)
REFUSALS = (
    "I don't know.",
    "The passages do not say.",
    "Unfortunately, the provided documents do not contain this information.",
    "I cannot answer this question from the passages given.",
    "Not stated.",
    "",
)
Take = Callable[[pd.DataFrame, str, Sequence[Gold]], tuple[Losses, ...]]


# ── a made-up corpus ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence of the corpus, and what is asked about it."""

    subject: str
    attribute: str
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Corpus:
    facts: tuple[Fact, ...]
    chunks: tuple[Chunk, ...]


def _value(attribute: str, rng: random.Random) -> str:
    if attribute == "inspection date":
        return f"{rng.randint(1, 28)} {rng.choice(('March', 'May', 'July', 'October'))} {rng.randint(1990, 2029)}"
    if attribute == "supervisor":
        return f"{rng.choice(('Ada', 'Bela', 'Cyril', 'Dora', 'Emil', 'Frida'))} {_name(rng)}"
    return f"{rng.randint(10, 9999) / 10:g} {'bar' if attribute == 'pressure limit' else 'kg'}"


def _name(rng: random.Random) -> str:
    return "".join(rng.choice(("ka", "mo", "ri", "te", "lu", "sen", "dor", "vi")) for _ in range(4)).title()


def corpus(rng: random.Random) -> Corpus:
    """Documents of one sentence a fact, in chunks."""
    facts, documents = [], []
    for number in range(DOCUMENTS):
        name, text = f"d{number:02d}.md", ""
        for _ in range(SENTENCES):
            subject, attribute = f"the {_name(rng)} pump", rng.choice(("pressure limit", "weight", "inspection date", "supervisor"))
            value = _value(attribute, rng)
            sentence = f"The {attribute} of {subject} is {value}."
            facts.append(Fact(subject, attribute, value, Span(name, len(text), len(text) + len(sentence))))
            text += f"{sentence}\n"
        documents.append(Document(name, text, name))
    return Corpus(tuple(facts), chunk_documents(documents, CHUNK_WORDS, OVERLAP_WORDS, lambda text: len(text.split())))


# ── one question, asked of an arm in which one thing goes wrong ──────────────────────────────────────────────────────


@dataclass
class Asked:
    """A question with what is right so far: the gold, the passages with evidence, the answers. A fault changes one of them."""

    gold: Gold
    facts: tuple[Fact, ...]
    evidence: list[Chunk]  # every passage that has any character of it
    others: list[Chunk]
    rng: random.Random
    text: str = ""  # the arm's answer
    prior: str = ""  # that of the model without passages
    passages: bool = True
    error: str = ""
    dropped: set[str] = field(default_factory=set)  # ids of chunks

    def wrong(self) -> str:
        """Another answer of the same kind."""
        while (made := " and ".join(_value(fact.attribute, self.rng) for fact in self.facts)) in self.gold.answers:
            pass
        return made

    def anything(self) -> str:
        """What is said by a model that cannot know."""
        return self.rng.choice((self.wrong(), self.rng.choice(REFUSALS), self.gold.answers[0]))

    def drop(self, facts: Sequence[Fact]) -> None:
        self.dropped = {chunk.id for chunk in self.evidence if any(overlap(chunk.span, fact.span) for fact in facts)}

    def answer(self) -> Answer:
        shown = [chunk for chunk in self.evidence if chunk.id not in self.dropped] + self.others
        shown = shown[: max(PASSAGES, len(self.evidence))]
        self.rng.shuffle(shown)
        hits = tuple(Hit(chunk, rank, 1 / rank) for rank, chunk in enumerate(shown, start=1)) if self.passages else None
        if self.error:
            return Answer(self.gold.id, "", "error", hits, "prompt", None, 0, self.error)
        return _said(self.gold.id, self.text, hits)


def _said(question: str, text: str, hits: tuple[Hit, ...] | None) -> Answer:
    return Answer(question, text, outcome_of(Completion(text, "prompt", USAGE, False, False)), hits, "prompt", USAGE, 0)


def ask(found: Corpus, number: int, pieces: int, rng: random.Random) -> Asked:
    """A question about so many facts of different documents, all of whose evidence is shown, and which is answered rightly."""
    facts = [rng.choice(found.facts)]
    while len(facts) < pieces:
        facts += [fact for fact in [rng.choice(found.facts)] if fact.span.document != facts[0].span.document]
    text = f"What is {' and '.join(f'the {fact.attribute} of {fact.subject}' for fact in facts)}?"
    spans = [Evidence((fact.span,)) for fact in facts]
    answer, document = " and ".join(fact.value for fact in facts), facts[0].span.document
    gold = Gold(f"q{number}", (answer,), tuple(spans), document, "test", f"f{number}", 0, "", "trained-fact", question=text)
    evidence = [chunk for chunk in found.chunks if any(overlap(chunk.span, fact.span) for fact in facts)]
    others = [chunk for chunk in rng.sample(found.chunks, PASSAGES + len(evidence)) if chunk not in evidence][:PASSAGES]
    asked = Asked(gold, tuple(facts), evidence, others, rng, text=answer)
    asked.prior = asked.anything()
    return asked


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _drop_all(asked: Asked) -> None:
    asked.drop(asked.facts)
    asked.text = asked.anything()


def _drop_part(asked: Asked) -> None:
    asked.drop(asked.facts[1:])
    asked.text = asked.rng.choice((asked.facts[0].value, asked.anything()))


def _answer_else(asked: Asked) -> None:
    asked.text = asked.wrong()


def _answer_prior(asked: Asked) -> None:
    asked.prior = asked.wrong()
    asked.text = asked.rng.choice((asked.prior, f"{asked.prior}.", asked.prior.upper()))


def _refuse(asked: Asked) -> None:
    asked.text = asked.rng.choice(REFUSALS)


def _ramble(asked: Asked) -> None:
    more = " ".join(f"For comparison, {_name(asked.rng)} has {asked.wrong()} as far as anyone has ever noted." for _ in range(3))
    asked.text = f"Several figures are in circulation here. {more} In this case one reads {asked.gold.answers[0]}, which should settle it."


def _fail(asked: Asked) -> None:
    asked.error = "RuntimeError: out of memory"


def _closed_book(asked: Asked) -> None:
    asked.passages, asked.text = False, asked.wrong()


def _invent(asked: Asked) -> None:
    asked.text = asked.wrong()
    asked.gold = Gold(asked.gold.id, (), (), asked.gold.document, "test", asked.gold.fact, 0, "", "unanswerable", question=asked.gold.question)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, the part of ladder.PARTS that its lost points belong to, and how it is done."""

    name: str
    part: str
    seed: Callable[[Asked], None]
    pieces: int = 1


FAULTS = (
    Fault("passages with the evidence dropped", "missed", _drop_all),
    Fault("passages with one of two pieces of evidence dropped", "partial", _drop_part, 2),
    Fault("passages corrupted: something else is answered", "misread", _answer_else),
    Fault("passages ignored: as without them", "prior", _answer_prior),
    Fault("refused", "refused", _refuse),
    Fault("the answer buried in a ramble", "form", _ramble),
    Fault("the call failed", "failed", _fail),
    Fault("no passages", "wrong", _closed_book),
    Fault("unanswerable, and answered", "invented", _invent),
)


# ── what becomes of them ─────────────────────────────────────────────────────────────────────────────────────────────


def faults(setup: Setup, advance: Advance) -> tuple[Finding, ...]:
    """Every fault under every metric: its lost points land in its own part, and all parts add up."""
    number = setup.worlds // 4 if setup.quick else setup.worlds
    found = setup.each(_job, [(place, number, setup.seed) for place in range(len(FAULTS))], advance)
    return findings([cell for cells, _ in found for cell in cells], max(off for _, off in found))


def findings(cells: Sequence[Cell], off: float) -> tuple[Finding, ...]:
    """Of all cells, and of the most that the parts of any missed its answers by, as a share of these."""
    wanted = f"at least {100 * LANDED:g} % in every cell"
    return (
        judged("ladder", "What a seeded fault loses lands in the fault's own rung of the ladder", wanted, "lands in its rung", cells),
        Finding(
            "ladder-sums",
            "Scores and lost points add up to all answers",
            off <= ROUNDING,
            f"off by {off:.0e} of them at most",
            f"by rounding only, {ROUNDING:.0e}",
        ),
    )


def _job(job: tuple[int, int, int]) -> tuple[list[Cell], float]:
    place, number, seed = job
    return landed(FAULTS[place], number, seed)


def landed(fault: Fault, number: int, seed: int, take: Take = ladder.losses) -> tuple[list[Cell], float]:
    """One cell a metric, of that many answers with the fault; and by which share of its answers the sum of parts is off at most."""
    rng = random.Random(f"{seed} {fault.name}")
    made = corpus(rng)
    asked = [ask(made, question, fault.pieces, rng) for question in range(number)]
    for one in asked:
        fault.seed(one)
    answers = {("base", 0): [_said(one.gold.id, one.prior, None) for one in asked], ("arm", 0): [one.answer() for one in asked]}
    texts = {key: {answer.question: answer.text for answer in said} for key, said in answers.items()}
    golds = [one.gold for one in asked]
    frame = scored(answers, golds)
    cells, off = [], 0.0
    for metric in METRICS:
        marked = ladder.with_texts(frame, texts, golds, metric, "base")
        (found,) = take(marked[marked["arm"] == "arm"], metric, golds)
        lost = fsum(points for part, points in found.points.items() if part != "right")
        off = max(off, abs(fsum(found.points.values()) - number) / number)
        share = found.points[fault.part] / lost if lost else 0.0
        cells.append(Cell({"fault": fault.name, "rung": fault.part, "metric": metric}, number, share, least=LANDED))
    return cells, off


def scored(answers: dict[tuple[str, int], list[Answer]], golds: Sequence[Gold]) -> pd.DataFrame:
    """Rows as scoring.scores_frame makes them, without a run's folder."""
    metrics = {name: registry.lookup("metric", name).make for name in (*METRICS, "recall@k")}
    rows = [
        {"arm": arm, "seed": seed, "question": gold.id, "document": gold.document, "outcome": answer.outcome}
        | {name: make(answer, gold) for name, make in metrics.items()}
        for (arm, seed), said in answers.items()
        for answer, gold in zip(said, golds, strict=True)
    ]
    return pd.DataFrame(rows)
