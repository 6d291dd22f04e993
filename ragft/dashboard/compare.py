"""The page "Compare runs": all runs in a table, some of them abreast, and an arm of two runs paired by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from ragft import abreast
from ragft.comparison import Comparison
from ragft.dashboard import address, looks, runs
from ragft.dashboard.kept import kept, results_stamp, stamp
from ragft.errors import RagftError
from ragft.regression import Regression, compare_runs
from ragft.store import Run, read_record

WITH = "with"  # stands in the address, once for each further run
LABELS = "ABCDEFGH"
HIGH = 320  # pixels of the table


def show() -> None:
    run = runs.current()
    st.title("Compare runs")
    found = runs.finished()
    _table(found)
    others = _others(run.folder.name, [name for name in found if name != run.folder.name])
    if not others:
        words = f"Choose one run or more to set beside {looks.plain(run.folder.name)}, which is chosen in the side menu."
        if len(found) < 2:
            words = "This is the only finished run. With a second one, of other documents, another model or other settings, the two can be compared."
        st.info(words, icon=":material/compare_arrows:")
        return
    names = sorted([run.folder.name, *others], key=lambda name: found[name].began)  # the oldest is A, the baseline
    chosen = {label: found[name].folder for label, name in zip(LABELS, names, strict=False)}
    for label, name in zip(LABELS, names, strict=False):
        looks.say("<b>{}</b>: {}, begun {} UTC", label, name, found[name].began[:16].replace("T", " "))
    _arms(chosen)
    _settings(chosen)
    st.subheader("An arm of both, paired by question")
    if len(chosen) > 2:
        st.caption("Two runs at a time: A, the older one, is the baseline; B is the new one.")
    _paired(chosen)


# ── all runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _table(found: Mapping[str, runs.Listed]) -> None:
    lines, broken = [], []
    for name, one in found.items():
        try:
            made = _summary(Run(one.folder))
        except (RagftError, OSError, KeyError, TypeError, StopIteration) as error:
            broken.append(f"{name}: {error}")
            continue
        bounds = "" if made.low is None or made.high is None else f" ({100 * made.low:.0f} to {100 * made.high:.0f})"
        what = (made.model, made.domain, made.questions, made.began[:16].replace("T", " "))
        lines.append((name, made.verdict, made.recommend, f"{100 * made.score:.1f}{bounds}", made.metric, *what))
    columns = ("run", "verdict", "recommended", "its score, %", "metric", "model", "domain", "questions", "begun")
    st.dataframe(dict(zip(columns, zip(*lines, strict=True), strict=True)) if lines else {}, hide_index=True, height=min(HIGH, 40 + 36 * len(lines)))
    for why in broken:
        st.warning(f"A run cannot be read. {looks.plain(why)}")
    runs.say_others()


@kept(entries=1000, by=results_stamp)
def _summary(run: Run) -> abreast.Summary:
    return abreast.summary(run.folder)


def _others(first: str, names: Sequence[str]) -> list[str]:
    """The runs to set beside the first, as the address says or the reader chooses."""
    if "compare_with" not in st.session_state:
        asked = [name for name in st.query_params.get_all(WITH) if name != first]
        if gone := [name for name in asked if name not in names]:
            st.warning(f"A run that this link names is not here: {looks.plain(', '.join(gone))}. It is left out.", icon=":material/link_off:")
        st.session_state["compare_with"] = [name for name in asked if name in names][: len(LABELS) - 1]
    st.session_state["compare_with"] = [name for name in st.session_state["compare_with"] if name in names]
    if not names:
        return []
    chosen = st.multiselect("Set beside it", names, key="compare_with", max_selections=len(LABELS) - 1)
    st.query_params[WITH] = chosen
    return chosen


# ── some of them abreast ─────────────────────────────────────────────────────────────────────────────────────────────


def _arms(chosen: Mapping[str, Path]) -> None:
    st.subheader("The arms")
    found = {label: read_record(Comparison, folder / "comparison.json") for label, folder in chosen.items()}
    metrics = {label: one.metric for label, one in found.items()}
    if len(set(metrics.values())) > 1:
        said = ", ".join(f"{label} by {metric}" for label, metric in metrics.items())
        st.warning(f"The runs are scored by different metrics, so their scores are not set beside each other: {looks.plain(said)}.")
        return
    looks.markup(abreast.arms_chart(found))
    st.caption("Each with its own 95 % interval. Intervals that overlap may hide a difference: below, an arm of two runs is paired by question.")


def _settings(chosen: Mapping[str, Path]) -> None:
    folders = list(chosen.values())
    for title, what, rows, same in (
        ("Settings that differ", "setting", abreast.differing(folders), "Both studies say the same."),
        ("What else differs", "made from", abreast.made_from(folders), "Both were made from the same weights, documents and versions."),
    ):
        st.subheader(title)
        looks.section("abreast.html", {"what": what, "labels": list(chosen), "rows": rows, "same": same})


# ── paired ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _paired(chosen: Mapping[str, Path]) -> None:
    first, second = list(chosen)[:2]
    baseline, new = Run(chosen[first]), Run(chosen[second])
    both = [arm.name for arm in runs.material(baseline).arms if arm.name in {other.name for other in runs.material(new).arms}]
    if not both:
        st.warning("The two runs have no arm of the same name, so none can be paired.")
        return
    usual = runs.material(baseline).decision.recommend
    arm = address.choice("Arm", "arm", sorted(both, key=lambda name: name != usual), str)
    try:
        found = _regression(baseline, str(new.folder), stamp(new), arm)
    except RagftError as error:
        st.warning(f"Not paired: {looks.plain(error)}", icon=":material/block:")
        return
    lost = [(one, f"questions?{urlencode({'run': new.folder.name, 'id': one.id, 'arm': arm})}") for one in found.most_lost]
    sides = [(f"{first}, the baseline", found.baseline), (f"{second}, the new run", found.new)]
    looks.section("regression.html", {"found": found, "sides": sides, "lost": lost})


@kept("Pairing the answers of both runs …", entries=32)
def _regression(baseline: Run, new: str, changed: int, arm: str) -> Regression:
    return compare_runs(baseline, Run(Path(new)), arm)
