"""The page "Ask": one question, answered live by the chosen arms side by side, as they answered in the run."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ragft.dashboard import looks, runs
from ragft.dashboard.kept import kept
from ragft.errors import RagftError
from ragft.live import OWN, Asked, Live, Ready, open_live, release
from ragft.numbers import seconds, size
from ragft.store import Run
from ragft.types import Hit

TEXT, ARMS = "ask", "arms"  # keys of the address
SHOWN, TURN = "ragft_answers", "ragft_turn"  # keys of the session
ABREAST = 3  # answers beside each other
WORDS = {"ok": "", "abstained": "It declines to answer.", "truncated": "It was cut: too long.", "error": "It failed."}


@dataclass
class Shown:
    """An answer as far as it has come."""

    text: str = ""
    asked: Asked | None = None  # None: it is being answered, or was stopped
    error: str = ""


def show() -> None:
    run = runs.current()
    live = _live(run)
    st.title("Ask")
    able = [one for one in live.ready if not one.why_not]
    _say_what_cannot(live, able)
    if not able:
        return
    text, chosen = _form(live, able)
    if text is None:
        _draw_stored(run, live)
        _offer_memory()
        return
    shown = {one.arm: Shown() for one in chosen}
    st.session_state[SHOWN] = (str(run.folder), text, shown)
    _answer(live, text, shown)


@kept("Looking for the weights of this run …", entries=2)
def _live(run: Run) -> Live:
    return open_live(runs.material(run))


def _say_what_cannot(live: Live, able: list[Ready]) -> None:
    """What is loaded, and which arms are missing from it."""
    if able:
        found = live.size()
        looks.say(
            "{} has {} parameters: {} on disk, about {} of memory. It is loaded into the dashboard's server with the first question, "
            "which takes some seconds, and stays there. Decoding is greedy: the answers are those that the run would give.",
            live.m.manifest["model"]["name"], f"{found.parameters:,}", size(found.disk_bytes), size(found.memory_bytes),
        )  # fmt: skip
    else:
        st.info("No arm of this run can be asked: what it answered with is not on this machine. Its stored answers are on the other pages.")
    missing = [one for one in live.ready if one.why_not]
    if missing and able:
        can, cannot = (", ".join(one.arm for one in some) for some in (able, missing))
        st.caption(looks.plain(f"{can} can be asked here; {cannot} cannot: what the run built for them, index and adapters, is not on this machine."))
    if missing:
        with st.expander(f"{len(missing)} of {len(live.ready)} arms cannot be asked"):
            for one in missing:
                looks.say("<b>{}</b>: {}", one.arm, one.why_not)
            st.button("Look again", icon=":material/refresh:", help="When the weights have been installed or copied since.", on_click=_live.clear)


def _form(live: Live, able: list[Ready]) -> tuple[str | None, list[Ready]]:
    """The question and the arms; None: nothing is asked now."""
    names = [one.arm for one in able]
    asked = [name for name in st.query_params.get(ARMS, "").split(",") if name in names]
    if st.button("Take a question of the run", icon=":material/casino:", help="One whose answer is known."):
        turn = st.session_state.get(TURN, -1) + 1
        st.session_state[TURN] = turn
        st.query_params[TEXT] = list(live.m.questions.values())[turn % len(live.m.questions)]
    with st.form("ask", border=False):
        text = st.text_area("Question", st.query_params.get(TEXT, ""), max_chars=2000, placeholder="What do your documents say about …?")
        free = [one.arm for one in able if not one.held_out_only]
        chosen = st.multiselect("Arms", names, default=asked or free[:ABREAST])
        pressed = st.form_submit_button("Ask", type="primary", icon=":material/send:")
    if not pressed:
        return None, []
    text = text.strip()
    if not text or not chosen:
        st.warning("Write a question first." if not text else "Choose an arm first.")
        return None, []
    st.query_params.update({TEXT: text, ARMS: ",".join(chosen)})
    return text, [one for one in able if one.arm in chosen]


def _answer(live: Live, text: str, shown: dict[str, Shown]) -> None:
    """One arm after another: they share the model. A click on the button runs the page anew, which ends the answer at its next word."""
    stop = st.empty()
    stop.button("Stop", icon=":material/stop:", key="ask-stop")
    _say_reference(live, text)
    places = _places(list(shown))
    for arm, place in places.items():
        with place.container():
            _heading(live, arm)
            with st.spinner("Loading, or waiting for its turn …"):
                _ask(live, arm, text, shown[arm])
        with place.container():
            _draw(live, arm, shown[arm])
    stop.empty()


def _ask(live: Live, arm: str, text: str, shown: Shown) -> None:
    words = st.empty()

    def heard(said: str) -> None:
        shown.text = said
        with words:  # where the page was left or stopped, this ends the answer
            looks.say("{} ▍", said)

    try:
        shown.asked = live.ask(arm, text, heard)
    except RagftError as error:
        shown.error = str(error)


def _draw_stored(run: Run, live: Live) -> None:
    """What was answered last, while something else on the page is done."""
    folder, text, shown = st.session_state.get(SHOWN, ("", "", {}))
    if folder != str(run.folder) or not shown:
        return
    looks.say("<b>{}</b>", text)
    _say_reference(live, text)
    for arm, place in _places(list(shown)).items():
        with place.container():
            _draw(live, arm, shown[arm])


def _offer_memory() -> None:
    if SHOWN in st.session_state and st.button("Free its memory", icon=":material/memory:", help="The next question loads the model again."):
        release()
        st.toast("The model is out of memory.")


def _say_reference(live: Live, text: str) -> None:
    question = live.question(text)
    if question.id == OWN:
        return
    gold = next(gold for gold in live.m.golds if gold.id == question.id)
    looks.say("A question of the run; its reference answer: <b>{}</b>", gold.answers[0] if gold.answers else "the documents do not say")


def _places(arms: list[str]) -> dict[str, st.delta_generator.DeltaGenerator]:
    """A place for each arm, so many beside each other; on a phone below each other."""
    found: dict[str, st.delta_generator.DeltaGenerator] = {}
    for first in range(0, len(arms), ABREAST):
        row = arms[first : first + ABREAST]
        found |= {arm: column.empty() for arm, column in zip(row, st.columns(len(row)), strict=True)}
    return found


def _heading(live: Live, arm: str) -> None:
    ran = live.m.arm(arm)
    st.subheader(looks.plain(arm))
    seed = next(one.seed for one in live.ready if one.arm == arm)
    st.caption(looks.plain(f"{ran.passages}{f'; {ran.tuning}, seed {seed}' if ran.tuning else ''}"))


def _draw(live: Live, arm: str, shown: Shown) -> None:
    _heading(live, arm)
    if shown.error:
        st.error(looks.plain(shown.error), icon=":material/error:")
        return
    if shown.asked is None:
        looks.say("{} <i>(stopped)</i>", shown.text)
        return
    answer, took = shown.asked.answer, shown.asked
    looks.say("{}", answer.text or "(nothing)")
    if note := WORDS[answer.outcome]:
        st.caption(looks.plain(f"{note} {answer.error}"))
    tokens = f", {answer.usage.completion_tokens} tokens" if answer.usage else ""
    st.caption(f"{seconds(took.seconds)}{tokens}; ready after {seconds(took.preparing_seconds)}")
    for hit in answer.hits or ():
        _passage(hit)


def _passage(hit: Hit) -> None:
    page = f", page {hit.chunk.page}" if hit.chunk.page is not None else ""
    with st.expander(looks.plain(f"{hit.rank}. {hit.chunk.heading or hit.chunk.span.document}")):
        looks.say("{}", hit.chunk.text)
        st.caption(looks.plain(f"{hit.chunk.span.document}{page}"))
