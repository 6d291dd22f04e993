"""What a run fixes before any answer is there, and what is said when it changes."""

from __future__ import annotations

import pytest
from made_run import Plan, make_run

from ragft import protocol
from ragft.settings import load_study, save_study
from ragft.store import Run, fingerprint, read_json, read_record, write_json
from ragft.study import compare_run, decide_run, read_study

NOW = "2026-01-31T10:00:00+00:00"
ENDS = "The stated certainty holds for the first value only."


@pytest.fixture
def run(tmp_path) -> Run:
    """A finished run that fixed its protocol."""
    made = make_run(tmp_path, Plan())
    manifest = read_json(made.folder / "manifest.json")
    write_json(made.folder / "manifest.json", {**manifest, "protocol": protocol.fix(Run(tmp_path / "none"), read_study(made), None, NOW)})
    return made


def decided(run: Run, **changes) -> tuple[str, ...]:
    """The warnings of a new decision after these settings of study.yaml were changed by hand."""
    path = run.folder / "study.yaml"
    save_study(load_study(path).model_copy(update=changes), path)
    compare_run(run)
    return tuple(w for w in decide_run(run).warnings if "answers were seen" in w or "manifest.json" in w)


def test_the_entry_holds_every_fixed_value_and_its_fingerprint(run):
    entry = read_json(run.folder / "manifest.json")["protocol"]
    assert set(entry["values"]) == {"metric", "margin", "alpha", "reference", "needs", "slices", "arms", "seeds"}
    assert (entry["values"]["margin"], entry["values"]["seeds"], entry["fixed"]) == (0.03, [0, 1, 2], NOW)
    assert entry["fingerprint"] == fingerprint(entry["values"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"margin": 0.05}, "margin changed after answers were seen: 3 → 5 points."),
        ({"metric": "token_f1"}, "metric changed after answers were seen: match → token_f1."),
        ({"alpha": 0.05}, "alpha changed after answers were seen: 0.025 → 0.05."),
        ({"slices": ("stratum=trained-fact",)}, "slices changed after answers were seen: none → stratum=trained-fact."),
        ({"needs": {"citations": True}}, "needs changed after answers were seen: none → citations True."),
    ],
)
def test_a_change_after_answers_is_a_warning_until_it_is_undone(run, changed, words):
    first = {name: getattr(read_study(run), name) for name in changed}
    assert decided(run) == ()
    assert decided(run, **changed) == (f"{words} {ENDS}",)
    assert decided(run, **first) == ()


def test_another_reference_is_a_warning(tmp_path):
    arms = {"rag": {"retriever": "bm25"}, "rag-dense": {"retriever": "bm25"}, "lora": {"tuning": "lora"}}
    run = make_run(tmp_path, Plan(arms=arms))
    entry = protocol.fix(Run(tmp_path / "none"), read_study(run), None, NOW)
    write_json(run.folder / "manifest.json", {**read_json(run.folder / "manifest.json"), "protocol": entry})
    assert decided(run, reference="rag-dense") == (f"reference changed after answers were seen: rag → rag-dense. {ENDS}",)


def test_prices_may_change_at_will(run):
    costs = read_study(run).costs.model_copy(update={"machine_per_hour": 2.0})
    assert decided(run, costs=costs) == ()


def test_the_verdict_is_of_the_study_as_it_is(run):
    """The margin changed and put back: compared again each time, so that scores, verdict and settings never belong to different studies."""
    first = read_study(run)
    assert any(w.startswith("margin changed") for w in decided(run, margin=0.05))
    save_study(first, run.folder / "study.yaml")
    again = decide_run(run)
    assert again.margin == first.margin and not any(w.startswith("margin changed") for w in again.warnings)


def test_an_edited_entry_is_told(run):
    path = run.folder / "manifest.json"
    manifest = read_json(path)
    manifest["protocol"]["values"]["margin"] = 0.05
    write_json(path, manifest)
    assert any("edited in manifest.json" in w for w in decided(run, margin=0.05))


def test_before_the_first_answer_everything_may_change(run, tmp_path):
    study = read_study(run)
    stored = read_json(run.folder / "manifest.json")["protocol"]
    other = study.model_copy(update={"margin": 0.05})
    assert protocol.fix(Run(tmp_path / "none"), other, stored, "later")["values"]["margin"] == 0.05
    assert protocol.fix(run, other, stored, "later") == stored  # answers are there


def test_a_run_without_the_entry_says_nothing(tmp_path):
    run = make_run(tmp_path, Plan())
    from ragft.comparison import Comparison

    assert protocol.changes(run, read_study(run), read_record(Comparison, run.folder / "comparison.json")) == []
