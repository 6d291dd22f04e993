"""ragft: do we still need fine-tuning? RAG, fine-tuning and both, compared on your own documents, with a verdict.

    import ragft

    domain = ragft.make_domain("manuals", "docs/")                  # or frames; questions in a file, in a frame, or made by rules
    result = ragft.run(ragft.Study(domain="manuals", limit=60))
    print(result)
    result.plot().save("arms.svg")

docs/python.md goes through all of it. Metrics, retrievers, methods and systems of your own: ragft.plugins.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragft.armsettings import ArmSettings
    from ragft.comparison import Comparison
    from ragft.cost import Prices
    from ragft.decide import Decision
    from ragft.domain import Domain, load_domain
    from ragft.errors import RagftError
    from ragft.exports import Exported, export
    from ragft.made import make_domain
    from ragft.probe import check_domain
    from ragft.progress import Bar, Lines, Silent
    from ragft.prompts import Style
    from ragft.result import Result, list_runs, load_result
    from ragft.scorefile import Verdict, compare_scores, decide_scores
    from ragft.settings import Search, Study, load_study
    from ragft.store import Run, find_run
    from ragft.study import Decider, compare_run, decide_run, report_run, run, score_run
    from ragft.tracking import log_to_mlflow

__version__ = "0.1.0"

# No name is that of a module of ragft: importing it would put the module in the name's place.
_HOME = {
    "ArmSettings": "ragft.armsettings",
    "Bar": "ragft.progress",
    "Comparison": "ragft.comparison",
    "Decider": "ragft.study",
    "Decision": "ragft.decide",
    "Domain": "ragft.domain",
    "Exported": "ragft.exports",
    "Lines": "ragft.progress",
    "Prices": "ragft.cost",
    "RagftError": "ragft.errors",
    "Result": "ragft.result",
    "Run": "ragft.store",
    "Search": "ragft.settings",
    "Silent": "ragft.progress",
    "Study": "ragft.settings",
    "Style": "ragft.prompts",
    "Verdict": "ragft.scorefile",
    "check_domain": "ragft.probe",
    "compare_run": "ragft.study",
    "compare_scores": "ragft.scorefile",
    "decide_run": "ragft.study",
    "decide_scores": "ragft.scorefile",
    "export": "ragft.exports",
    "find_run": "ragft.store",
    "list_runs": "ragft.result",
    "load_domain": "ragft.domain",
    "load_result": "ragft.result",
    "load_study": "ragft.settings",
    "log_to_mlflow": "ragft.tracking",
    "make_domain": "ragft.made",
    "report_run": "ragft.study",
    "run": "ragft.study",
    "score_run": "ragft.study",
}
__all__ = [
    "ArmSettings",
    "Bar",
    "Comparison",
    "Decider",
    "Decision",
    "Domain",
    "Exported",
    "Lines",
    "Prices",
    "RagftError",
    "Result",
    "Run",
    "Search",
    "Silent",
    "Study",
    "Style",
    "Verdict",
    "check_domain",
    "compare_run",
    "compare_scores",
    "decide_run",
    "decide_scores",
    "export",
    "find_run",
    "list_runs",
    "load_domain",
    "load_result",
    "load_study",
    "log_to_mlflow",
    "make_domain",
    "report_run",
    "run",
    "score_run",
]


def __getattr__(name: str) -> Any:
    """Public names are imported at first use: `import ragft` costs nothing and loads no torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'ragft' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
