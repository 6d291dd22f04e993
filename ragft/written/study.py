"""A study whose questions a model writes from its documents.

from ragft.written.study import plan_study, write_study
planned = plan_study(Path("docs"), Path("my-study"), "mycompany.models:large")     # planned.estimate; nothing is sent
write_study(planned)                            # stopped at any moment, the same two calls go on
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path

from ragft.asking.lines import FEWEST_TEST, Made, deal, lines_of, lines_of_unanswerable, once, tested
from ragft.asking.make import PER_DOCUMENT, UNANSWERABLE, facts_by_rules, unanswerable
from ragft.asking.study import MadeStudy, find_source, write_made
from ragft.chunking import chunk_documents
from ragft.domain.loaders import load_documents
from ragft.errors import InputError
from ragft.progress import Advance
from ragft.types import Chunk, Document
from ragft.written.checks import Corpus
from ragft.written.estimate import Estimate, Prices, estimate, rough_tokens
from ragft.written.make import OUT, WRITTEN, write_facts
from ragft.written.replies import FILE, Replies
from ragft.written.schema import QUESTIONS
from ragft.written.writer import Writer, make_writer

PASSAGE_TOKENS = 300  # room for three facts with what they are about; a few of them fit any model's window


@dataclass(frozen=True)
class Planned:
    """All that is known before anything is sent."""

    corpus: Path
    out: Path | None
    per_document: int
    documents: tuple[Document, ...]
    notes: tuple[str, ...]  # files that were not or not wholly read
    chunks: tuple[Chunk, ...]
    passages: tuple[Chunk, ...]  # the chunks that are asked about
    writer: Writer
    replies: Replies
    estimate: Estimate


def plan_study(corpus: Path, out: Path | None, writer: str, per_document: int = PER_DOCUMENT, prices: Prices | None = None) -> Planned:
    """What `write_study` would do. Raises InputError or MissingError for all that can be wrong before the writer is asked; writes nothing."""
    source = find_source(corpus, out)
    documents, notes = load_documents(source)
    chunks = chunk_documents(documents, PASSAGE_TOKENS, 0, rough_tokens)
    passages = tuple(spread(chunks, ceil(per_document / QUESTIONS)))
    if QUESTIONS * len(passages) < FEWEST_TEST:
        raise InputError(
            f"{source}: {len(passages)} passages for questions, {QUESTIONS} of each at most, and a test needs {FEWEST_TEST} questions. "
            "Add documents, raise --per-document, or write questions by hand."
        )
    made = make_writer(writer)
    replies = Replies(made, (out or corpus) / FILE)
    supposed = estimate(made.about, passages, len(replies), prices or Prices())
    return Planned(corpus, out, per_document, documents, notes, chunks, passages, made, replies, supposed)


def spread(chunks: Sequence[Chunk], most: int) -> list[Chunk]:
    """At most so many of each document's chunks, evenly over it, in their order."""
    by_document: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        by_document.setdefault(chunk.span.document, []).append(chunk)
    return [own[place * len(own) // min(most, len(own))] for own in by_document.values() for place in range(min(most, len(own)))]


def write_study(planned: Planned, progress: Advance = lambda done, total: None) -> MadeStudy:
    """Have the questions written and checked, and make the study of them; unanswerable ones are made by rules.

    Raises InputError where the writer fails too often, or too little of what it writes is fit to compare by. What it
    replied stays in replies.jsonl, and the same call goes on with that.
    """
    counts = Counter[str]()
    corpus = Corpus(planned.documents, planned.chunks)
    facts = write_facts(corpus, planned.passages, planned.replies, planned.per_document, counts, progress)
    dealt = deal(facts)
    lines = list(lines_of(facts, dealt, counts))
    # by rules: that no document answers a question is something to be looked up, not to be asked of a model
    unsaid = (fact for fact in unanswerable(facts_by_rules(planned.documents, Counter()), planned.documents) if fact.document in dealt)
    lines += lines_of_unanswerable(islice(unsaid, len(facts) // UNANSWERABLE), dealt, counts)
    lines = once(lines, counts)
    if tested(lines) < FEWEST_TEST:
        raise InputError(_too_few(planned, len(facts), counts))
    counts["prompts sent to the writer"] = planned.replies.sent
    counts += planned.replies.failures
    return write_made(Made(lines, counts), planned.corpus, planned.out, "questions-written-by-a-model.jsonl", planned.notes)


def _too_few(planned: Planned, facts: int, counts: Counter[str]) -> str:
    lost = [(what.removeprefix(OUT), number) for what, number in counts.most_common() if what.startswith(OUT)]
    lost += planned.replies.failures.most_common(2)
    why = "; ".join(f"{number} {what}" for what, number in lost[:4])
    return (
        f"writer {planned.writer.about}: {facts} of {counts[WRITTEN]} questions about {len(planned.passages)} passages passed, too few to compare "
        f"anything by. Left out: {why or 'none'}. Take a stronger writer or more documents; the replies are kept in {planned.replies.path}."
    )
