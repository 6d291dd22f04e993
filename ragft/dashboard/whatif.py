"""The page "What if": the run's verdict made anew, from the same answers, at another margin, price, need or mix of questions.

Every change stands in the address, and can be taken over into study.yaml.
"""

from __future__ import annotations

import shlex

import streamlit as st
import yaml

from ragft.costpage import break_even_view, front_view, metered
from ragft.dashboard import knobs, looks, runs
from ragft.dashboard.address import TAB
from ragft.dashboard.knobs import Dials
from ragft.errors import RagftError
from ragft.frontier import places
from ragft.store import Run

TABS = {"Why": ("reasons.html",), "Cost, time and memory": ("front.html", "front_chart.html"), "Break-even": ("breakeven.html",)}


def show() -> None:
    run = runs.current()
    st.title("What if")
    _board(run)


@st.fragment
def _board(run: Run) -> None:
    """All of the page that a slider changes; the rest of the page is not run again."""
    decider, above = runs.decider(run), st.container()
    left, right = st.columns([2, 3], gap="large")
    with left:
        dials = knobs.dials(decider, run.folder.name)
        st.button(
            "Reset", icon=":material/restart_alt:", on_click=knobs.reset, args=(run.folder.name,), disabled=not dials.changed, key="whatif-reset"
        )
    try:
        known = _known(run, dials)
    except RagftError as error:
        above.error(looks.plain(error), icon=":material/error:")
        return
    with above:
        looks.section("whatif.html", known)
    with right:
        looks.section("front_chart.html", {**known, "keys": ["cost"]})
        looks.section("breakeven_chart.html", known)
    for tab, templates in zip(st.tabs(list(TABS), key=TAB, bind="query-params"), TABS.values(), strict=True):
        with tab:
            for template in templates:
                looks.section(template, {**known, "keys": ["wait"]})
    _to_copy(run, dials)


def _known(run: Run, dials: Dials) -> dict[str, object]:
    """What the templates know: the verdict before and now, where the arms stand, and when they cost the same."""
    decider = runs.decider(run)
    found = decider.compared(margin=dials.margin, mix=dials.mix)
    now = decider.on(found, prices=dials.prices, needs=dials.needs)
    known = {name: took for name, took in metered(decider.facts, dials.prices).items() if name in (found.reference, *found.family)}
    return {
        "before": runs.material(run).decision,
        "d": now,
        "changed": dials.changed,
        "prices": dials.prices,
        "front": front_view(places(found, decider.facts, dials.prices), found.metric, dials.prices),
        **break_even_view(known, found.reference, now.recommend, now.break_even, dials.prices),
    }


def _to_copy(run: Run, dials: Dials) -> None:
    with st.expander("Copy these settings", icon=":material/content_copy:"):
        if dials.mix:
            looks.say("The mix of questions is no setting of a study: it is what was asked. This page’s address records it.")
        if not dials.settings:
            looks.say("Nothing that a study can state is changed.")
            return
        where = "Put these lines in place of those of the same name in <code>{}</code>, and in the study.yaml that it was run from:"
        looks.say(where, run.folder / "study.yaml")
        st.code(yaml.safe_dump(dict(dials.settings), sort_keys=False, allow_unicode=True), language="yaml")
        looks.say(
            "Then decide again and write the report anew. It takes seconds: no question is answered again, and the verdict says what was changed."
        )
        folder = shlex.quote(str(run.folder))
        st.code(f"ragft decide {folder}\nragft report {folder}", language="bash")
