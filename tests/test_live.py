"""A question that is asked now gets the answer that the run gave, word by word as it comes; what cannot be asked says why."""

from __future__ import annotations

import shutil
from itertools import pairwise

import pytest
from made_run import EVIL, Plan, make_run
from tiny import write_domain

from ragft.errors import InputError, MissingError
from ragft.live import open_live, release
from ragft.material import read_material
from ragft.settings import Study
from ragft.store import Run, read_json, read_jsonl_as, write_json
from ragft.study import run
from ragft.types import Answer

ARMS = {
    "base": {},
    "oracle": {"retriever": "oracle"},
    "rag": {"retriever": "bm25 + neighbours"},
    "dense": {"retriever": "dense"},
    "rag+lora": {"retriever": "bm25 + neighbours", "tuning": "lora"},
    "prefix": {"tuning": "prefix"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model, tiny_embedder) -> Run:
    """A run of six arms whose documents and study are gone."""
    folder = tmp_path_factory.mktemp("live")
    study = Study(
        domain=str(write_domain(folder / "works")), model=str(tiny_model), embedder=str(tiny_embedder), arms=ARMS, seeds=(0, 1), chunk_tokens=32,
        context_tokens=96, k=2, max_new_tokens=8, batch_size=4, train_tokens=1500, train_batch_size=4,
    )  # fmt: skip
    done = run(study, folder / "runs").run
    shutil.rmtree(folder / "works")
    return done


def live_of(done: Run):
    return open_live(read_material(done))


@pytest.mark.parametrize("arm", ARMS)
def test_held_out_questions_are_answered_as_in_the_run(finished, arm):
    live = live_of(finished)
    ready = next(one for one in live.ready if one.arm == arm)
    assert (ready.why_not, ready.seed) == ("", 0)
    stored = read_jsonl_as(Answer, finished.seed_folder(arm, 0) / "answers.jsonl")
    assert any(answer.text for answer in stored)
    for answer in stored[:3]:
        parts = list[str]()
        asked = live.ask(arm, live.m.questions[answer.question], parts.append)
        found = asked.answer
        assert (found.question, found.text, found.outcome, found.prompt) == (answer.question, answer.text, answer.outcome, answer.prompt)
        assert [hit.chunk.id for hit in found.hits or ()] == [hit.chunk.id for hit in answer.hits or ()]
        assert parts[-1] == found.text
        assert len(parts) > 1 and all(len(one) <= len(other) for one, other in pairwise(parts))
        assert asked.seconds > 0


def test_a_question_of_ones_own(finished):
    live = live_of(finished)
    asked = live.ask("rag", f"How heavy is the Kova 30? {EVIL}")
    assert asked.answer.question == "asked"
    assert asked.answer.hits[0].chunk.span.document == "pumps/kova.md"
    with pytest.raises(InputError, match="gold passages"):
        live.ask("oracle", "How heavy is it?")
    with pytest.raises(InputError, match="unknown arm 'rga'"):
        live.ask("rga", "How heavy is it?")


def test_what_hears_an_answer_can_end_it(finished):
    class EnoughError(Exception):
        pass

    heard = list[str]()

    def stop(text: str) -> None:
        heard.append(text)
        raise EnoughError

    live, text = live_of(finished), "What does the Kova 30 weigh?"
    whole = live.ask("rag+lora", text).answer
    with pytest.raises(EnoughError):
        live.ask("rag+lora", text, stop)
    assert len(heard) == 1
    assert live.ask("rag+lora", text).answer.text == whole.text  # nothing of the broken one is left


def test_what_loading_takes(finished):
    from ragft.weights import load_base

    size = live_of(finished).size()
    model = load_base(live_of(finished).base.folder).model
    stored = sum(parameter.numel() for parameter in model.parameters())
    assert size.parameters == stored
    assert size.memory_bytes == 4 * stored
    release()


def test_what_is_gone_is_said_for_the_arms_that_need_it(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    fit = read_json(copy / "arms" / "rag+lora" / "seed-0" / "fit.json")
    shutil.rmtree(copy / fit["adapter"]["folder"])
    manifest = read_json(copy / "manifest.json")
    write_json(copy / "manifest.json", {**manifest, "embedder": {**manifest["embedder"], "sha256": "0"}})
    live = live_of(Run(copy))
    why = {one.arm: one.why_not for one in live.ready}
    assert (why["base"], why["rag"], why["oracle"], why["prefix"]) == ("", "", "", "")
    assert why["rag+lora"].startswith("its adapter is not there.")
    assert "is not the one that the run was made with" in why["dense"]
    assert live.ask("base", "How heavy is it?").answer.text
    with pytest.raises(MissingError, match="arm 'rag\\+lora': its adapter"):
        live.ask("rag+lora", "How heavy is it?")


def test_another_model_of_the_same_name(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    manifest = read_json(copy / "manifest.json")
    write_json(copy / "manifest.json", {**manifest, "model": {**manifest["model"], "sha256": "0" * 64}})
    live = live_of(Run(copy))
    assert all("is not the one that the run was made with" in one.why_not for one in live.ready)
    with pytest.raises(MissingError, match="is not the one"):
        live.size()


def test_a_run_without_weights(tmp_path):
    """The bundled example has answers and no weights."""
    live = live_of(make_run(tmp_path / "made", Plan()))
    assert [one.arm for one in live.ready if not one.why_not] == []
    assert all("unknown model 'tiny'" in one.why_not for one in live.ready)
