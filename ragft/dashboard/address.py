"""What stands in the address, so that a link leads to what was seen: one parameter a widget. What is not possible is left out, with a warning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ragft.dashboard.looks import plain

TAB = "tab"  # the open tab of a page: a key of the address, which Streamlit keeps itself


def asked(key: str, possible: Callable[[str], bool], above: DeltaGenerator | None = None) -> str:
    """What the address says under that key; "" where it says nothing, or what is not possible. `above` is where that is said; None: here."""
    value = st.query_params.get(key, "")
    if value and not possible(value):
        (above or st).warning(f"The link's {key} is not here: {plain(value)}. It is left out.", icon=":material/link_off:")
        return ""
    return value


def say(key: str, value: str) -> None:
    """Let the address say so; "": nothing."""
    if value:
        st.query_params[key] = value
    else:
        st.query_params.pop(key, None)


def choice(
    label: str, key: str, options: Sequence[str], words: Callable[[str], str], hint: str | None = None, above: DeltaGenerator | None = None
) -> str:
    """A box to choose from. The first option is chosen where nothing else is, and then the address says nothing."""
    state = f"asked_{key}"
    if st.session_state.get(state) not in options:
        st.session_state[state] = asked(key, lambda value: value in options, above) or options[0]
    st.selectbox(label, options, key=state, format_func=words, help=hint)
    value = str(st.session_state[state])
    say(key, "" if value == options[0] else value)
    return value


def text(label: str, key: str, placeholder: str) -> str:
    """A line to type in."""
    state = f"asked_{key}"
    if state not in st.session_state:
        st.session_state[state] = st.query_params.get(key, "")
    st.text_input(label, key=state, placeholder=placeholder)
    value = str(st.session_state[state])
    say(key, value)
    return value
