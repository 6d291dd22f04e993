"""The page "Arms": quality, cost, waiting time and memory of every arm, what they are to each other, and how they were trained."""

from __future__ import annotations

import streamlit as st

from ragft.dashboard import looks, runs
from ragft.dashboard.address import TAB

TABS = {
    "Arms": ("front_chart.html", "front.html", "arms.html"),
    "Differences and 2×2": ("differences.html",),
    "Cost and time": ("cost.html",),
    "Which fine-tuning?": ("which_tuning.html",),
    "Training": ("training.html",),
}


def show() -> None:
    known = runs.of_arms(runs.current())
    st.title("Arms")
    for tab, templates in zip(st.tabs(list(TABS), key=TAB, bind="query-params"), TABS.values(), strict=True):
        with tab:
            for template in templates:
                looks.section(template, {**known, "keys": ["cost", "wait", "memory"]})
