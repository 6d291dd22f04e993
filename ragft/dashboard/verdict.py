"""The page "Verdict": what to do, why, how sure that is and what would change it."""

from __future__ import annotations

import streamlit as st

from ragft import pictures, registry
from ragft.dashboard import looks, runs


def show() -> None:
    run = runs.current()
    m = runs.material(run)
    summary = registry.lookup("metric", m.comparison.metric).summary
    looks.section("verdict.html", {"m": m, "d": m.decision, "c": m.comparison, "metric_summary": summary, "form": ""})
    st.subheader("The arms")
    looks.markup(pictures.arms(m.comparison, m.decision.recommend))
    looks.say("Score of each arm with its own 95 % interval. Small orange dots are single training seeds; an open circle has no interval.")
    form = runs.known(run)["form"]  # reads every answer, so the rest is shown first
    if form:
        st.warning(looks.plain(form))
