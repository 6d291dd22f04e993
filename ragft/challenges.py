"""Every challenge of fine-tuning that the article names: what this run measured of it, or why it is out of scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ragft.groups import Grouping
from ragft.numbers import count, percent, seconds, signed, size
from ragft.robustness import RobustnessRow
from ragft.tunedrows import Forgetting, TunedRow

State = Literal["measured", "not measured", "out of scope"]
NOISE = "python pipelines/compare_peft.py STUDY asks for them"
LARGER = "Run the same study with a larger one (--set model=…) and lay the reports side by side."
HOSTILE = (
    "Run the study on a hostile variant of the domain: python data/make_variants.py DOMAIN variants plants injected "
    "instructions and conflicting documents."
)
PRIVATE = (
    "Attacks that draw training text out of an adapter are not tried. Training and answering stay on this machine. "
    "What a model has learned cannot be kept from some of its readers: the need access_control rules tuned arms out."
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge, its state, and a sentence or two."""

    key: str
    title: str
    state: State
    words: str


def challenges(
    rows: Sequence[TunedRow], groupings: Sequence[Grouping], robust: Sequence[RobustnessRow], *, model: str, domain: str, train_tokens: int
) -> tuple[Challenge, ...]:
    """One line a challenge, in the article's order."""
    return (
        _balance(rows, groupings, train_tokens),
        _which_for_what(groupings, domain),
        _noise("reuse", "Reuse of tuned modules across tasks", rows, robust, ("second domain",)),
        _resources(rows),
        _inside(rows),
        _noise("robustness", "Generalisation and robustness", rows, robust, ("typos", "distractors")),
        _forgetting(rows),
        Challenge("larger", "Larger models", "out of scope", f"Of a single run, which has one model, here {model}. {LARGER}"),
        Challenge("modalities", "Several modalities", "out of scope", "Documents, questions and answers are text."),
        Challenge("attacks", "Adversarial attacks", "out of scope", f"Of this comparison. {HOSTILE}"),
        Challenge("privacy", "Privacy and safety", "out of scope", PRIVATE),
    )


def _balance(rows: Sequence[TunedRow], groupings: Sequence[Grouping], train_tokens: int) -> Challenge:
    """Per family: of the tuned arms that were not told apart from the best, the one that trains least, and the fastest."""
    title, parts = "Balance of quality and cost, above all on large data", []
    for group in groupings:
        names = [member.arm for member in group.members]
        good = [row for row in rows if row.arm in (*names[:1], *group.like_best) and row.training_seconds and row.trainable]
        if names and good:
            least, fastest = min(good, key=lambda row: row.trainable or 0), min(good, key=lambda row: row.training_seconds or 0)
            other = "" if fastest is least else f"{fastest.arm} "
            arms = f"{len(good)} tuned arm{'s' * (len(good) != 1)}"
            parts.append(
                f"{group.family}, of the {arms} not told apart from the best mean ({names[0]}), {least.arm} trains the fewest parameters "
                f"({count(least.trainable)}) and {other}trained fastest ({seconds(fastest.training_seconds)} a seed)"
            )
    if not parts:
        return Challenge("balance", title, "not measured", "No tuned arm has a score, a count of parameters and a training time.")
    joined = "; ".join(parts)
    words = f"{joined[0].upper()}{joined[1:]}. At most {count(train_tokens)} training tokens a seed; more data was not tried."
    return Challenge("balance", title, "measured", words)


def _which_for_what(groupings: Sequence[Grouping], domain: str) -> Challenge:
    title = "Which method for which task"
    parts = [words for group in groupings if (words := told_apart(group))]
    if not parts:
        return Challenge("task", title, "not measured", "This needs at least two arms with scores that answer in the same way.")
    return Challenge("task", title, "measured", f"The task is answering questions on {domain}. {' '.join(parts)}")


def told_apart(group: Grouping) -> str:
    """Which arms of a family were told apart from the best mean, and which are surely better than no tuning; "" where there is one arm only."""
    names = [member.arm for member in group.members]
    if len(names) < 2:
        return ""
    head = f"{group.family[0].upper()}{group.family[1:]}, {names[0]} has the best mean"
    rest = [name for name in names[1:] if name not in group.like_best]
    if not group.like_best:
        said = f"{head} and was told apart from every other arm."
    elif not rest:
        said = f"{head}, and no arm was told apart from it."
    else:
        said = f"{head}; not told apart from it: {', '.join(group.like_best)}; surely below it: {', '.join(rest)}."
    for name in group.untuned:
        better = group.surely_better(name)
        said += f" Surely better than {name}, which is not tuned: {', '.join(better)}." if better else f" No tuned arm is surely better than {name}."
    return said


def _noise(key: str, title: str, rows: Sequence[TunedRow], robust: Sequence[RobustnessRow], variants: Sequence[str]) -> Challenge:
    """How many arms surely gain or lose under each variant, each interval for itself."""
    tuned = {row.arm for row in rows}
    parts = []
    for variant in variants:
        seen = [row for row in robust if row.variant == variant and row.arm in tuned]
        if seen:
            worse = sorted({row.arm for row in seen if row.high is not None and row.high < 0})
            better = sorted({row.arm for row in seen if row.low is not None and row.low > 0})
            against = "its untuned counterpart" if variant == "second domain" else "clean questions"
            changes = [row.change for row in seen if row.change is not None]
            between = f" (changes from {signed(min(changes))} to {signed(max(changes))} points)" if changes else ""
            arms = {row.arm for row in seen}
            said = f"surely worse than {against}: {_names(worse, len(arms))}; surely better: {_names(better, len(arms))}"
            parts.append(f"{variant}: of {len(arms)} tuned arms, {said}{between}")
    if not parts:
        where = "on a second domain" if variants == ("second domain",) else "under noise"
        how = f"No answers {where} were asked for in this run: {NOISE}."
        return Challenge(key, title, "not measured", how)
    joined = ". ".join(part[0].upper() + part[1:] for part in parts)
    return Challenge(key, title, "measured", f"{joined}. Each interval for itself.")


def _names(arms: Sequence[str], of: int) -> str:
    return "none" if not arms else "all" if len(arms) == of else ", ".join(arms)


def _resources(rows: Sequence[TunedRow]) -> Challenge:
    title = "Resources that even these methods need"
    known = [row for row in rows if row.peak_bytes and row.training_seconds]
    if not known:
        return Challenge("resources", title, "not measured", "No training left its time and memory.")
    least, most = min(known, key=lambda row: row.peak_bytes or 0), max(known, key=lambda row: row.peak_bytes or 0)
    fast, slow = min(known, key=lambda row: row.training_seconds or 0), max(known, key=lambda row: row.training_seconds or 0)
    if least.adapters == most.adapters and fast.adapters == slow.adapters:
        words = f"Training {least.method} took {size(least.peak_bytes)} of memory and {seconds(fast.training_seconds)} a seed."
        return Challenge("resources", title, "measured", words)
    low, high = size(least.peak_bytes), size(most.peak_bytes)
    memory = f"{high} of memory" if low == high else f"memory from {low} ({least.method}) to {high} ({most.method})"
    time = f"time a seed from {seconds(fast.training_seconds)} ({fast.method}) to {seconds(slow.training_seconds)} ({slow.method})"
    return Challenge("resources", title, "measured", f"Training took {memory}, and {time}.")


def _inside(rows: Sequence[TunedRow]) -> Challenge:
    title = "Harder to interpret than full tuning"
    seen = {row.adapters: row for row in reversed(rows) if row.shift}
    if not seen:
        return Challenge("inside", title, "not measured", "Where hidden states change was not measured. Run the study again: ragft run measures it.")
    by_layer: dict[int, list[str]] = {}
    for row in reversed(seen.values()):
        place = max(range(len(row.shift)), key=lambda layer: row.shift[layer])
        by_layer.setdefault(place + 1, []).append(f"{row.arm} ({percent(row.shift[place], 0)})")
    parts = "; ".join(f"layer {place}: {', '.join(names)}" for place, names in sorted(by_layer.items()))
    layers = max(len(row.shift) for row in seen.values())
    words = f"Where hidden states change most, of {layers} layers, and by how much of their length: {parts}. A modest look inside, no explanation."
    return Challenge("inside", title, "measured", words)


def _forgetting(rows: Sequence[TunedRow]) -> Challenge:
    title = "Long-term effects on the model (forgetting)"
    seen = {row.adapters: row for row in reversed(rows) if row.forgetting}
    known = [(row.arm, row.forgetting) for row in reversed(seen.values()) if row.forgetting]
    if not known:
        return Challenge("forgetting", title, "not measured", "Name a general set in the study (general: data/general) and run it again.")
    most, least = max(known, key=lambda pair: pair[1].kl), min(known, key=lambda pair: pair[1].kl)
    words = f"Furthest from the base: {_moved(*most)}."
    if len(known) > 1:
        words += f" Nearest to it: {_moved(*least)}."
    return Challenge("forgetting", title, "measured", f"{words} Point figures over {most[1].questions} questions; years of use were not tried.")


def _moved(arm: str, found: Forgetting) -> str:
    loss = f"{found.loss_change:+.3f}".replace("-", "−")
    return f"{arm}, KL {found.kl:.3f} and loss of ordinary prose {loss} nats a token, general questions {signed(found.questions_change)} points"
