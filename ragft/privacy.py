"""No network and no telemetry unless the user asks for it: switches that must be set before the libraries are imported."""

from __future__ import annotations

import os

# setdefault throughout: whoever sets one of these on purpose keeps it
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "TOKENIZERS_PARALLELISM": "false",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

_made = set[str]()  # names that were set here


def keep_private(*, hub: bool = False) -> None:
    """Turn telemetry and tracing off, and the model hub too unless `hub` (a study that names a hub model)."""
    for name, value in (QUIET if hub else QUIET | OFFLINE).items():
        if name not in os.environ:
            os.environ[name] = value
            _made.add(name)


def environment() -> dict[str, str]:
    """For a process of its own, which decides for itself: the environment without what was set here."""
    return {name: value for name, value in os.environ.items() if name not in _made}
