"""settings.yaml beside scores made elsewhere: what a study would state about them, for `ragft decide --scores --settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ragft.cost import Prices
from ragft.errors import InputError, MissingError, unknown
from ragft.files import read_text
from ragft.needs import check_need

SETTINGS = {  # of the file -> of decide_scores
    "reference": "reference",
    "margin": "margin",
    "alpha": "alpha",
    "metric": "metric_name",
    "model": "model",
    "slices": "slices",
    "needs": "needs",
    "costs": "prices",
}


def read_settings(path: Path) -> dict[str, Any]:
    """A YAML file with any of SETTINGS, as in a study.yaml, for `decide_scores`. Raises InputError or MissingError for what is wrong in it."""
    if not path.is_file():
        raise MissingError(f"{path}: no such file of settings.")
    try:
        given = yaml.safe_load(read_text(path)) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{path}: broken YAML ({getattr(error, 'problem', None) or error}).") from error
    if not isinstance(given, dict):
        raise InputError(f"{path}: write settings as `key: value`, any of: {', '.join(SETTINGS)}.")
    for name in given:
        if name not in SETTINGS:
            raise unknown(f"setting in {path}", str(name), SETTINGS)
    found = {SETTINGS[name]: value for name, value in given.items()}
    for need, asked in (found.get("needs") or {}).items():
        check_need(need, asked)
    try:
        return found | ({"prices": Prices.model_validate(found["prices"])} if "prices" in found else {})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: costs.{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
