"""A whole study on a tiny model: folders, resume, shared artifacts, changed inputs."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ragft import manifest, scoring
from ragft.context import adapter_name
from ragft.decide import VERDICTS
from ragft.errors import BusyError, InputError, MismatchError, MissingError
from ragft.facts import arm_facts
from ragft.prompts import Style
from ragft.settings import ArmSettings
from ragft.stages import plan_units
from ragft.store import file_sha256, read_json, read_jsonl_as
from ragft.study import load_result, prepare, run
from ragft.types import OUTCOMES, Answer, Chunk
from ragft.units import LATENCY_QUESTIONS

ARMS = ["base", "oracle", "rag", "lora", "rag+lora", "raft"]


def answers_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.glob("arms/*/seed-*/answers.jsonl"))}


def texts_of(folder: Path) -> dict[tuple[str, str, str], str]:
    """(arm, seed, question) -> text: the answers without their timings."""
    return {
        (path.parts[-3], path.parts[-2], a.question): a.text
        for path in folder.glob("arms/*/seed-*/answers.jsonl")
        for a in read_jsonl_as(Answer, path)
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model):
    """One finished run, read by several tests; a test that changes it copies it first."""
    from tiny import write_domain

    from ragft.settings import Study

    root = tmp_path_factory.mktemp("finished")
    study = Study(
        domain=str(write_domain(root / "works")), model=str(tiny_model), embedder=None, seeds=(0, 1), chunk_tokens=32, context_tokens=96, k=2,
        max_new_tokens=6, batch_size=4, train_tokens=1500, train_batch_size=4,
    )  # fmt: skip
    return study, run(study, root / "runs"), root


def test_adapters_that_learn_to_read_other_passages_have_other_names(finished):
    study, result, _ = finished
    arms = {"a": {"k": None}, "b": {"k": 2}, "c": {"k": 3}, "d": {"retriever": "bm25"}}
    context = prepare(study, result.run.folder.parent)
    raft = study.arms["raft"]
    names = [adapter_name(context, raft.model_copy(update=changes)) for changes in arms.values()]
    assert names == ["lora raft", "lora raft k=2", "lora raft k=3", "lora raft bm25"]
    assert adapter_name(context, study.arms["rag+lora"].model_copy(update={"k": 3})) == adapter_name(context, study.arms["lora"]), "one adapter"


def test_an_adapter_under_two_names_is_one_unit(finished):
    """`learning_rate: 0.003` is LoRA's own: the two arms share the adapter, and it must not be trained twice at once."""
    study, result, _ = finished
    arms = {"rag": study.arms["rag"], "a": ArmSettings(tuning="lora"), "b": ArmSettings(tuning="lora", learning_rate=0.003)}
    context = prepare(study.model_copy(update={"arms": arms, "seeds": (0,)}), result.run.folder.parent)
    units = {unit.label: unit.needs for unit in plan_units(context)}
    assert [label for label in units if label.startswith("train")] == ["train lora qa seed 0"]
    assert units["answer a seed 0"] == units["answer b seed 0"] == ("index", "train lora qa seed 0")
    assert [label for label in units if label.startswith("measure")] == ["measure base", "measure lora qa seed 0"]
    known = {need for needs in units.values() for need in needs}
    assert known <= units.keys()


def test_every_file_of_the_layout_is_there(finished):
    _, result, _ = finished
    folder = result.run.folder
    expected = ["study.yaml", "manifest.json", "questions.jsonl", "gold.jsonl", "comparison.json", "decision.json", "report.html", "report.md"]
    assert [name for name in expected if not (folder / name).is_file()] == []
    for arm in ARMS:
        seeds = [0, 1] if arm in ("lora", "rag+lora", "raft") else [0]
        assert result.run.seeds(arm) == seeds
        for seed in seeds:
            assert {"fit.json", "answers.jsonl", "scores.jsonl"} <= {p.name for p in result.run.seed_folder(arm, seed).iterdir()}


def test_result_is_usable_from_python(finished):
    _, result, _ = finished
    assert result.decision.verdict in VERDICTS
    assert result.decision.recommend in ARMS
    assert {row.name for row in result.comparison.arms} == set(ARMS)
    scores = result.scores
    assert len(scores) == (3 + 3 * 2) * result.comparison.questions
    assert {"arm", "seed", "question", "document", "stratum", "match", "exact_match", "token_f1"} <= set(scores.columns)
    assert load_result(result.run.folder) == result


def test_outcomes_add_up_in_every_arm_and_seed(finished):
    _, result, _ = finished
    for _, part in result.scores.groupby(["arm", "seed"]):
        assert part["outcome"].isin(OUTCOMES).all()
        assert len(part) == result.comparison.questions


def test_latency_is_measured_on_single_questions_not_on_batches(finished):
    _, result, _ = finished
    facts = arm_facts(result.run, "match")
    for arm in ARMS:
        seconds = read_json(result.run.seed_folder(arm, 0) / "latency.json")["seconds"]
        assert len(seconds) == min(LATENCY_QUESTIONS, result.comparison.questions)
        assert facts[arm].value("p95_latency_seconds") == pytest.approx(np.quantile(seconds, 0.95))
    assert not (result.run.seed_folder("lora", 1) / "latency.json").exists()


def test_other_code_that_shapes_answers_is_another_run(tmp_path):
    package = tmp_path / "ragft"
    shutil.copytree(Path(manifest.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = manifest.code_sha256(package)
    assert before == manifest.code_sha256(Path(manifest.__file__).parent)
    (package / "cli.py").write_text("")
    assert manifest.code_sha256(package) == before
    (package / "tuning" / "train.py").write_text("")
    assert manifest.code_sha256(package) != before


def test_rag_lora_uses_the_index_of_rag_and_the_adapters_of_lora(finished):
    _, result, _ = finished
    fit = {name: read_json(result.run.seed_folder(name, 1 if "lora" in name else 0) / "fit.json") for name in ("rag", "lora", "rag+lora")}
    assert fit["rag+lora"]["index"]["sha256"] == fit["rag"]["index"]["sha256"]
    assert fit["rag+lora"]["adapter"]["sha256"] == fit["lora"]["adapter"]["sha256"]
    assert len(list((result.run.folder / "artifacts").glob("adapter-*"))) == 4  # lora and raft, two seeds each


def test_arms_that_retrieve_get_the_same_prompts(finished):
    """The pair differs in the weights only."""
    _, result, _ = finished
    prompts = [
        {a.question: a.prompt for a in read_jsonl_as(Answer, result.run.seed_folder(name, 0) / "answers.jsonl")}
        for name in ("rag", "rag+lora", "raft")
    ]
    assert prompts[0] == prompts[1] == prompts[2]
    assert prompts[0] != {a.question: a.prompt for a in read_jsonl_as(Answer, result.run.seed_folder("base", 0) / "answers.jsonl")}


def test_held_out_questions_never_reach_training(finished):
    study, result, root = finished
    context = prepare(study, root / "elsewhere")
    train, test = ({question.text for question, _ in context.domain.split(name)} for name in ("train", "test"))
    assert not train & test
    asked = {q["text"] for q in map(json.loads, (result.run.folder / "questions.jsonl").read_text().splitlines())}
    assert asked == test


def test_second_run_changes_no_answer_and_works_without_the_model(finished, monkeypatch):
    study, result, root = finished
    before = answers_of(result.run.folder)

    def never(*_, **__):
        raise AssertionError("a finished study must not load a model")

    monkeypatch.setattr("ragft.weights.load_model", never)
    monkeypatch.setattr("ragft.weights.load_base", never)
    again = run(study, root / "runs")
    assert again.run.folder == result.run.folder
    assert answers_of(result.run.folder) == before
    assert again.decision == result.decision


def test_another_margin_decides_anew_in_the_same_run(finished, tmp_path):
    study, result, root = finished
    shutil.copytree(root / "runs", tmp_path / "runs")
    again = run(study.model_copy(update={"margin": 0.2}), tmp_path / "runs")
    assert again.run.folder.name == result.run.folder.name
    assert again.decision.margin == 0.2
    assert any(w.startswith("margin changed after answers were seen: 3 → 20 points.") for w in again.decision.warnings)
    assert not any("answers were seen" in w for w in run(study, tmp_path / "runs").decision.warnings)


def test_the_share_of_refused_answerable_questions_is_measured(finished):
    _, result, _ = finished
    golds = {gold.id: gold for gold in scoring.read_gold(result.run)}
    for arm, facts in arm_facts(result.run, "match").items():
        answers = [a for seed in result.run.seeds(arm) for a in read_jsonl_as(Answer, result.run.seed_folder(arm, seed) / "answers.jsonl")]
        asked = [a.outcome == "abstained" for a in answers if golds[a.question].answers and a.outcome != "error"]
        assert facts.value("abstention_rate") == pytest.approx(np.mean(asked))


def test_changed_corpus_is_another_run(finished, tmp_path):
    study, result, root = finished
    shutil.copytree(root / "works", tmp_path / "works")
    page = tmp_path / "works" / "corpus" / "pumps" / "kova.md"
    page.write_text(page.read_text().replace("12 kg.", "12 kg. It is blue."))
    changed = prepare(study.model_copy(update={"domain": str(tmp_path / "works")}), root / "runs")
    assert changed.run.folder != result.run.folder


def test_interrupted_between_batches_goes_on_with_the_same_answers(finished, tmp_path, monkeypatch):
    """What is stored is kept as it is; what is missing is answered as it would have been."""
    study, result, root = finished
    runs = tmp_path / "runs"
    shutil.copytree(root / "runs", runs)
    folder = runs / result.run.folder.name
    log = folder / "arms" / "rag" / "seed-0" / "answers.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:4]) + lines[4][:20])  # one batch of four, and a torn line
    (log.parent / "done.json").unlink()
    again = run(study, runs)
    assert texts_of(again.run.folder) == texts_of(result.run.folder)
    assert log.read_bytes().splitlines(keepends=True)[:4] == lines[:4]
    assert len(log.read_bytes().splitlines()) == len(lines)


@pytest.mark.parametrize("kind", ["adapter", "index"])
def test_corrupt_artifact_is_rebuilt_and_its_answers_are_not_trusted(finished, tmp_path, kind):
    study, result, root = finished
    runs = tmp_path / "runs"
    shutil.copytree(root / "runs", runs)
    folder = runs / result.run.folder.name
    file = next((folder / "artifacts").glob(f"{kind}-*/*" + ("safetensors" if kind == "adapter" else "chunks.jsonl")))
    intact = file_sha256(file)
    file.write_bytes(file.read_bytes()[:-10])
    again = run(study, runs)
    assert file_sha256(file) == intact  # the same seed trains the same adapter
    assert texts_of(again.run.folder) == texts_of(result.run.folder)


def test_rebuilt_adapter_with_other_weights_is_answered_anew(finished, tmp_path):
    """Answers belong to the adapter that gave them: another adapter's are never mixed in."""
    study, result, root = finished
    runs = tmp_path / "runs"
    shutil.copytree(root / "runs", runs)
    folder = runs / result.run.folder.name
    note = folder / "arms" / "lora" / "seed-0" / "inputs.json"
    note.write_text('"another"')
    done = folder / "arms" / "lora" / "seed-0" / "done.json"
    done.write_text(json.dumps({**json.loads(done.read_text()), "inputs": "another"}))
    log = folder / "arms" / "lora" / "seed-0" / "answers.jsonl"
    log.write_text(log.read_text().replace('"text": "', '"text": "stale '))
    again = run(study, runs)
    assert texts_of(again.run.folder) == texts_of(result.run.folder)


def test_arm_order_changes_no_answer(finished, tmp_path):
    study, result, _ = finished
    turned = study.model_copy(update={"arms": dict(reversed(study.arms.items()))})
    assert texts_of(run(turned, tmp_path).run.folder) == texts_of(result.run.folder)


def test_int8_is_another_run_and_an_interrupted_one_goes_on_with_the_same_answers(finished, tmp_path):
    study, result, _ = finished
    rounded = study.model_copy(update={"precision": "int8", "seeds": (0,), "arms": {name: study.arms[name] for name in ("rag", "lora")}})
    whole = run(rounded, tmp_path / "whole")
    assert whole.run.folder.name != result.run.folder.name
    log = run(rounded, tmp_path / "halved").run.seed_folder("lora", 0)
    lines = (log / "answers.jsonl").read_text().splitlines(keepends=True)
    (log / "answers.jsonl").write_text("".join(lines[:4]))
    (log / "done.json").unlink()
    assert texts_of(run(rounded, tmp_path / "halved").run.folder) == texts_of(whole.run.folder)


def test_two_at_once_the_second_says_so(finished):
    study, result, root = finished
    with result.run.locked(), pytest.raises(BusyError, match="another process is running this study"):
        run(study, root / "runs")


def test_limit_asks_fewer_questions_of_all_documents(tiny_study, tmp_path):
    context = prepare(tiny_study.model_copy(update={"limit": 6}), tmp_path)
    asked = [gold for _, gold in context.domain.split("test")]
    everywhere = {g.document for _, g in prepare(tiny_study, tmp_path).domain.split("test")}
    assert len(asked) == 6
    assert len({g.document for g in asked}) == min(6, len(everywhere))


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"rag": {"retriever": "bm25"}, "x": {"retriever": "dense"}}, "needs an embedder"),
        ({"rag": {"retriever": "bm25"}, "x": {"tuning": "lora", "format": "raft", "retriever": "bm25"}}, "evidence on training questions"),
        ({"rag": {"retriever": "bm25"}, "oracle": {"retriever": "oracle"}}, "evidence on test questions"),
        ({"rag": {"retriever": "bm25 + mmr"}}, "arm 'rag': retriever 'bm25 \\+ mmr' needs an embedder"),
        ({"rag": {"retriever": "bm25 + rerank"}}, "arm 'rag': retriever 'bm25 \\+ rerank' needs a reranker"),
        ({"rag": {"retriever": "bm25 + neighbours reach=0"}}, "arm 'rag': option reach of neighbours must be at least 1"),
        ({"rag": {"retriever": {"langchain": "nowhere_at_all:x"}}}, "arm 'rag': langchain 'nowhere_at_all:x': no module named 'nowhere_at_all'"),
        ({"rag": {"retriever": {"langchain": "json:nothing"}}}, "arm 'rag': langchain 'json:nothing': json has no 'nothing'"),
        ({"rag": {"retriever": {"langchain": "json"}}}, "write where it is as module:name"),
        ({"rag": {"retriever": {"langchain": "json:__name__"}}}, "arm 'rag': a str is no LangChain retriever, vector store or Runnable"),
        ({"rag": {"retriever": "bm25"}, "x": {"retriever": "long-context"}}, "the whole corpus takes [0-9]+ tokens, and context_tokens allows 96"),
    ],
)
def test_what_an_arm_lacks_is_said_before_anything_starts(tiny_study, domain_folder, tmp_path, arms, message):
    from tiny import question_lines, write_domain

    from ragft.settings import Study

    bare = [{k: v for k, v in line.items() if k != "evidence"} | {"document": "faq.html"} for line in question_lines()]
    write_domain(domain_folder, lines=bare)
    study = Study.model_validate({**tiny_study.model_dump(), "arms": arms, "embedder": None})
    with pytest.raises((InputError, MissingError), match=message):
        prepare(study, tmp_path)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"k": 1}, True),
        ({"k": 1, "arms": {"rag": {"retriever": "bm25 + neighbours", "k": 2}}}, False),
        ({"k": 2, "arms": {"rag": {"retriever": "bm25 + neighbours", "k": 1}}}, True),
        ({"k": 1, "arms": {"rag": {"retriever": "bm25 + neighbours + multi-query"}}}, False),
        ({"k": 1, "search": {"trials": 1}}, False),
    ],
    ids=["study's k", "own k", "own k of 1", "another stage chooses among them", "k is searched"],
)
def test_neighbours_without_room_for_any_are_refused(tiny_study, tmp_path, changes, refused):
    arms = {"rag": {"retriever": "bm25 + neighbours"}}
    study = type(tiny_study).model_validate({**tiny_study.model_dump(), "arms": arms, **changes})
    with pytest.raises(InputError, match=r"^arm 'rag': with k: 1 the stage neighbours adds nothing") if refused else nullcontext():
        prepare(study, tmp_path)


def test_every_stage_in_a_study(tiny_study, tiny_embedder, tiny_reranker, tmp_path):
    """From study.yaml to passages in the prompts: what each line finds is what the arm shows."""
    from ragft.settings import Study

    lines = {
        "rag": "hybrid",
        "share": "hybrid dense_share=0.9",
        "all": "hybrid + multi-query queries=2 + hyde + rerank depth=5 + mmr depth=4 + neighbours",
        "whole": "long-context",
    }
    arms = {name: {"retriever": line} for name, line in lines.items()}
    changes = {"arms": arms, "embedder": str(tiny_embedder), "reranker": str(tiny_reranker), "context_tokens": 400}
    result = run(Study.model_validate({**tiny_study.model_dump(), **changes}), tmp_path)
    folder = result.run.folder
    assert {name: read_json(folder / "arms" / name / "arm.json")["retriever"] for name in lines} == lines
    manifest = read_json(folder / "manifest.json")
    assert manifest["reranker"]["name"] == str(tiny_reranker) and len(manifest["reranker"]["sha256"]) == 64
    shown = {name: [answer.hits for answer in read_jsonl_as(Answer, folder / "arms" / name / "seed-0" / "answers.jsonl")] for name in lines}
    chunks = [chunk.id for chunk in read_jsonl_as(Chunk, next((folder / "artifacts").glob("index-*")) / "chunks.jsonl")]
    assert all([hit.chunk.id for hit in hits] == chunks for hits in shown["whole"])
    assert shown["rag"] != shown["share"] != shown["all"]
    assert all(0 < len(hits) <= 2 for hits in shown["all"])


def test_every_arm_is_asked_as_the_study_says_and_trained_so(tiny_study, tmp_path, monkeypatch):
    from ragft.tuning import train

    learned = []
    real = train.train_adapter

    def spy(model, config, examples, *rest, dev, **more):
        learned.extend([*examples, *dev])
        return real(model, config, examples, *rest, dev=dev, **more)

    monkeypatch.setattr(train, "train_adapter", spy)
    style = Style(may_abstain=False, order="best-last")
    arms = {name: tiny_study.arms[name] for name in ("base", "rag", "lora", "raft")}
    result = run(tiny_study.model_copy(update={"prompt": style, "arms": arms, "seeds": (0,)}), tmp_path)
    asked = [answer for path in result.run.folder.glob("arms/*/seed-0/answers.jsonl") for answer in read_jsonl_as(Answer, path)]
    assert asked and not any("I don't know" in answer.prompt for answer in asked)
    prompts = [example.prompt for example in learned if example.prompt]
    assert prompts and not any("I don't know" in prompt.system for prompt in prompts)
    shown = [answer for answer in asked if answer.hits and len(answer.hits) > 1]
    assert shown and all(a.prompt.index(a.hits[-1].chunk.text) < a.prompt.index(a.hits[0].chunk.text) for a in shown)


def test_a_study_that_asks_for_citations_says_who_cites_what(tiny_study, tmp_path, monkeypatch):
    from ragft.generation.hf import HFGenerator

    real = HFGenerator.complete
    monkeypatch.setattr(
        HFGenerator, "complete", lambda self, prompts, *heard: [replace(one, text="42 bar [1]") for one in real(self, prompts, *heard)]
    )
    arms = {name: tiny_study.arms[name] for name in ("base", "rag")}
    found = run(tiny_study.model_copy(update={"prompt": Style(cite=True), "arms": arms}), tmp_path).run
    cited = {name: {a.cited for a in read_jsonl_as(Answer, found.seed_folder(name, 0) / "answers.jsonl")} for name in arms}
    assert cited == {"base": {None}, "rag": {(1,)}}
    rows = read_jsonl_as(dict, found.seed_folder("rag", 0) / "scores.jsonl")
    assert {row["cites"] for row in rows} == {1.0} and {row["match"] for row in rows} == {0.0, 1.0}
    shares = {row["citation_precision"] for row in rows}
    assert shares == {0.0, 1.0}, "some first passages hold the evidence, others do not"
    report = (found.folder / "report.html").read_text()
    assert '<h3 id="support">What the answers rest on</h3>' in report and "cites a passage" in report and "entailed" not in report


@pytest.mark.parametrize(
    ("slices", "message"),
    [
        (["stratum=trained"], "slice 'stratum=trained' holds no test question. Those that occur: trained-fact, unanswerable, untrained-document."),
        (["kind=exact"], "slice 'kind=exact' holds no test question. Those that occur: unanswerable, value."),
        (["base=known"], "slice 'base=known' needs an arm that is the model alone."),
        (["writer=known"], "slice 'writer=known' needs questions that a model wrote"),
        (["retrieval=missed", "kind=value"], ""),
    ],
)
def test_a_slice_that_holds_nothing_is_said_before_anything_starts(tiny_study, tmp_path, slices, message):
    study = tiny_study.model_copy(update={"arms": {"rag": ArmSettings(retriever="bm25")}, "slices": tuple(slices)})
    if not message:
        assert prepare(study, tmp_path).study.slices == tuple(slices)
        return
    with pytest.raises(InputError) as error:
        prepare(study, tmp_path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_slice_by_retrieval_needs_evidence(tiny_study, domain_folder, tmp_path):
    from tiny import question_lines, write_domain

    write_domain(domain_folder, lines=[{k: v for k, v in line.items() if k != "evidence"} | {"document": "faq.html"} for line in question_lines()])
    study = tiny_study.model_copy(update={"arms": {"rag": ArmSettings(retriever="bm25")}, "slices": ("retrieval=missed",)})
    with pytest.raises(InputError, match="slice 'retrieval=missed' needs evidence on test questions"):
        prepare(study, tmp_path)


def test_arms_of_different_chunks_are_not_paired(finished, tmp_path):
    study, result, _ = finished
    shutil.copytree(result.run.folder, tmp_path / "run")
    fit = tmp_path / "run" / "arms" / "raft" / "seed-0" / "fit.json"
    found = json.loads(fit.read_text())
    found["index"]["sha256"] = "another"
    fit.write_text(json.dumps(found))
    from ragft.errors import MismatchError
    from ragft.store import Run

    with pytest.raises(MismatchError, match="same index"):
        scoring.score_table(Run(tmp_path / "run"), study.metric, study.reference)


def test_arms_that_were_asked_in_different_words_are_not_paired(finished, tmp_path):
    _, result, _ = finished
    folder = tmp_path / "copy"
    shutil.copytree(result.run.folder, folder)
    path = folder / "arms" / "rag+lora" / "seed-0" / "answers.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("Question: ", "Please: "), encoding="utf-8")
    copy = load_result(folder).run
    scoring.score_run(copy)
    with pytest.raises(MismatchError, match=r"rag and rag\+lora were asked .* in different words"):
        scoring.score_table(copy, "match", "rag")


def test_scores_of_a_metric_that_is_not_there_now_are_kept(finished, tmp_path):
    _, result, _ = finished
    folder = tmp_path / "copy"
    shutil.copytree(result.run.folder, folder)
    path = folder / "arms" / "base" / "seed-0" / "scores.jsonl"
    path.write_text(path.read_text().replace('"match"', '"of_a_plugin": 1.0, "match"'))
    with pytest.raises(InputError, match="of_a_plugin"):
        scoring.score_run(load_result(folder).run)
    path.write_text('{"torn')
    scoring.score_run(load_result(folder).run)
    assert "match" in path.read_text()
