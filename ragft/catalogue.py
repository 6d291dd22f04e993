"""Every fine-tuning method as a study can choose it: what it is, and how much of a given model it trains. Loads no weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragft import registry
from ragft.errors import InputError
from ragft.models import Model

if TYPE_CHECKING:
    from ragft.tuning.attach import Sizes


@dataclass(frozen=True, slots=True)
class Method:
    """One line of `ragft list tunings`. The four columns of the unified view are explained in ragft.tuning.methods."""

    name: str
    summary: str
    paper: str  # its number on arXiv
    form: str
    insertion: str
    modifies: str
    composition: str
    mergeable: bool
    packs: bool
    quantised: bool  # works beside a base in 4 bits
    learning_rate: float
    model: str
    trainable_parameters: int | None  # with the method's own options; None: see `why`
    share: float | None  # of all parameters, those that the method adds included
    why: str | None  # in words, why no figure can be given


def methods(model: Model | None, name: str, why: str | None = None) -> list[Method]:
    """All registered methods on the model called `name`; without the model, `why` it is not there."""
    return [_method(entry, model, name, why) for entry in registry.entries("tuning").values()]


def _method(entry: registry.Entry, model: Model | None, name: str, why: str | None) -> Method:
    found = None
    if model is not None:
        try:
            found = sizes(model.folder, entry.name, {})
        except InputError as error:
            why = str(error)
    trainable, share = (found.trainable, found.trainable / found.total) if found else (None, None)
    return Method(entry.name, entry.summary, **entry.facts, model=name, trainable_parameters=trainable, share=share, why=why)


def sizes(folder: Path, tuning: str, options: Mapping[str, Any]) -> Sizes:
    """How many parameters the method trains on the model of that folder, and of how many.

    Raises InputError where it cannot be set up: options of a wrong size or kind, or layers that the method does not know.
    """
    from ragft.tuning.attach import sizes_on
    from ragft.weights import empty_model

    model = empty_model(folder)
    try:
        return sizes_on(model, registry.lookup("tuning", tuning).make(**options))
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:  # whichever layer of peft or torch meets the problem first
        raise _say(error, tuning, options, model.config.model_type) from error


def _say(error: Exception, tuning: str, options: Mapping[str, Any], kind: str) -> InputError:
    """What peft or torch said, as one line with a remedy."""
    what = f"tuning '{tuning}' cannot be set up on this model"
    if isinstance(error, InputError):  # said here, remedy included
        return InputError(f"{what}: {error}")
    cause = (str(error) or type(error).__name__).splitlines()[0]
    if "Conv1D" in cause:
        return InputError(f"{what}: it needs layers of the kind torch.nn.Linear, and a {kind} model has Conv1D. Take another tuning, such as lora.")
    given = ", ".join(f"{key}: {value}" for key, value in options.items())
    change = f" with options {{{given}}} ({cause}). Change them, or the tuning." if given else f" ({cause}). Take another tuning, such as lora."
    return InputError(what + change)
