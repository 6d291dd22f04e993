"""The nouns of ragft: frozen records that every module passes along. No behaviour beyond a property or two.

`Question` and `Gold` are separate on purpose: an arm is handed questions only, so it cannot leak what it never sees.
Evidence is a span of a document, not a chunk id, so that re-chunking never invalidates the gold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Split = Literal["train", "dev", "test"]
Outcome = Literal["ok", "abstained", "truncated", "error"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "abstained", "truncated", "error")


@dataclass(frozen=True, slots=True)
class Document:
    """One file (or record) of the corpus as plain text. `id` is its path below corpus/, with `/`."""

    id: str
    text: str
    title: str
    pages: tuple[int, ...] = ()  # where each page begins in the text; none: it has no pages


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a document's text."""

    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one document: `text` is exactly the document's characters at `span`."""

    id: str
    span: Span
    text: str
    heading: str  # title and heading path, e.g. "Kova pump > Limits"; shown to the model before the text
    page: int | None = None  # on which it begins, counted from 1; None: the document has no pages


@dataclass(frozen=True, slots=True)
class Question:
    """What an arm is asked. Nothing here tells the answer, the evidence or the stratum."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence: every place where its quote stands. Finding any one of them is enough."""

    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Gold:
    """What is known about a question: kept by the study, never handed to an arm."""

    id: str
    answers: tuple[str, ...]  # the first is the reference; none = unanswerable from the corpus
    evidence: tuple[Evidence, ...]  # all pieces are needed; none = not given, or unanswerable
    document: str  # the cluster for the statistics: where the (first) evidence stands
    split: Split
    fact: str
    wording: int
    kind: str
    stratum: str  # see domain.splits.STRATA
    reason: str = ""  # why it is unanswerable, where the question file says it
    question: str = ""  # its text; with it, an answer that repeats the question is not taken for one that rambles
    closed_book: bool | None = None  # whether the model that wrote it knew the answer without the documents; None: not known

    @property
    def answerable(self) -> bool:
        return bool(self.answers)


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved chunk: rank counts from 1; the score's unit is the retriever's own."""

    chunk: Chunk
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt before any chat template: instruction and user turn."""

    system: str
    user: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer took. `seconds` is this question's share of its batch, `batch_seconds` the whole batch's. 0 tokens of a system: not counted."""

    prompt_tokens: int
    completion_tokens: int
    seconds: float
    batch_seconds: float
    batch_size: int
    retrieval_seconds: float = 0.0
    cost: float | None = None  # in the study's currency, where a system states it; None: seconds and tokens say it


@dataclass(frozen=True, slots=True)
class Completion:
    """What a generator returns for one prompt."""

    text: str
    prompt: str  # the exact text given to the model, chat template included
    usage: Usage
    prompt_cut: bool  # the prompt did not fit the context window
    answer_cut: bool  # the answer hit max_new_tokens


@dataclass(frozen=True, slots=True)
class Answer:
    """One arm's answer to one question. A failure is an Answer with outcome "error", not an exception."""

    question: str  # the question's id
    text: str
    outcome: Outcome
    hits: tuple[Hit, ...] | None  # None: an arm that retrieves nothing
    prompt: str
    usage: Usage | None
    batch: int
    error: str = ""
    contexts: tuple[str, ...] | None = None  # texts that a whole system says it read, in the place of hits
    cited: tuple[int, ...] | None = None  # ranks of the hits that it cites, 0: a number that none was shown under; None: it was not told to cite


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: the loss is taken on `completion` (and the end-of-turn token) only.

    With `prompt` None the example is raw text and every token of `completion` is learned.
    """

    prompt: Prompt | None
    completion: str


Dtype = Literal["float32", "bfloat16", "nf4"]  # of the base's weights; nf4: 4 bits in its linear layers


@dataclass(frozen=True, slots=True)
class TrainingDtype:
    """The number format of a run's trainings, and the seconds a row took in each. None: not timed (a GPU, or no choice)."""

    dtype: Dtype
    seconds_float32: float | None
    seconds_bfloat16: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a training is expected to take: its seconds, and the most memory while it runs."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class FitReport:
    """What building an arm took; zeros where nothing was built."""

    seconds: float
    peak_bytes: int
    trainable_parameters: int = 0
    total_parameters: int = 0
    training_tokens: int = 0
    examples: int = 0
    artifact_bytes: int = 0
    loss: tuple[tuple[int, float], ...] = ()  # (training tokens so far, mean loss per label token of the step)
    notes: tuple[str, ...] = field(default=())
    estimated_seconds: float | None = None  # before it began; None: nothing was estimated
    estimated_peak_bytes: int | None = None
    dev_loss: tuple[tuple[int, float], ...] = ()  # (training tokens so far, mean loss per label token of dev questions)
    dtype: Dtype = "float32"  # of the base's weights while training
    again: tuple[float, ...] = ()  # seconds of the same work done once more, to see how much they vary; an index only
    failed: str = ""  # why there are no weights: the training came apart; then only `seconds` was measured, until it did
