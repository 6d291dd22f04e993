"""Passages -> facts that a writer asks for, each checked by rules, by a critic, and by being answered.

from ragft.written.make import write_facts
facts = write_facts(corpus, passages, replies, per_document, counts, progress)

The order is that of cost: what rules can see is left out before anything more is asked about it. In `counts`,
questions written = those left out, by reason + facts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragft.asking.frames import Wordings
from ragft.asking.lines import Fact, fact_id
from ragft.asking.mine import kind_of
from ragft.domain.records import plain
from ragft.progress import Advance
from ragft.prompts import closed_book, open_book
from ragft.text import language_of
from ragft.types import Chunk
from ragft.written import ask
from ragft.written.checks import Candidate, Corpus, is_other, is_right, is_yes_no, why_not, wrong_wording
from ragft.written.replies import Replies
from ragft.written.schema import Critique, Paraphrases, Questions, read_as

OUT = "questions left out: "
WRITTEN, FACTS = "questions written", "facts"
SEVERAL, TWICE, OVER = "written with another answer too", "the same is asked already", "over the limit of a document"
NO_REPLY = "a reply about it failed"
CRITIC = {
    "answerable": "the critic does not find the answer in the passage",
    "stands_alone": "the critic does not know what is asked",
    "one_answer": "the critic sees another right answer",
}
WORDINGS_ALIKE = "two of its wordings are the same"
WORDING = "a wording of it is wrong: {0}"
ANOTHER = "other passages give another answer"
UNSOLVED = "the writer does not answer it right from its own passage"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fact is stated."""

    document: str
    quote: str


@dataclass(frozen=True, slots=True)
class Worded:
    """A question that passed, with its wordings."""

    one: Candidate
    wordings: Paraphrases


def write_facts(
    corpus: Corpus, passages: Sequence[Chunk], replies: Replies, per_document: int, counts: Counter[str], progress: Advance
) -> list[Fact[Place]]:
    """The facts of these passages that pass every check; `counts` gets what was left out, by reason."""
    written = _written(corpus, passages, replies, progress)
    counts[WRITTEN] = len(written)
    sound = list(_sound(corpus, written, per_document, counts))
    praised = _praised(sound, replies, counts, progress)
    worded = _worded(corpus, praised, replies, counts, progress)
    unique = _unique(corpus, worded, replies, counts, progress)
    solved = _solved(unique, replies, counts, progress)
    facts = _facts(corpus, solved, replies, progress)
    counts[FACTS] = len(facts)
    counts["of these, known to the writer without the documents"] = sum(fact.closed_book is True for fact in facts)
    return facts


def _written(corpus: Corpus, passages: Sequence[Chunk], replies: Replies, progress: Advance) -> list[Candidate]:
    languages = [language_of(chunk.text) for chunk in passages]
    prompts = [ask.for_questions(chunk, language) for chunk, language in zip(passages, languages, strict=True)]
    found = replies.ask("questions", prompts, lambda reply: read_as(Questions, reply), progress)
    return [
        Candidate(asked, chunk, corpus.find(chunk.span.document, asked.quote), language)
        for chunk, language, reply in zip(passages, languages, found, strict=True)
        if reply is not None
        for asked in reply.questions
    ]


def _sound(corpus: Corpus, written: Sequence[Candidate], per_document: int, counts: Counter[str]) -> Iterator[Candidate]:
    """Those that break no rule, each fact once: one document's same answer is most likely the same fact, asked again."""
    answers_to = defaultdict[str, set[str]](set)
    for one in written:
        answers_to[plain(one.asked.question)].add(plain(one.asked.answer))
    questions, answers, taken = set[str](), set[tuple[str, str]](), Counter[str]()
    for one in written:
        document, question = one.chunk.span.document, plain(one.asked.question)
        answer = (document, plain(one.asked.answer))
        reason = why_not(corpus, one)
        if not reason:
            again = question in questions or (answer in answers and not is_yes_no(one.asked.answer))
            reason = SEVERAL if len(answers_to[question]) > 1 else TWICE if again else OVER if taken[document] >= per_document else ""
        if reason:
            counts[OUT + reason] += 1
            continue
        questions.add(question)
        answers.add(answer)
        taken[document] += 1
        yield one


def _praised(sound: Sequence[Candidate], replies: Replies, counts: Counter[str], progress: Advance) -> list[Candidate]:
    """Those that the writer, asked as a critic, has nothing against."""
    prompts = [ask.for_critique(one.asked, one.chunk, one.language) for one in sound]
    kept = []
    for one, critique in zip(sound, replies.ask("critique", prompts, lambda reply: read_as(Critique, reply), progress), strict=True):
        reason = NO_REPLY if critique is None else next((why for name, why in CRITIC.items() if not getattr(critique, name)), "")
        if reason:
            counts[OUT + reason] += 1
        else:
            kept.append(one)
    return kept


def _worded(corpus: Corpus, praised: Sequence[Candidate], replies: Replies, counts: Counter[str], progress: Advance) -> list[Worded]:
    """With their wordings, where these are sound."""
    prompts = [ask.for_wordings(one.asked, one.chunk, one.language) for one in praised]
    kept = []
    for one, wordings in zip(praised, replies.ask("wordings", prompts, lambda reply: read_as(Paraphrases, reply), progress), strict=True):
        reason = NO_REPLY if wordings is None else _wrong(corpus, one, wordings)
        if reason:
            counts[OUT + reason] += 1
        elif wordings is not None:
            kept.append(Worded(one, wordings))
    return kept


def _wrong(corpus: Corpus, one: Candidate, wordings: Paraphrases) -> str:
    if len(set(map(plain, wordings.all))) < len(wordings.all):
        return WORDINGS_ALIKE
    wrong = next((why for text in wordings.all if (why := wrong_wording(corpus, one, text))), "")
    return wrong and WORDING.format(wrong)


def _unique(corpus: Corpus, worded: Sequence[Worded], replies: Replies, counts: Counter[str], progress: Advance) -> list[Worded]:
    """Those to which the best other passages give no other answer. The same answer there does no harm."""
    others = [corpus.others(each.one.asked.question, each.one.spans) for each in worded]
    prompts = [open_book(each.one.asked.question, found, each.one.language) for each, found in zip(worded, others, strict=True) if found]
    answers = iter(replies.ask("other passages", prompts, str.strip, progress))
    kept = []
    for each, found in zip(worded, others, strict=True):
        said = next(answers) if found else ""
        reason = NO_REPLY if said is None else ANOTHER if is_other(said, each.one.asked.question, each.one.asked.answer) else ""
        if reason:
            counts[OUT + reason] += 1
        else:
            kept.append(each)
    return kept


def _solved(unique: Sequence[Worded], replies: Replies, counts: Counter[str], progress: Advance) -> list[Worded]:
    """Those that the writer answers right from their own passage, in every wording that is held out."""
    asked = [(each, text) for each in unique for text in each.wordings.held_out]
    prompts = [open_book(text, [each.one.chunk], each.one.language) for each, text in asked]
    reasons = dict[int, str]()
    for (each, text), said in zip(asked, replies.ask("own passage", prompts, str.strip, progress), strict=True):
        if said is None or not is_right(said, text, each.one.asked.answer):
            reasons.setdefault(id(each), NO_REPLY if said is None else UNSOLVED)
    counts.update(OUT + reason for reason in reasons.values())
    return [each for each in unique if id(each) not in reasons]


def _facts(corpus: Corpus, solved: Sequence[Worded], replies: Replies, progress: Advance) -> list[Fact[Place]]:
    """As facts; whether the writer knows the answer without any passage stands beside each, and leaves none out."""
    prompts = [closed_book(each.wordings.held_out[0], each.one.language) for each in solved]
    facts = []
    for each, said in zip(solved, replies.ask("no passage", prompts, str.strip, progress), strict=True):
        asked, document = each.one.asked, each.one.chunk.span.document
        known = None if said is None else is_right(said, each.wordings.held_out[0], asked.answer)
        places = corpus.places(asked.quote)
        evidence = tuple(Place(name, asked.quote) for name in sorted(places, key=lambda name: (name != document, name)))
        kind = "yes-no" if is_yes_no(asked.answer) else kind_of(asked.answer)
        wordings = Wordings(each.wordings.train, each.wordings.held_out)
        facts.append(
            Fact(
                fact_id(document, asked.question),
                document,
                kind,
                (asked.answer,),
                wordings,
                (evidence,),
                language=each.one.language,
                closed_book=known,
            )
        )
    return facts
