"""Every key of study.yaml with its type, its default and what it is, from the models that read it."""

from __future__ import annotations

import re
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docparts.marked import table
from ragft.armsettings import ArmSettings
from ragft.cost import Prices
from ragft.needs import NEEDS, Limit
from ragft.prompts import Style
from ragft.scoresettings import ScoreSettings
from ragft.settings import Search, Study

WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", types.NoneType: "", Any: "anything"}
LIMITS = {"Ge": "from {}", "Gt": "above {}", "Le": "to {}", "Lt": "below {}"}
SECTIONS = {ArmSettings: "an arm", Search: "search", Style: "prompt", Prices: "costs"}  # models that have a section of their own


def keys_part(model: type[BaseModel]) -> str:
    rows = [[f"`{name}`", type_words(field), default_words(field), field.description or ""] for name, field in model.model_fields.items()]
    return table(["key", "type", "default", "what it is"], rows)


def parts() -> dict[str, str]:
    found = {
        name: keys_part(model) for model, name in ((Study, "study"), (ArmSettings, "arm"), (Search, "search"), (Style, "prompt"), (Prices, "costs"))
    }
    settings = ", ".join(f"`{name}`" for name in ScoreSettings.model_fields)
    return {f"keys/{name}": text for name, text in found.items()} | {"keys/needs": _needs(), "keys/settings": settings}


def type_words(field: FieldInfo) -> str:
    """ "whole number from 1, or null"."""
    limits = [LIMITS[type(m).__name__].format(f"{value:g}") for m in field.metadata for value in _limit(m)]
    words = " ".join([_words(field.annotation), " and ".join(limits).replace(" and to ", " to ")]).strip()
    return re.sub(r" null( .*)?$", r"\1, or null", words)


def default_words(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, dict):
        return f"`[{', '.join(value)}]`"
    return f"`{_yaml(value)}`"


def _limit(mark: Any) -> list[float]:
    name = type(mark).__name__
    return [getattr(mark, name.lower())] if name in LIMITS else []


def _words(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _words(inner[0])
    if origin in (Union, types.UnionType):
        some = [_words(one) for one in inner if one is not types.NoneType]
        return " or ".join(some) + (" null" if types.NoneType in inner else "")
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin is tuple:
        return f"list of {_words(inner[0])}s"
    if origin is dict:
        return "mapping"
    return SECTIONS.get(kind) or WORDS[kind]


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _needs() -> str:
    rows = [
        [f"`{name}`", *(("a number", f"{need.what} …{need.of}") if isinstance(need, Limit) else ("true or false", need.why))]
        for name, need in NEEDS.items()
    ]
    return table(["need", "takes", "an arm misses it where"], rows)
