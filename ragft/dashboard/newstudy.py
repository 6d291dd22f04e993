"""The page "New study": documents and questions in, checked; settings, the plan and its price; then a run that outlives the page."""

from __future__ import annotations

import shlex
from pathlib import Path

import streamlit as st

from ragft import jobs, plugged, uploads
from ragft.choices import Choices, changes, known_arms
from ragft.dashboard import joblist, looks, sources
from ragft.dashboard.runs import RUNS
from ragft.errors import RagftError
from ragft.models import PACKAGED, is_hub_id
from ragft.numbers import money, rough
from ragft.plan import Plan
from ragft.plantext import plan_text
from ragft.settings import Study, load_study

STUDY = "study"  # a key of the address
PLANS, TRUSTED = "ragft_plans", "ragft_trusted"  # keys of the session; the second: studies whose plugins the reader wants run
OTHER = "another one …"


def show() -> None:
    st.title("New study")
    asked = st.query_params.get(STUDY)
    if asked is None:
        _choose()
    else:
        _study(Path(asked))
    joblist.show()


def _choose() -> None:
    made = sources.show(uploads.studies_folder(st.session_state[RUNS]))
    if made is not None:
        st.session_state.setdefault(TRUSTED, set()).add(made.resolve())  # opened by hand, not by a link
        st.query_params[STUDY] = str(made.resolve())
        st.rerun()


def _study(path: Path) -> None:
    """Everything about one study, until something in it is wrong."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.code(str(path), language=None, wrap_lines=True)
        if st.button("Another study", icon=":material/undo:"):
            del st.query_params[STUDY]
            st.rerun()
    try:
        if not _is_trusted(path):
            return
        study = load_study(path)
        if sources.checked(study):
            _settle(path, study)
    except RagftError as error:
        st.error(looks.plain(error), icon=":material/error:")


def _is_trusted(path: Path) -> bool:
    """Whether its plugins may be run: a link alone, which anybody can write, is not enough."""
    trusted: set[Path] = st.session_state.setdefault(TRUSTED, set())
    if path.resolve() in trusted or not path.is_file() or not (named := plugged.named_in(path)):
        return True
    st.warning(
        f"This study brings Python files of its own, which are run when it is opened: {looks.plain(', '.join(named))}. "
        "Open it only if you know where it comes from.",
        icon=":material/gpp_maybe:",
    )
    if not st.button("Open it, and run them", icon=":material/file_open:"):
        return False
    trusted.add(path.resolve())
    return True


def _settle(path: Path, study: Study) -> None:
    """The settings, the plan and the start."""
    st.header("Settings")
    lines = changes(study, _choices(study))
    settled = load_study(path, lines)  # says what is wrong with the choices
    runs = Path(st.session_state[RUNS]).resolve()
    parts = ["ragft", "run", str(path), "--runs", str(runs), *(part for line in lines for part in ("--set", line))]
    st.caption("The same in a terminal:")
    st.code(shlex.join(parts), language="bash", wrap_lines=True)
    st.header("Plan")
    plans = st.session_state.setdefault(PLANS, {})
    key = (str(path), tuple(lines))
    with st.container(horizontal=True):
        planned = key in plans  # first things first
        plan = st.button(
            "Show the plan and its price",
            type="secondary" if planned else "primary",
            icon=":material/calculate:",
            help="Tries the model for some seconds; writes nothing.",
        )
        begin = st.button("Start the run", type="primary" if planned else "secondary", icon=":material/rocket_launch:")
    if plan:
        with st.spinner(f"Loading {looks.plain(settled.model)} in a process of its own, and trying each kind of work for some seconds …"):
            plans[key] = jobs.plan(path, runs, lines)
    if begin:
        jobs.start(path, runs, lines)
        st.toast("The run has started. It goes on when this page is closed.", icon=":material/rocket_launch:")
    if key in plans:
        _plan(plans[key])
    else:
        st.caption("The plan says what the questions can show, and what the run takes: time, memory, money.")


def _plan(plan: Plan) -> None:
    if plan.work is not None:
        work = plan.work
        for place, (what, value) in zip(
            st.columns(3),
            {
                "Time": f"{rough(work.least)} to {rough(work.most)}",
                "Price": money(work.cost, work.currency),
                "Memory at most": f"{work.peak_gib:.1f} GiB",
            }.items(),
            strict=True,
        ):
            place.metric(what, looks.plain(value))
    st.code(plan_text(plan), language=None)


def _choices(study: Study) -> Choices:
    arms = known_arms(study)
    model = _model(study)
    chosen = st.multiselect(
        "Arms",
        list(arms),
        default=list(study.arms),
        format_func=lambda name: f"{name}: {arms[name]}",
        help="The ways of answering that are compared.",
    )
    with st.container(horizontal=True):
        limit = st.number_input(
            "Test questions at most", min_value=0, value=study.limit or 0, step=10, help="0: all of them. 60 take a quarter of an hour."
        )
        tokens = st.number_input(
            "Training tokens a seed",
            min_value=1,
            value=study.train_tokens,
            step=1000,
            help="6,000 for a first look; two cores learn about 200 a second.",
        )
        seeds = st.number_input("Training seeds", min_value=1, max_value=10, value=len(study.seeds), help="How often each arm is trained.")
        points = st.number_input(
            "Margin, points",
            min_value=0.0,
            max_value=100.0,
            value=100 * study.margin,
            step=0.5,
            help="The gain over the reference that is worth a change.",
        )
        hour = st.number_input(
            looks.plain(f"An hour of the machine, {study.costs.currency}"),
            min_value=0.0,
            value=study.costs.machine_per_hour,
            step=0.01,
            help="What the plan's price and the run's costs count with. State your own: ragft's default is a placeholder.",
        )
    return Choices(model, tuple(chosen), int(limit), int(tokens), int(seeds), round(points / 100, 6), round(hour, 6))


def _model(study: Study) -> str:
    """Packaged ones by name; any other is typed in."""
    known = list(dict.fromkeys([study.model, *(name for name, one in PACKAGED.items() if one.use == "generator")]))
    picked = st.selectbox("Model", [*known, OTHER], help="The one base model under every arm.")
    if picked == OTHER:
        picked = st.text_input("A folder with safetensors weights, a .gguf file, or a hub id such as owner/model").strip() or study.model
    if is_hub_id(picked):
        st.warning(f"{looks.plain(picked)} is fetched from the model hub, over the network, when the plan or the run begins.")
    return picked
