"""Arms asked again, misspelt, distracted and elsewhere: what they are shown, what is counted, and that a killed job goes on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
from scipy.stats import t
from tiny import DOCUMENTS, question_lines, write_domain

from ragft import registry, robust
from ragft.chunking import overlap
from ragft.context import Context
from ragft.domain import load_domain
from ragft.domain.typos import misspell
from ragft.errors import InputError, MissingError
from ragft.prompts import closed_book
from ragft.retrieval.base import ranked
from ragft.robust import DISTRACTORS, Distracted, robustness
from ragft.robustness import Robustness, read_robustness
from ragft.serving import Served
from ragft.settings import Study
from ragft.store import file_sha256, read_json, read_jsonl_as, write_json, write_jsonl
from ragft.study import prepare, run
from ragft.types import Answer, Chunk, Evidence, Hit, Question, Span
from ragft.weights import load_base

ARMS = {
    "base": {},
    "oracle": {},
    "rag": {"retriever": "bm25"},
    "lora": {},
    "rag+lora": {"retriever": "bm25", "tuning": "lora"},
    "oracle+lora": {"retriever": "oracle", "tuning": "lora"},
}


def other_place(text: str) -> str:
    return text.replace("Kova", "Dorn").replace("Vela", "Sund").replace("Ardley", "Ostby")


def write_second(folder: Path) -> Path:
    lines = [{**line, "question": other_place(line["question"])} for line in question_lines()]
    for line in lines:
        line["evidence"] = [{"document": f"b/{piece['document']}", "quote": other_place(piece["quote"])} for piece in line.get("evidence", [])]
        line |= {"document": f"b/{line['document']}"} if "document" in line else {}
    return write_domain(folder, {f"b/{name}": other_place(text) for name, text in DOCUMENTS.items()}, lines)


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_model) -> tuple[Context, Path, Robustness]:
    root = tmp_path_factory.mktemp("robust")
    study = Study(
        domain=str(write_domain(root / "works")), model=str(tiny_model), embedder=None, seeds=(3, 1), chunk_tokens=32, context_tokens=32, k=2,
        max_new_tokens=6, batch_size=4, train_tokens=1500, train_batch_size=4, arms=ARMS,
    )  # fmt: skip
    run(study, root / "runs")
    context = prepare(study, root / "runs")
    return context, write_second(root / "second"), robustness(context, list(ARMS), root / "second")


def answers(context: Context, *place: str) -> dict[str, Answer]:
    return {answer.question: answer for answer in read_jsonl_as(Answer, context.run.folder.joinpath(*place) / "answers.jsonl")}


def test_rows_are_those_that_apply(done):
    context, _, found = done
    expected = []
    for arm in ARMS:
        expected += [(arm, "typos"), *([(arm, "distractors")] if arm not in ("base", "lora") else [])]
        expected += [(arm, "second domain")] if "lora" in arm else []
    assert [(row.arm, row.variant) for row in found.rows] == expected
    assert all(row.seed == (3 if "lora" in row.arm else 0) for row in found.rows), "its first seed"
    assert read_robustness(context.run.folder) == found
    assert read_robustness(context.run.folder / "arms") is None


def test_every_question_is_asked_misspelt(done):
    context, _, _ = done
    test = context.domain.split("test")
    for arm in ARMS:
        asked = answers(context, "robustness", arm, "typos")
        assert set(asked) == {question.id for question, _ in test}
        for question, gold in test:
            typed = misspell(question.text, gold.answers, f"{question.id} {question.text}")
            assert f"Question: {typed}" in asked[question.id].prompt and typed != question.text


def test_distractors_follow_the_arms_own_passages_and_hold_no_evidence(done):
    context, _, _ = done
    counts, cut = set(), False
    for arm in ("oracle", "rag", "rag+lora", "oracle+lora"):
        clean = answers(context, "arms", arm, "seed-3" if "lora" in arm else "seed-0")
        for key, answer in answers(context, "robustness", arm, "distractors").items():
            own = [hit.chunk for hit in clean[key].hits or ()]
            shown = [hit.chunk for hit in answer.hits or ()]
            more = shown[len(own) :]
            assert shown[: len(own)] == own and not set(more) & set(own)
            assert [hit.rank for hit in answer.hits or ()] == list(range(1, len(shown) + 1))
            assert not any(overlap(chunk.span, span) for chunk in more for e in context.domain.gold[key].evidence for span in e.spans)
            assert all(chunk.text in answer.prompt for chunk in shown)
            counts.add(len(more))
            cut = cut or (arm == "rag" and len(own) < context.study.k)
    assert max(counts) == DISTRACTORS
    assert cut, "the budget for passages keeps some arm from showing all that it found, and does not count for distractors"


class Listed:
    """Finds its chunks, in their order."""

    def __init__(self, chunks: Sequence[Chunk]):
        self.chunks = chunks

    def search(self, questions: Sequence[Question], k: int) -> list[tuple[Hit, ...]]:
        return [ranked(self.chunks, [(number, 1.0) for number in range(min(k, len(self.chunks)))]) for _ in questions]


def test_the_next_ranked_passages_without_a_letter_of_evidence():
    chunks = [Chunk(f"c{n}", Span("d", 10 * n, 10 * n + 10), f"text {n}", "") for n in range(8)]
    evidence = {"q": (Evidence((Span("d", 19, 31),)),), "u": ()}
    found = Distracted(Listed(chunks), Listed(chunks), evidence, list).search([Question("q", "?"), Question("u", "?")], 1)
    assert [[(hit.chunk.id, hit.rank) for hit in hits] for hits in found] == [
        [("c0", 1), ("c4", 2), ("c5", 3)],
        [("c0", 1), ("c1", 2), ("c2", 3)],
    ]
    assert len(Distracted(Listed(chunks[:4]), Listed(chunks[:4]), evidence, list).search([Question("q", "?")], 1)[0]) == 1, "fewer are there"


def test_the_second_domain_is_asked_about_its_own_documents_with_and_without_the_adapter(done):
    context, second, _ = done
    folder = context.run.folder / "robustness"
    (bare,) = [f for f in sorted(folder.glob("untuned-*/second-domain")) if all(a.hits is None for a in read_jsonl_as(Answer, f / "answers.jsonl"))]
    tuned, untuned = answers(context, "robustness", "lora", "second-domain"), answers(context, *bare.relative_to(context.run.folder).parts)
    assert {key: a.prompt for key, a in tuned.items()} == {key: a.prompt for key, a in untuned.items()}
    assert {key: a.text for key, a in tuned.items()} != {key: a.text for key, a in untuned.items()}
    for arm in ("rag+lora", "oracle+lora"):
        hits = [hit for answer in answers(context, "robustness", arm, "second-domain").values() for hit in answer.hits or ()]
        assert hits and all(hit.chunk.span.document.startswith("b/") for hit in hits)
    assert len(list(folder.glob("untuned-*"))) == 3, "one a retriever"
    adapter = context.run.folder / read_json(context.run.seed_folder("lora", 3) / "fit.json")["adapter"]["folder"]
    own = Served(load_base(context.model.folder), adapter, context.study.max_new_tokens)
    there = load_domain(second).questions
    assert {key: own.complete([closed_book(there[key].text, "en")])[0].text for key in tuned} == {key: a.text for key, a in tuned.items()}


def by_hand(differences: list[tuple[str, float]]) -> tuple[float, float, float]:
    """Mean and 95 % interval: the jackknife over documents, straight from its definition."""
    values = [value for _, value in differences]
    documents = sorted({document for document, _ in differences})
    mean, n = sum(values) / len(values), len(values)
    without = [[v for d, v in differences if d != document] for document in documents]
    spread = sum((sum(rest) / len(rest) - mean) ** 2 for rest in without)
    se = max(sqrt((len(documents) - 1) / len(documents) * spread), 1 / n)
    df = n**2 / sum((n - len(rest)) ** 2 for rest in without) - 1
    half = t.ppf(0.975, df) * se
    return mean, max(-1.0, mean - half), min(1.0, mean + half)


def test_changes_are_paired_by_question_and_clustered_by_document(done, tmp_path):
    """On answers made by hand, because a tiny model has hardly any right."""
    context, _, _ = done
    run_folder = shutil.copytree(context.run.folder, tmp_path / context.run.folder.name)
    copy = prepare(context.study, tmp_path)
    assert copy.run.folder == run_folder
    match = registry.lookup("metric", "match").make
    test = [gold for _, gold in copy.domain.split("test")]
    clean_log, typed_log = copy.run.seed_folder("rag", 0) / "answers.jsonl", run_folder / "robustness" / "rag" / "typos" / "answers.jsonl"
    for log, right in ((clean_log, lambda i: i % 3 != 0), (typed_log, lambda i: i % 2 == 0)):
        rewrite(log, {gold.id: (gold.answers or ("I don't know.",))[0] if right(i) else "wrong" for i, gold in enumerate(test)})
    found = next(row for row in robustness(copy, ["rag"], None).rows if row.variant == "typos")
    scored = {log: {a.question: match(a, copy.domain.gold[a.question]) for a in read_jsonl_as(Answer, log)} for log in (clean_log, typed_log)}
    differences = [(gold.document, scored[typed_log][gold.id] - scored[clean_log][gold.id]) for gold in test]
    assert len({value for _, value in differences}) == 3
    assert (found.change, found.low, found.high) == pytest.approx(by_hand(differences))
    assert found.clean == pytest.approx(sum(scored[clean_log].values()) / len(test))
    assert found.score == pytest.approx(sum(scored[typed_log].values()) / len(test)) and found.questions == len(test)


def rewrite(log: Path, texts: dict[str, str]) -> None:
    """Give the stored answers other texts, as if the arm had said them."""
    write_jsonl(log, [replace(a, text=texts[a.question], outcome="ok") for a in read_jsonl_as(Answer, log)])
    note = log.parent / "done.json"
    write_json(note, {**read_json(note), "answers": file_sha256(log)})


def test_a_second_time_nothing_is_asked_and_no_model_is_loaded(done, monkeypatch):
    context, second, found = done

    def never(*_, **__):
        raise AssertionError("asked again")

    monkeypatch.setattr(robust, "compose", never)
    assert robustness(context, list(ARMS), second) == found


def test_a_killed_job_goes_on(done, tmp_path):
    context, second, found = done
    shutil.copytree(context.run.folder, tmp_path / context.run.folder.name)
    copy = prepare(context.study, tmp_path)
    log = copy.run.folder / "robustness" / "rag" / "typos" / "answers.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:4]) + lines[4][:20])
    (log.parent / "done.json").unlink()
    assert robustness(copy, list(ARMS), second) == found
    assert log.read_bytes().splitlines(keepends=True)[:4] == lines[:4]
    assert [a.text for a in read_jsonl_as(Answer, log)] == [
        a.text for a in read_jsonl_as(Answer, context.run.folder / log.relative_to(copy.run.folder))
    ]


def test_fewer_questions_are_spread_over_documents_and_asked_anew(done, tmp_path):
    context, _, _ = done
    shutil.copytree(context.run.folder, tmp_path / context.run.folder.name)
    copy = prepare(context.study, tmp_path)
    (row,) = robustness(copy, ["base"], None, questions=3).rows
    assert row.questions == 3 == len(answers(copy, "robustness", "base", "typos"))
    assert len({copy.domain.gold[key].document for key in answers(copy, "robustness", "base", "typos")}) == 3


def test_what_cannot_be_asked_is_one_line(done, tmp_path):
    context, _, _ = done
    with pytest.raises(InputError, match=r"unknown arm 'rga'\. Did you mean 'rag'\?"):
        robustness(context, ["rga"], None)
    shutil.copytree(context.run.folder, tmp_path / context.run.folder.name)
    copy = prepare(context.study, tmp_path)
    (copy.run.seed_folder("lora", 3) / "done.json").unlink()
    with pytest.raises(MissingError, match="arm 'lora' has not answered yet"):
        robustness(copy, ["rag", "lora"], None)


def test_an_arm_that_failed_on_every_question_is_a_row_without_figures(done, tmp_path):
    """Counted, never scored; and the other arms keep their rows."""
    context, second, found = done
    folder = tmp_path / "run"
    shutil.copytree(context.run.folder, folder)
    moved = replace(context, run=replace(context.run, folder=folder))
    log = folder / "robustness" / "rag" / "typos" / "answers.jsonl"
    write_jsonl(log, [replace(answer, outcome="error", text="") for answer in read_jsonl_as(Answer, log)])
    write_json(log.with_name("done.json"), {**read_json(log.with_name("done.json")), "answers": file_sha256(log)})
    rows = {(row.arm, row.variant): row for row in robustness(moved, list(ARMS), second).rows}
    failed = rows.pop(("rag", "typos"))
    assert (failed.questions, failed.clean, failed.score, failed.change, failed.low, failed.high) == (0, None, None, None, None, None)
    assert rows == {(row.arm, row.variant): row for row in found.rows if (row.arm, row.variant) != ("rag", "typos")}
