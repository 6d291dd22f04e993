"""The errors ragft raises on purpose: one line that says what, where, and what to do next.

Each is also a standard-library error, so code that knows nothing of ragft can catch it.
The command line prints the message and exits with code 1; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RagftError(Exception):
    """Base of every error that ragft raises on purpose."""


class InputError(RagftError, ValueError):
    """Something the user wrote is wrong: a study, a question file, a document, a name."""


class DivergedError(InputError):
    """A training whose loss is no longer a number: its settings are wrong, not its data."""


class MissingError(RagftError, FileNotFoundError):
    """Something the study needs is not there: a file, a model, a run."""

    def __str__(self) -> str:  # FileNotFoundError would format (errno, strerror)
        return str(self.args[0]) if self.args else ""


class NotReadyError(MissingError):
    """An earlier stage of a run is not through: units of the kind `kind` are not done."""

    def __init__(self, line: str, kind: str):
        super().__init__(line)
        self.kind = kind


class BusyError(RagftError, RuntimeError):
    """Another process is working on the same run."""


class MismatchError(RagftError, ValueError):
    """Two arms cannot be paired: they differ in something else than the factor under test."""


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not known: says the nearest name and lists all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return InputError(f"unknown {what} '{name}'.{hint} Known: {', '.join(names)}.")
