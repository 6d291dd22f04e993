"""The page "Questions": every held-out question, found by words and by how the arms fared, and all answers to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

import streamlit as st

from ragft import registry, scoring
from ragft.answerlog import question_lines, record_at
from ragft.dashboard import address, looks, runs
from ragft.dashboard.kept import kept
from ragft.domain.splits import STRATA
from ragft.examples import Given, example, marks_of
from ragft.numbers import NONE
from ragft.sifting import MARKS, RETRIEVAL, Board, Sieve, board, sift
from ragft.store import Run
from ragft.types import Answer, Gold

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
SIGNS = {"right": "✓", "wrong": "✗", "refused": "○", "error": "!", "": NONE}
KEY = "✓ right, ✗ wrong, ○ declined, ! failed"
QUESTION, FIRST = "id", "first"
HIGH, NARROW = 320, 64  # pixels of the table, and of a column of marks


@dataclass(frozen=True)
class Asked:
    """The questions of a run with the scores of one seed an arm."""

    board: Board
    frame: pd.DataFrame
    golds: dict[str, Gold]


def show() -> None:
    run = runs.current()
    st.title("Questions")
    m = runs.material(run)
    seeds = sorted({seed for arm in m.arms for seed in arm.seeds})
    sieve, seed = _sieve(run, seeds)
    asked = _asked(run, seed)
    found = sift(asked.board, sieve)
    metric = looks.plain(m.comparison.metric)
    st.caption(f"{len(found):,} of {len(asked.golds):,} questions. Marks are by {metric}, of each arm's {_seed_words(seed)}: {KEY}.")
    chosen = _chosen(found, asked)
    if found:
        _table(found, asked, list(dict.fromkeys([m.decision.recommend, m.comparison.reference, *asked.board.marks])))
    else:
        st.info("No question passes all of these. Take a filter out, or search for other words.", icon=":material/filter_alt_off:")
    if chosen:
        _one(run, chosen, asked, found)


# ── which questions ──────────────────────────────────────────────────────────────────────────────────────────────────


def _sieve(run: Run, seeds: list[int]) -> tuple[Sieve, str]:
    m = runs.material(run)
    strata, kinds = _facts(run)
    above = st.container()
    words = address.text("Search", "q", "words of the question, an answer, a document or an id")
    columns = st.columns(3)
    with columns[0]:
        stratum = address.choice("What training covered", "stratum", ["", *strata], lambda key: STRATA.get(key, key) or "all", above=above)
        kind = address.choice("Kind", "kind", ["", *kinds], lambda key: key or "all", above=above)
    with columns[1]:
        arm = address.choice(
            "Arm", "arm", ["", *(arm.name for arm in m.arms)], lambda key: key or "any arm", "Whose mark and passages are meant.", above
        )
        seed = address.choice("Seed", "seed", [FIRST, *map(str, seeds)], lambda key: "first of each arm" if key == FIRST else key, above=above)
    with columns[2]:
        mark = address.choice("Mark", "mark", ["", *MARKS], lambda key: MARKS.get(key, "all"), above=above)
        retrieval = address.choice("Retrieval", "retrieval", ["", *RETRIEVAL], lambda key: RETRIEVAL.get(key, "all"), above=above)
    return Sieve(words, stratum, kind, arm, mark, retrieval), seed


@kept()
def _facts(run: Run) -> tuple[list[str], list[str]]:
    golds = runs.material(run).golds
    return [key for key in STRATA if key in {gold.stratum for gold in golds}], sorted({gold.kind for gold in golds if gold.kind})


@kept("Reading the scores of every question …")
def _asked(run: Run, seed: str) -> Asked:
    m = runs.material(run)
    places = [(arm.name, int(seed) if seed != FIRST and int(seed) in arm.seeds else arm.seeds[0]) for arm in m.arms]
    frame = scoring.scores_frame(m.run, places, {"outcome", m.comparison.metric, "recall@k"})
    return Asked(board(frame, m.comparison.metric, m.golds, m.questions), frame, {gold.id: gold for gold in m.golds})


def _seed_words(seed: str) -> str:
    return "first seed" if seed == FIRST else f"seed {seed}, or its first where it has none such"


def _chosen(found: list[str], asked: Asked) -> str:
    """The question that is shown: as the address or the table says, else the first that is found."""
    if st.session_state.get(QUESTION) not in asked.golds:
        st.session_state[QUESTION] = address.asked(QUESTION, lambda key: key in asked.golds)
    address.say(QUESTION, st.session_state[QUESTION])  # the first one is not put there: after another search it would not be the first
    return str(st.session_state[QUESTION] or next(iter(found), ""))


def _table(found: list[str], asked: Asked, arms: list[str]) -> None:
    """The marks first, of the recommended arm and the reference before the others': they are seen on a phone too."""
    import pandas as pd

    marks = asked.board.marks.loc[found, arms].map(SIGNS.__getitem__)
    shown = pd.concat([marks, asked.board.facts.loc[found, ["question", "kind", "document"]]], axis=1)
    shown.index.name = "id"
    table = f"questions {hash(tuple(found))}"  # another table, another choice in it

    def pick() -> None:
        if rows := st.session_state[table]["selection"]["rows"]:
            st.session_state[QUESTION] = found[rows[0]]

    st.dataframe(
        shown,
        key=table,
        height=HIGH,
        on_select=pick,
        selection_mode="single-row",
        column_config={**{arm: st.column_config.TextColumn(width=NARROW) for arm in arms}, "question": st.column_config.TextColumn(width="large")},
    )


# ── one question ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _one(run: Run, key: str, asked: Asked, found: list[str]) -> None:
    _steps(key, found)
    m, gold = runs.material(run), asked.golds[key]
    answers, scores = _read(run, key, "answers.jsonl", Answer), _read(run, key, "scores.jsonl", dict)
    frame = scoring.frame_of([(*place, [row]) for place, row in scores.items()], [gold])
    marks = marks_of(m, frame, answers, gold)
    several = {arm.name for arm in m.arms if len(arm.seeds) > 1}
    labels = {place: f"{place[0]} (seed {place[1]})" if place[0] in several else place[0] for place in answers}
    scored, systems = {place: row[m.comparison.metric] for place, row in scores.items()}, {arm.name for arm in m.arms if arm.system}
    given = [Given(labels[place], answer, marks[place], scored.get(place), place[0] in systems) for place, answer in answers.items()]
    looks.section("example.html", {"x": example(m.questions[key], gold, given)})
    with st.expander("All scores of these answers, by every metric"):
        _scores(frame, labels)
    with st.expander("A link to this question"):
        st.code(_link(key), language=None, wrap_lines=True)


def _steps(key: str, found: list[str]) -> None:
    place = found.index(key) if key in found else -1

    def go(step: int) -> None:
        st.session_state[QUESTION] = found[place + step]

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous", shortcut="K", disabled=place <= 0, on_click=go, args=(-1,))
        st.button("Next", shortcut="J", disabled=not found or place == len(found) - 1, on_click=go, args=(1,))
        where = f"Question {place + 1:,} of {len(found):,}" if place >= 0 else "This question is not among those that pass the filters."
        st.caption(where, width="content")


def _read(run: Run, key: str, name: str, kind: type[T]) -> dict[tuple[str, int], T]:
    """The question's line of every arm and seed, each found by its place in the file."""
    places = _places(run, name)
    return {place: record_at(kind, path, lines[key]) for place, (path, lines) in places.items() if key in lines}


@kept("Finding the answers …")
def _places(run: Run, name: str) -> dict[tuple[str, int], tuple[Path, dict[str, tuple[int, int]]]]:
    paths = {place: run.seed_folder(*place) / name for place in scoring.finished(run)}
    return {place: (path, question_lines(path)) for place, path in paths.items()}


def _scores(frame: pd.DataFrame, labels: dict[tuple[str, int], str]) -> None:
    metrics = [name for name in registry.entries("metric") if name in frame and frame[name].notna().any()]
    table = (
        frame.assign(_label=[labels[arm, seed] for arm, seed in zip(frame["arm"], frame["seed"], strict=True)])
        .set_index("_label")[metrics]
        .astype(float)
        .T
    )
    table.columns.name = None
    table.insert(0, "what it is", [registry.lookup("metric", name).summary for name in table.index])
    table.index.name = "metric"
    st.dataframe(table, column_config={"what it is": st.column_config.TextColumn(width="medium")})


def _link(key: str) -> str:
    return f"{(st.context.url or '').split('?')[0]}?{urlencode({**st.query_params.to_dict(), QUESTION: key})}"
