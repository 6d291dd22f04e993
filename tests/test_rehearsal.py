"""What training cannot do is said before anything slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragft import weights
from ragft.context import adapter_plan, opened
from ragft.errors import InputError
from ragft.finetune import SPARE_DISTRACTORS, training_examples
from ragft.retrieval.bm25 import Bm25
from ragft.settings import Search, Study
from ragft.study import prepare, run
from ragft.tuning.rows import encode_example, plan_batches
from ragft.units import index_artifact

ARMS = {"rag": {"retriever": "bm25"}, "mine": {"tuning": "lora"}}


def study_of(tiny_study, **changes) -> Study:
    return Study.model_validate({**tiny_study.model_dump(), "arms": ARMS, **changes})


@pytest.mark.parametrize("options", [{"rank": 0}, {"rank": "abc"}, {"rank": 4.5}, {"dropout": 2}, {"alpha": "x"}])
def test_option_that_the_method_cannot_take_names_the_arm(tiny_study, tmp_path, monkeypatch, options):
    monkeypatch.setattr(weights, "load_model", lambda folder: pytest.fail("weights were loaded"))
    study = study_of(tiny_study, arms={"rag": {"retriever": "bm25"}, "mine": {"tuning": "lora", "options": options}})
    (name, value), *_ = options.items()
    wanted = rf"^arm 'mine': tuning 'lora' cannot be set up on this model with options {{{name}: {value}}} \(.+\)"
    with pytest.raises(InputError, match=wanted) as caught:
        run(study, tmp_path / "runs")
    assert "\n" not in str(caught.value) and not (tmp_path / "runs").exists()


def test_method_that_does_not_fit_the_model_is_said_in_plain_words(tiny_study, tmp_path):
    from tiny import save_tiny_model

    model = str(save_tiny_model(tmp_path / "gpt2", "gpt2"))
    study = study_of(tiny_study, model=model, arms={"rag": {"retriever": "bm25"}, "mine": {"tuning": "boft"}})
    wanted = r"^arm 'mine': tuning 'boft' cannot be set up on this model: it needs layers .* a gpt2 model has Conv1D\. Take another tuning, such as lora\.$"
    with pytest.raises(InputError, match=wanted):
        run(study, tmp_path / "runs")


@pytest.mark.parametrize(
    "arm", [{"tuning": "lora", "format": name} for name in ("qa", "text", "mixed")] + [{"tuning": "lora", "format": "raft", "retriever": "bm25"}]
)
def test_budget_below_one_batch_is_said_first(tiny_study, tmp_path, arm):
    with pytest.raises(InputError, match=r"^arm 'mine': train_tokens \(10\) does not hold one batch of 4 examples \(at least \d+ tokens\)"):
        prepare(study_of(tiny_study, arms={"rag": {"retriever": "bm25"}, "mine": arm}, train_tokens=10), tmp_path / "runs")
    assert prepare(study_of(tiny_study, arms={"rag": {"retriever": "bm25"}, "mine": arm}), tmp_path / "runs").study.arms["mine"].tuning


FORMATS = [{"format": name} for name in ("qa", "paraphrase", "text", "mixed", "shuffled")]


@pytest.mark.parametrize("form", FORMATS)
def test_budget_is_refused_where_training_would_and_only_there(tiny_study, tmp_path, monkeypatch, form):
    """To the token: the larger of the first batches of the two seeds."""
    study = study_of(tiny_study, arms={"rag": {"retriever": "bm25"}, "mine": {"tuning": "lora", **form}})
    needed = max(first_batches(study, tmp_path))
    assert needed != min(first_batches(study, tmp_path)) or form["format"] == "text"
    monkeypatch.setattr(weights, "load_model", lambda folder: pytest.fail("weights were loaded"))
    message = rf"^arm 'mine': train_tokens \({needed - 1}\) does not hold one batch of 4 examples \(at least {needed} tokens\)\. Raise it, or lower"
    with pytest.raises(InputError, match=message):
        prepare(study.model_copy(update={"train_tokens": needed - 1}), tmp_path / "runs")
    prepare(study.model_copy(update={"train_tokens": needed}), tmp_path / "runs")


def first_batches(study: Study, folder: Path) -> list[int]:
    """Tokens of the first batch of each seed, by the code that trains."""
    context = prepare(study, folder / "measured")
    index = index_artifact(context, lambda done, total: None)
    tokenizer, found = weights.load_tokenizer(context.model.folder), []
    for seed in study.seeds:
        plan = adapter_plan(context, context.study.arms["mine"], seed)
        encoded = [encode_example(example, tokenizer) for example in training_examples(plan, index.folder, opened(context, index))]
        found.append(sum(len(encoded[i].ids) for i in plan_batches(encoded, 100_000, plan.train_batch_size, seed)[0]))
    return found


RAFT = {"rag": {"retriever": "bm25"}, "lora": {"tuning": "lora"}, "mine": {"tuning": "lora", "format": "raft", "retriever": "bm25"}}


def test_batch_with_passages_is_measured_before_the_first_training(tiny_study, tmp_path, monkeypatch):
    """Without an index only a batch that is too large even without passages is refused; what is searched to measure it is not searched again."""
    study = study_of(tiny_study, arms=RAFT)
    needed = max(first_batches(study, tmp_path))
    short = study.model_copy(update={"train_tokens": needed - 1})
    prepare(short, tmp_path / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(weights, "load_model", lambda folder: pytest.fail("weights were loaded"))
        for _ in range(2):  # said again where the run is started again
            with pytest.raises(InputError, match=rf"^arm 'mine': train_tokens \({needed - 1}\) .* \(at least {needed} tokens\)"):
                run(short, tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("*/arms"))
    asked, search = [], Bm25.search
    monkeypatch.setattr(Bm25, "search", lambda self, questions, k: asked.append((len(questions), k)) or search(self, questions, k))
    run(study.model_copy(update={"train_tokens": needed}), tmp_path / "runs")
    assert [number for number, k in asked if k == study.k + SPARE_DISTRACTORS] == [13], "once for both seeds"


def test_trials_are_measured_with_the_passages_that_were_chosen(tiny_study, tmp_path, monkeypatch):
    search = {"trials": 1, "train_tokens": 10_000}
    study = study_of(tiny_study, arms={"rag": {"retriever": "bm25"}, "mine": RAFT["mine"] | {"k": 2}}, search=search)
    needed = first_batches(study, tmp_path)[0]
    monkeypatch.setattr("ragft.search.build_adapter", lambda *args, **options: pytest.fail("trained"))
    with pytest.raises(InputError, match=rf"^arm 'mine': search\.train_tokens \({needed - 1}\) .* \(at least {needed} tokens\)"):
        run(study.model_copy(update={"search": Search(trials=1, train_tokens=needed - 1)}), tmp_path / "runs")


def test_trials_that_no_adapter_needs_are_not_measured(tiny_study, tmp_path):
    arms = {"rag": {"retriever": "bm25"}, "mine": {"tuning": "lora", "learning_rate": 0.01}}
    prepare(study_of(tiny_study, arms=arms, search={"trials": 1, "train_tokens": 1}), tmp_path)
    arms["mine"].pop("learning_rate")
    with pytest.raises(InputError, match=r"^arm 'mine': search\.train_tokens \(1\)"):
        prepare(study_of(tiny_study, arms=arms, search={"trials": 1, "train_tokens": 1}), tmp_path)


def test_run_that_began_is_not_rehearsed_again(tiny_study, tmp_path, monkeypatch):
    study = study_of(tiny_study)
    run(study, tmp_path)
    monkeypatch.setattr("ragft.readiness.rehearse", lambda *_: pytest.fail("rehearsed"))
    prepare(study, tmp_path)


def test_missing_note_of_a_finished_arm_is_written_again(tiny_study, tmp_path):
    study = study_of(tiny_study, arms={"rag": {"retriever": "bm25"}})
    done = run(study, tmp_path)
    folder = done.run.seed_folder("rag", 0)
    answers = (folder / "answers.jsonl").read_bytes()
    (folder / "fit.json").unlink()
    (folder.parent / "arm.json").unlink()
    assert run(study, tmp_path).decision == done.decision
    assert (folder / "fit.json").is_file() and (folder / "answers.jsonl").read_bytes() == answers
