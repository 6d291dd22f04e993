"""`ragft questions …`: make them from documents, find held-out ones that leak into training, and let people review the labels of a run.

Arguments, exit codes and printing, nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragft.terminal import JsonOption, RunArgument, find, say, show

if TYPE_CHECKING:
    from ragft.asking.study import MadeStudy

group = typer.Typer(help="Make questions from documents, check that none leaks into training, review their labels.", no_args_is_help=True)


@group.command()
def make(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder of documents, or a study that `ragft init` made without questions.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The study's folder; it is made. Not needed for a study.")] = None,
    per_document: Annotated[int, typer.Option(min=1, help="Facts of a document at most.")] = 16,
    writer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Have a model write them: module:attribute, a LangChain chat model, or local:MODEL.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --writer: go on; without it, only estimate what that would take.")] = False,
    price_read: Annotated[float | None, typer.Option(min=0, help="With --writer: of a million tokens that it reads.")] = None,
    price_written: Annotated[float | None, typer.Option(min=0, help="With --writer: of a million tokens that it writes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make questions from documents, by rules or with a model that writes them: a study that can be run."""
    from ragft.asking.study import make_study
    from ragft.errors import InputError

    if writer is None and (yes or price_read is not None or price_written is not None):
        raise InputError("--yes, --price-read and --price-written go with --writer.")
    made = (
        make_study(corpus, out, per_document)
        if writer is None
        else _written(corpus, out, per_document, writer, yes, price_read, price_written, as_json)
    )
    if made is None:
        return
    show(as_json, made, str(made.study))
    for note in made.notes:
        say(note)
    for what, number in made.counts.items():
        say(f"{number:6,} {what}")
    say(f"Read some of {made.study.parent / 'questions.jsonl'} before you trust them. Next: ragft run {made.study}")


def _written(
    corpus: Path, out: Path | None, per_document: int, writer: str, yes: bool, price_read: float | None, price_written: float | None, as_json: bool
) -> MadeStudy | None:
    """The study that a model writes the questions of; without `yes`, what it would be asked is shown and nothing sent."""
    from ragft.models import is_hub_id
    from ragft.privacy import keep_private
    from ragft.progress import Lines
    from ragft.threads import wait_briefly
    from ragft.written.estimate import Prices, estimate_text
    from ragft.written.study import plan_study, write_study

    keep_private(hub=writer.startswith("local:") and is_hub_id(writer.removeprefix("local:")))
    wait_briefly()
    planned = plan_study(corpus, out, writer, per_document, Prices(price_read, price_written))
    if not yes:
        show(as_json, planned.estimate, estimate_text(planned.estimate, planned.writer.local))
        return None
    with Lines().unit(f"writer {writer}", 1, 1) as progress:
        return write_study(planned, progress)


@group.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DOMAIN", help="A domain's folder: corpus/, questions.jsonl and, if there, study.yaml.")],
    quick: Annotated[bool, typer.Option("--quick", help="Compare words only: under a second, no embedder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find held-out questions that training gives away; exit code 1 where some must not stay."""
    from ragft.domain import load_domain
    from ragft.gate import NO_EMBEDDER, gate_text, look
    from ragft.models import find_model, is_hub_id
    from ragft.privacy import keep_private
    from ragft.settings import Study, load_study
    from ragft.threads import wait_briefly

    domain = load_domain(folder)
    study = load_study(folder) if (folder / "study.yaml").is_file() else Study.model_validate({"domain": str(folder)})
    named = None if quick else study.embedder
    keep_private(hub=bool(named and is_hub_id(named)))
    wait_briefly()
    found = look(domain, find_model(named, "embedder") if named else None, "--quick was given" if quick else NO_EMBEDDER)
    told = {"held_out": found.held_out, "by_meaning": found.by_meaning, "words_only": found.words_only}
    show(as_json, {**told, "blocking": found.blocking, "pairs": found.pairs}, gate_text(found))
    if found.blocking:
        raise typer.Exit(1)


@group.command()
def review(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The sheet to write; review.csv unless given.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Draw so many held-out questions; 60 unless given.")] = None,
    verdicts: Annotated[Path | None, typer.Option(metavar="FILE", help="A filled-in sheet: read it, and decide again.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Let people review the labels: write a sheet of a random sample and of all questions that every arm has wrong.

    Verdicts are: ok; wrong (the reference answer is wrong or incomplete); ambiguous (the question is unclear, or has more than
    one right answer); unanswerable (the documents do not say). A filled-in sheet comes back with --verdicts. What share of the
    labels is wrong then stands among the warnings of the run's verdict, and so does whether that alone could overturn it.
    """
    from ragft.errors import InputError
    from ragft.review import VERDICTS, review_text
    from ragft.reviewsheet import read_verdicts, store_review, write_review_sheet
    from ragft.study import decide_run, report_run

    found = find(run)
    if verdicts is None:
        sheet = write_review_sheet(found, out or Path("review.csv"), sample or 60)
        show(as_json, sheet, str(sheet.path))
        say(f"{sheet.sampled} questions drawn at random, and {sheet.further} more that every arm has wrong. Write into the column 'verdict':")
        say(f"{', '.join(VERDICTS)}. Then: ragft questions review {run} --verdicts {sheet.path}")
        return
    if out is not None or sample is not None:
        raise InputError("--out and --sample go with a new sheet, not with --verdicts. Leave them out.")
    with found.locked():
        reviewed = read_verdicts(found, verdicts)
        store_review(found, reviewed)
        decision = decide_run(found)
        report_run(found)
    show(as_json, reviewed, review_text(reviewed))
    say(f"Decided again: {decision.verdict} ({decision.recommend}). {decision.headline}")


def add_to(app: typer.Typer) -> None:
    """The group as commands of the command line."""
    app.add_typer(group, name="questions")
