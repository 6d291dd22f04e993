"""The guide of runs made by hand: the article's advice, every status; structure; challenges; what is absent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_run import TRAINED, Plan, make_run
from scipy.stats import ttest_1samp

from ragft import structure
from ragft.advice import ORDER, SCORES, STATUSES, TIMES, advice, judge, ratio_interval
from ragft.guide import Guide, make_guide, read_guide, write_guide
from ragft.material import read_material
from ragft.measures import Measures, measures_path
from ragft.searched import Searched, read_searched, searched_path
from ragft.store import Run, read_json, to_json, write_json
from ragft.tunedrows import stored_tensors

METHODS = ["adapter", "prefix", "prompt", "p-tuning", "p-tuning-v2", "lora", "mam", "full"]
ALONE = {"adapter": 8, "prefix": 5, "prompt": 1, "p-tuning": 2, "p-tuning-v2": 8, "lora": 9, "mam": 7, "full": 9}


def arms_of(methods: list[str]) -> dict:
    """base, rag, and each method alone and with RAG; mam has one seed."""
    arms = {"base": {}, "rag": {"retriever": "bm25"}}
    for name in methods:
        one = {"seeds": [0]} if name == "mam" else {}
        arms |= {name: {"tuning": name, **one}, f"rag+{name}": {"tuning": name, "retriever": "bm25", **one}}
    return arms


def whole_plan() -> Plan:
    arms = arms_of(METHODS) | {
        "raft": {"tuning": "lora", "retriever": "bm25", "format": "raft"},
        "shuffled": {"tuning": "lora", "format": "shuffled"},
        "elsewhere": {"tuning": "lora", "format": "other-documents"},
    }
    skill = ALONE | {f"rag+{name}": min(10, value + 1) for name, value in ALONE.items()} | {"raft": 9, "shuffled": 1, "elsewhere": 4}
    return Plan(arms=arms, documents=40, skill=skill, measured=True, files=True)


def guide_of(folder, plan: Plan) -> Guide:
    found = make_guide(read_material(make_run(folder, plan)))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("whole"), whole_plan())


@pytest.fixture(scope="module")
def guide(run) -> Guide:
    found = make_guide(read_material(run))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Guide:
    """The default arms, lora only, nothing measured beside the scores."""
    return guide_of(tmp_path_factory.mktemp("bare"), Plan())


def claim(guide: Guide, key: str):
    return next(one for one in guide.claims if one.key == key)


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_row_for_every_tuned_arm(guide, run):
    assert [row.arm for row in guide.rows] == [name for name in whole_plan().arms if name not in ("base", "rag")]
    ways = {row.arm: row.way for row in guide.rows}
    assert (ways["lora"], ways["rag+lora"], ways["raft"]) == ("alone", "with RAG", "RAFT")
    assert {row.arm for row in guide.rows if row.control} == {"shuffled", "elsewhere"}
    assert {"shuffled", "elsewhere"}.isdisjoint(read_material(run).comparison.family)
    assert {(row.way, row.untuned) for row in guide.rows} == {("alone", "base"), ("with RAG", "rag"), ("RAFT", "rag")}


def test_a_row_holds_what_was_measured(guide):
    row = next(row for row in guide.rows if row.arm == "rag+lora")
    assert row.adapters == ("adapter-lora-qa-0", "adapter-lora-qa-1", "adapter-lora-qa-2")
    assert (row.trainable, row.share, row.stored) == (2900, pytest.approx(0.029), 2900)
    assert row.latency.merged == pytest.approx(0.2 * 1.001) and row.latency.adapters == 3
    assert row.forgetting.kl == pytest.approx(0.0145) and row.forgetting.questions_change == pytest.approx(-0.029 / 4)
    assert len(row.shift) == 6 and max(row.shift) == pytest.approx(0.029)
    assert row.searched and row.learning_rate == 0.001
    assert row.abstained is not None and row.low < row.score < row.high
    assert next(row for row in guide.rows if row.method == "prompt").latency.merged is None  # it cannot be merged


def test_methods_carry_the_registrys_facts(guide):
    assert [method.name for method in guide.methods] == METHODS
    assert guide.method("prefix").modifies == "keys and values" and guide.method("lora").mergeable


def test_the_record_comes_back_from_its_file(run, guide):
    assert write_guide(read_material(run)) == guide
    assert read_guide(run) == guide


def test_no_tuned_arm_no_guide(tmp_path):
    run = make_run(tmp_path, Plan(arms={"base": {}, "rag": {"retriever": "bm25"}}))
    write_json(run.folder / "guide.json", {})
    assert write_guide(read_material(run)) is None
    assert read_guide(run) is None  # an old one does not stay


# ── advice from scores ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("relation", "low", "high", "status"),
    [
        ("better", 0.04, 0.2, "confirmed"),
        ("better", -0.1, 0.02, "refuted"),
        ("better", 0.01, 0.2, "undecided"),
        ("as good", -0.02, 0.2, "confirmed"),
        ("as good", -0.2, -0.04, "refuted"),
        ("as good", -0.2, 0.2, "undecided"),
        ("worse", -0.2, -0.04, "confirmed"),
        ("worse", -0.02, 0.2, "refuted"),
        ("worse", -0.2, 0.0, "undecided"),
        ("any better", 0.001, 0.2, "confirmed"),
        ("any better", -0.2, -0.001, "refuted"),
        ("any better", -0.001, 0.2, "undecided"),
        ("better", None, None, "undecided"),
    ],
)
def test_a_status_is_read_off_both_ends_of_the_interval(relation, low, high, status):
    assert judge(relation, low, high, margin=0.03) == status


def test_every_status_is_reached_from_whole_runs(guide, bare):
    assert {one.status for one in guide.claims} | {one.status for one in bare.claims} == set(STATUSES)
    assert claim(guide, "prompt-weak").status == "confirmed"  # 1 of 10 against 9 of 10
    assert claim(guide, "prefix-suits-qa").status == "confirmed"
    assert claim(guide, "v2-better").status == "confirmed"
    assert claim(guide, "lora-near-full").status == "undecided"  # the same answers, but 80 questions do not prove it within 3 points
    assert claim(bare, "prompt-weak").status == "not measured"


def test_a_claim_is_refuted_where_the_opposite_is_sure(tmp_path):
    plan = replace(whole_plan(), skill={**ALONE, "prompt": 9, "full": 2, "p-tuning": 9, "p-tuning-v2": 1, "lora": 2, "prefix": 0, "base": 6})
    found = guide_of(tmp_path, replace(plan, arms=arms_of(METHODS)))
    assert [claim(found, key).status for key in ("prompt-weak", "v2-better", "prefix-suits-qa")] == ["refuted"] * 3


def test_the_intervals_of_all_claims_on_scores_hold_at_once(run, guide):
    from ragft import scoring
    from ragft.compare import pairwise

    found = [one for one in guide.claims if one.rests_on == "scores"]
    assert len(found) == len(SCORES)
    table = scoring.score_table(run, "match", "rag")
    pair = pairwise(table, [("prompt", "full")], alpha=0.025 / len(SCORES))[0]
    assert (claim(guide, "prompt-weak").low, claim(guide, "prompt-weak").high) == (pair.low, pair.high)
    assert f"holds for all {len(SCORES)} such intervals at once" in claim(guide, "prompt-weak").evidence


def test_the_evidence_has_the_numbers(guide):
    one = claim(guide, "prompt-weak")
    assert f"prompt scores {abs(100 * one.mean):.1f} points lower than full" in one.evidence
    assert "worse by more than the margin of 3 points" in one.evidence


def test_without_the_arm_alone_the_one_with_passages_is_taken(tmp_path):
    arms = {"rag": {"retriever": "bm25"}, **{f"rag+{m}": {"tuning": m, "retriever": "bm25"} for m in ("prompt", "full")}}
    found = guide_of(tmp_path, Plan(arms=arms, documents=40, skill={"rag+prompt": 1, "rag+full": 9}))
    assert claim(found, "prompt-weak").evidence.startswith("With RAG, rag+prompt scores")


def test_prompt_is_set_against_lora_where_there_is_no_full(tmp_path):
    found = guide_of(tmp_path, Plan(arms=arms_of(["prompt", "lora"]), documents=40, skill={"prompt": 1, "lora": 9}))
    assert claim(found, "prompt-weak").status == "confirmed" and "lower than lora" in claim(found, "prompt-weak").evidence
    assert "no arm with tuning: full" in claim(found, "lora-near-full").evidence


# ── advice from times ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_interval_of_a_ratio_is_that_of_a_t_test_on_logs():
    ratios = [1.28, 1.31, 1.22, 1.35]
    mean, low, high = ratio_interval(ratios, 0.0125)
    expected = np.exp(ttest_1samp(np.log(ratios), 0.0).confidence_interval(0.975))
    assert (low, high) == pytest.approx(tuple(expected)) and mean == pytest.approx(np.prod(ratios) ** 0.25)
    assert ratio_interval([1.3], 0.025)[1:] == (None, None)


@pytest.mark.parametrize(
    ("seconds", "slower", "merged"),
    [
        ((0.26, 0.262, 0.258), "confirmed", "refuted"),  # 1.3 times the base's 0.2 s
        ((0.2, 0.201, 0.199), "refuted", "confirmed"),  # within a twentieth
        ((0.15, 0.2, 0.28), "undecided", "undecided"),  # noise
    ],
)
def test_times_decide_by_their_interval(run, guide, seconds, slower, merged):
    taken = {f"adapter-{m}-qa-{i}": Measures("i", s, s, 0.2, None, ()) for m in ("adapter", "lora") for i, s in enumerate(seconds)}
    found = {one.key: one for one in advice(guide.rows, _table(run), taken, lambda row: {}, margin=0.03, alpha=0.025)}
    assert (found["adapter-slower"].status, found["lora-latency"].status) == (slower, merged)


def test_times_that_were_not_taken_are_not_measured(bare):
    assert [claim(bare, spec.key).status for spec in TIMES] == ["not measured"] * len(TIMES)


def _table(run):
    from ragft import scoring

    return scoring.score_table(run, "match", "rag")


# ── advice from structure ────────────────────────────────────────────────────────────────────────────────────────────


def rows_with(guide: Guide, method: str, **changes):
    return [replace(row, **changes) for row in guide.rows if row.method == method and not row.control]


def test_the_articles_mistakes_are_corrected_by_what_stands_in_the_files(guide):
    for key in ("prompt-weights", "p-tuning-controller", "lora-batch", "lora-regularises"):
        assert claim(guide, key).status == "refuted", key
        assert claim(guide, key).rests_on == "structure"
    assert claim(guide, "prefix-mlp").status == "confirmed"
    assert "9,000 numbers were trained and 640 are stored" in claim(guide, "prefix-mlp").evidence


def test_structure_can_say_the_other_thing_too(guide):
    kept = {"prompt_encoder.mlp_head.0.weight": 9_000}
    assert structure.mlp_dropped(rows_with(guide, "prefix"), lambda row: kept).status == "refuted"
    assert structure.controller(rows_with(guide, "p-tuning"), lambda row: kept).status == "confirmed"
    assert structure.prompt_weights(rows_with(guide, "prompt"), lambda row: {"model.embed_tokens.weight": 160}).status == "confirmed"
    assert structure.few(rows_with(guide, "lora", share=0.2), lambda row: {}).status == "refuted"
    assert structure.adapter_share(rows_with(guide, "adapter", share=0.01), lambda row: {}).status == "refuted"
    assert structure.adapter_resources(rows_with(guide, "adapter", stored=50_000), lambda row: {}).status == "refuted"
    assert structure.large_batch(rows_with(guide, "lora"), lambda row: {"extra.bias": 3}).status == "undecided"
    assert structure.regularises(rows_with(guide, "lora", options={"dropout": 0.1}), lambda row: {}).status == "undecided"
    still = [replace(row, shift=(0.0, 0.0)) for row in guide.rows]
    assert structure.unified(still, lambda row: {}).status == "refuted"
    assert structure.unified([replace(row, shift=()) for row in guide.rows], lambda row: {}).status == "undecided"


@pytest.mark.parametrize(("share", "status"), [(0.036, "confirmed"), (0.0455, "refuted"), (0.044, "confirmed"), (0.026, "refuted")])
def test_about_three_point_six_per_cent_is_within_a_quarter(guide, share, status):
    assert structure.adapter_share(rows_with(guide, "adapter", share=share), lambda row: {}).status == status


def test_without_files_and_counts_nothing_is_claimed(guide):
    for _, methods, _, _, look in structure.STRUCTURE:
        rows = [replace(row, share=None, trainable=None, shift=()) for row in guide.rows if not methods or row.method in methods]
        assert look(rows, lambda row: {}).status in ("not measured", "undecided")


def test_headers_tell_what_a_file_holds(run, tmp_path):
    found = stored_tensors(run.folder / "artifacts" / "adapter-lora-qa-0")
    assert sum(found.values()) == TRAINED["lora"] and len(found) == 2
    assert stored_tensors(tmp_path / "none") == {}


# ── the whole ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_piece_of_advice_is_there_once_and_in_order(guide, bare):
    for found in (guide, bare):
        assert tuple(one.key for one in found.claims) == ORDER
        for one in found.claims:
            assert one.evidence.endswith((".", "}")) and not one.evidence[0].islower(), one.key
            assert (one.rests_on == "nothing") == (one.status == "not measured")


def test_every_challenge_has_its_line(guide, bare):
    keys = ["balance", "task", "reuse", "resources", "inside", "robustness", "forgetting", "larger", "modalities", "attacks", "privacy"]
    for found in (guide, bare):
        assert [one.key for one in found.challenges] == keys
        assert all(one.words.strip().endswith(".") for one in found.challenges)
    states = {one.key: one.state for one in guide.challenges}
    assert states["modalities"] == states["privacy"] == "out of scope"
    assert [states[key] for key in keys[:7]] == ["measured"] * 7
    assert {one.key for one in bare.challenges if one.state == "measured"} == {"balance", "task", "resources"}


def test_noise_is_summed_up_by_intervals(guide):
    words = next(one.words for one in guide.challenges if one.key == "robustness")
    assert "Typos: of 17 tuned arms, surely worse than clean questions: all; surely better: none" in words
    assert "Distractors: of 9 tuned arms, surely worse than clean questions: none" in words


def test_noise_that_was_scored_by_another_metric_says_nothing(tmp_path):
    folder = make_run(tmp_path, whole_plan()).folder
    stored = read_json(folder / "robustness.json")
    write_json(folder / "robustness.json", {**stored, "metric": "token_f1"})
    assert make_guide(read_material(Run(folder))).robustness == ()
    write_json(folder / "robustness.json", stored)
    assert make_guide(read_material(Run(folder))).robustness


def test_controls_are_set_against_the_untuned_arm(guide):
    said = {control.format: control for control in guide.controls}
    assert said["other-documents"].low > 0 and "behaviour" in said["other-documents"].words
    assert "as it should be" in said["shuffled"].words


def test_a_gain_from_exchanged_answers_is_an_alarm(tmp_path):
    arms = {"base": {}, "rag": {"retriever": "bm25"}, "shuffled": {"tuning": "lora", "format": "shuffled"}}
    found = guide_of(tmp_path, Plan(arms=arms, documents=40, skill={"shuffled": 9}))
    assert "do not trust" in found.controls[0].words
    assert found.groupings == ()  # a control is no method to choose


def test_what_is_absent_says_how_to_get_it(guide, bare):
    assert guide.absent == ()
    assert len(bare.absent) == 5 and all(any(how in line for how in ("compare_peft.py", "search:", "again")) for line in bare.absent)
    row = bare.rows[0]
    assert (row.latency, row.forgetting, row.shift, row.stored) == (None, None, (), None)


def test_families_compare_with_the_untuned_arm(guide):
    families = {group.family: [member.arm for member in group.members] for group in guide.groupings}
    assert set(families) == {"alone", "with passages"}
    assert {"base", *METHODS} == set(families["alone"]) and {"rag", "raft"} <= set(families["with passages"])
    assert guide.groupings[0].one_seed == ("mam",)


def test_one_method_only(bare):
    assert [method.name for method in bare.methods] == ["lora"]
    assert [group.family for group in bare.groupings] == ["alone", "with passages"]


def test_one_seed_only_decides_nothing_from_scores(tmp_path):
    found = guide_of(tmp_path, replace(whole_plan(), seeds=(0,)))
    scores = [one for one in found.claims if one.rests_on == "scores"]
    assert scores and {one.status for one in scores} == {"undecided"}
    assert all("no interval can be given" in one.evidence for one in scores)
    assert all(group.open for group in found.groupings)


def test_an_arm_that_failed_leaves_the_rest_standing(tmp_path):
    found = guide_of(tmp_path, replace(whole_plan(), dead="prompt"))
    row = next(row for row in found.rows if row.arm == "prompt")
    assert row.score is None and row.trainable == 160
    assert found.groupings[0].unscored == ("prompt",)
    assert claim(found, "prompt-weak").evidence.startswith("With RAG")  # the next way that has both
    assert claim(found, "v2-better").status == "confirmed"


def test_a_search_for_another_adapter_is_not_this_ones(tmp_path):
    run = make_run(tmp_path, Plan(arms=arms_of(["lora", "prompt"]), measured=True))
    found = read_searched(run)
    write_json(searched_path(run), Searched(tuple(one for one in found.results if one.arm == "lora")))
    rows = {row.arm: row.searched for row in make_guide(read_material(run)).rows}
    assert rows == {"lora": True, "rag+lora": True, "prompt": False, "rag+prompt": False}


def test_a_seed_that_was_not_measured_is_left_out_of_the_mean(tmp_path):
    run = make_run(tmp_path, Plan(measured=True))
    measures_path(run.folder, "adapter-lora-qa-2").unlink()
    assert make_guide(read_material(run)).rows[0].latency.adapters == 2


def test_what_real_methods_store_is_recognised(tiny_study, tmp_path):
    """peft's own files: their tensors' names are what the corrections rest on."""
    from ragft.settings import Study
    from ragft.study import run as run_study

    methods = ("prompt", "prefix", "p-tuning", "lora", "adapter")
    arms = {"base": {}, "rag": {"retriever": "bm25"}, **{name: {"tuning": name} for name in methods}}
    study = Study(**{**tiny_study.model_dump(), "arms": arms, "seeds": (0,), "train_tokens": 600, "limit": 4})
    found = make_guide(read_material(run_study(study, tmp_path).run))
    statuses = {one.key: one.status for one in found.claims if one.rests_on == "structure"}
    assert statuses["prefix-mlp"] == "confirmed"
    for key in ("prompt-weights", "p-tuning-controller", "lora-batch", "lora-regularises"):
        assert statuses[key] == "refuted", key
    rows = {row.arm: row for row in found.rows}
    assert rows["prefix"].stored < rows["prefix"].trainable and rows["p-tuning"].stored < rows["p-tuning"].trainable
    assert all(rows[name].stored == rows[name].trainable for name in ("prompt", "lora", "adapter"))
    # what a run measures by itself: times and shifts of every adapter, here of one seed
    assert all(row.latency and len(row.shift) == 2 for row in found.rows)
    assert [claim(found, key).status for key in ("adapter-slower", "lora-latency")] == ["undecided"] * 2
    assert statuses["unified"] == "confirmed"


def test_no_folder_of_the_machine_is_told(tmp_path):
    run = make_run(tmp_path, Plan(measured=True))
    manifest = read_json(run.folder / "manifest.json")
    write_json(run.folder / "manifest.json", {**manifest, "model": {**manifest["model"], "name": "/somewhere/models/mine"}})
    found = read_searched(run)
    write_json(
        searched_path(run), Searched(tuple(replace(one, what="lora other-documents domain=/somewhere/else/dairy lr=0.1") for one in found.results))
    )
    guide = make_guide(read_material(run))
    assert "somewhere" not in to_json(guide)
    assert guide.model == "mine" and guide.searches[0].what == "lora other-documents domain=dairy lr=0.1"


def test_a_controls_adapter_counts_for_times(run, guide):
    names = [f"adapter-lora-{form}-{seed}" for form in ("qa", "shuffled", "raft", "other-documents") for seed in range(3)]
    taken = {name: Measures("i", 0.2, 0.2, 0.2, None, ()) for name in names}
    found = {one.key: one for one in advice(guide.rows, _table(run), taken, lambda row: {}, margin=0.03, alpha=0.025)}
    assert "12 adapters of lora" in found["lora-latency"].evidence
