"""Which fine-tuning? Every method on one study, alone and behind the same search, each with the same search budget.

    python pipelines/compare_peft.py data/tarnbeck/study.yaml --general data/general --second data/hollinbeck [--doc docs/peft.md]

Two cores without a GPU: 1 h 36 min beside light work (commit 0f28501), with the defaults: 72 questions, 40,000 training tokens a
seed, 4 search trials an adapter; the methods of the article behind this project and full tuning with three seeds, the others with
one. Stopped at any moment, the same command goes on. Of the study's own arms only the reference is kept; its limit, train_tokens
and search give way to the options below. Prints JSON: the run, the report, the guide's claims and what cannot be told apart.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.threads import wait_briefly

ARTICLE = ("adapter", "prefix", "prompt", "p-tuning", "p-tuning-v2", "lora", "mam", "full")  # with every seed; the others with the first


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("study", help="study.yaml, or the folder it is in")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are kept (default: %(default)s)")
    parser.add_argument("--methods", help="names, separated by commas (default: all that fit the model)")
    parser.add_argument("--limit", type=int, default=72, help="test questions at most (default: %(default)s)")
    parser.add_argument("--train-tokens", type=int, default=40_000, help="training tokens of each seed (default: %(default)s)")
    parser.add_argument(
        "--trials",
        type=int,
        default=4,
        help="of the search, for each adapter and for retrieval (default: %(default)s; 0: no search)",
    )
    parser.add_argument("--trial-tokens", type=int, default=4_000, help="training tokens of a search trial (default: %(default)s)")
    parser.add_argument("--general", type=Path, help="a folder like data/general: also measure what is forgotten")
    parser.add_argument("--second", type=Path, help="another domain's folder: also try each adapter there")
    parser.add_argument("--doc", type=Path, help="also write the guide as this Markdown file, with its figures in a folder beside it")
    given = parser.parse_args(arguments)
    wait_briefly()
    return run_job("compare_peft", lambda: compare_methods(given))


def compare_methods(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the study, ask the further questions, write the guide."""
    from ragft import guidepage
    from ragft.progress import Lines
    from ragft.robust import robustness
    from ragft.search import search
    from ragft.study import carry_out, of_this_machine, prepare, report_run

    study = study_of_methods(arguments)
    context = prepare(study, arguments.runs)
    print(f"{len(study.arms)} arms: {', '.join(study.arms)}", file=sys.stderr)
    result = carry_out(context, Lines(), of_this_machine())
    asked = (None, *(arguments.methods.split(",") if arguments.methods else ARTICLE))
    further = [name for name, arm in study.arms.items() if arm.retriever not in (None, "oracle") and arm.tuning in asked]
    with context.run.locked():
        searched = search(context, Lines())
    robustness(searched, further, arguments.second, Lines())  # which holds the run itself
    with context.run.locked():
        report = report_run(context.run)
    if arguments.doc:
        guidepage.write_document(context.run, arguments.doc, command_of(arguments))
    return {"run": str(context.run.folder), "report": str(report), "verdict": result.decision.verdict, **guidepage.summary(context.run)}


def study_of_methods(arguments: argparse.Namespace) -> Any:
    """The given study with an arm for each method, alone and behind the reference's search, and LoRA's two controls."""
    from ragft.domain import load_domain
    from ragft.models import is_hub_id
    from ragft.settings import Search, Study, load_study

    given = load_study(arguments.study)
    keep_private(hub=is_hub_id(given.model) or is_hub_id(given.embedder or ""))
    rag, domain = given.arms[given.reference], load_domain(given.domain)
    arms: dict[str, Any] = {"base": {}, given.reference: rag.model_dump()}
    if any(gold.evidence for _, gold in domain.split("test")):
        arms["oracle"] = {"retriever": "oracle"}
    for name in fitting_methods(given.model, arguments.methods):
        tuned = {"tuning": name, "seeds": None if name in ARTICLE else given.seeds[:1]}
        arms |= {name: tuned, f"{given.reference}+{name}": {**tuned, "retriever": rag.retriever, "k": rag.k}}
    if "lora" in arms:
        arms |= controls(given.seeds[:1], arguments.second)
    return Study.model_validate(
        given.model_dump()
        | {
            "name": f"{given.name or Path(given.domain).name}-peft",
            "arms": arms,
            "limit": arguments.limit,
            "train_tokens": arguments.train_tokens,
            "search": Search(trials=arguments.trials, train_tokens=arguments.trial_tokens) if arguments.trials else None,
            "general": str(arguments.general.resolve()) if arguments.general else given.general,
        }
    )


def controls(seeds: tuple[int, ...], second: Path | None) -> dict[str, Any]:
    """What LoRA gains from answers that are wrong, and from questions about other documents: neither is knowledge."""
    found: dict[str, Any] = {"lora shuffled": {"tuning": "lora", "format": "shuffled", "seeds": seeds}}
    if second:
        options = {"domain": str(second.resolve())}
        found["lora other-documents"] = {"tuning": "lora", "format": "other-documents", "format_options": options, "seeds": seeds}
    return found


def fitting_methods(model: str, names: str | None) -> list[str]:
    """The methods named, or all that can be put into the model; what is left out is said."""
    from ragft import registry
    from ragft.catalogue import methods
    from ragft.models import find_model

    if names:
        return [registry.lookup("tuning", name.strip()).name for name in names.split(",")]
    known = methods(find_model(model, "generator"), model)
    for method in known:
        if method.why:
            print(f"left out: {method.why}", file=sys.stderr)
    return [method.name for method in known if not method.why]


def command_of(arguments: argparse.Namespace) -> str:
    """The command that repeats this, for the document; where runs are kept changes nothing."""
    parts = ["python pipelines/compare_peft.py", str(arguments.study)]
    for option in ("methods", "limit", "train_tokens", "trials", "trial_tokens", "general", "second", "doc"):
        value = getattr(arguments, option)
        if value is not None:
            parts.append(f"--{option.replace('_', '-')} {value}")
    return " ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
