"""settings.yaml beside scores made elsewhere: what a study would state about them, for `ragft decide --scores --settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field, ValidationError

from ragft.cost import Prices
from ragft.errors import InputError, MissingError, unknown
from ragft.files import read_text
from ragft.needs import check_need
from ragft.slicing import checked
from ragft.strict import Strict


class ScoreSettings(Strict):
    """Any of what a study states about scores, with the study's names and limits."""

    reference: str | None = None
    margin: float = Field(0.03, ge=0, le=1)
    alpha: float = Field(0.025, gt=0, lt=0.5)
    metric: str | None = None
    model: str | None = None
    slices: Annotated[tuple[str, ...], AfterValidator(checked)] = ()
    needs: dict[str, float | bool] = Field(default_factory=dict)
    costs: Prices = Prices()


CALLED = {"metric": "metric_name", "costs": "prices"}  # by decide_scores, where it calls them otherwise


def read_settings(path: Path) -> dict[str, Any]:
    """What a YAML file states of ScoreSettings, for `decide_scores`. Raises InputError or MissingError for what is wrong in it."""
    if not path.is_file():
        raise MissingError(f"{path}: no such file of settings.")
    try:
        given = yaml.safe_load(read_text(path)) or {}
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2025-13-01
        raise InputError(f"{path}: broken YAML ({getattr(error, 'problem', None) or error}).") from error
    if not isinstance(given, dict):
        raise InputError(f"{path}: write settings as `key: value`, any of: {', '.join(ScoreSettings.model_fields)}.")
    for name in given:
        if name not in ScoreSettings.model_fields:
            raise unknown(f"setting in {path}", str(name), ScoreSettings.model_fields)
    try:
        stated = ScoreSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']} (found: {first['input']!r})") from error
    for need, asked in stated.needs.items():
        check_need(need, asked)
    return {CALLED.get(name, name): getattr(stated, name) for name in map(str, given)}
