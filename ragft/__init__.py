"""ragft: do we still need fine-tuning? RAG, fine-tuning and both, compared on your own documents, with a verdict.

from ragft import Study, run
result = run(Study(domain="data/tarnbeck"))
print(result.decision.headline)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragft.compare import Comparison, compare
    from ragft.decide import Decision, decide
    from ragft.domain import Domain, load_domain
    from ragft.errors import RagftError
    from ragft.exports import Exported, export
    from ragft.study import Result, Study, load_result, load_study, run

__version__ = "0.1.0"

_HOME = {
    "Comparison": "ragft.compare",
    "compare": "ragft.compare",
    "Decision": "ragft.decide",
    "decide": "ragft.decide",
    "Domain": "ragft.domain",
    "Exported": "ragft.exports",
    "export": "ragft.exports",
    "Lines": "ragft.progress",
    "load_domain": "ragft.domain",
    "RagftError": "ragft.errors",
    "Result": "ragft.study",
    "Study": "ragft.study",
    "load_result": "ragft.study",
    "load_study": "ragft.study",
    "run": "ragft.study",
}
__all__ = [
    "Comparison",
    "Decision",
    "Domain",
    "Exported",
    "Lines",
    "RagftError",
    "Result",
    "Study",
    "compare",
    "decide",
    "export",
    "load_domain",
    "load_result",
    "load_study",
    "run",
]


def __getattr__(name: str) -> Any:
    """Public names are imported at first use: `import ragft` costs nothing and loads no torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'ragft' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)
