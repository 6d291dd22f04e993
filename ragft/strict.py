"""What every configuration is: frozen, no key that is not known, no number that is none."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from ragft.errors import unknown


class Strict(BaseModel):
    """A frozen record that a user writes. An unknown key is an error with the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                raise unknown("key", str(key), cls.model_fields)
        return values
