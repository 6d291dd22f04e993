"""The update drill: what counts as changed, what each state is made of, every share by hand, and that a killed job goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from tiny import DOCUMENTS, question_lines, write_domain

from ragft import drill as drilling
from ragft import units
from ragft.context import Context
from ragft.domain import Domain, load_domain
from ragft.drill import drill, load_update, sample
from ragft.drilled import (
    Change,
    Drill,
    DrillDifference,
    DrillRow,
    Judged,
    Share,
    State,
    difference,
    joined,
    measure,
    read_drill,
    says,
    share,
    told,
    view,
)
from ragft.errors import BusyError, DivergedError, InputError, MissingError
from ragft.metrics.answer import match
from ragft.pages import environment
from ragft.prompts import closed_book
from ragft.scoring import own_chunks
from ragft.serving import Served
from ragft.settings import Study
from ragft.store import file_sha256, read_json, read_jsonl_as, write_json, write_jsonl
from ragft.study import prepare, run
from ragft.types import Answer
from ragft.updates import cases, counts
from ragft.weights import load_base

ARMS = {
    "base": {},
    "oracle": {},
    "rag": {"retriever": "bm25"},
    "lora": {},
    "rag+lora": {"retriever": "auto", "tuning": "lora"},
    "shuffled": {"tuning": "lora", "format": "shuffled"},
}
STATES = [
    ("base", "as it was"),
    ("rag", "as it was"),
    ("rag", "re-indexed"),
    ("lora", "as it was"),
    ("lora", "re-trained"),
    ("rag+lora", "as it was"),
    ("rag+lora", "re-indexed"),
    ("rag+lora", "re-trained"),
]
EDITS = {
    "pumps/kova.md": [("42 bar", "55 bar"), ("It weighs 12 kg.", "It weighs 12 kg and costs 900 EUR.")],
    "sites/ardley.md": [("84 employees", "91 employees")],
    "pumps/vela.md": [("reaches 0.8 mbar. It was", "was")],
}
FATES: dict[str, Change] = {"f1-2": "changed", "f6-2": "changed", "f3-2": "withdrawn", "u1": "added"}


def write_update(folder: Path, edit: Callable[[list[dict]], list[dict]] = lambda lines: lines) -> Path:
    """Version 2 of the small domain: two values change, one goes, one comes."""
    documents = dict(DOCUMENTS)
    for name, edits in EDITS.items():
        for old, new in edits:
            assert documents[name].count(old) == 1
            documents[name] = documents[name].replace(old, new)
    lines = question_lines()
    for line in lines:
        fact = line.get("fact")
        for old, new in [("42 bar", "55 bar"), ("84", "91"), ("It weighs 12 kg", "It weighs 12 kg and costs 900 EUR")]:
            line["answers"] = [new if answer == old else answer for answer in line["answers"]]
            line["evidence"] = [{**piece, "quote": piece["quote"].replace(old, new)} for piece in line.get("evidence", [])]
        if fact == "f3":
            line |= {"answers": [], "evidence": [], "document": "pumps/vela.md"}
        if line["id"] == "u1":
            line |= {"answers": ["900 EUR"]}
    return write_domain(folder, documents, edit(lines))


@pytest.fixture(scope="module")
def second(tmp_path_factory) -> Path:
    return write_update(tmp_path_factory.mktemp("update") / "works-2")


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_model, second) -> tuple[Context, Drill]:
    root = tmp_path_factory.mktemp("drill")
    study = Study(
        domain=str(write_domain(root / "works")), model=str(tiny_model), embedder=None, seeds=(3, 1), chunk_tokens=32, context_tokens=64, k=2,
        max_new_tokens=6, batch_size=4, train_tokens=600, train_batch_size=4, arms=ARMS, limit=6,
    )  # fmt: skip
    run(study, root / "runs")
    context = prepare(study, root / "runs")
    return context, drill(context, second / "corpus", second / "questions.jsonl")


@pytest.fixture
def copied(done, tmp_path) -> Context:
    """The run, drilled already, to be spoilt."""
    context, _ = done
    shutil.copytree(context.run.folder, tmp_path / context.run.folder.name)
    return prepare(context.study, tmp_path)


def again(context: Context, second: Path, **given) -> Drill:
    return drill(context, second / "corpus", second / "questions.jsonl", **given)


def answers(context: Context, *place: str) -> dict[str, Answer]:
    path = context.run.folder.joinpath(*place) / "answers.jsonl"
    return {answer.question: answer for answer in read_jsonl_as(Answer, path)}


# ── what changed ─────────────────────────────────────────────────────────────────────────────────────────────────────


def fate(tmp_path: Path, **changes) -> tuple[Change, Domain, Domain]:
    """What became of f2-2, "What is the mass of the Kova 30?" with the answer "12 kg", when its line is changed so."""

    def edit(lines: list[dict]) -> list[dict]:
        return [line | changes if line["id"] == "f2-2" else line for line in lines]

    old = load_domain(write_domain(tmp_path / "old"))
    folder = write_update(tmp_path / "new", edit)
    new = load_update(old, folder / "corpus", folder / "questions.jsonl")
    return next(case.change for case in cases(old, new) if case.old.id == "f2-2"), old, new


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "unchanged"),
        ({"answers": ["12 KG."]}, "unchanged"),
        ({"answers": ["twelve kilograms", "12 kg"]}, "unchanged"),
        ({"answers": ["12 kg", "twelve"]}, "unchanged"),
        ({"answers": ["13 kg"], "evidence": []}, "changed"),
        ({"answers": [], "evidence": [], "document": "pumps/kova.md"}, "withdrawn"),
        ({"question": "What is the mass of a Kova 30 now?"}, "reworded"),
        ({"question": "what is the mass of the KOVA 30"}, "unchanged"),
        ({"split": "dev"}, "not held out"),
        ({"id": "f2-9"}, "dropped"),
    ],
)
def test_what_became_of_a_question(tmp_path, changes, expected):
    assert fate(tmp_path, **changes)[0] == expected


def test_all_fates_together(tmp_path):
    _, old, new = fate(tmp_path)
    found = cases(old, new)
    assert {case.old.id: case.change for case in found} == {q.id: FATES.get(q.id, "unchanged") for q, _ in old.split("test")}
    assert counts(found) == {"changed": 2, "added": 1, "withdrawn": 1, "unchanged": 6}
    assert counts([replace(found[0], change="dropped")]) == {"changed": 0, "added": 0, "withdrawn": 0, "unchanged": 0, "dropped": 1}


def test_a_shared_variant_is_not_the_same_fact(tmp_path):
    """ "9" may stay an accepted variant while the date that it abbreviates changes."""
    old = load_domain(write_domain(tmp_path / "old", lines=[{**line, "answers": [*line["answers"], "9"]} for line in question_lines()]))
    folder = write_update(tmp_path / "new", lambda lines: [{**line, "answers": [*line["answers"], "9"]} for line in lines if line["answers"]])
    new = load_update(old, folder / "corpus", folder / "questions.jsonl")
    assert {case.old.id for case in cases(old, new) if case.change == "changed"} == {"f1-2", "f6-2"}


def test_the_sample_is_spread_and_a_larger_one_adds_to_it(tmp_path):
    _, old, new = fate(tmp_path)
    found = cases(old, new)
    sizes, before = [], set[str]()
    for limit in range(1, 8):
        kept = {case.old.id for case in sample(found, limit)}
        assert before <= kept
        sizes.append(len(kept))
        before = kept
    assert sizes == [4, 6, 7, 8, 9, 10, 10]
    unchanged = [case.old.document for case in sample(found, 3) if case.change == "unchanged"]
    assert len(set(unchanged)) == 3


def test_questions_without_a_split_keep_that_of_version_1(tmp_path):
    """Else a wording that version 1 trained on could be asked of it."""
    bare = [{key: value for key, value in line.items() if key != "split"} for line in question_lines()]
    old = load_domain(write_domain(tmp_path / "old", lines=bare))
    new = [{"question": "Who keeps the stores?", "answers": ["Jonas Reed"], "document": "people/staff.txt"}]
    folder = write_update(tmp_path / "new", lambda lines: [{k: v for k, v in line.items() if k != "split"} for line in new + lines])
    found = load_update(old, folder / "corpus", folder / "questions.jsonl")
    assert {gold.id: gold.split for gold in old.gold.values()} == {gold.id: gold.split for gold in found.gold.values() if gold.id in old.gold}
    assert len(found.gold) == len(old.gold) + 1
    assert not (folder / "splits.json").exists(), "nothing is written beside the user's files"


def test_no_training_wording_is_a_test_question_of_either_version(done, second):
    context, _ = done
    old = load_domain(context.study.domain)
    new = load_update(old, second / "corpus", second / "questions.jsonl")
    asked = [case.old.id for case in sample(cases(old, new), 40)]
    for domain in (old, new):
        trained = {" ".join(question.text.lower().split()) for question, _ in domain.split("train")}
        assert asked and not trained & {" ".join(old.questions[key].text.lower().split()) for key in asked}
        assert all(domain.holds_out(old.questions[key].text) for key in asked)


# ── shares ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def by_hand(values: list[tuple[str, float]]) -> tuple[float, float]:
    """The 95 % interval of a mean, clustered: the jackknife of docs/statistics.md, written down again."""
    n, mean = len(values), sum(value for _, value in values) / len(values)
    groups: dict[str, list[float]] = {}
    for document, value in values:
        groups.setdefault(document, []).append(value)
    without = [(n * mean - sum(group)) / (n - len(group)) for group in groups.values()]
    se = max(sqrt((len(groups) - 1) / len(groups) * sum((one - mean) ** 2 for one in without)), 1 / n)
    df = n**2 / sum(len(group) ** 2 for group in groups.values()) - 1
    half = t.ppf(0.975, df) * se
    return mean - half, mean + half


def test_a_share_by_hand():
    values = [("a", True), ("a", False), ("b", True), ("c", None), ("c", False), ("d", False)]
    found = share(values)
    assert found is not None and (found.k, found.n, found.mean) == (2, 5, 0.4)
    low, high = by_hand([(document, float(value)) for document, value in values if value is not None])
    assert (found.low, found.high) == pytest.approx((max(0.0, low), min(1.0, high)))
    assert 0.4 + t.ppf(0.975, found.df) * found.se == pytest.approx(high), "what a need is tested on"
    assert share([]) is None and share([("a", None)]) is None
    assert share([("a", True), ("a", True)]) == Share(2, 2, None, None, 0.0, 0.0), "one document bears no interval"


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from([True, False, None])), max_size=30))
def test_a_share_holds_its_mean_and_stays_a_share(values):
    found, scored = share(values), [value for _, value in values if value is not None]
    assert (found is None) == (not scored)
    if found:
        assert (found.k, found.n) == (sum(scored), len(scored))
        assert found.low is None or found.high is None or 0 <= found.low <= found.mean <= found.high <= 1


def one(change: Change, new: bool | None, old: bool | None, before: bool | None = None, document: str = "a") -> Judged:
    return Judged(change, document, new, old, before)


def test_every_rate_by_hand():
    judged = [
        one("changed", True, False),
        one("changed", True, True),  # names both answers: adopted, and not stale
        one("changed", False, True),
        one("changed", False, False),
        one("changed", None, None),  # failed
        one("added", True, False),
        one("added", False, True),
        one("withdrawn", False, True),
        one("withdrawn", True, False),
        one("withdrawn", False, False),  # invents a third answer
        one("unchanged", True, True, True),
        one("unchanged", False, False, True),
        one("unchanged", True, True, False),
        one("unchanged", True, True, None),
        one("unchanged", None, None, True),
    ]
    found = measure(judged, renewed=True)
    assert {key: (value.k, value.n) for key, value in found.items() if key != "failures"} == {
        "adopted": (2, 4), "stale": (1, 4), "learned": (1, 2), "outlived": (1, 3), "kept": (1, 2), "unchanged": (3, 4),
    }  # fmt: skip
    assert found["failures"] == 2
    assert measure(judged, renewed=False) == found | {"kept": None}
    assert all(value is None for key, value in measure([], renewed=True).items() if key != "failures")


def row(arm: str, state: State, index: float | None, training: float | None, failed: str = "", **shares) -> DrillRow:
    return DrillRow(arm, state, 0, index, training, **{**measure([], renewed=True), **shares}, failed=failed)


def test_seconds_to_be_fresh():
    assert row("rag", "as it was", None, None).seconds is None
    assert row("rag", "re-indexed", 3.0, None).seconds == 3.0
    assert row("lora", "re-trained", None, 20.0).seconds == 20.0
    assert row("rag+lora", "re-trained", 3.0, 20.0).seconds == 23.0
    assert row("rag+lora", "re-trained", 3.0, 20.0, "came apart").seconds is None, "it never was"


def test_a_difference_by_hand():
    mine = [one("changed", new, None, document=document) for document, new in zip("aabcd", [True, False, True, None, False], strict=True)]
    theirs = [one("changed", new, None, document=document) for document, new in zip("aabcd", [False, False, True, True, True], strict=True)]
    spare = one("unchanged", True, True)
    rag, lora = row("rag", "re-indexed", 3.0, None), row("lora", "re-trained", None, 20.0)
    found = difference(lora, rag, [*mine, spare], [*theirs, spare])
    assert found is not None and (found.arm, found.minus, found.n, found.seconds) == ("lora", "rag", 4, 17.0)
    low, high = by_hand([("a", 1.0), ("a", 0.0), ("b", 0.0), ("d", -1.0)])
    assert (found.adopted, found.low, found.high) == pytest.approx((0.0, max(-1.0, low), min(1.0, high)))
    assert difference(lora, rag, [spare], [spare]) is None
    assert difference(lora, replace(rag, index_seconds=None), mine, theirs) is None


# ── the drill ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_are_those_that_apply(done):
    context, found = done
    assert [(r.arm, r.state) for r in found.rows] == STATES
    for r in found.rows:
        assert r.seed == (3 if "lora" in r.arm else 0), "its first seed"
        assert (r.index_seconds is not None) == (r.state != "as it was" and "rag" in r.arm)
        assert (r.training_seconds is not None) == (r.state == "re-trained")
        assert (r.kept is None) or r.state != "as it was"
    assert found.asked == {"changed": 2, "added": 1, "withdrawn": 1, "unchanged": 6} == found.questions
    assert found.new_questions == 0
    assert read_drill(context.run.folder) == found
    assert read_drill(context.run.folder / "arms") is None
    assert [(d.arm, d.minus, d.n) for d in found.differences] == [("lora", "rag", 2), ("rag+lora", "rag", 2)]


def test_looking_up_a_row(done):
    _, found = done
    assert found.updated("rag") == found.row("rag", "re-indexed") and found.updated("rag") in found.rows
    assert found.updated("rag+lora") == found.row("rag+lora", "re-trained")
    assert found.updated("base") is None and found.row("rag", "re-trained") is None


def test_the_runs_own_answers_are_not_asked_again(done):
    context, _ = done
    own = {question.id for question, _ in context.domain.split("test")}
    every = {question.id for question, _ in load_domain(context.study.domain).split("test")}
    assert len(own) == 6 < len(every)
    for arm, state in STATES:
        asked = answers(context, "drill", arm, state.replace(" ", "-"))
        assert set(asked) == (every - own if state == "as it was" else every)


def test_the_new_index_shows_the_new_documents_and_the_old_one_the_old(done):
    context, _ = done
    for arm in ("rag", "rag+lora"):
        for state in ("re-indexed", "re-trained")[: 1 + ("lora" in arm)]:
            text = " ".join(hit.chunk.text for answer in answers(context, "drill", arm, state).values() for hit in answer.hits or ())
            assert "55 bar" in text and "42 bar" not in text
    shown = [hit.chunk.text for name in ("drill/rag/as-it-was", "arms/rag/seed-0") for a in answers(context, name).values() for hit in a.hits or ()]
    assert "42 bar" in " ".join(shown) and "55 bar" not in " ".join(shown)


def test_what_was_chosen_by_itself_stays_as_it_was(done, second):
    """An update changes the documents, not the retriever or the format."""
    context, _ = done
    settled = drilling._settled(context, context.study.arms["rag+lora"])
    assert (settled.retriever, settled.format) == ("bm25", context.default_format)
    bare = drilling._settled(context, context.study.arms["base"])
    assert (bare.retriever, bare.format) == (None, None)


def test_each_state_answers_with_its_own_adapter(done):
    """As it was: the run's. Re-trained: one that was trained on version 2; lora and rag+lora share it."""
    context, _ = done
    stored = {path.name for path in (context.run.folder / "artifacts").glob("adapter-*")}
    of_the_run = {
        read_json(context.run.seed_folder(arm, seed) / "fit.json")["adapter"]["folder"].split("/")[1]
        for arm in ("lora", "rag+lora", "shuffled")
        for seed in (3, 1)
    }
    (trained,) = stored - of_the_run
    asked = answers(context, "drill", "lora", "re-trained")
    questions = load_domain(context.study.domain).questions
    served = Served(load_base(context.model.folder), context.run.folder / "artifacts" / trained, context.study.max_new_tokens)
    assert {key: served.complete([closed_book(questions[key].text, "en")])[0].text for key in asked} == {key: a.text for key, a in asked.items()}
    assert set(read_json(context.run.folder / "artifacts" / trained / "artifact.json")["fit"]) >= {"seconds"}


def rewrite(context: Context, place: str, texts: dict[str, str]) -> None:
    """Give stored answers other texts, as if the arm had said them."""
    folder = context.run.folder / place
    write_jsonl(folder / "answers.jsonl", [replace(a, text=texts.get(a.question, "nothing"), outcome="ok") for a in answers(context, place).values()])
    note = folder / "done.json"
    write_json(note, {**read_json(note), "answers": file_sha256(folder / "answers.jsonl")})


def test_planted_answers_give_the_shares_by_hand(copied, second):
    """rag takes up both values when it is indexed anew, and lora one, naming the old one for the other."""
    before = {"f1-2": "42 bar", "f6-2": "84", "f3-2": "0.8 mbar", "f2-2": "12 kg", "f4-2": "March 2021"}
    for arm in ("rag", "lora"):
        for place in (f"arms/{arm}/seed-{0 if arm == 'rag' else 3}", f"drill/{arm}/as-it-was"):
            rewrite(copied, place, before)
    rewrite(copied, "drill/rag/re-indexed", {**before, "f1-2": "55 bar", "f6-2": "91", "u1": "It costs 900 EUR", "f3-2": "low"})
    rewrite(copied, "drill/lora/re-trained", {"f1-2": "55 bar", "f6-2": "84", "f3-2": "0.8 mbar", "f2-2": "12 kg", "f5-2": "Mira Holt"})
    found = again(copied, second, arms=["rag", "lora"])

    def shares(arm: str, state: State) -> dict[str, tuple[int, int]]:
        r = found.row(arm, state)
        assert r is not None and r.failures == 0
        named = {name: getattr(r, name) for name in ("adopted", "stale", "learned", "outlived", "kept", "unchanged")}
        return {name: (value.k, value.n) for name, value in named.items() if value is not None}

    was = {"adopted": (0, 2), "stale": (2, 2), "learned": (0, 1), "outlived": (1, 1), "unchanged": (2, 6)}
    assert shares("rag", "as it was") == was == shares("lora", "as it was")
    assert shares("rag", "re-indexed") == {
        "adopted": (2, 2),
        "stale": (0, 2),
        "learned": (1, 1),
        "outlived": (0, 1),
        "kept": (2, 2),
        "unchanged": (2, 6),
    }
    assert shares("lora", "re-trained") == {
        "adopted": (1, 2),
        "stale": (1, 2),
        "learned": (0, 1),
        "outlived": (1, 1),
        "kept": (1, 2),
        "unchanged": (2, 6),
    }
    (d,) = found.differences
    low, high = by_hand([("pumps/kova.md", 0.0), ("sites/ardley.md", -1.0)])
    assert (d.adopted, d.low, d.high) == pytest.approx((-0.5, max(-1.0, low), min(1.0, high)))


def test_a_second_time_nothing_is_asked_or_built(done, second, monkeypatch):
    context, found = done

    def never(*_, **__):
        raise AssertionError("asked again")

    monkeypatch.setattr(drilling, "compose", never)
    monkeypatch.setattr("ragft.units.build_index", never)
    monkeypatch.setattr("ragft.units.build_adapter", never)
    assert again(context, second) == found


@pytest.mark.parametrize("arm", ["lora", "rag"])
def test_the_index_is_an_update_of_the_runs_own_whoever_needs_it_first(copied, second, monkeypatch, arm):
    own, updated = {path.name for path in copied.run.folder.glob("artifacts/index-*")}, []
    shutil.rmtree(copied.run.folder / "drill")
    new = [path for path in copied.run.folder.glob("artifacts/index-*") if "55 bar" in (path / "chunks.jsonl").read_text()]
    assert len(new) == 1 and len(own) == 2
    shutil.rmtree(new[0])
    real = units.build_index

    def spy(plan, folder, progress, previous=None):
        updated.append(previous and previous.name)
        return real(plan, folder, progress, previous)

    monkeypatch.setattr(units, "build_index", spy)
    again(copied, second, arms=[arm], limit=1)
    assert set(updated) == own - {new[0].name}


def test_scores_and_sheets_go_on_reading_the_runs_own_documents(copied):
    (new,) = [path for path in copied.run.folder.glob("artifacts/index-*") if "55 bar" in (path / "chunks.jsonl").read_text()]
    new.rename(new.with_name("index-000000000000"))  # which comes first
    texts = " ".join(chunk.text for chunk in own_chunks(copied.run))
    assert "42 bar" in texts and "55 bar" not in texts


def test_a_killed_job_goes_on(copied, done, second):
    _, found = done
    folder = copied.run.folder / "drill" / "lora" / "re-trained"
    lines = (folder / "answers.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "answers.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:20])
    (folder / "done.json").unlink()
    (copied.run.folder / "drill.json").unlink()
    shutil.rmtree(copied.run.folder / "drill" / "rag" / "re-indexed")
    draft = copied.run.folder / "artifacts" / ".adapter-draft"
    draft.mkdir()
    assert again(copied, second) == found
    assert not draft.exists(), "what a killed training left"
    assert (folder / "answers.jsonl").read_bytes().splitlines(keepends=True)[:4] == lines[:4]


def test_other_arms_rows_stay_where_they_were_asked_the_same(copied, done, second):
    _, found = done
    assert again(copied, second, arms=["lora"]) == found == read_drill(copied.run.folder)
    fewer = again(copied, second, arms=["lora"], limit=1)
    assert {row.arm for row in fewer.rows} == {"lora"}, "the others were asked more"
    both = again(copied, second, arms=["base"], limit=1)
    assert [row.arm for row in both.rows] == ["base", "lora", "lora"], "as in the study"


@pytest.mark.parametrize("change", [{"old": "x"}, {"new": "x"}, {"metric": "exact"}, {"asked": {"changed": 9}}, {"questions": {"changed": 9}}])
def test_rows_of_another_update_are_not_kept(change):
    stored = made_drill()
    lora = replace(stored, rows=stored.rows[2:], differences=())
    assert joined(replace(stored, **change), lora, ["rag", "lora"]) == lora
    assert joined(None, lora, ["rag", "lora"]) == lora
    assert joined(stored, lora, ["rag", "lora"]) == stored
    assert joined(stored, lora, ["lora"]).rows == lora.rows, "rag is no longer in the study"


def test_a_difference_stays_only_with_the_rows_that_it_is_of():
    stored = made_drill()
    again = replace(stored, rows=tuple(replace(row, index_seconds=4.0) for row in stored.rows[:2]), differences=())
    assert joined(stored, again, ["rag", "lora"]).differences == ()
    same = replace(stored, rows=stored.rows[:2], differences=())
    assert joined(stored, same, ["rag", "lora"]) == stored
    assert joined(stored, replace(same, reference="base"), ["rag", "lora"]).differences == ()


def test_fewer_questions_and_some_arms(copied, second):
    found = again(copied, second, arms=["lora"], limit=1)
    assert found.asked == {"changed": 1, "added": 1, "withdrawn": 1, "unchanged": 1}
    assert [(r.arm, r.state) for r in found.rows] == [("lora", "as it was"), ("lora", "re-trained")]
    assert found.differences == (), "the reference was not drilled"
    assert len(answers(copied, "drill", "lora", "re-trained")) == 4


def test_a_control_is_drilled_when_it_is_named(copied, second):
    found = again(copied, second, arms=["shuffled"], limit=1)
    assert [r.state for r in found.rows] == ["as it was", "re-trained"]


def test_a_training_that_came_apart_is_a_row_without_figures(copied, second, tmp_path, monkeypatch):
    """Its answers are errors: counted, never scored."""

    def diverges(*_, **__):
        raise DivergedError("training came apart at step 3: the loss is no longer a number.")

    monkeypatch.setattr("ragft.units.build_adapter", diverges)
    other = write_update(tmp_path / "other", lambda lines: [{**line, "kind": "number"} for line in lines])
    found = again(copied, other, arms=["rag", "lora"])
    failed = found.row("lora", "re-trained")
    assert failed is not None and "came apart" in failed.failed and failed.failures == 10 and failed.seconds is None
    assert (failed.adopted, failed.stale, failed.kept, failed.unchanged) == (None, None, None, None)
    assert found.differences == ()
    assert any("lora could not be trained again: training came apart" in sentence for sentence in says(found))
    assert "could not be trained again" in environment().get_template("drill.html").render(drill=view(found))


def test_answers_that_the_metric_takes_for_each_other_are_left_out(copied, tmp_path):
    """ "84" stands in "84 people": an arm left as it was would seem to have taken it up."""
    folder = write_update(tmp_path / "two", lambda lines: [line | {"answers": ["84 people"]} if line["id"] == "f6-2" else line for line in lines])
    found = again(copied, folder, arms=["base"])
    assert (found.questions["changed"], found.questions["not told apart"], found.asked["changed"]) == (1, 1, 1)
    assert match(Answer("f6-2", "84 people", "ok", None, "", None, 0), load_domain(copied.study.domain).gold["f6-2"]) == 1
    assert "1 changed, but the metric takes" in " ".join(told(found))


# ── what is said at once ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arms", "kind", "message"),
    [
        (["rga"], InputError, r"unknown arm 'rga'\. Did you mean 'rag'\?"),
        (["oracle"], InputError, "arm 'oracle' is handed the evidence"),
        ([], InputError, "no arm to drill"),
    ],
)
def test_arms_that_cannot_be_drilled(done, second, arms, kind, message):
    with pytest.raises(kind, match=message):
        again(done[0], second, arms=arms)


def test_an_arm_that_has_not_answered(copied, second):
    (copied.run.seed_folder("lora", 3) / "done.json").unlink()
    with pytest.raises(MissingError, match="arm 'lora' has not answered yet"):
        again(copied, second)


def test_version_2_is_version_1(done, tmp_path):
    context, _ = done
    folder = Path(context.study.domain)
    with pytest.raises(InputError, match="version 2 has the same documents"):
        again(context, folder)
    more = write_domain(tmp_path / "more", {**DOCUMENTS, "new.md": "# New\n\nNothing of note.\n"})
    with pytest.raises(InputError, match=r"no test question has another answer than in version 1 \(10 unchanged\)"):
        again(context, more)
    renamed = write_update(tmp_path / "renamed", lambda lines: [{**line, "id": "x" + line["id"]} for line in lines])
    with pytest.raises(InputError, match=r"\(10 dropped\).*Keep the ids"):
        again(context, renamed)


def test_files_are_named_as_the_user_named_them(done, second, tmp_path):
    context, _ = done
    with pytest.raises(MissingError, match=r"nowhere: no such folder"):
        drill(context, tmp_path / "nowhere", second / "questions.jsonl")
    with pytest.raises(MissingError, match=r"none\.jsonl: no such file"):
        drill(context, second / "corpus", tmp_path / "none.jsonl")
    broken = tmp_path / "mine.jsonl"
    broken.write_text('{"question": "What?", "answers": ["42"], "evidence": [{"document": "pumps/kova.md", "quote": "42 bar"}]}\n')
    with pytest.raises(InputError) as caught:
        drill(context, second / "corpus", broken)
    assert str(caught.value).startswith(f"{broken}:1: the evidence is not in pumps/kova.md")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError) as caught:
        drill(context, empty, second / "questions.jsonl")
    assert str(caught.value).startswith(f"{empty}: no document")


def test_version_2_has_nothing_to_train_on(done, tmp_path):
    folder = write_update(tmp_path / "two", lambda lines: [line for line in lines if line["split"] != "train"])
    with pytest.raises(InputError, match=r"questions\.jsonl: arm 'lora' is fine-tuned, but no question is in the train split"):
        again(done[0], folder, arms=["rag", "lora"])


def test_a_run_that_is_at_work(copied, second):
    from filelock import FileLock

    with FileLock(copied.run.folder / ".lock"), pytest.raises(BusyError):
        again(copied, second)


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def made_drill() -> Drill:
    def of(k: int, n: int) -> Share:
        return Share(k, n, 0.1, 0.9)

    rows = (
        row("rag", "as it was", None, None, adopted=of(0, 18), stale=of(9, 18)),
        row("rag", "re-indexed", 3.0, None, adopted=of(9, 18), stale=of(0, 18), outlived=of(0, 23), kept=of(19, 20)),
        row("lora", "as it was", None, None, adopted=of(1, 18), stale=of(5, 18)),
        row("lora", "re-trained", None, 130.0, adopted=of(4, 18), stale=of(2, 18), outlived=of(3, 23), kept=of(8, 10)),
    )
    asked = {"changed": 18, "added": 7, "withdrawn": 23, "unchanged": 40}
    return Drill("1", "2", "match", "rag", {**asked, "unchanged": 437, "dropped": 2}, asked, 3, rows,
                 (DrillDifference("lora", "rag", -5 / 18, -0.6, 0.05, 18, 127.0),))  # fmt: skip


def test_the_sentences():
    assert says(made_drill()) == (
        "After the update, rag, re-indexed in 3.0 s, gives the new answer to 9 of 18 changed questions; lora, re-trained in 2 min 10 s, to 4 of 18.",
        "Left as it was, rag gives the old answer to 9 of 18 changed questions; lora to 5 of 18.",
        "Of the withdrawn questions, rag, re-indexed, still gives the old answer to 0 of 23; lora, re-trained, to 3 of 23.",
        "Of the unchanged questions that were right before, rag, re-indexed, keeps 19 of 20; lora, re-trained, keeps 8 of 10.",
        "Re-training lora takes 2 min 7 s longer than re-indexing rag; its share of new answers is 27.8 points lower than that of rag "
        "(95 % interval −60.0 to +5.0; 18 questions, one training seed).",
    )
    assert list(told(made_drill())) == [
        "Test questions that were asked: 18 changed (of 18), 7 added (of 7), 23 withdrawn (of 23), 40 unchanged (of 437).",
        "Left out: 2 are not in version 2; 3 are new in version 2.",
    ]
    many = replace(made_drill(), rows=tuple(row(f"a{n}", "re-indexed", 1.0, None, adopted=Share(1, 2, None, None)) for n in range(9)))
    assert "a5, re-indexed" in says(many)[0] and says(many)[0].endswith("; and so with 3 more.")


def test_the_section_of_the_report():
    from bs4 import BeautifulSoup

    template = environment().get_template("drill.html")
    page = BeautifulSoup(template.render(drill=view(made_drill())), "html.parser")
    cells = [[cell.get_text(" ", strip=True) for cell in line.select("th, td")] for line in page.select("tbody tr")]
    assert cells[1] == [
        "rag",
        "re-indexed",
        "3.0 s",
        "50 % 9 of 18 10 to 90",
        "0 % 0 of 18 10 to 90",
        "–",
        "0 % 0 of 23 10 to 90",
        "95 % 19 of 20 10 to 90",
        "–",
    ]
    assert len(page.select("thead th")) == len(cells[0]) == 9
    assert [item.get_text() for item in page.select("li")] == list(says(made_drill()))
    assert "Not measured" in template.render(drill=None)


def test_the_record_is_read_as_it_was_written(tmp_path):
    write_json(tmp_path / "drill.json", made_drill())
    assert read_drill(tmp_path) == made_drill()
    (tmp_path / "drill.json").write_text(json.dumps({"rows": []}))
    with pytest.raises(InputError, match="not what this version of ragft writes"):
        read_drill(tmp_path)


def test_the_bundled_domain_has_its_changes():
    """What data/tarnbeck/changes.jsonl says, found again from the two question files alone."""
    folder = Path(__file__).parents[1] / "data" / "tarnbeck"
    old = load_domain(folder)
    new = load_update(old, folder / "corpus-v2", folder / "questions-v2.jsonl")
    found = {case.old.id: case.change for case in cases(old, new)}
    lines = [json.loads(line) for line in (folder / "changes.jsonl").read_text(encoding="utf-8").splitlines()]
    stated = {entry["question"]: (bool(entry["old"]), bool(entry["new"])) for change in lines for entry in change["affects"]}
    words = {(True, True): "changed", (False, True): "added", (True, False): "withdrawn"}
    assert {key: change for key, change in found.items() if change != "unchanged"} == {
        key: words[answered] for key, answered in stated.items() if key in found
    }
