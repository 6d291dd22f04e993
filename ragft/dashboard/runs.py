"""Which run is looked at, and what is read of it: once, until its files change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import streamlit as st

from ragft import guidepage, ladder, ladderpage, report, views
from ragft.dashboard.kept import kept
from ragft.dashboard.looks import plain
from ragft.guide import make_guide
from ragft.material import Material, read_material
from ragft.store import Run
from ragft.study import Decider

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "example"  # in a checkout
RUNS, CHOSEN = "ragft_runs", "run"  # keys of the session; the second also stands in the address
OF_A_RUN = re.compile(r"^\d{4}-\d\d-\d\d-|-[0-9a-f]{12}$")
Known = Mapping[str, Any]  # what the templates of the report know of a run


@dataclass(frozen=True)
class Listed:
    """A run as the list of runs has it."""

    name: str  # of its folder
    folder: Path
    status: str
    began: str  # ISO 8601; "": not known
    verdict: str | None
    questions: int | None
    example: bool

    @property
    def label(self) -> str:
        """ "31 Jan 10:50 · adopt-both · manuals": the narrow box shows the beginning."""
        return f"{self.when} · {self.verdict or self.status} · {self.study}{' (example)' if self.example else ''}"

    @property
    def when(self) -> str:
        """When it began, in UTC, short."""
        try:
            return f"{datetime.fromisoformat(self.began):%d %b %H:%M}"
        except ValueError:
            return self.name[:10]

    @property
    def study(self) -> str:
        """The name without the day before and the fingerprint behind it."""
        return OF_A_RUN.sub("", self.name) or self.name


def listed(folder: Path | None = None) -> dict[str, Listed]:
    """Runs by name: those of the folder that the dashboard was started with, newest first, then the bundled examples."""
    found: dict[str, Listed] = {}
    for where, example in ((folder or st.session_state[RUNS], False), (EXAMPLES, True)):
        for row in _rows(where):
            path = Path(row["run"])
            found.setdefault(path.name, Listed(path.name, path, row["status"], row["began"] or "", row["verdict"], row["questions"], example))
    return found


def _rows(where: Path) -> list[dict[str, Any]]:
    """As views.runs_json; a finished run is read again only when its files have changed."""
    seen, found = _seen(), []
    for path in sorted(where.glob("*/manifest.json")):
        folder = path.parent
        stamps = tuple(one.stat().st_mtime_ns if one.is_file() else 0 for one in (path, folder / "decision.json"))
        known = seen.get(str(folder))
        row = known[1] if known and known[0] == stamps else views.run_json(folder)
        if row["status"] == "finished":  # of any other, the status may change without its files
            seen[str(folder)] = (stamps, row)
        found.append(row)
    return views.newest_first(found)


@st.cache_resource
def _seen() -> dict[str, tuple[tuple[int, ...], dict[str, Any]]]:
    """Of the whole server: folder -> when its files were written, and what they said."""
    return {}


def finished() -> dict[str, Listed]:
    """Those that came to a verdict."""
    return {name: one for name, one in listed().items() if one.status == "finished"}


def say_others() -> None:
    """The runs that came to no verdict, with what became of them: they are on no page."""
    others = [one for one in listed().values() if one.status != "finished"]
    if not others:
        return
    ways = {"broken": "a file of it cannot be read", "stopped": "the same command goes on with it"}
    lines = [f"{plain(one.name)}: {one.status}{f' ({ways[one.status]})' if one.status in ways else ''}" for one in others]
    with st.expander(f"{len(others)} run{'s' if len(others) != 1 else ''} without a verdict", icon=":material/pending:"):
        st.markdown("\n".join(f"- {line}" for line in lines))


def current() -> Run:
    """The chosen run. Where there is none the page says so and ends here."""
    name, found = st.session_state.get(CHOSEN), finished()
    if not found:
        where = plain(st.session_state[RUNS])
        way = f"Start one on the page “New study”, or with: ragft run STUDY --runs {where}"
        st.info(f"No finished run in {where} yet. {way}", icon=":material/inbox:")
        say_others()
        st.stop()
    return Run(found[name].folder if name in found else next(iter(found.values())).folder)


def is_example(run: Run) -> bool:
    """Whether it is one of the bundled examples, which stay as they are."""
    return run.folder.resolve().parent == EXAMPLES


@kept()
def material(run: Run) -> Material:
    """Raises MissingError where the run has not come to a verdict."""
    return read_material(run)


@kept("Reading the scores of this run …")
def of_arms(run: Run) -> Known:
    """What the templates of the report know of the arms."""
    m = read_material(run)  # not the one that is kept: every score that it reads would stay in memory with it
    return {**report.of_arms(m), "which": guidepage.view(guide) if (guide := make_guide(m)) else None}


@kept("Reading the scores of this run …")
def of_losses(run: Run) -> Known:
    """What the templates of the report know of where points are lost."""
    m = read_material(run)
    return report.of_losses(m, ladderpage.losses_of(m))


def form(run: Run) -> str:
    """What is lost by the form of answers alone, in words; "" where no arm loses more than the margin by it, or no report has been written yet."""
    c = material(run).comparison
    return ladder.form_words(ladderpage.read_losses(run, c.metric), c.margin)


@kept()
def decider(run: Run) -> Decider:
    """The run as it can be decided again, as fast as a slider moves."""
    return Decider.of(run)
