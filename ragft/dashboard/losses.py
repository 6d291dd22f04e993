"""The page "Where points are lost": the ladder, slices, what search missed, and what fine-tuning rescued of it. From each, a way to its questions."""

from __future__ import annotations

import streamlit as st

from ragft.dashboard import looks, runs
from ragft.dashboard.looks import link
from ragft.store import Run

OF_A_SLICE = {"stratum": {}, "kind": {}, "retrieval": {"found": "hit", "missed": "miss"}}  # what the page "Questions" can be asked for, by what


def show() -> None:
    run = runs.current()
    known = runs.of_losses(run)
    st.title("Where points are lost")
    reference = known["c"].reference
    shown = [
        ("what search missed", {"retrieval": "miss"}),
        ("wrong with the evidence in hand", {"mark": "wrong", "retrieval": "hit"}),
        ("declined", {"mark": "refused"}),
    ]
    ways = [looks.anchor(words, _questions(run, arm=reference, **asked)) for words, asked in shown]
    looks.say("The questions behind it, of {}: " + " · ".join(["{}"] * len(ways)), reference, *ways)
    looks.section("losses.html", known)
    looks.section("slices.html", {**known, "links": _links(run, known)})


def _links(run: Run, known: runs.Known) -> dict[tuple[str, str], str]:
    """(slice, value) -> the address of its questions. What search found is the reference's."""
    reference = known["c"].reference
    return {
        (name, value): _questions(run, **{name: OF_A_SLICE[name].get(value, value)}, **({"arm": reference} if name == "retrieval" else {}))
        for name, values in known["slices"].items()
        if name in OF_A_SLICE
        for value in values
    }


def _questions(run: Run, **asked: str) -> str:
    return link("questions", run=run.folder.name, **asked)
