"""What fills the slots of one arm in a study.yaml, and the mistakes that can be made there."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ragft import recipe, registry
from ragft.errors import InputError, unknown
from ragft.strict import Strict

MAX_NAME_BYTES = 200  # of the 255 that file systems allow: a run's folder has its date and key beside the name
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every random generator takes


class ArmSettings(Strict):
    """What fills the slots of one arm. None: the study's value (`k`), or the method's own (`learning_rate`)."""

    retriever: Annotated[str | None, BeforeValidator(recipe.normal)] = Field(
        default=None, description="What finds passages, with its stages, or `auto`; without it the arm is shown none."
    )
    k: int | None = Field(default=None, ge=1, description="Passages shown at most; without it the study's.")
    system: Annotated[str | None, BeforeValidator(recipe.normal_system)] = Field(
        default=None, description="A whole system instead of the study's model; shown, never recommended."
    )
    tuning: str | None = Field(default=None, description="The fine-tuning method; without it the model is as it came.")
    format: str | None = Field(default=None, description="What a tuned arm is trained on; without it `qa`.")
    options: dict[str, Any] = Field(default_factory=dict, description="The tuning method's own, such as `rank`.")
    format_options: dict[str, Any] = Field(default_factory=dict, description="The format's own, such as `wordings`.")
    learning_rate: float | None = Field(default=None, gt=0, description="Of a tuned arm; without it the method's own, or what the search chose.")
    seeds: tuple[Seed, ...] | None = Field(default=None, description="Of a tuned arm; without it the study's.")

    @property
    def candidate(self) -> bool:
        """Whether a verdict may recommend it: it is no ceiling, no control and no whole system."""
        return self.retriever != recipe.ORACLE and not self.system and not registry.is_control(self.format)


def presets(names: list[str]) -> dict[str, ArmSettings]:
    """Arm settings by name. Raises InputError for a name that is no preset."""
    return {name: ArmSettings(**registry.lookup("arm", name).make()) for name in names}


def check_name(what: str, name: str) -> None:
    """Refuse a name that cannot be a folder's."""
    if "/" in name or "\\" in name or name.startswith(".") or not name.strip() or not name.isprintable():
        raise InputError(f"{what} {name!r}: a name becomes a folder; leave out slashes, line breaks and leading dots.")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InputError(f"{what} {name!r}: a name becomes a folder; make it shorter than {MAX_NAME_BYTES} bytes.")


def check_arm(name: str, arm: ArmSettings) -> None:
    check_name("arm", name)
    if arm.system is not None:
        _check_system(name, arm)
    if arm.tuning is None:
        if arm.format or arm.options or arm.format_options or arm.learning_rate or arm.seeds is not None:
            what = "format, format_options, options, learning_rate and seeds"
            raise InputError(f"arm '{name}': {what} belong to a tuned arm. Add tuning: lora, or remove them.")
        return
    _check_options(arm.tuning, arm.options, list(inspect.signature(registry.lookup("tuning", arm.tuning).make).parameters))
    if arm.format_options and not arm.format:
        raise InputError(f"arm '{name}': format_options need a format. Add format: paraphrase, or remove them.")
    if arm.format:
        _, *known = inspect.signature(registry.lookup("format", arm.format).make).parameters  # the first is the data
        _check_options(arm.format, arm.format_options, [*known, "domain"] if arm.format == "other-documents" else known)
    if arm.format and registry.lookup("format", arm.format).facts["passages"] and not arm.retriever:
        raise InputError(f"arm '{name}': format '{arm.format}' trains on passages, so the arm needs a retriever. Add retriever: auto.")


def _check_system(name: str, arm: ArmSettings) -> None:
    """A system is a whole: only one that is a model takes a retriever, and none is tuned."""
    step = recipe.system_of(str(arm.system))
    if arm.tuning:
        raise InputError(f"arm '{name}': a system is compared as it is. Leave tuning out, or system.")
    if arm.retriever == recipe.ORACLE or (arm.retriever and not step.entry.facts["generates"]):
        raise InputError(f"arm '{name}': system '{step.name}' cannot be given what {arm.retriever} finds. Leave retriever out.")


def _check_options(what: str, given: dict[str, Any], known: list[str]) -> None:
    for option in given:
        if option not in known:
            raise unknown(f"option of {what}", option, known)
