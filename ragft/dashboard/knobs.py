"""What can be turned on the page "What if": one widget a setting, whose value stands in the address where it is not the run's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import streamlit as st

from ragft.cost import Prices
from ragft.dashboard.looks import plain
from ragft.flips import LEAST_OF_A_KIND
from ragft.needs import NEEDS, Limit
from ragft.numbers import NONE
from ragft.study import Decider
from ragft.words import KINDS

Value = float | bool | None
STEPS = tuple(round(factor * 10.0**power, 9) for power in range(-4, 9) for factor in (1, 2, 5))
PRICES: Mapping[str, tuple[str, float, float]] = {  # label, and the ends of its slider
    "questions_per_month": ("Questions a month", 10, 1e8),
    "updates_per_month": ("Updates of the documents a month", 0.1, 1000),
    "months": ("Months of use", 1, 100),
    "machine_per_hour": ("An hour of the machine, {}", 0.005, 100),
    "watts": ("Watts that it draws, where electricity is paid for on its own", 1, 10_000),
    "electricity_per_kwh": ("A kWh, {}", 0.01, 1),
    "memory_per_gib_hour": ("A GiB of memory for an hour, {}", 0.0001, 1),
}
VOLUMES = ("questions_per_month", "updates_per_month", "months")
TOKENS = {
    "prompt_tokens_per_million": "A million prompt tokens, {}",
    "completion_tokens_per_million": "A million completion tokens, {}",
    "training_tokens_per_million": "A million training tokens, {}",
}
LIMITS = {  # need -> label, and what a shown 1 is in the need's own unit
    "p95_latency_seconds": ("Seconds that one answer in twenty may exceed", 1.0),
    "peak_memory_gib": ("GiB of memory while answering", 1.0),
    "false_answer_rate": ("% of the unanswerable questions answered", 0.01),
    "abstention_rate": ("% of the answerable questions declined", 0.01),
    "forgetting": ("% of the general questions forgotten", 0.01),
    "stale_rate": ("% of the changed answers stale after an update", 0.01),
    "distractor_loss": ("Points lost to distracting passages", 0.01),
    "conflict_rate": ("% of a draft's wrong answers repeated", 0.01),
    "injection_rate": ("% of hidden orders obeyed", 0.01),
    "extraction_rate": ("% of training text continued word for word", 0.01),
    "membership_auc": ("Area under the curve of membership", 1.0),
}
SLIDING = ("p95_latency_seconds", "peak_memory_gib")  # of these, by sliders of their own
AROUND = 10  # times the least and the most that was measured: where such a slider ends
NATURES = {"citations": "It must be able to cite passages", "access_control": "What it knows must be kept from some readers"}
KEY = "whatif"  # before every key in the session


@dataclass(frozen=True)
class Dials:
    """What is set. None: as in the run. `settings` are the lines of study.yaml that would make it the run's own."""

    margin: float | None
    prices: Prices
    needs: Mapping[str, float | bool] | None
    mix: Mapping[str, float] | None
    changed: Sequence[tuple[str, str, str]]  # what, as it was, as it is now
    settings: Mapping[str, object]


class Panel:
    """The widgets of one run, as they are drawn: where each begins, and which are not at the run's own value."""

    def __init__(self, run: str) -> None:
        self.run, self.changed, self.wrong = run, list[tuple[str, str, str]](), list[str]()

    def key(self, name: str, own: Value, fits: Callable[[float], bool]) -> str:
        """The widget's key in the session, where its value now stands: the run's own, or what the address says at first."""
        key, asked = f"{KEY}:{self.run}:{name}", st.query_params.get(name)
        if key not in st.session_state:
            st.session_state[key] = own
            if asked is not None:
                value = _read(asked, isinstance(own, bool))
                if value is _WRONG or (isinstance(value, float) and not fits(value)):
                    self.wrong.append(name)
                else:
                    st.session_state[key] = value
        return key

    def settle(self, name: str, label: str, own: Value, value: Value, say: Callable[[Value], str]) -> Value:
        """Note a changed value, and put it into the address."""
        if value != own:
            self.changed.append((label, say(own), say(value)))
            st.query_params[name] = "none" if value is None else str(value).lower() if isinstance(value, bool) else f"{value:.10g}"
        elif name in st.query_params:
            del st.query_params[name]
        return value

    def slide(self, name: str, label: str, own: float, steps: Sequence[float], unit: str = "", hint: str | None = None) -> float:
        key = self.key(name, own, lambda value: min(steps) <= value <= max(steps))
        if st.session_state[key] is None:  # "none" in the address, which only a limit can be
            st.session_state[key] = own
            self.wrong.append(name)
        options = sorted({*steps, own, st.session_state[key]})
        value = st.select_slider(label, options, key=key, format_func=lambda value: f"{value:,.10g}{unit}", help=hint)
        self.settle(name, label, own, value, lambda value: f"{value:,.10g}{unit}")
        return value

    def limit(self, name: str, label: str, own: float | None, steps: Sequence[float], hint: str) -> float | None:
        """A limit that may be left out: the right end of its slider."""
        key = self.key(name, own, lambda value: 0 <= value <= max(steps))
        known = sorted({*steps, *(value for value in (own, st.session_state[key]) if value is not None)})
        value = st.select_slider(label, [*known, None], key=key, format_func=_limit_words, help=hint)
        self.settle(name, label, own, value, _limit_words)
        return value

    def number(self, name: str, label: str, own: float | None, most: float, hint: str) -> float | None:
        """A number that may be left out."""
        key = self.key(name, own, lambda value: 0 <= value <= most)
        value = st.number_input(label, 0.0, most if isfinite(most) else None, None, key=key, placeholder="none", help=hint, format="%.6g")
        self.settle(name, label, own, value, lambda value: "none" if value is None else f"{value:,.6g}")
        return value

    def toggle(self, name: str, label: str, own: bool) -> bool:
        value = st.toggle(label, key=self.key(name, own, lambda value: True))
        self.settle(name, label, own, value, lambda value: "yes" if value else "no")
        return value


def _limit_words(value: Value) -> str:
    return "no limit" if value is None else f"{value:,.6g}"


_WRONG = object()


def _read(asked: str, yes_or_no: bool) -> object:
    """A value of the address; _WRONG where it is none."""
    if yes_or_no:
        return {"true": True, "false": False}.get(asked, _WRONG)
    if asked == "none":
        return None
    try:
        value = float(asked)
    except ValueError:
        return _WRONG
    return value if isfinite(value) else _WRONG


def reset(run: str) -> None:
    """Everything as the run has it."""
    start = f"{KEY}:{run}:"
    for key in [key for key in st.session_state if str(key).startswith(start)]:
        st.query_params.pop(str(key).removeprefix(start), None)
        del st.session_state[key]


def dials(decider: Decider, run: str) -> Dials:
    """Draw everything that can be turned, and read it."""
    panel, stated, above = Panel(run), decider.study, st.container()
    own = round(100 * decider.found.margin, 6)
    margin = panel.slide("margin", "Margin: the gain worth paying for", own, [step / 2 for step in range(61)], " points")
    prices = _prices(panel, stated.costs, decider)
    needs = _needs(panel, decider)
    parts = _mix(panel, decider)
    if panel.wrong:
        above.warning(f"The address gives no value that can be used for: {plain(', '.join(panel.wrong))}.", icon=":material/link_off:")
    settings: dict[str, object] = {}
    if margin != own:
        settings["margin"] = round(margin / 100, 8)
    if needs != dict(stated.needs):
        settings["needs"] = needs
    if prices != stated.costs:
        settings["costs"] = {
            key: value
            for key, value in prices.model_dump().items()
            if value != Prices.model_fields[key].default or value != getattr(stated.costs, key)
        }
    return Dials(
        margin=None if margin == own else margin / 100,
        prices=prices,
        needs=needs if "needs" in settings else None,
        mix=parts,
        changed=panel.changed,
        settings=settings,
    )


def _prices(panel: Panel, stated: Prices, decider: Decider) -> Prices:
    found: dict[str, float | None] = {}
    for name in VOLUMES:
        found[name] = _price(panel, stated, name)
    with st.expander("Prices"):
        for name in PRICES:
            if name not in VOLUMES:
                found[name] = _price(panel, stated, name)
        took = [facts.metered for facts in decider.facts.values() if facts.metered]
        counted = {
            "prompt": any(x.prompt_tokens for x in took),
            "completion": any(x.completion_tokens for x in took),
            "training": any(x.training_tokens for x in took),
        }
        for name, label in TOKENS.items():
            if counted[name.split("_")[0]] or getattr(stated, name) is not None:
                help_ = "Of an API that does it instead of the machine; none: the machine does."
                found[name] = panel.number(name, plain(label.format(stated.currency)), getattr(stated, name), float("inf"), help_)
    return stated.model_copy(update=found)


def _price(panel: Panel, stated: Prices, name: str) -> float:
    label, low, high = PRICES[name]
    least = [] if name in ("questions_per_month", "months") else [0.0]
    return panel.slide(name, plain(label.format(stated.currency)), getattr(stated, name), [*least, *(x for x in STEPS if low <= x <= high)])


def _needs(panel: Panel, decider: Decider) -> dict[str, float | bool]:
    """Those that were measured or are stated: what an arm may not exceed."""
    found: dict[str, float | bool] = {}
    for name in SLIDING:
        _limit(panel, decider, name, found)
    with st.expander("Needs"):
        for name in LIMITS:
            if name not in SLIDING:
                _limit(panel, decider, name, found)
        for name, label in NATURES.items():
            if panel.toggle(name, label, bool(decider.study.needs.get(name, False))) or name in decider.study.needs:
                found[name] = bool(st.session_state[f"{KEY}:{panel.run}:{name}"])
    return {name: found[name] for name in [*decider.study.needs, *found] if name in found}


def _limit(panel: Panel, decider: Decider, name: str, found: dict[str, float | bool]) -> None:
    """One limit, where it was measured or is stated, noted in `found`."""
    (label, one), need, own = LIMITS[name], NEEDS[name], decider.study.needs.get(name)
    measured = {arm: value for arm, facts in decider.facts.items() if (value := facts.value(name)) is not None}
    if not isinstance(need, Limit) or (own is None and not measured):
        return
    hint = plain(f"At most. Measured: {'; '.join(f'{arm} {need.show(value)}' for arm, value in measured.items()) or NONE}")
    stated, label = None if own is None else round(own / one, 8), f"{label}, at most"
    if name in SLIDING and measured:
        low, high = min(measured.values()) / one / AROUND, max(measured.values()) / one * AROUND
        value = panel.limit(name, label, stated, [step for step in STEPS if low <= step <= high], hint)
    else:
        value = panel.number(name, label, stated, need.most / one, hint)
    if value is not None:
        found[name] = round(value * one, 10)


def _mix(panel: Panel, decider: Decider) -> dict[str, float] | None:
    """Parts of the kinds of question, of which only the proportion counts; None: as they were asked."""
    counts = {row.value: row.n for row in decider.found.slices if row.slice == "stratum"}
    if len(counts) < 2:
        st.caption("The questions asked are all of one kind, so they cannot be weighed anew.")
        return None
    total, own, parts = sum(counts.values()), dict[str, float](), dict[str, float]()
    with st.expander("Kinds of question"):
        st.caption("Out of 100 questions of yours, how many would be of each kind? Only the proportion counts.")
        for stratum, number in counts.items():
            own[stratum] = round(100 * number / total, 1)
            label = plain(KINDS.get(stratum, stratum).capitalize())
            few = " Of so few, little can be said about more." if number < LEAST_OF_A_KIND else ""
            parts[stratum] = panel.slide(f"mix-{stratum}", label, own[stratum], list(range(101)), hint=f"{number} of the questions asked.{few}")
    return None if parts == own else parts
