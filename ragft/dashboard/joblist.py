"""What runs: every study that was started from the dashboard, how far it is, what it says, and how to end it or go on with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import streamlit as st

from ragft import jobs
from ragft.dashboard import looks
from ragft.dashboard.runs import RUNS
from ragft.errors import RagftError
from ragft.progressfile import Standing

EVERY_SECONDS = 2
SHOWN = 10  # the newest jobs; older ones that have ended stay in their folder
SIGNS = {
    "running": ":material/progress_activity:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "stopped": ":material/pause_circle:",
}


def show() -> None:
    """The list, which keeps itself up to date while something runs."""
    found, problems = jobs.listed(st.session_state[RUNS])
    st.header("Started here")
    for problem in problems:
        st.warning(looks.plain(problem))
    if not found:
        st.caption("Nothing yet. A study that is started here runs on when this page, or its server, is closed.")
        return
    shown = _shown(found)
    busy = any(jobs.state_of(job) == "running" for job in shown)
    st.fragment(_list, run_every=EVERY_SECONDS if busy else None)(busy)
    if len(found) > len(shown):
        st.caption(f"{len(found) - len(shown)} older ones lie in {looks.plain(Path(found[0].folder).parent)}.")


def _shown(found: list[jobs.Job]) -> list[jobs.Job]:
    """The newest, and whatever else is running."""
    return [job for place, job in enumerate(found) if place < SHOWN or jobs.state_of(job) == "running"]


def _list(busy: bool) -> None:
    found = _shown(jobs.listed(st.session_state[RUNS])[0])
    states = [jobs.state_of(job) for job in found]
    if busy and "running" not in states:
        st.rerun()  # the whole page: there is a run more to choose from, and nothing left to watch
    for job, state in zip(found, states, strict=True):
        with st.container(border=True, key=f"job-{job.name}"):
            _one(job, state)


def _one(job: jobs.Job, state: jobs.State) -> None:
    standing = jobs.standing_of(job)
    st.markdown(
        f"{SIGNS[state]} **{looks.plain(Path(job.study).parent.name)}** · {state} · began {looks.plain(job.began[:16].replace('T', ' '))} UTC"
    )
    if state == "running":
        st.progress(_share(standing), looks.plain(_words(standing)))
    if state == "failed":
        st.error(looks.plain(jobs.why(job)))
    if state == "finished" and standing is not None:
        looks.say('<a href="./?run={}">Look at its verdict</a>', quote(Path(standing.run).name))
    if state == "stopped":
        st.caption("What was finished is kept: going on repeats none of it.")
    _buttons(job, state)
    with st.expander("What it says"):
        st.code(jobs.log_tail(job) or "Nothing yet.", language=None, wrap_lines=True)
        st.caption(looks.plain(f"The last lines; all of them: {Path(job.folder, jobs.LOG)}"))


def _buttons(job: jobs.Job, state: jobs.State) -> None:
    if state == "running" and st.button("Stop", key=f"stop-{job.name}", icon=":material/stop:", help="What is finished is kept."):
        _do(jobs.stop, job)
    if state in ("stopped", "failed") and st.button("Go on", key=f"resume-{job.name}", icon=":material/play_arrow:"):
        _do(jobs.resume, job)


def _do(what: Callable[[jobs.Job], jobs.Job], job: jobs.Job) -> None:
    try:
        what(job)
    except RagftError as error:
        st.error(looks.plain(error))
    else:
        st.rerun()


def _share(standing: Standing | None) -> float:
    """Of all units those that are done, and the share of the one at work."""
    if standing is None or not standing.of:
        return 0.0
    part = standing.done / standing.total if standing.total else 0.0
    return min(1.0, max(0.0, (standing.number - 1 + part) / standing.of))


def _words(standing: Standing | None) -> str:
    if standing is None or not standing.of:
        return "Starting: reading the documents, checking the model."
    counted = f": {standing.done:,} of {standing.total:,}" if standing.total else ""
    return f"Step {standing.number} of {standing.of}, {standing.label}{counted}"
