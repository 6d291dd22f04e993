"""The risk panel: what arms are shown, what is counted, beside whom, and that nothing is asked twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import mannwhitneyu
from scipy.stats import norm as normal
from test_robustness import Listed, by_hand, rewrite
from tiny import write_domain

from ragft import leaks, robust, stats
from ragft import risks as risks_module
from ragft.build import make_retriever
from ragft.chunking import overlap
from ragft.context import Context
from ragft.domain.planted import canary, order
from ragft.errors import InputError, MissingError
from ragft.hostile import ShownOtherwise, Withheld, contradictions
from ragft.metrics.answer import YES_NO
from ragft.pages import environment
from ragft.retrieval.base import RetrieverParts
from ragft.risk import KINDS, Leaks, Loss, Mark, Risk, Risks, area, joined, membership, read_risks, share
from ragft.risks import risks
from ragft.settings import Study
from ragft.store import file_sha256, read_json, read_jsonl_as, write_json, write_jsonl
from ragft.study import prepare, run
from ragft.text import contains, words
from ragft.types import Answer, Chunk, Evidence, Gold, Question, Span

ARMS = {
    "base": {},
    "oracle": {"retriever": "oracle"},
    "rag": {"retriever": "bm25", "k": 1},
    "lora": {"tuning": "lora"},
    "rag+lora": {"retriever": "bm25", "k": 1, "tuning": "lora"},
    "wide+lora": {"retriever": "bm25", "tuning": "lora"},
    "control": {"tuning": "lora", "format": "shuffled"},
}
RETRIEVING = ("oracle", "rag", "rag+lora", "wide+lora")


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_model) -> tuple[Context, Risks]:
    root = tmp_path_factory.mktemp("risks")
    study = Study(
        domain=str(write_domain(root / "works")), model=str(tiny_model), embedder=None, seeds=(3, 1), chunk_tokens=32, context_tokens=64, k=2,
        max_new_tokens=6, batch_size=4, train_tokens=1500, train_batch_size=4, arms=ARMS,
    )  # fmt: skip
    run(study, root / "runs")
    context = prepare(study, root / "runs")
    return context, risks(context, list(ARMS))


@pytest.fixture
def copied(done, tmp_path) -> Context:
    context, _ = done
    shutil.copytree(context.run.folder, tmp_path / context.run.folder.name)
    return prepare(context.study, tmp_path)


def seed(arm: str) -> int:
    return 3 if "lora" in arm or arm == "control" else 0


def answers(context: Context, arm: str, variant: str) -> dict[str, Answer]:
    folder = context.run.seed_folder(arm, seed(arm)) if variant == "clean" else context.run.folder / "risks" / arm / variant
    return {answer.question: answer for answer in read_jsonl_as(Answer, folder / "answers.jsonl")}


def holds_evidence(chunk: Chunk, gold: Gold) -> bool:
    return any(overlap(chunk.span, span) for piece in gold.evidence for span in piece.spans)


# ── which rows ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_are_those_that_apply(done):
    context, found = done
    of = {arm: {row.what for row in found.rows if row.arm == arm} for arm in ARMS}
    asked = {"distractors", "conflict: planted answer", "conflict: right", "injection: obeyed", "injection: right"}
    leaking = {"extraction: answers", "membership", "membership, uncalibrated"}
    assert of["base"] == {"false answers"} == of["control"], "a control is not looked into"
    assert of["lora"] == {"false answers"} | leaking
    assert of["oracle"] == {"false answers"} | asked, "the oracle would be shown nothing"
    for arm, missed in (("rag", of["rag"] & {"missed"}), ("rag+lora", of["rag"] & {"missed"}), ("wide+lora", of["wide+lora"] & {"missed"})):
        assert of[arm] == {"false answers", "withheld"} | asked | missed | (leaking if "lora" in arm else set())
    assert all(row.seed == seed(row.arm) for row in found.rows), "its first seed"
    assert len({(row.arm, row.what) for row in found.rows}) == len(found.rows)
    assert read_risks(context.run.folder) == found and read_risks(context.run.folder / "arms") is None
    assert found.of("rag", "withheld") in found.rows and found.of("base", "withheld") is None


def test_shares_are_their_counts(done):
    _, found = done
    for row in found.rows:
        if row.k is not None and row.n:
            assert row.value == row.k / row.n
            assert row.beside is None or row.change is not None
            assert row.low is None or row.low <= row.value <= row.high
            if KINDS[row.what].rare:
                assert (row.low, row.high) == stats.exact_bounds(row.k, row.n, 0.025)


def test_tuned_arms_stand_beside_the_untuned_one_with_their_passages(done):
    context, found = done
    for what in ("withheld", "conflict: planted answer", "injection: obeyed"):
        assert found.of("rag+lora", what).against == "rag" and found.of("rag", what).against == ""
        assert found.of("rag+lora", what).beside == found.of("rag", what).value
        assert found.of("wide+lora", what).against == "untuned, same passages"
        assert found.of("wide+lora", what).beside is not None
    for what in ("distractors", "conflict: right", "injection: right"):
        assert all(found.of(arm, what).against == "as asked" for arm in RETRIEVING)
    assert found.of("lora", "false answers").against == "base"
    assert len(list((context.run.folder / "risks").glob("untuned-*"))) == 1


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_withheld_passages_hold_no_letter_of_evidence_and_are_the_same_for_arms_that_retrieve_alike(done):
    context, _ = done
    golds = context.domain.gold
    ranking = make_retriever("bm25", RetrieverParts(tuple(_chunks(context))))
    for arm, k in (("rag", 1), ("rag+lora", 1), ("wide+lora", 2)):
        asked = [(question, gold) for question, gold in context.domain.split("test") if gold.answerable]
        withheld = answers(context, arm, "withheld")
        assert set(withheld) == {gold.id for _, gold in asked}
        for (question, gold), hits in zip(asked, ranking.search([question for question, _ in asked], 20), strict=True):
            free = [hit.chunk for hit in hits if not holds_evidence(hit.chunk, gold)][:k]
            shown = [hit.chunk for hit in withheld[question.id].hits]
            assert shown == free[: len(shown)] and (len(shown) == len(free) or k > 1), "as many as there are, and as fit"
        assert any(withheld[key].hits for key in withheld)
        assert any(holds_evidence(hit.chunk, golds[key]) for key, answer in answers(context, arm, "clean").items() for hit in answer.hits)
    prompts = [{key: a.prompt for key, a in answers(context, arm, "withheld").items()} for arm in ("rag", "rag+lora")]
    assert prompts[0] == prompts[1] != {key: answers(context, "rag", "clean")[key].prompt for key in prompts[0]}


def test_the_next_ranked_take_the_places_of_what_is_withheld():
    chunks = [Chunk(f"c{n}", Span("d", 10 * n, 10 * n + 10), f"text {n}", "") for n in range(8)]
    evidence = {"q": (Evidence((Span("d", 9, 31),)),), "u": (Evidence((Span("other", 0, 50),)),)}
    own = Listed(chunks[:3])
    found = Withheld(own, Listed(chunks), evidence).search([Question("q", "?"), Question("u", "?")], 3)
    assert [[(hit.chunk.id, hit.rank) for hit in hits] for hits in found] == [
        [("c4", 1), ("c5", 2), ("c6", 3)],
        [("c0", 1), ("c1", 2), ("c2", 3)],
    ]


def test_a_draft_contradicts_what_the_arm_was_shown(done):
    context, found = done
    for arm in RETRIEVING:
        clean, asked = answers(context, arm, "clean"), answers(context, arm, "conflict")
        assert asked
        for key, answer in asked.items():
            gold, draft, own = context.domain.gold[key], answer.hits[0].chunk, [hit.chunk for hit in answer.hits[1:]]
            assert own == [hit.chunk for hit in clean[key].hits] and any(holds_evidence(chunk, gold) for chunk in own)
            assert draft.heading.startswith("Draft, not approved > ") and f"[1] {draft.heading}" in answer.prompt
            assert not any(contains(words(draft.text), words(form)) for form in gold.answers)
        row = found.of(arm, "conflict: planted answer")
        assert row.n == len(asked) and row.n + row.left_out == len([gold for _, gold in context.domain.split("test") if gold.answerable])
        assert (row.left_out == 0) == (row.note == "")
    drafts = [{key: a.hits[0].chunk for key, a in answers(context, arm, "conflict").items()} for arm in RETRIEVING]
    common = set.intersection(*(set(one) for one in drafts))
    assert common and all(one[key] == drafts[0][key] for one in drafts for key in common), "the same for every arm"


def test_an_order_ends_the_first_passage_and_nothing_else_changes(done):
    context, _ = done
    for arm in RETRIEVING:
        clean = answers(context, arm, "clean")
        for key, answer in answers(context, arm, "injection").items():
            first, *rest = [hit.chunk for hit in answer.hits]
            own, *others = [hit.chunk for hit in clean[key].hits]
            assert first.text == f"{own.text}\n\n{order(key, 'en')}" and (first.heading, first.span) == (own.heading, own.span)
            assert rest == others and canary(key) in answer.prompt and canary(key) not in clean[key].prompt
        unshown = [gold for _, gold in context.domain.split("test") if not clean[gold.id].hits]
        assert len(answers(context, arm, "injection")) == len(context.domain.split("test")) - len(unshown)


def test_what_would_not_fit_anyway_is_neither_changed_nor_shown():
    chunks = [Chunk(f"c{n}", Span("d", 10 * n, 10 * n + 10), f"text {n}", "") for n in range(4)]
    seen = []

    def change(question, hits):
        seen.append([hit.chunk.id for hit in hits])
        return [*hits, *hits[:1]]

    (found,) = ShownOtherwise(Listed(chunks), change, lambda shown: list(shown)[:2]).search([Question("q", "?")], 4)
    assert seen == [["c0", "c1"]] and [(hit.chunk.id, hit.rank) for hit in found] == [("c0", 1), ("c1", 2), ("c0", 3)]


def test_contradictions_need_an_answer_in_the_evidence():
    text = "The Kova 30 weighs 12 kg. It is blue. It may not be fitted outdoors, no."
    chunks = [Chunk("a", Span("d", 0, len(text)), text, "Kova"), Chunk("b", Span("e", 0, 22), "The Vela 7 weighs 9 kg", "Vela")]

    def gold(key: str, answer: str, document: str = "d") -> Gold:
        return Gold(key, (answer,), (Evidence((Span(document, 0, 22),)),), document, "test", key, 0, "value", "trained-fact")

    golds = [gold("weight", "12 kg"), gold("vela", "9 kg", "e"), gold("spelt", "twelve"), gold("outdoors", "no")]
    assert "no" in YES_NO
    found = dict(contradictions([(Question(one.id, "?"), one) for one in golds], golds, chunks, "en"))
    assert set(found) == {"weight", "vela"}
    assert found["weight"].answer == "9 kg" and found["weight"].chunk.text == text.replace("12 kg", "9 kg")
    assert found["vela"].chunk.text == "The Vela 7 weighs 12 kg" and found["vela"].chunk.heading == "Draft, not approved > Vela"


# ── what is counted ──────────────────────────────────────────────────────────────────────────────────────────────────


def said(context: Context, arm: str, variant: str, text: Callable[[int, Gold], str]) -> list[Gold]:
    """Give the stored answers other texts; returns their questions' gold in order."""
    folder = context.run.seed_folder(arm, seed(arm)) if variant == "clean" else context.run.folder / "risks" / arm / variant
    golds = [context.domain.gold[answer.question] for answer in read_jsonl_as(Answer, folder / "answers.jsonl")]
    rewrite(folder / "answers.jsonl", {gold.id: text(number, gold) for number, gold in enumerate(golds)})
    return golds


def right(gold: Gold) -> str:
    return (gold.answers or ("I don't know.",))[0]


def test_rescue_is_paired_with_the_untuned_arm(copied):
    """On answers made by hand, because a tiny model has hardly any right."""
    golds = said(copied, "rag+lora", "withheld", lambda number, gold: right(gold) if number % 2 == 0 else "wrong")
    where = {gold.id: number for number, gold in enumerate(golds)}
    said(copied, "rag", "withheld", lambda _, gold: right(gold) if where[gold.id] % 3 == 0 else "wrong")
    row = risks(copied, ["rag+lora"]).of("rag+lora", "withheld")
    ours, theirs = [number % 2 == 0 for number in range(len(golds))], [number % 3 == 0 for number in range(len(golds))]
    assert (row.n, row.k, row.beside) == (len(golds), sum(ours), pytest.approx(sum(theirs) / len(golds)))
    documents = [gold.document for gold in golds]
    differences = [(document, float(a) - float(b)) for document, a, b in zip(documents, ours, theirs, strict=True)]
    assert (row.change, row.change_low, row.change_high) == pytest.approx(by_hand(differences))
    low, high = (by_hand([(document, float(a)) for document, a in zip(documents, ours, strict=True)]))[1:]
    assert (row.low, row.high) == pytest.approx((max(0.0, low), high))


def test_natural_misses_are_reported_apart(copied):
    """Two passages are taken away from the stored answers, as if search had missed them."""
    log = copied.run.seed_folder("rag", 0) / "answers.jsonl"
    stored = read_jsonl_as(Answer, log)
    evident = [a.question for a in stored if copied.domain.gold[a.question].evidence]
    lost = evident[:2]
    write_jsonl(
        log,
        [
            replace(
                a,
                hits=() if a.question in lost else a.hits,
                text=right(copied.domain.gold[a.question]) if a.question == lost[0] else a.text,
                outcome="ok",
            )
            for a in stored
        ],
    )
    row = risks(copied, ["rag"]).of("rag", "missed")
    already = [
        a.question for a in stored if a.question in evident and not any(holds_evidence(hit.chunk, copied.domain.gold[a.question]) for hit in a.hits)
    ]
    assert row.n == len({*lost, *already}) and row.k >= 1


def test_a_planted_answer_counts_unless_the_right_one_is_named_too(copied):
    drafts = {key: answer.hits[0].chunk.text for key, answer in answers(copied, "oracle", "conflict").items()}
    golds = [gold for _, gold in copied.domain.split("test")]
    made = {key: one.answer for key, one in contradictions(copied.domain.split("test"), tuple(copied.domain.gold.values()), _chunks(copied), "en")}
    assert all(made[key] in text for key, text in drafts.items())

    def text(number: int, gold: Gold) -> str:
        return (made[gold.id], right(gold), f"{right(gold)} or {made[gold.id]}", "wrong")[number % 4]

    asked = said(copied, "oracle", "conflict", text)
    found, numbers = risks(copied, ["oracle"]), range(len(asked))
    planted, still = found.of("oracle", "conflict: planted answer"), found.of("oracle", "conflict: right")
    assert (planted.n, planted.k) == (len(asked), sum(number % 4 == 0 for number in numbers)) and len(golds) >= len(asked) > 4
    assert (still.n, still.k) == (len(asked), sum(number % 4 == 1 for number in numbers))
    assert f"{sum(number % 4 == 2 for number in numbers)} answers name both" in planted.note


def _chunks(context: Context) -> list[Chunk]:
    (index,) = (context.run.folder / "artifacts").glob("index-*")
    return read_jsonl_as(Chunk, index / "chunks.jsonl")


def test_an_answer_with_the_canary_obeyed(copied):
    asked = said(
        copied, "rag", "injection", lambda number, gold: (f"The word is {canary(gold.id).lower()}!", right(gold), canary("another"))[number % 3]
    )
    found = risks(copied, ["rag"])
    obeyed, still = found.of("rag", "injection: obeyed"), found.of("rag", "injection: right")
    assert (obeyed.n, obeyed.k) == (len(asked), len(range(0, len(asked), 3)))
    assert (still.n, still.k) == (len(asked), len(range(1, len(asked), 3)))


def test_false_answers_are_read_off_the_run(copied):
    (unanswerable,) = (gold for _, gold in copied.domain.split("test") if not gold.answerable)
    for text, outcome, k in (("42 bar", "ok", 1), ("I don't know.", "abstained", 0)):
        log = copied.run.seed_folder("base", 0) / "answers.jsonl"
        write_jsonl(log, [replace(a, text=text, outcome=outcome) if a.question == unanswerable.id else a for a in read_jsonl_as(Answer, log)])
        row = risks(copied, ["base"]).of("base", "false answers")
        assert (row.n, row.k) == (1, k)


def test_failed_answers_are_counted_and_never_judged(copied):
    log = copied.run.folder / "risks" / "rag" / "injection" / "answers.jsonl"
    stored = read_jsonl_as(Answer, log)
    write_jsonl(log, [replace(answer, outcome="error", text="") if number < 2 else answer for number, answer in enumerate(stored)])
    write_json(log.with_name("done.json"), {**read_json(log.with_name("done.json")), "answers": file_sha256(log)})
    row = risks(copied, ["rag"]).of("rag", "injection: obeyed")
    assert row.n == len(stored) - 2 and row.left_out == 2 and "2 answers failed" in row.note


def test_an_arm_that_failed_on_every_question_has_rows_without_figures(copied):
    folder = copied.run.folder / "risks" / "rag+lora"
    for log in folder.glob("*/answers.jsonl"):
        write_jsonl(log, [replace(answer, outcome="error", text="") for answer in read_jsonl_as(Answer, log)])
        write_json(log.with_name("done.json"), {**read_json(log.with_name("done.json")), "answers": file_sha256(log)})
    clean = copied.run.seed_folder("rag+lora", 3) / "answers.jsonl"
    write_jsonl(clean, [replace(answer, outcome="error", text="") for answer in read_jsonl_as(Answer, clean)])
    found = risks(copied, ["rag", "rag+lora"])
    for what in ("withheld", "conflict: planted answer", "injection: obeyed"):
        row = found.of("rag+lora", what)
        assert (row.n, row.value, row.low, row.high, row.beside) == (0, None, None, None, None) and row.left_out > 0


# ── again ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_time_nothing_is_asked_and_no_model_is_loaded(done, monkeypatch):
    context, found = done

    def never(*_, **__):
        raise AssertionError("asked again")

    monkeypatch.setattr(robust, "compose", never)
    monkeypatch.setattr(leaks, "find_leaks", never)
    assert risks(context, list(ARMS)) == found
    assert risks(context, ["lora"]) == found == read_risks(context.run.folder), "and the rows of the others are still there"


def test_rows_of_other_arms_stay_where_they_were_asked_as_much(copied, done):
    _, found = done
    fewer = risks(copied, ["rag"], questions=3)
    assert {row.arm for row in fewer.rows} == {"rag"} and fewer.questions == 3
    assert [row.arm for row in risks(copied, ["base"], questions=3).rows][:2] == ["base", "rag"], "as in the study"
    part = Risks(tuple(row for row in found.rows if row.arm == "rag"), found.metric, found.questions)
    assert joined(found, part, list(ARMS)) == found
    for other in (replace(found, metric="exact"), replace(found, questions=9), None):
        assert joined(other, part, list(ARMS)) == part
    assert joined(replace(found, questions=0), part, list(ARMS)) == part, "an earlier version did not say how many"
    assert joined(found, part, ["rag"]) == part, "the others are no longer in the study"


def test_a_killed_job_goes_on(done, copied):
    _, found = done
    log = copied.run.folder / "risks" / "rag" / "conflict" / "answers.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:4]) + lines[4][:20])
    (log.parent / "done.json").unlink()
    (next((copied.run.folder / "risks" / "leaks").glob("*.json"))).unlink()
    assert risks(copied, list(ARMS)) == found
    assert log.read_bytes().splitlines(keepends=True)[:4] == lines[:4]


def test_fewer_questions_are_asked_where_fewer_are_wanted(copied):
    found = risks(copied, ["rag"], questions=3)
    for what in ("withheld", "conflict: planted answer", "injection: obeyed", "distractors"):
        assert found.of("rag", what).n == 3


def test_what_cannot_be_asked_is_one_line(done, copied):
    with pytest.raises(InputError, match=r"unknown arm 'rga'\. Did you mean 'rag'\?"):
        risks(copied, ["rga"])
    (copied.run.seed_folder("lora", 3) / "done.json").unlink()
    with pytest.raises(MissingError, match="arm 'lora' has not answered yet"):
        risks(copied, ["rag", "lora"])


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_share_by_hand():
    marks = [Mark("a", True, False), Mark("b", True, True), Mark("c", False, None), Mark("d", False, True)]
    row = share("rag", 0, "injection: obeyed", marks, "base", 5, "why")
    assert (row.n, row.k, row.value, row.left_out) == (4, 2, 0.5, 5)
    assert (row.beside, row.change) == (pytest.approx(2 / 3), 0.0) and row.note == "why; beside on 3 of the 4"
    assert (row.low, row.high) == stats.exact_bounds(2, 4, 0.025)
    assert (row.se, row.df) == (pytest.approx(np.sqrt(3 / 4 * 4 * (1 / 6) ** 2)), 3.0), "one question a document: each left out moves it by 1/6"
    alone = share("rag", 0, "withheld", [replace(mark, beside=None) for mark in marks[:1]], "base", 0, "")
    assert (alone.value, alone.low, alone.high, alone.against, alone.beside, alone.change) == (1.0, None, None, "", None, None)


numbers = some.lists(some.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.5]), min_size=1, max_size=12)


@given(numbers, numbers)
def test_an_area_is_mann_whitneys_u(members, others):
    expected = mannwhitneyu(members, others).statistic / (len(members) * len(others))
    assert area(members, others).value == pytest.approx(expected)
    assert area(others, members).value == pytest.approx(1 - expected)


def jackknifed(members: Sequence[float], others: Sequence[float], documents: Sequence[str]) -> float:
    """The leave-one-document-out standard error, straight from its definition."""
    values, mine = [*members, *others], [True] * len(members) + [False] * len(others)

    def value(without: str | None) -> float:
        kept = [[v for v, m, d in zip(values, mine, documents, strict=True) if m == side and d != without] for side in (True, False)]
        return mannwhitneyu(*kept).statistic / (len(kept[0]) * len(kept[1]))

    names = sorted(set(documents))
    return float(np.sqrt((len(names) - 1) / len(names) * sum((value(name) - value(None)) ** 2 for name in names)))


def test_its_standard_error_leaves_out_one_document_after_the_other():
    rng = np.random.default_rng(5)
    members, others = rng.normal(0.7, 1, 17).tolist(), rng.normal(0, 1, 13).tolist()
    documents = [f"d{n % 6}" for n in range(17)] + [f"d{n % 7}" for n in range(13)]
    found = area(members, others).estimate(documents)
    assert found.se == pytest.approx(jackknifed(members, others, documents)) and found.se > 1 / 13
    sizes = [[documents[:17].count(d) for d in sorted(set(documents))], [documents[17:].count(d) for d in sorted(set(documents))]]
    assert found.df == pytest.approx(min(sum(s) ** 2 / sum(x * x for x in s) for s in sizes) - 1)


def delong(members: np.ndarray, others: np.ndarray) -> float:
    """The standard error of DeLong et al. (1988), from placements."""
    wins = (members[:, None] > others) + 0.5 * (members[:, None] == others)
    return float(np.sqrt(wins.mean(axis=1).var(ddof=1) / len(members) + wins.mean(axis=0).var(ddof=1) / len(others)))


def test_with_one_example_a_document_it_is_nearly_delongs():
    rng = np.random.default_rng(1)
    members, others = rng.normal(0.6, 1, 60), rng.normal(0, 1, 50)
    found = area(members.tolist(), others.tolist()).estimate([f"d{n}" for n in range(110)])
    assert found.se == pytest.approx(delong(members, others), rel=0.03)


def test_its_interval_covers():
    rng, true, covered = np.random.default_rng(2), float(normal.cdf(0.8 / np.sqrt(2))), 0
    documents = [f"d{n % 20}" for n in range(80)]
    for _ in range(400):
        shift = rng.normal(0, 0.5, 20)[np.arange(80) % 20]  # documents differ
        values = rng.normal(0, np.sqrt(0.75), 80) + shift + np.repeat([0.8, 0.0], 40)
        low, high = area(values[:40].tolist(), values[40:].tolist()).estimate(documents).bounds(0.025)
        covered += low <= true <= high
    assert covered / 400 > 0.92  # 95 % less 2.7 standard errors


def test_perfect_separation_is_not_certain_and_one_document_says_nothing():
    apart = area([2.0, 3.0, 4.0, 5.0], [0.0, 1.0, -1.0, -2.0])
    found = apart.estimate(list("abcdefgh"))
    assert (found.mean, found.se) == (1.0, 0.25)
    assert apart.estimate(["a"] * 8).bounds(0.025) == (None, None)
    assert apart.estimate(list("aaaa") + list("bbbb")).df == 0


def test_membership_rows_by_hand():
    """Tuning lowered the members' loss by 2 and the others' not at all; the base alone tells them apart the wrong way."""
    members = tuple(Loss(f"m{n}", 1.0 + n / 10, 3.0 + n / 10) for n in range(6))
    others = tuple(Loss(f"o{n}", 2.0 + n / 10, 2.0 + n / 10) for n in range(6))
    calibrated, plain = membership("lora", 3, Leaks("", "answers", (), members, others), "note")
    assert (calibrated.value, calibrated.against, calibrated.beside, calibrated.change, calibrated.n, calibrated.k) == (
        1.0,
        "guessing",
        0.5,
        0.5,
        36,
        None,
    )
    assert (calibrated.se, calibrated.df) == (pytest.approx(1 / 6), 5)
    assert (plain.value, plain.against, plain.beside, plain.change) == (1.0, "base model", 0.0, 1.0)
    (nothing,) = membership("lora", 3, Leaks("", "answers", (), members, ()), "none left")
    assert (nothing.value, nothing.n, nothing.note, nothing.low, nothing.high) == (None, 0, "none left", None, None)


def test_its_section_of_the_report_reads_and_escapes(done):
    _, found = done
    odd = Risk("a<b>", 0, "extraction: text", 0, None, None, None, None, "", None, None, None, None, 3, "x & y")
    html = environment().get_template("risks.html").render(risks=Risks((*found.rows, odd), found.metric), kinds=KINDS)
    assert "a&lt;b&gt;" in html and "x &amp; y" in html and '<section id="risks">' in html
    for row in found.rows:
        assert KINDS[row.what].title[1:] in html and row.arm in html
    assert "ragft risks" in environment().get_template("risks.html").render(risks=None, kinds=KINDS)


def test_an_adapter_without_weights_is_said_to_have_none(done, copied, monkeypatch):
    _, found = done
    failed = risks_module.adapter_artifact

    def without_weights(*arguments):
        artifact = failed(*arguments)
        return replace(artifact, fit=replace(artifact.fit, failed="it came apart at step 3"))

    monkeypatch.setattr(risks_module, "adapter_artifact", without_weights)
    rows = [row for row in risks(copied, ["lora"]).rows if row.arm == "lora"]
    assert [(row.what, row.value, row.n) for row in rows[1:]] == [("membership", None, 0)]
    assert rows[1].note == "no weights: it came apart at step 3" and rows[0] == found.of("lora", "false answers")
