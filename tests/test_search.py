"""Settings are chosen on dev questions only, with one budget for all; a search that was killed goes on."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import question_lines, write_domain

from ragft import stages
from ragft import study as studies
from ragft.context import Context, adapter_plan, arm_seeds, seeds_of
from ragft.errors import DivergedError, InputError
from ragft.finetune import DEV_EXAMPLES
from ragft.foreword import foreword
from ragft.search import search, settle
from ragft.searched import RETRIEVAL, Searched, SearchResult, TrialRow, read_searched
from ragft.settings import Search, Study, load_study, save_study
from ragft.store import read_json, write_json
from ragft.study import prepare, run
from ragft.types import FitReport
from ragft.units import LATENCY_QUESTIONS, index_artifact
from ragft.views import search_text

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
TRIALS = 3
ARMS = {
    "rag": {"retriever": "auto"},
    "lora": {"tuning": "lora"},
    "rag+lora": {"retriever": "auto", "tuning": "lora"},
    "prompt": {"tuning": "prompt"},
    "oracle": {"retriever": "oracle"},
}
SETTINGS = {
    "embedder": None, "seeds": [0, 1], "chunk_tokens": 32, "context_tokens": 96, "k": 2, "max_new_tokens": 4, "batch_size": 4,
    "train_tokens": 1200, "train_batch_size": 4, "arms": ARMS, "search": {"trials": TRIALS, "train_tokens": 600},
}  # fmt: skip


def study_of(folder: Path, model: Path, **changes) -> Study:
    return Study.model_validate({"domain": str(folder), "model": str(model), **SETTINGS, **changes})


def without_seconds(found: Searched | None) -> list:
    assert found is not None
    return [(one.what, one.arm, one.chosen, one.value, [replace(trial, seconds=0.0) for trial in one.trials]) for one in found.results]


class Spy:
    """Every text that reached the model, in order: whole prompts that it answered, whole examples that it was trained or measured on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, model: Path):
        from ragft.generation import hf
        from ragft.tuning import train
        from ragft.weights import load_tokenizer

        self.answered, self.learned, self.searching = list[str](), list[str](), 0
        self.domains = list[object]()
        tokenizer, greedy, encode, searched = load_tokenizer(model), hf.greedy, train.encode_example, stages.search

        def spied_greedy(base, rows, *rest):
            self.answered += [tokenizer.decode(row) for row in rows]
            return greedy(base, rows, *rest)

        def spied_encode(example, *rest):
            encoded = encode(example, *rest)
            self.learned.append(tokenizer.decode(encoded.ids))
            return encoded

        def spied_search(context, watcher):
            settled = searched(context, watcher)
            self.searching = len(self.answered), len(self.learned)
            return settled

        monkeypatch.setattr(hf, "greedy", spied_greedy)
        monkeypatch.setattr(train, "encode_example", spied_encode)
        train._encoded.cache_clear()  # other tests learn from the same examples: here they are to be seen
        monkeypatch.setattr(stages, "search", spied_search)

    @property
    def while_searching(self) -> str:
        answered, learned = self.searching
        return "\n".join(self.answered[:answered] + self.learned[:learned])

    @property
    def afterwards(self) -> list[str]:
        return self.answered[self.searching[0] :]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model):
    """One searched run with everything that the model was given; read by several tests."""
    root = tmp_path_factory.mktemp("searched")
    study = study_of(write_domain(root / "works"), tiny_model)
    with pytest.MonkeyPatch.context() as patch:
        spy = Spy(patch, tiny_model)
        result = run(study, root / "runs")
    return study, result, root, spy


# ── dev questions only ───────────────────────────────────────────────────────────────────────────────────────────────


def test_no_test_question_reaches_the_model_while_settings_are_searched(finished):
    study, _, root, spy = finished
    domain = prepare(study, root / "elsewhere").domain
    seen = spy.while_searching
    assert [q.text for q, _ in domain.split("test") if q.text in seen] == []
    assert all(q.text in seen for q, _ in domain.split("dev"))  # the spy sees what is asked
    trained = [q.text for q, gold in domain.split("train") if gold.wording == 0]
    assert any(text in seen for text in trained)  # and what is learned


def test_each_test_question_is_asked_once_by_the_chosen_settings(finished):
    """Once in the batches of each arm and seed, and once more alone where the arm's latency is measured; never anything else."""
    study, _, root, spy = finished
    test = [question for question, _ in prepare(study, root / "elsewhere").domain.split("test")]
    step = max(1, len(test) // LATENCY_QUESTIONS)
    alone = {question.text for question in test[::step][:LATENCY_QUESTIONS]}
    units, arms = len(list(arm_seeds(study))), len(study.arms)
    asked = Counter(question.text for text in spy.afterwards for question in test if f"Question: {question.text}" in text)
    assert asked == {question.text: units + arms * (question.text in alone) for question in test}
    assert len(spy.afterwards) == sum(asked.values())


def test_the_search_is_handed_a_domain_without_test_questions(tmp_path, domain_folder, tiny_model, monkeypatch):
    from ragft import search as module

    handed, real = list[Context](), module._run_all

    def spied(context, *rest):
        handed.append(context)
        return real(context, *rest)

    monkeypatch.setattr(module, "_run_all", spied)
    context = prepare(study_of(domain_folder, tiny_model, arms={"rag": ARMS["rag"]}), tmp_path)
    search(context, studies.Silent())
    texts = {question.text for question, _ in context.domain.split("test")}
    assert texts and handed[0].domain.split("test") == []
    assert not texts & {question.text for question in handed[0].domain.questions.values()}
    assert not any(text in repr(handed[0]) for text in texts)


def test_other_answers_to_test_questions_choose_the_same_settings(finished, tmp_path, tiny_model):
    study, result, _, _ = finished
    lines = [line | {"answers": ["nothing of the kind"], "evidence": []} if line["split"] == "test" else line for line in question_lines()]
    lines = [
        line | {"document": "pumps/kova.md"} if not line["evidence"] and line["split"] == "test" else line for line in map(_with_evidence, lines)
    ]
    arms = {name: arm for name, arm in ARMS.items() if name != "oracle"}  # which needs evidence on test questions
    changed = prepare(study_of(write_domain(tmp_path / "works", lines=lines), tiny_model, arms=arms), tmp_path / "runs")
    assert changed.domain.sha256 != prepare(study, tmp_path / "runs").domain.sha256
    search(changed, studies.Silent())
    assert without_seconds(read_searched(changed.run)) == without_seconds(read_searched(result.run))


def _with_evidence(line: dict) -> dict:
    return {"evidence": [], **line}


FORMATS = [
    {"tuning": "lora", "format": "qa"},
    {"tuning": "lora", "format": "paraphrase", "format_options": {"wordings": 12}},
    {"tuning": "lora", "format": "mixed"},
    {"tuning": "lora", "format": "other-documents"},
    {"tuning": "lora", "format": "shuffled"},
    {"tuning": "lora", "format": "raft", "retriever": "bm25"},
    {"tuning": "lora"},
]


@pytest.mark.parametrize("arm", FORMATS, ids=lambda arm: arm.get("format", "by default"))
def test_training_examples_are_the_same_without_the_test_questions(tmp_path, domain_folder, tiny_model, arm):
    """So a trial trains on what the study will train on, and is kept away from the same texts and documents."""
    from ragft.build import open_index
    from ragft.finetune import _training_passages

    lines = [line | {"split": "train"} if line["id"] == "f8-0" else line for line in question_lines()]
    write_domain(
        domain_folder,
        lines=[*lines, {**lines[0], "id": "f1-3", "wording": 3, "split": "test", "question": "Tell me the maximum pressure of the Kova 30."}],
    )
    whole = prepare(study_of(domain_folder, tiny_model, arms={"rag": {"retriever": "bm25"}, "mine": arm}, search=None), tmp_path)
    blind = replace(whole, domain=whole.domain.without_test())
    index = index_artifact(whole, lambda done, total: None)
    parts = open_index(index.folder, index.sha256, None)
    examples = []
    for context in (whole, blind):
        plan = adapter_plan(context, context.study.arms["mine"], 0)
        questions = plan.domain.split("train")
        examples.append(plan.examples(plan.data(questions, parts.chunks, *_training_passages(plan, index.folder, parts, questions))))
    assert examples[0] == examples[1] and examples[0]
    assert whole.default_format == blind.default_format


def test_what_is_held_out_stays_known_without_the_test_questions(domain_folder):
    from ragft.domain import load_domain

    whole = load_domain(domain_folder)
    blind = whole.without_test()
    for question, gold in whole.split("dev") + whole.split("test") + whole.split("train"):
        assert whole.holds_out(question.text) == blind.holds_out(question.text) == (gold.split != "train")
        assert blind.holds_out(question.text.upper().replace("?", " !")) == (gold.split != "train")
    assert blind.tested_documents == whole.tested_documents != frozenset()
    assert (blind.language, blind.trains_tested_facts, blind.sha256) == (whole.language, whole.trains_tested_facts, whole.sha256)
    assert blind.without_test() == blind


# ── what is searched, with what budget ───────────────────────────────────────────────────────────────────────────────


def test_every_search_has_the_same_budget_and_chooses_its_best_trial(finished):
    _, result, _, _ = finished
    found = read_searched(result.run)
    assert found is not None
    assert [(one.what, one.arm) for one in found.results] == [(RETRIEVAL, "rag"), ("lora qa", "lora"), ("prompt qa", "prompt")]
    for one in found.results:
        assert [trial.number for trial in one.trials] == list(range(1, TRIALS + 1))
        complete = [trial for trial in one.trials if trial.state == "complete"]
        best = (max if one.what == RETRIEVAL else min)(trial.value for trial in complete)
        assert one.value == best and one.chosen in [trial.params for trial in complete if trial.value == best]
        assert all(trial.seconds > 0 and trial.curve for trial in one.trials)
    rates = {one.what: [trial.params["learning_rate"] for trial in one.trials] for one in found.results[1:]}
    assert rates == {"lora qa": [0.003, 0.009, 0.001], "prompt qa": [0.03, 0.09, 0.01]}
    assert found.results[0].trials[0].params == {"chunk_tokens": 32, "retriever": "bm25", "k": 2}  # the study's own


def test_a_trial_sees_the_dev_questions_of_the_budget_and_says_so(finished):
    study, result, root, _ = finished
    dev = len(prepare(study, root / "elsewhere").domain.split("dev"))
    found = read_searched(result.run)
    assert found is not None and dev < DEV_EXAMPLES
    assert found.results[0].objective == f"match of the untuned model on {dev} dev questions; of equals, the higher recall"
    assert found.results[1].objective == f"loss in nats per answer token on {dev} dev questions, after 600 training tokens"


def test_the_study_runs_with_what_was_chosen_and_is_stored_as_written(finished):
    study, result, _, _ = finished
    found, folder = read_searched(result.run), result.run.folder
    assert found is not None
    chosen = {one.what: one.chosen for one in found.results}
    slots = {name: read_json(folder / "arms" / name / "arm.json") for name in ARMS}
    for name in ("rag", "rag+lora"):
        assert (slots[name]["retriever"], slots[name]["k"]) == (chosen[RETRIEVAL]["retriever"], chosen[RETRIEVAL]["k"])
    assert slots["oracle"]["retriever"] == "oracle" and slots["oracle"]["k"] == chosen[RETRIEVAL]["k"]
    assert slots["lora"]["learning_rate"] == slots["rag+lora"]["learning_rate"] == chosen["lora qa"]["learning_rate"]
    assert slots["prompt"]["learning_rate"] == chosen["prompt qa"]["learning_rate"]
    fits = {name: read_json(result.run.seed_folder(name, 1) / "fit.json") for name in ("lora", "rag+lora")}
    assert fits["lora"]["adapter"]["sha256"] == fits["rag+lora"]["adapter"]["sha256"]
    written = load_study(folder / "study.yaml")
    assert written.arms == study.arms and written.chunk_tokens == study.chunk_tokens


def test_trial_adapters_and_the_indexes_that_were_not_chosen_are_thrown_away(finished):
    _, result, _, _ = finished
    kinds = Counter(path.name.split("-")[0] for path in (result.run.folder / "artifacts").iterdir())
    assert kinds == {"index": 1, "adapter": 2 * 2}
    assert [path.name for path in (result.run.folder / "search").iterdir()] == ["trials.db"]


def test_what_an_arm_states_is_not_searched(tmp_path, domain_folder, tiny_model):
    arms = {
        "rag": {"retriever": "bm25", "k": 1},
        "rag+lora": {"retriever": "bm25", "k": 1, "tuning": "lora"},
        "fixed": {"tuning": "lora", "learning_rate": 0.5},
    }
    context = prepare(study_of(domain_folder, tiny_model, arms=arms), tmp_path)
    settled = search(context, studies.Silent())
    found = read_searched(context.run)
    assert found is not None
    passages, lora = found.results
    assert {(trial.params["retriever"], trial.params["k"]) for trial in passages.trials} == {("bm25", 1)}
    assert passages.trials[0].params["chunk_tokens"] == 32
    assert sorted(trial.params["chunk_tokens"] for trial in passages.trials) == [16, 32, 64]
    assert (lora.what, lora.arm) == ("lora qa", "rag+lora")
    assert settled.study.arms["fixed"].learning_rate == 0.5
    assert settled.study.arms["rag+lora"].learning_rate == lora.chosen["learning_rate"]


def test_every_open_setting_takes_what_was_chosen(tmp_path, domain_folder, tiny_model):
    arms = {**ARMS, "mine": {"retriever": "bm25", "k": 1}, "half": {"retriever": "bm25"}, "fixed": {"tuning": "lora", "learning_rate": 0.5}}
    context = prepare(study_of(domain_folder, tiny_model, arms=arms), tmp_path)
    results = [
        SearchResult(RETRIEVAL, "rag", "", {"chunk_tokens": 16, "retriever": "hybrid", "k": 4}, 1.0, ()),
        SearchResult("lora qa", "lora", "", {"learning_rate": 0.07}, 1.0, ()),
    ]
    settled = settle(context, results).study
    assert settled.chunk_tokens == 16
    assert {name: (arm.retriever, arm.k, arm.learning_rate) for name, arm in settled.arms.items()} == {
        "rag": ("hybrid", 4, None),
        "lora": (None, None, 0.07),
        "rag+lora": ("hybrid", 4, 0.07),
        "prompt": (None, None, None),
        "oracle": ("oracle", 4, None),
        "mine": ("bm25", 1, None),
        "half": ("bm25", 4, None),
        "fixed": (None, None, 0.5),
    }


def test_without_a_search_nothing_is_changed(tmp_path, domain_folder, tiny_model):
    context = prepare(study_of(domain_folder, tiny_model, search=None), tmp_path)
    assert search(context, studies.Silent()) is context
    assert not context.run.folder.exists()


# ── trials that end early or fail ────────────────────────────────────────────────────────────────────────────────────


def trained(losses):
    """A training whose dev losses are `losses(learning_rate)`: what a trial makes of them is under test."""

    def build(plan, index, parts, folder, progress, checkpoint=None, watch=lambda tokens, dev_loss: None):
        found = losses(plan.learning_rate)
        for number, loss in enumerate(found, start=1):
            tokens = plan.train_tokens * number // len(found)
            progress(tokens, plan.train_tokens)
            watch(tokens, loss)
        return FitReport(0.0, 0)

    return build


def rows_of(monkeypatch, context: Context, losses) -> list[TrialRow]:
    monkeypatch.setattr("ragft.search.build_adapter", trained(losses))
    search(context, studies.Silent())
    found = read_searched(context.run)
    assert found is not None
    return list(found.results[1].trials)


@pytest.fixture
def one_adapter(tmp_path, domain_folder, tiny_model):
    arms = {"rag": {"retriever": "bm25", "k": 1}, "lora": {"tuning": "lora"}}
    return prepare(study_of(domain_folder, tiny_model, arms=arms, search={"trials": 5, "train_tokens": 600}), tmp_path)


# Measured: LoRA on SmolLM2-135M, 2,000 tokens. The best rate is behind at all looks but the last.
SLOW, BEST, HIGH = [3.968, 3.749, 3.664, 3.610], [4.828, 4.013, 3.671, 3.471], [8.154, 6.788, 5.974, 5.3]


def test_a_training_that_is_behind_goes_on_while_it_can_still_win(monkeypatch, one_adapter):
    slow, best, high, *_ = rows_of(monkeypatch, one_adapter, lambda rate: {0.003: SLOW, 0.009: BEST, 0.001: HIGH}.get(rate, SLOW))
    assert (slow.state, slow.value) == ("complete", 3.610)
    assert (best.state, best.value) == ("complete", 3.471)
    assert (high.state, high.value, [loss for _, loss in high.curve]) == ("pruned", None, HIGH[:3])


def test_a_training_that_stands_still_is_ended_at_the_second_look(monkeypatch, one_adapter):

    own, still, *_ = rows_of(monkeypatch, one_adapter, lambda rate: [6.0, 6.0, 6.0, 6.0, 6.0] if rate == 0.009 else [5.0, 4.0, 3.0, 2.0, 2.0])
    assert (own.state, own.value, len(own.curve)) == ("complete", 2.0, 5)
    assert (still.state, still.value, still.curve) == ("pruned", None, ((120, 6.0), (240, 6.0)))


def test_a_control_takes_the_rate_of_what_it_is_a_control_for(monkeypatch, tmp_path, domain_folder, tiny_model):
    control = {"tuning": "lora", "format": "shuffled"}
    arms = {"rag": {"retriever": "bm25", "k": 1}, "control": control, "lora": {"tuning": "lora"}, "own": {**control, "learning_rate": 0.5}}
    monkeypatch.setattr("ragft.search.build_adapter", trained(lambda rate: [9.0, 8.0] if rate != 0.009 else [9.0, 2.0]))
    context = prepare(study_of(domain_folder, tiny_model, arms=arms), tmp_path)
    settled = search(context, studies.Silent())
    found = read_searched(context.run)
    assert found is not None and [(one.what, one.arm) for one in found.results] == [("retrieval", "rag"), ("lora qa", "lora")]
    assert {name: arm.learning_rate for name, arm in settled.study.arms.items() if arm.tuning} == {"control": 0.009, "lora": 0.009, "own": 0.5}
    alone = prepare(study_of(domain_folder, tiny_model, arms={"rag": arms["rag"], "control": control}), tmp_path)
    assert search(alone, studies.Silent()).study.arms["control"].learning_rate == 0.009, "there is nothing to take it from"


def test_a_finished_training_keeps_its_value_however_bad_it_is(monkeypatch, one_adapter):
    _, second, *_ = rows_of(monkeypatch, one_adapter, lambda rate: [9.0, 8.0, 7.0, 6.0, 5.0] if rate == 0.003 else [9.0, 8.0, 7.0, 6.0, 5.5])
    assert (second.state, second.value) == ("complete", 5.5)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_training_that_comes_apart_is_a_failed_trial_of_the_budget(monkeypatch, one_adapter, broken):
    rows = rows_of(monkeypatch, one_adapter, lambda rate: [3.0, broken] if rate == 0.009 else [3.0, 2.0])
    assert [row.state for row in rows].count("failed") == 1 and len(rows) == 5
    assert rows[1].value is None and rows[1].params == {"learning_rate": 0.009}
    found = read_searched(one_adapter.run)
    assert found is not None and found.results[1].chosen["learning_rate"] != 0.009


def test_where_every_training_comes_apart_the_remedy_is_said(monkeypatch, one_adapter):
    def apart(*_, **__):
        raise DivergedError("training came apart at step 1: the loss is nan. Lower learning_rate (0.003).")

    monkeypatch.setattr("ragft.search.build_adapter", apart)
    with pytest.raises(
        InputError,
        match=r"^search lora qa: all 5 trials failed; the last: training came apart .* Lower learning_rate \(0\.003\)\. State one on arm 'lora'\.$",
    ):
        search(one_adapter, studies.Silent())
    assert read_searched(one_adapter.run) is None


class Skilled:
    """An arm whose answers depend on its settings only: right on so many of the dev questions, and failing on so many of the last."""

    def __init__(self, right: int, failing: int = 0, batch_size: int = 8):
        self.right, self.failing, self.size = right, failing, batch_size

    def prepare(self, questions):
        from ragft.arms import Batch

        return [
            Batch(first // self.size, tuple(part), (None,) * len(part), (), 0.0)
            for first in range(0, len(questions), self.size)
            for part in [questions[first : first + self.size]]
        ]

    def answer(self, batch):
        from ragft.types import Answer

        def answer(key: str):
            number = int(key.removeprefix("d"))
            if number >= 40 - self.failing:
                return Answer(key, "", "error", None, "", None, batch.number, "RuntimeError: too long")
            return Answer(key, "42 bar" if number < self.right else "wrong", "ok", None, "", None, batch.number)

        return [answer(q.id) for q in batch.questions]


def forty_questions(folder, model, **changes):
    dev = [
        {"id": f"d{number}", "split": "dev", "question": f"What is number {number}?", "answers": ["42 bar"], "document": "faq.html"}
        for number in range(40)
    ]
    lines = [line for line in question_lines() if line["split"] != "dev"]
    return study_of(
        write_domain(folder, lines=[*lines, *dev]), model, arms={"rag": ARMS["rag"]}, search={"trials": 50, "dev_questions": 40}, **changes
    )


def test_a_setting_that_breaks_on_questions_does_not_win_by_the_others(tmp_path, tiny_model, monkeypatch):
    """With four passages of 16 tokens all that is answered is right, and ten questions fail; with one of 32, 32 of 40 are right."""
    kinds = {(16, 4): Skilled(30, failing=10), (32, 1): Skilled(32), (64, 1): Skilled(0, failing=40)}
    monkeypatch.setattr("ragft.search.compose", lambda context, arm, index, adapter: kinds.get((context.study.chunk_tokens, arm.k), Skilled(28)))
    context = prepare(forty_questions(tmp_path / "works", tiny_model), tmp_path / "runs")
    settled = search(context, studies.Silent())
    found = read_searched(context.run)
    assert found is not None
    assert (settled.study.chunk_tokens, settled.study.arms["rag"].k) == (32, 1) and "failed" not in found.results[0].objective
    rows = {(trial.params["chunk_tokens"], trial.params["k"]): trial for trial in found.results[0].trials}
    assert rows[16, 4].value in (0.75, None) and rows[16, 4].missing > 0
    assert rows[64, 1].state in ("failed", "pruned") and rows[64, 1].value is None


def test_failed_answers_of_the_chosen_setting_are_said(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setattr("ragft.search.compose", lambda context, arm, index, adapter: Skilled(30, failing=2))
    context = prepare(forty_questions(tmp_path / "works", tiny_model), tmp_path / "runs")
    search(context, studies.Silent())
    found = read_searched(context.run)
    assert found is not None and found.results[0].objective.endswith("; 2 answers failed and count as wrong here")


def test_where_every_answer_fails_nothing_is_chosen(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setattr("ragft.search.compose", lambda context, arm, index, adapter: Skilled(0, failing=40))
    context = prepare(forty_questions(tmp_path / "works", tiny_model), tmp_path / "runs")
    with pytest.raises(InputError, match=r"search retrieval: all 8 trials failed; the last: .* failed on all 40 dev questions.*Try another model"):
        search(context, studies.Silent())


def test_retrieval_takes_what_answers_best_and_ends_what_is_surely_worse(tmp_path, tiny_model, monkeypatch):
    right = {(32, 2): 30, (16, 2): 0, (16, 1): 1, (32, 1): 36}
    monkeypatch.setattr("ragft.search.compose", lambda context, arm, index, adapter: Skilled(right.get((context.study.chunk_tokens, arm.k), 20)))
    context = prepare(forty_questions(tmp_path / "works", tiny_model), tmp_path / "runs")
    settled = search(context, studies.Silent())
    found = read_searched(context.run)
    assert found is not None
    rows = {(trial.params["chunk_tokens"], trial.params["k"]): trial for trial in found.results[0].trials}
    assert set(rows) == {(16, 1), (16, 2), (16, 3), (16, 4), (32, 1), (32, 2), (32, 3), (64, 1)}  # k x chunk_tokens fits 96 tokens
    assert (settled.study.chunk_tokens, settled.study.arms["rag"].k, found.results[0].value) == (32, 1, 0.9)
    assert rows[32, 2].curve[-1] == (40, 0.75) and rows[32, 2].value == 0.75
    for ended in (rows[16, 1], rows[16, 2]):
        assert ended.state == "pruned" and ended.value is None and ended.curve[-1][0] == 16  # after two batches of eight
    assert index_artifact(settled, lambda done, total: pytest.fail("built again")).folder.is_dir()


# ── stopped, repeated, refused ───────────────────────────────────────────────────────────────────────────────────────


def test_a_finished_search_runs_nothing_again(finished, monkeypatch):
    study, result, root, _ = finished
    before = (result.run.folder / "search.json").read_bytes()
    monkeypatch.setattr("ragft.search._run_all", lambda *_: pytest.fail("searched again"))
    assert run(study, root / "runs").run.folder == result.run.folder
    assert (result.run.folder / "search.json").read_bytes() == before


def test_a_search_of_other_inputs_is_not_taken(finished, tmp_path, tiny_model):
    study, result, _, _ = finished
    context = prepare(study_of(Path(study.domain), tiny_model, arms={"rag": ARMS["rag"]}), tmp_path)
    found = read_searched(result.run)
    assert found is not None
    write_json(context.run.folder / "search.json", replace(found, inputs="other"))
    search(context, studies.Silent())
    again = read_searched(context.run)
    assert again is not None and [one.what for one in again.results] == [RETRIEVAL]


def test_killed_in_the_middle_it_ends_with_the_same_trials(finished, tmp_path):
    """The command is killed when the fourth trial has begun; the same study then goes on to the same outcome."""
    study, result, _, _ = finished
    path, runs = tmp_path / "study.yaml", tmp_path / "runs"
    save_study(study, path)
    process = subprocess.Popen(
        [sys.executable, "-m", "ragft", "run", str(path), "--runs", str(runs)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and len(_begun(runs)) < 4:
        time.sleep(0.002)
    assert process.poll() is None, "the search ended before it was killed: give it more to do"
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = _begun(runs)
    assert 4 <= len(killed) < 3 * TRIALS and not list(runs.glob("*/search.json"))
    context = prepare(study, runs)
    with context.run.locked():
        context.run.sweep()
        search(context, studies.Silent())
    assert without_seconds(read_searched(context.run)) == without_seconds(read_searched(result.run))
    states = Counter(state for _, state in _begun(runs))
    assert states["COMPLETE"] + states["PRUNED"] == 3 * TRIALS and states["RUNNING"] == 0
    assert list(context.run.folder.glob("search/.*")) == []


def _begun(runs: Path) -> list[tuple[int, str]]:
    """(number, state) of every trial that a run's storage holds."""
    for path in runs.glob("*/search/trials.db"):
        with suppress(sqlite3.OperationalError):  # being made at this very moment
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                return database.execute("select number, state from trials").fetchall()
            finally:
                database.close()
    return []


def test_a_search_without_dev_questions_is_refused_before_anything_starts(tmp_path, tiny_model):
    folder = write_domain(tmp_path / "works", lines=[line for line in question_lines() if line["split"] != "dev"])
    with pytest.raises(InputError, match="search chooses settings by dev questions, and there is none"):
        prepare(study_of(folder, tiny_model), tmp_path / "runs")
    assert prepare(study_of(folder, tiny_model, search=None), tmp_path / "runs").study.search is None


def test_trials_too_short_for_a_batch_are_refused_before_anything_starts(tmp_path, domain_folder, tiny_model):
    with pytest.raises(InputError, match=r"arm 'lora': search\.train_tokens \(20\) does not hold one batch of 4 examples"):
        prepare(study_of(domain_folder, tiny_model, search={"train_tokens": 20}), tmp_path)


def test_a_trial_trains_on_a_quarter_unless_told():
    assert Search().trial_tokens(40_000) == 10_000 and Search(train_tokens=7).trial_tokens(40_000) == 7


def test_what_the_search_goes_by_makes_another_run(tmp_path, domain_folder, tiny_model):
    """Without a search a metric only reads stored answers again; with one it chooses the settings that gave them."""
    plain, searched = (study_of(domain_folder, tiny_model, search=budget) for budget in (None, SETTINGS["search"]))
    for study, same in ((plain, True), (searched, False)):
        other = study.model_copy(update={"metric": "token_f1"})
        assert (prepare(study, tmp_path).run == prepare(other, tmp_path).run) == same


def test_the_budget_is_said_before_and_the_outcome_after(finished, tmp_path):
    study, result, _, _ = finished
    said = foreword(prepare(study, tmp_path)).splitlines()[1]
    assert (
        said
        == "First, settings are chosen on 3 dev questions only: 3 trials for retrieval, then as many for each of 2 kinds of adapter (600 training tokens a trial)."
    )
    (table,) = search_text(result.run)
    assert "retrieval" in table and "chunk_tokens" in table and "lora qa" in table and "learning_rate" in table
    page = (result.run.folder / "report.html").read_text(encoding="utf-8")
    assert "(chosen by search)" in page and "retriever auto =" not in page
    assert json.loads((result.run.folder / "search.json").read_text())["results"][0]["what"] == RETRIEVAL


def test_the_first_seed_of_the_arm_is_searched(tmp_path, domain_folder, tiny_model, monkeypatch):
    arms = {"rag": {"retriever": "bm25", "k": 1}, "lora": {"tuning": "lora", "seeds": [7, 1]}}
    context = prepare(study_of(domain_folder, tiny_model, arms=arms), tmp_path)
    seeds = []

    def build(plan, *rest, watch):
        seeds.append(plan.seed)
        watch(plan.train_tokens, 1.0)

    monkeypatch.setattr("ragft.search.build_adapter", build)
    search(context, studies.Silent())
    assert seeds == [7] * TRIALS and seeds_of(context.study, context.study.arms["lora"])[0] == 7
