"""What training cannot do is said before anything slow."""

from __future__ import annotations

import pytest

from ragft import weights
from ragft.context import adapter_plan, index_plan
from ragft.errors import InputError
from ragft.rehearsal import least_batch_tokens
from ragft.settings import Study
from ragft.study import prepare, run
from ragft.tuning.formats import TrainingData
from ragft.tuning.rows import encode_example, plan_batches

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


def test_least_batch_is_never_more_than_a_real_one(tiny_study, tmp_path):
    from ragft import registry

    context = prepare(study_of(tiny_study), tmp_path)
    plan = adapter_plan(context, context.study.arms["mine"], 0)
    questions = plan.domain.split("train")
    data = TrainingData(questions, (), "en", 0, 2, list, {}, {})
    tokenizer = weights.load_tokenizer(plan.model.folder)
    encoded = [encode_example(example, tokenizer) for example in registry.lookup("format", "qa").make(data)]
    batches = [batch for batch in plan_batches(encoded, 5000, plan.train_batch_size, 0) if len(batch) == plan.train_batch_size]
    sizes = [sum(len(encoded[i].ids) for i in batch) for batch in batches]
    least = least_batch_tokens(index_plan(context), plan)
    assert 0.5 * min(sizes) < least <= min(sizes)


def test_run_that_began_is_not_rehearsed_again(tiny_study, tmp_path, monkeypatch):
    study = study_of(tiny_study)
    run(study, tmp_path)
    monkeypatch.setattr("ragft.rehearsal.rehearse", lambda *_: pytest.fail("rehearsed"))
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
