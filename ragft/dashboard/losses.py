"""The page "Where points are lost": the ladder, slices, what search missed, and what fine-tuning rescued of it."""

from __future__ import annotations

import streamlit as st

from ragft.dashboard import looks, runs


def show() -> None:
    known = runs.known(runs.current())
    st.title("Where points are lost")
    for template in ("losses.html", "slices.html"):
        looks.section(template, known)
