"""The frame of the dashboard: the pages, the choice of a run, and what every page has in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from ragft.dashboard import arms, ask, compare, corpus, losses, newstudy, questions, review, verdict, whatif
from ragft.dashboard.looks import anchor, link, plain, say, use_style
from ragft.dashboard.runs import CHOSEN, RUNS, finished
from ragft.errors import RagftError
from ragft.pages import TEMPLATES

NEW = "newstudy"
PAGES = {
    "The answer": [
        (verdict.show, "Verdict", "", ":material/gavel:"),
        (whatif.show, "What if", "whatif", ":material/tune:"),
        (arms.show, "Arms", "arms", ":material/scatter_plot:"),
        (losses.show, "Where points are lost", "losses", ":material/troubleshoot:"),
    ],
    "Evidence": [
        (questions.show, "Questions", "questions", ":material/quiz:"),
        (review.show, "Review", "review", ":material/fact_check:"),
        (corpus.show, "Corpus and leakage", "corpus", ":material/library_books:"),
        (compare.show, "Compare runs", "compare", ":material/compare_arrows:"),
    ],
    "Do": [
        (ask.show, "Ask", "ask", ":material/chat:"),
        (newstudy.show, "New study", NEW, ":material/add_circle:"),
    ],
}


def main(runs: Path | None = None) -> None:
    """Draw one page over the runs in that folder and the bundled examples; None: the folder that --runs names."""
    # first, and a picture of our own: for the icon of a page the browser would ask a server of Google's
    st.set_page_config(page_icon=TEMPLATES / "icon.svg", layout="wide")
    page = st.navigation({name: [_page(*one) for one in part] for name, part in PAGES.items()})
    st.set_page_config(page_title=f"{page.title} · ragft")
    on_page(page.run, runs or _arguments(), about_a_run=page.url_path != NEW)


def on_page(show: Callable[[], None], runs: Path, *, about_a_run: bool = True) -> None:
    """Draw a page with what all pages have in common."""
    st.session_state[RUNS] = runs
    use_style()
    _choose()
    if about_a_run:
        _say_example()
    try:
        show()
    except RagftError as error:
        st.error(plain(error), icon=":material/error:")


def _say_example() -> None:
    """That what is seen is not the reader's own."""
    chosen = finished().get(st.session_state.get(CHOSEN, ""))
    if chosen and chosen.example:
        say(
            "<b>This is the bundled example</b>, a made-up domain and a small model, not your documents. "
            "To see your own: {}, or <code>ragft run STUDY --runs {}</code>.",
            anchor("start a study", link(NEW)), st.session_state[RUNS],
        )  # fmt: skip


def _page(show: Callable[[], None], title: str, path: str, icon: str) -> Page:
    return st.Page(show, title=title, url_path=path, icon=icon, default=not path)


def _arguments() -> Path:
    parser = argparse.ArgumentParser(prog="ragft dashboard")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    return parser.parse_args().runs


def _choose() -> None:
    """The run that all pages are about; it stands in the address, so that a link leads to what was seen."""
    found, asked = finished(), st.query_params.get(CHOSEN)
    if not found:
        return
    if st.session_state.get(CHOSEN) not in found:
        st.session_state[CHOSEN] = asked if asked in found else next(iter(found))
        if asked and asked not in found:
            st.warning(f"The run that this link names is not here: {plain(asked)}. Shown is the newest.", icon=":material/link_off:")
    with st.sidebar:
        st.selectbox("Run", list(found), key=CHOSEN, format_func=lambda name: found[name].label, help="Newest first; when they began is in UTC.")
        st.caption(plain(st.session_state[CHOSEN]))
    st.query_params[CHOSEN] = st.session_state[CHOSEN]
