"""The page "Arms": quality, cost, waiting time and memory of every arm, what they are to each other, and how they were trained."""

from __future__ import annotations

import streamlit as st

from ragft.dashboard import looks, runs

TABS = {
    "Arms": ("front_chart.html", "front.html", "arms.html"),
    "Differences and 2×2": ("differences.html",),
    "Cost and time": ("cost.html",),
    "Which fine-tuning?": ("which_tuning.html",),
    "Training": ("training.html",),
}
KEY = "tab"  # in the address


def show() -> None:
    known = runs.known(runs.current())
    st.title("Arms")
    names, asked = list(TABS), st.query_params.get(KEY)
    tabs = st.tabs(names, default=asked if asked in names else None)
    for tab, templates in zip(tabs, TABS.values(), strict=True):
        with tab:
            for template in templates:
                looks.section(template, {**known, "keys": ["cost", "wait", "memory"]})
