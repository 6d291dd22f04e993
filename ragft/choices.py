"""What somebody chose for a study, as the changes that `ragft run STUDY --set …` takes: only what differs from study.yaml.

from ragft.choices import Choices, changes
changes(load_study("study.yaml"), Choices(arms=("base", "rag"), limit=60))     # ["arms={base: {}, rag: {retriever: auto}}", "limit=60"]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ragft import registry
from ragft.errors import InputError
from ragft.settings import Study


@dataclass(frozen=True, slots=True)
class Choices:
    """The settings that one chooses before a first run. None: as the study has it."""

    model: str | None = None
    arms: tuple[str, ...] | None = None  # names: of the study's own arms, or of presets
    limit: int | None = None  # test questions at most; 0: all
    train_tokens: int | None = None  # per adapter and seed
    seeds: int | None = None  # how many: 0, 1, …
    margin: float | None = None
    machine_per_hour: float | None = None  # its price, in the study's currency


def changes(study: Study, chosen: Choices) -> list[str]:
    """One `key=value` for each setting that the choices change. Raises InputError where no arm is chosen."""
    wanted: dict[str, Any] = {"model": chosen.model, "train_tokens": chosen.train_tokens, "margin": chosen.margin}
    found = {key: value for key, value in wanted.items() if value is not None and value != getattr(study, key)}
    if chosen.arms is not None and set(chosen.arms) != set(study.arms):
        found["arms"] = _arms(study, chosen.arms)
    if chosen.limit is not None and (chosen.limit or None) != study.limit:
        found["limit"] = chosen.limit or None
    if chosen.seeds is not None and chosen.seeds != len(study.seeds):
        found["seeds"] = [*range(chosen.seeds)]
    if chosen.machine_per_hour is not None and chosen.machine_per_hour != study.costs.machine_per_hour:
        found["costs.machine_per_hour"] = chosen.machine_per_hour
    return [f"{key}={_yaml(value)}" for key, value in found.items()]


def known_arms(study: Study) -> dict[str, str]:
    """The arms that can be chosen, the study's own first, each with a line on what it is."""
    presets = {name: entry.summary for name, entry in registry.entries("arm").items()}
    own = {name: presets.get(name) or _slots(arm.model_dump(exclude_defaults=True)) for name, arm in study.arms.items()}
    return own | {name: summary for name, summary in presets.items() if name not in own}


def _arms(study: Study, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not names:
        raise InputError("No arm is chosen. A study compares at least the reference with another one.")
    own = {name: arm.model_dump(mode="json", exclude_defaults=True) for name, arm in study.arms.items()}
    return {name: own[name] if name in own else registry.lookup("arm", name).make() for name in names}


def _slots(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items()) or "the model alone, closed-book"


def _yaml(value: Any) -> str:
    """On one line, as --set reads it."""
    return yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False).removesuffix("...\n").strip()
