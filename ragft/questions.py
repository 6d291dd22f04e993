"""`ragft questions …`: make them from documents, and find held-out ones that leak into training, before anything is run.

Arguments, exit codes and printing, nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragft.terminal import JsonOption, say, show

group = typer.Typer(help="Make questions from documents, and check that none leaks from training into the test.", no_args_is_help=True)


@group.command()
def make(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder of documents, or a study that `ragft init` made without questions.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The study's folder; it is made. Not needed for a study.")] = None,
    per_document: Annotated[int, typer.Option(min=1, help="Facts of a document at most.")] = 16,
    as_json: JsonOption = False,
) -> None:
    """Make questions from documents by rules, without any model: a study that can be run."""
    from ragft.asking.study import make_study

    made = make_study(corpus, out, per_document)
    show(as_json, made, str(made.study))
    for what, number in made.counts.items():
        say(f"{number:6,} {what}")
    say(f"Read some of {made.study.parent / 'questions.jsonl'} before you trust them. Next: ragft run {made.study}")


@group.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DOMAIN", help="A domain's folder: corpus/, questions.jsonl and, if there, study.yaml.")],
    quick: Annotated[bool, typer.Option("--quick", help="Compare words only: under a second, no embedder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find held-out questions that training gives away; exit code 1 where some must not stay."""
    from ragft.domain import load_domain
    from ragft.gate import gate_text, look
    from ragft.models import find_model, is_hub_id
    from ragft.privacy import keep_private
    from ragft.settings import Study, load_study
    from ragft.threads import wait_briefly

    domain = load_domain(folder)
    study = load_study(folder) if (folder / "study.yaml").is_file() else Study.model_validate({"domain": str(folder)})
    named = None if quick else study.embedder
    keep_private(hub=bool(named and is_hub_id(named)))
    wait_briefly()
    found = look(domain, find_model(named, "embedder") if named else None)
    show(as_json, {"held_out": found.held_out, "by_meaning": found.by_meaning, "blocking": found.blocking, "pairs": found.pairs}, gate_text(found))
    if found.blocking:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """The group as commands of the command line."""
    app.add_typer(group, name="questions")
