"""The checks of `ragft check` that ask: can search find the evidence, can a copier guess, what does the model know already?"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from statistics import fmean

from ragft import registry
from ragft.arms import Composed
from ragft.audit import Expected, Finding, at_least, audit, read_expected
from ragft.build import Progress, make_retriever, recall_of, token_counter
from ragft.chunking import chunk_documents
from ragft.domain import Domain, load_domain
from ragft.domain.general import load_general
from ragft.domain.ledger import DERIVED
from ragft.errors import InputError
from ragft.models import find_model
from ragft.progress import Watcher
from ragft.retrieval.base import Retriever, RetrieverParts
from ragft.settings import Study, load_study
from ragft.types import Answer, Chunk, Gold, Question, Span

K = 5
GENERAL = {"questions": 60, "instructions": 20, "words": 3000}  # at least
MOSTLY = 0.8  # of a general set its model must be able to do
CHANCE_DEVIATIONS = 2.0  # a copier this many standard deviations above chance knows something

Asked = list[tuple[Question, Gold]]


def check_domain(folder: Path | str, watcher: Watcher | None = None, limit: int | None = None) -> list[Finding]:
    """All checks of a domain's folder, with its study.yaml's model and chunks; without a watcher only those of the text.

    A folder with instructions.jsonl is the general set, which has no corpus.
    """
    folder = Path(folder)
    if (folder / "instructions.jsonl").is_file():
        return check_general(folder, watcher)
    domain, expected = load_domain(folder), read_expected(folder)
    study = load_study(folder) if (folder / "study.yaml").is_file() else Study.model_validate({"domain": str(folder)})
    return audit(domain, folder, expected) + (probe(domain, expected, study, limit, watcher) if watcher else [])


def probe(domain: Domain, expected: Expected, study: Study, limit: int | None, watcher: Watcher) -> list[Finding]:
    """The checks with the study's model and chunks; the model answers at most `limit` test questions twice."""
    model = find_model(study.model, "generator")
    chunks = chunk_documents(
        domain.documents, study.chunk_tokens, study.chunk_overlap, token_counter(model), registry.lookup("chunker", study.chunker).make
    )
    parts, evidence = RetrieverParts(chunks), {g.id: g.evidence for g in domain.gold.values()}
    if not any(gold.evidence for _, gold in domain.split("test")):
        return [Finding("search and model", not expected.documents, "not asked: no test question has evidence", "evidence")]
    found = [_recall(domain, parts, expected), copier(domain, bool(expected.documents))]
    asked = [(question, gold) for question, gold in domain.limited(limit).split("test") if gold.answerable and gold.evidence]
    right = {}
    for number, (name, retriever) in enumerate((("closed-book", None), ("gold passages", make_retriever("oracle", parts, evidence))), start=1):
        with watcher.unit(f"{study.model}, {name}", number, 2) as progress:
            right[name] = _share_right(study, domain.language, retriever, asked, progress)
    closed, oracle, most = right["closed-book"], right["gold passages"], expected.closed_book_at_most
    wanted = f"at most {100 * most:g} %" if most < 1 else ""
    found.append(Finding(f"{study.model}, closed-book", closed <= most, f"{100 * closed:.1f} % of {len(asked)} right", wanted))
    better = oracle > closed or not expected.documents
    found.append(Finding(f"{study.model}, gold passages", better, f"{100 * oracle:.1f} % of {len(asked)} right", "more than closed-book"))
    return found


def _recall(domain: Domain, parts: RetrieverParts, expected: Expected) -> Finding:
    """Neither trivial nor hopeless: between the two there is something for retrieval to win."""
    asked = [pair for pair in domain.split("dev") + domain.split("test") if pair[1].evidence]
    hits = make_retriever("bm25", parts).search([question for question, _ in asked], K)
    found_share = fmean([recall_of(found, gold, K) for found, (_, gold) in zip(hits, asked, strict=True)])
    low, high = expected.bm25_recall_at_5
    wanted = f"{100 * low:g} to {100 * high:g} %" if (low, high) != (0.0, 1.0) else ""
    return Finding(f"BM25 recall@{K}", low <= found_share <= high, f"{100 * found_share:.1f} % of {len(asked)} held-out questions", wanted)


def copier(domain: Domain, demanded: bool) -> Finding:
    """Answers to untrained questions, copied from the nearest training question: right no more often than by chance.

    Chance is the share of training answers of the same kind that would be right; more says that answers leak. Questions
    that follow from several statements are left out: a trained fact may be one of them.
    """
    train = [pair for pair in domain.split("train") if pair[1].answerable]
    asked = [pair for pair in domain.split("dev") + domain.split("test") if pair[1].stratum.startswith("untrained") and pair[1].kind not in DERIVED]
    if not train or not asked:
        return Finding("copies of the nearest training answer", True, "nothing to copy or to ask")
    questions = tuple(Chunk(str(i), Span(str(i), 0, len(question.text)), question.text, "") for i, (question, _) in enumerate(train))
    nearest = make_retriever("bm25", RetrieverParts(questions)).search([question for question, _ in asked], 1)
    copied = sum(_right(train[int(hits[0].chunk.id)][1].answers[0], gold) for hits, (_, gold) in zip(nearest, asked, strict=True) if hits)
    chances = []
    for _, gold in asked:
        alike = [g.answers[0] for _, g in train if g.kind == gold.kind]
        chances.append(fmean([_right(answer, gold) for answer in alike]) if alike else 0.0)
    chance, spread = sum(chances), sqrt(sum(p * (1 - p) for p in chances))
    found = f"{copied:.0f} of {len(asked)} right, {chance:.1f} by chance"
    ok = copied <= chance + CHANCE_DEVIATIONS * spread or not demanded
    return Finding("copies of the nearest training answer", ok, found, f"at most {chance + CHANCE_DEVIATIONS * spread:.1f}")


def _right(text: str, gold: Gold) -> float:
    return registry.lookup("metric", "match").make(Answer(gold.id, text, "ok", None, "", None, 0), gold)


def _share_right(study: Study, language: str, retriever: Retriever | None, asked: Asked, progress: Progress) -> float:
    from ragft.serving import load_generator

    generator = load_generator(find_model(study.model, "generator").folder, None, study.max_new_tokens)
    arm = Composed(generator, retriever, study.k, study.context_tokens, language, study.batch_size, study.prompt)
    golds, scores = {gold.id: gold for _, gold in asked}, list[float]()
    match = registry.lookup("metric", "match").make
    for batch in arm.prepare([question for question, _ in asked]):
        scores += [score for answer in arm.answer(batch) if (score := match(answer, golds[answer.question])) is not None]
        progress(len(scores), len(asked))
    if len(scores) < len(asked):
        raise InputError(f"{study.model} failed on {len(asked) - len(scores)} of {len(asked)} questions; nothing is known of it. Try another model.")
    return fmean(scores)


# ── the general set ──────────────────────────────────────────────────────────────────────────────────────────────────


def check_general(folder: Path, watcher: Watcher | None) -> list[Finding]:
    """Whether the set is large enough, and the default model can do most of it: what it cannot do it cannot forget."""
    general = load_general(folder)
    words = len(general.prose.split())
    found = [
        at_least("questions", len(general.questions), GENERAL["questions"]),
        at_least("instructions", len(general.instructions), GENERAL["instructions"]),
        at_least("words of prose", words, GENERAL["words"]),
    ]
    if watcher is None:
        return found
    name = Study.model_fields["model"].default
    with watcher.unit(f"{name}, general set", 1, 1) as progress:
        from ragft.measuring import ANSWER_TOKENS, general_shares
        from ragft.serving import load_generator

        generator = load_generator(find_model(name, "generator").folder, None, ANSWER_TOKENS)
        known, followed = general_shares(general, generator, progress)
    for what, share in (("questions right", known), ("instructions followed", followed)):
        found.append(Finding(f"{name}, {what}", share >= MOSTLY, f"{100 * share:.0f} %", f"at least {100 * MOSTLY:g} %"))
    return found
