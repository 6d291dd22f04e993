"""The page "Verdict": what to do, why, how sure that is and what would change it."""

from __future__ import annotations

import streamlit as st

from ragft import pictures, registry
from ragft.dashboard import looks, runs
from ragft.store import Run

WAYS = {
    "whatif": "What if a price, a need or the margin were another?",
    "arms": "Arms: cost, time, memory, training",
    "losses": "Where points are lost",
    "questions": "Every question and answer",
}
INTERVALS = (
    "Score of each arm with its own 95 % interval: were the study repeated with other questions and other training seeds, such intervals "
    "would hold the true score in 95 of 100 repetitions. Whether two arms differ is not read from whether theirs overlap, but from the "
    "interval of their difference, on the page {}. Small orange dots are single training seeds; an open circle has no interval."
)


def show() -> None:
    run = runs.current()
    m, name = runs.material(run), run.folder.name
    summary = registry.lookup("metric", m.comparison.metric).summary
    looks.section("verdict.html", {"m": m, "d": m.decision, "c": m.comparison, "metric_summary": summary, "form": runs.form(run)})
    looks.say(" · ".join(["{}"] * len(WAYS)), *(looks.anchor(words, looks.link(page, run=name)) for page, words in WAYS.items()))
    _download(run)
    st.subheader("The arms")
    looks.markup(pictures.arms(m.comparison, m.decision.recommend))
    looks.say(INTERVALS, looks.anchor("Arms", looks.link("arms", run=name, tab="Differences and 2×2")))


def _download(run: Run) -> None:
    report = run.folder / "report.html"
    if report.is_file():
        help_ = "One file that opens offline. It holds passages of your documents: share it as you would share them."
        st.download_button(
            "Download the report",
            report.read_bytes,
            f"{run.folder.name}.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            help=help_,
        )
    else:
        st.caption(looks.plain(f"This run has no report yet: ragft report {run.folder}"))
